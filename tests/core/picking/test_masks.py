"""Specks and pinholes of masks."""

from __future__ import annotations

import numpy as np
import pytest

from samgeo_core.picking.masks import SPECK_SHARE, without_specks

NO_POINTS = np.zeros((0, 2)), np.zeros(0, np.int64)


@pytest.fixture
def logits() -> np.ndarray:
    """A square of 100 x 100 px with specks, pinholes, a real hole and a real second piece."""
    values = np.full((140, 160), -2.0, np.float32)
    values[20:120, 20:120] = 3.0
    values[5:8, 5:8] = 1.0
    values[60:64, 60:64] = -1.0
    values[90:110, 90:110] = -1.0
    values[40:60, 130:150] = 1.5
    return values


def test_specks_and_pinholes_go_and_all_else_stays(logits: np.ndarray) -> None:
    tidy = without_specks(logits, *NO_POINTS)
    expected = logits > 0
    expected[5:8, 5:8] = False
    expected[60:64, 60:64] = True
    np.testing.assert_array_equal(tidy > 0, expected)
    np.testing.assert_array_equal(np.abs(tidy), np.abs(logits))


def test_what_points_ask_for_stays(logits: np.ndarray) -> None:
    points = np.array([(6.5, 6.5), (61.2, 62.9), (500.0, -3.0)])
    kept = without_specks(logits, points, np.array([1, 0, 1]))
    np.testing.assert_array_equal(kept, logits)
    other = without_specks(logits, points, np.array([0, 1, 1]))
    assert not (other[5:8, 5:8] > 0).any()
    assert (other[60:64, 60:64] > 0).all()


def test_a_gap_at_the_edge_of_what_was_seen_is_no_hole() -> None:
    logits = np.full((100, 100), 2.0, np.float32)
    logits[0, :3] = -1.0
    logits[50, 50] = -1.0
    tidy = without_specks(logits, *NO_POINTS)
    assert (tidy[0, :3] < 0).all()
    assert tidy[50, 50] > 0


def test_the_limit_is_a_share_of_the_mask() -> None:
    logits = np.full((200, 200), -1.0, np.float32)
    logits[:100, :100] = 1.0
    side = int(np.sqrt(SPECK_SHARE * 100 * 100)) + 2
    logits[150 : 150 + side, 150 : 150 + side] = 1.0
    np.testing.assert_array_equal(without_specks(logits, *NO_POINTS), logits)
    assert not (without_specks(np.full((4, 4), -1.0, np.float32), *NO_POINTS) > 0).any()
