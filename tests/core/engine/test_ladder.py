"""Regions are looked at through the windows of a run over the whole raster, each once."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from samgeo_core.config import Scales, SegmentConfig
from samgeo_core.engine.ladder import (
    FixedWindows,
    FullConfig,
    Look,
    Place,
    plan_looks,
    plan_region_looks,
)
from samgeo_core.streaming.regions import RegionPlan
from samgeo_core.windows import Window

CONFIG = FullConfig(finest_px=64, coarsest_px=512, steps_px=(8,))


@st.composite
def plans(draw: st.DrawFn) -> RegionPlan:
    shape_hw = draw(st.integers(100, 700)), draw(st.integers(100, 700))
    margin = draw(st.integers(20, 140))
    region = 2 * margin + draw(st.integers(60, 300))
    shift = draw(st.tuples(st.integers(0, 300), st.integers(0, 300)))
    return RegionPlan(shape_hw, region, margin, shift_xy=shift)


def looks_of(plan: RegionPlan) -> list[tuple[Place, Look]]:
    places = [Place(region.window, region.core, plan.extent, plan.margin_px) for region in plan]
    return [(place, look) for place in places for look in plan_region_looks(place, CONFIG)]


@given(plans())
def test_windows_that_fit_the_margins_are_those_of_the_whole_raster_each_once(
    plan: RegionPlan,
) -> None:
    if len(plan) == 1:
        return  # that region is looked at as ever
    got = Counter(
        (look.window.moved(p.window.x, p.window.y), look.core.moved(p.window.x, p.window.y))
        for p, look in looks_of(plan)
        if look.is_fixed
    )
    expected = Counter(
        (look.window, look.core)
        for look in plan_looks(plan.shape_hw, CONFIG)
        if min(s for s in (64, 128, 256, 512, 1024) if s >= max(look.window.shape_hw))
        <= 2 * plan.margin_px
    )
    assert got == expected


@given(plans())
def test_looks_stay_within_the_tile_and_larger_ones_ask_within_the_core(plan: RegionPlan) -> None:
    for place, look in looks_of(plan):
        tile = Window.whole(place.window.shape_hw)
        assert look.window.intersection(tile) == look.window
        assert look.core.intersection(look.window) == look.core
        core = place.local(place.core)
        if place.core == place.extent:
            continue
        if look.is_fixed:
            x, y = (look.window.x + look.window.width // 2, look.window.y + look.window.height // 2)
            assert core.x <= x < core.x + core.width
            assert core.y <= y < core.y + core.height
        else:
            assert look.core.intersection(core) == look.core


@given(plans())
def test_the_coarsest_looks_cover_every_core(plan: RegionPlan) -> None:
    asked = np.zeros(plan.shape_hw, int)
    for place, look in looks_of(plan):
        if look.is_coarsest:
            asked[look.core.moved(place.window.x, place.window.y).slices] += 1
    assert (asked >= 1).all()


def test_a_region_that_is_the_whole_raster_is_looked_at_as_ever() -> None:
    extent = Window.whole((300, 500))
    place = Place(extent, extent, extent, 128)
    whole = list(plan_looks((300, 500), CONFIG))
    assert [(k.window, k.core, k.steps_px, k.is_coarsest) for k in whole] == [
        (k.window, k.core, k.steps_px, k.is_coarsest) for k in plan_region_looks(place, CONFIG)
    ]


def test_a_run_looks_through_the_windows_it_asks_for() -> None:
    config = SegmentConfig(preset="fast", scales=Scales(256, 512, fill_gaps=False))
    looks = list(plan_looks((2000, 2000), FullConfig.of_run(config)))
    assert {look.window.width for look in looks} == {256, 512}
    assert FullConfig.of_run(config) == replace(
        FullConfig.of("fast").with_finest(256), coarsest_px=512, gap_share=1.0
    )
    assert FullConfig().with_finest(512) == FullConfig()
    assert FullConfig.of_run(SegmentConfig(preset="full")) == FullConfig()


def test_fast_leaves_out_only_what_enlarges_and_knows_where_the_ladder_ends() -> None:
    fast = FullConfig.of("fast")

    def ladder(side: int) -> list[tuple[int, bool, bool]]:
        looks = plan_looks((side, side), fast)
        return list(dict.fromkeys((k.window.width, k.is_finest, k.is_closeup) for k in looks))

    assert ladder(900) == [(900, True, False)]
    assert ladder(1024) == [(1024, False, False), (704, True, True)]
    assert ladder(2048) == [(2048, False, False), (704, True, False)]
    assert ladder(9000) == [(4096, False, False), (2112, False, False), (704, True, False)]


def test_windows_of_fast_fit_into_margins_where_those_of_full_do() -> None:
    fast = FullConfig.of("fast")
    for margin, side in ((512, 704), (352, 704), (351, 512), (256, 512), (255, 704)):
        assert fast.in_regions(margin).finest_px == side
    assert fast.in_regions(256).steps_px == FullConfig.steps_px
    assert FullConfig().in_regions(256) == replace(FullConfig(), vague_stays=True)
    windows = FixedWindows.of(Window(0, 0, 5000, 5000), 256, fast)
    assert windows is not None
    assert windows.side == 512
