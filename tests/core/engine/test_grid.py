"""The grid of prompts follows the image."""

from __future__ import annotations

import numpy as np

from samgeo_core.engine.grid import busy_points, edge_strength, gap_centres
from samgeo_core.tile import TileImage


def squares(side: int = 256) -> TileImage:
    """Dark squares of 10 px on a light ground in the left half, nothing in the right half."""
    rgb = np.full((side, side, 3), 200, np.uint8)
    for y in range(4, side - 12, 16):
        for x in range(4, side // 2 - 12, 16):
            rgb[y : y + 10, x : x + 10] = 40
    return TileImage.from_rgb(rgb)


def test_flat_ground_is_asked_less_than_busy_ground() -> None:
    tile = squares()
    points = busy_points(edge_strength(tile), tile.valid, 8, flat_cells=4)
    left = points[:, 0] < 128
    assert left.sum() > 2 * (~left).sum() > 0


def test_every_small_square_gets_a_point() -> None:
    tile = squares()
    points = busy_points(edge_strength(tile), tile.valid, 8)
    asked = tile.rgb[points[:, 1].astype(int), points[:, 0].astype(int), 0] < 100
    squares_hit = {(int(x) // 16, int(y) // 16) for x, y in points[asked]}
    assert len(squares_hit) == len(range(4, 244, 16)) * len(range(4, 116, 16))


def test_no_point_without_data() -> None:
    tile = squares()
    valid = tile.valid.copy()
    valid[:, 100:] = False
    points = busy_points(edge_strength(tile), valid, 16)
    assert len(points)
    assert (points[:, 0] < 100).all()
    assert len(busy_points(edge_strength(tile), np.zeros_like(valid), 16)) == 0


def test_a_single_pixel_can_be_asked() -> None:
    tile = TileImage.from_rgb(np.zeros((1, 1, 3), np.uint8))
    assert busy_points(edge_strength(tile), tile.valid, 32).tolist() == [[0.5, 0.5]]


def test_gaps_are_asked_in_their_middle_widest_first() -> None:
    gaps = np.zeros((100, 200), bool)
    gaps[10:30, 10:30] = True
    gaps[40:90, 100:150] = True
    gaps[:, 197:199] = True
    points = gap_centres(gaps, 5.0, 10)
    assert np.abs(points[0] - (125, 65)).max() <= 1
    assert np.abs(points[1] - (20, 20)).max() <= 1
    assert all(gaps[int(y), int(x)] for x, y in points)
    assert not (points[:, 0] > 190).any(), "too narrow"
    assert len(gap_centres(gaps, 5.0, 1)) == 1


def test_a_gap_at_the_edge_of_the_image_is_one() -> None:
    points = gap_centres(np.ones((20, 20), bool), 3.0, 1)
    assert np.abs(points - 10).max() <= 1
    assert gap_centres(np.zeros((20, 20), bool), 3.0, 5).shape == (0, 2)
