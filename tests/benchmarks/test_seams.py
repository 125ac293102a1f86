"""Which straight sides of objects the benchmark of seams takes for cuts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.seams import Result, Sides, image_edges, straight_sides
from samgeo_core.reading.raster import Raster
from samgeo_core.streaming.regions import RegionPlan
from samgeo_core.streaming.seam_views import Views
from samgeo_core.windows import Window
from tests.factories import write_raster

SHAPE = (120, 120)
VIEWS = Views.of_candidates(RegionPlan(SHAPE, 80, 20))
LINE = 60
NOTHING = Sides.seen(SHAPE, [])
WIDE, UP_TO_LINE = Window(0, 0, 120, 120), Window(0, 0, LINE, LINE)

Box = tuple[int, int, int, int]


def filled(*boxes: Box) -> Result:
    """Objects that fill their boxes."""
    return Result([mask_of(box) for box in boxes], np.array(boxes, np.int64).reshape(-1, 4), "")


def mask_of(box: Box) -> np.ndarray:
    x0, y0, x1, y1 = box
    return np.ones((y1 - y0, x1 - x0), np.bool_)


def seen(box: Box, view: Window) -> Sides:
    return Sides.seen(SHAPE, [(mask_of(box), box, view)])


@pytest.mark.parametrize("box", [(30, 11, 60, 37), (11, 30, 37, 60), (60, 11, 90, 37)])
def test_a_side_on_a_line_is_a_cut_unless_it_was_seen_through_a_window_across_it(box: Box) -> None:
    assert any(region.window.x + region.window.width == LINE for region in VIEWS.plan)
    x0, y0, x1, y1 = box
    assert straight_sides(filled(box), VIEWS, NOTHING) == 1
    assert straight_sides(filled(box), VIEWS, seen(box, WIDE)) == 0
    goes_on = (x0 - 3, y0 - 3, x1 + 3, y1 + 3)
    assert straight_sides(filled(box), VIEWS, seen(goes_on, WIDE)) == 1
    if x0 < LINE:
        assert straight_sides(filled(box), VIEWS, seen(box, UP_TO_LINE)) == 1
        both = seen(box, UP_TO_LINE) | seen(box, WIDE)
        assert straight_sides(filled(box), VIEWS, both) == 0


def test_a_side_elsewhere_and_a_short_one_are_no_cuts() -> None:
    assert straight_sides(filled((30, 11, 59, 37)), VIEWS, NOTHING) == 0
    assert straight_sides(filled((30, 11, 60, 22)), VIEWS, NOTHING) == 0


def test_an_object_is_counted_once() -> None:
    assert straight_sides(filled((20, 20, 60, 60), (1, 1, 19, 19)), VIEWS, NOTHING) == 1


def test_edges_of_the_image_and_its_end_are_no_cuts(tmp_path: Path) -> None:
    data = np.full((3, *SHAPE), 50, np.uint8)
    data[:, :, LINE:] = 200
    edges = image_edges(Raster.open(write_raster(tmp_path / "scene.tif", data=data)))
    assert edges.upright[:, [0, LINE, 120]].all()
    assert edges.lying[[0, 120]].all()
    assert not edges.upright[:, 20].any()
    assert straight_sides(filled((30, 11, 60, 37)), VIEWS, edges) == 0
    assert straight_sides(filled((11, 30, 37, 60)), VIEWS, edges) == 1
    assert straight_sides(filled((0, 93, 120, 120)), VIEWS, edges) == 0
