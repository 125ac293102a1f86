from __future__ import annotations

from collections import Counter

import pytest

from samgeo_core.config import AutomaticConfig, Scales, SegmentConfig
from samgeo_core.engine.ladder import FullConfig, Place, plan_looks, plan_region_looks
from samgeo_core.preflight.card import region_plan
from samgeo_core.preflight.scales import scales_of, window_counts
from samgeo_core.reading.raster import Raster
from samgeo_core.streaming.options import StreamOptions
from samgeo_core.streaming.regions import RegionPlan
from samgeo_core.windows import Window
from tests.factories import MakeRaster


@pytest.mark.parametrize("preset", ["full", "fast"])
@pytest.mark.parametrize("shape_hw", [(300, 200), (1024, 1024), (2100, 5000)])
def test_windows_are_those_that_the_engine_plans(preset: str, shape_hw: tuple[int, int]) -> None:
    config = SegmentConfig(preset=preset, scales=Scales(256, 2048))
    plan = RegionPlan(shape_hw, max(shape_hw), 0)
    looks = plan_looks(shape_hw, FullConfig.of_run(config))
    assert window_counts(plan, config) == Counter(max(look.window.shape_hw) for look in looks)


def test_windows_of_regions_are_those_that_the_regions_plan(make_raster: MakeRaster) -> None:
    config, options = SegmentConfig(preset="full"), StreamOptions.of_region(1024)
    raster = Raster.open(make_raster(shape_hw=(2100, 3000)))
    plan = region_plan(raster, Window.whole(raster.shape_hw), options)
    asked = Counter[int]()
    for region in plan:
        place = Place(region.window, region.core, plan.extent, plan.margin_px)
        looks = plan_region_looks(place, FullConfig.of_run(config))
        asked.update(max(look.window.shape_hw) for look in looks)
    assert len(plan) > 4
    assert window_counts(plan, config) == asked


def test_crops_are_those_of_segment_anything() -> None:
    amg = pytest.importorskip("segment_anything.utils.amg")
    automatic = AutomaticConfig(crop_n_layers=2)
    boxes, _ = amg.generate_crop_boxes((700, 1000), 2, automatic.crop_overlap_ratio)
    found = window_counts(RegionPlan((700, 1000), 1000, 0), SegmentConfig(automatic=automatic))
    assert sum(found.values()) == len(boxes)
    assert max(found) == 1000
    # Crops at the edge are cut there; none is longer than what is told.
    assert max(max(x1 - x0, y1 - y0) for x0, y0, x1, y1 in boxes[1:]) == sorted(found)[-2]


def test_objects_are_seen_from_sixteen_pixels_of_the_input_to_most_of_a_window() -> None:
    config = SegmentConfig(preset="full")
    coarse, fine = scales_of(RegionPlan((1024, 1024), 1024, 0), config, 0.25)
    assert (coarse.window_px, fine.window_px) == (1024, 512)
    assert (fine.zoom, fine.least_px, fine.least_m) == (2.0, 8.0, 2.0)
    assert coarse.most_m == pytest.approx(0.6 * 1024 * 0.25)
    unknown = scales_of(RegionPlan((1024, 1024), 1024, 0), config, None)
    assert {scale.least_m for scale in unknown} == {None}
