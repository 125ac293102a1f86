"""Twins among two sides' masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.runner import Measurement
from benchmarks.twins import Masks, best_twins, compare


def mask(x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
    full = np.zeros((40, 60), np.bool_)
    full[y0:y1, x0:x1] = True
    return full


def masks(*boxes: tuple[int, int, int, int]) -> Masks:
    return Masks.crop([mask(*b) for b in boxes], [0.9] * len(boxes))


def test_the_most_alike_mask_is_the_twin() -> None:
    mine = masks((0, 0, 20, 10), (30, 30, 40, 40))
    others = masks((0, 0, 20, 20), (2, 0, 20, 10), (41, 0, 50, 40))
    assert best_twins(mine, others).tolist() == pytest.approx([0.9, 0])


def test_masks_are_compared_pixel_by_pixel_not_by_box() -> None:
    holed = mask(10, 10, 20, 20)
    holed[12:17, 10:20] = False
    assert best_twins(Masks.crop([holed], [1.0]), masks((10, 10, 20, 20))).tolist() == [0.5]


def test_iou_agrees_with_that_of_whole_masks() -> None:
    rng = np.random.default_rng(0)
    left, right = (
        [rng.random((40, 60)) < 0.3, mask(5, 5, 30, 30) & (rng.random((40, 60)) < 0.8)]
        for _ in range(2)
    )
    expected = [max((a & b).sum() / (a | b).sum() for b in right) for a in left]
    found = best_twins(Masks.crop(left, [0.5, 0.5]), Masks.crop(right, [0.5, 0.5]))
    assert found.tolist() == pytest.approx(expected)


def test_an_agreement_counts_both_ways() -> None:
    peer = Masks.crop([mask(0, 0, 20, 20), mask(30, 0, 50, 10)], [0.95, 0.881])
    nearly = mask(0, 0, 20, 20)
    nearly[0, 0] = False
    ours = Masks.crop([nearly, mask(0, 30, 9, 39), mask(50, 30, 60, 40)], [0.95, 0.9, 0.9])
    found = compare(peer, ours)
    assert (found.n_peer, found.n_ours) == (2, 3)
    assert found.peer_found == 0.5
    assert found.ours_found == pytest.approx(1 / 3)
    assert found.identical == 0
    assert found.missing_scores == (0.881,)


@pytest.mark.parametrize("boxes", [[], [(3, 4, 10, 9), (0, 0, 60, 40)]])
def test_a_process_hands_its_masks_over(tmp_path: Path, boxes: list) -> None:
    sent = masks(*boxes)
    Measurement({"seconds": 1.5}, sent.to_arrays()).save(tmp_path)
    measurement = Measurement.load(tmp_path)
    received = Masks.from_measurement(measurement)
    assert measurement.values == {"seconds": 1.5}
    assert len(received.crops) == len(boxes)
    assert received.offsets_xy.tolist() == sent.offsets_xy.tolist()
    assert received.scores.tolist() == sent.scores.tolist()
    assert all(np.array_equal(a, b) for a, b in zip(received.crops, sent.crops, strict=True))


def test_nothing_agrees_with_nothing() -> None:
    found = compare(masks(), masks())
    assert (found.peer_found, found.ours_found, found.identical) == (1, 1, 1)
