"""Regions tile a raster exactly once, wherever it ends, and are never all listed."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samgeo_core.errors import ParameterError
from samgeo_core.streaming.regions import RegionPlan
from samgeo_core.windows import Window


@st.composite
def plans(draw: st.DrawFn) -> RegionPlan:
    height, width = draw(st.integers(1, 80)), draw(st.integers(1, 80))
    margin = draw(st.integers(0, 12))
    region = draw(st.integers(2 * margin + 12, 60))
    block = draw(st.none() | st.tuples(st.integers(1, 20), st.integers(1, 20)))
    area = None
    if draw(st.booleans()):
        x, y = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
        area = Window(x, y, draw(st.integers(1, width - x)), draw(st.integers(1, height - y)))
    shift = draw(st.tuples(st.integers(0, 70), st.integers(0, 70)))
    return RegionPlan((height, width), region, margin, area, block, shift)


@given(plans())
def test_cores_tile_the_area_exactly_once(plan: RegionPlan) -> None:
    count = np.zeros(plan.shape_hw, int)
    for region in plan:
        count[region.core.slices] += 1
    inside = np.zeros(plan.shape_hw, bool)
    inside[plan.extent.slices] = True
    assert (count == inside).all()


@given(plans())
def test_windows_are_cores_with_margins_and_never_too_large(plan: RegionPlan) -> None:
    left, top, right, bottom = plan.extent.box_xyxy
    for region in plan:
        x0, y0, x1, y1 = region.core.box_xyxy
        m = plan.margin_px
        assert region.window.box_xyxy == (
            max(x0 - m, left), max(y0 - m, top), min(x1 + m, right), min(y1 + m, bottom)
        )  # fmt: skip
        assert max(region.window.shape_hw) <= plan.region_px


@given(plans())
def test_iteration_is_row_by_row_and_agrees_with_len_and_index(plan: RegionPlan) -> None:
    regions = list(plan)
    assert [r.index for r in regions] == list(range(len(plan)))
    assert regions == [plan.region(i) for i in range(len(plan))]
    assert regions == sorted(regions, key=lambda r: (r.core.y, r.core.x))


@given(plans())
def test_neighbours_are_those_whose_windows_meet(plan: RegionPlan) -> None:
    regions = list(plan)
    for region in regions:
        met = [
            other.index
            for other in regions
            if other != region and other.window.intersection(region.window)
        ]
        assert list(plan.neighbours(region.index)) == met


@given(plans())
def test_only_edges_behind_which_the_area_goes_on_cut(plan: RegionPlan) -> None:
    for region in plan:
        assert plan.is_cut(region, region.window.box_xyxy) == (region.window != plan.extent)
        x0, y0, x1, y1 = region.window.box_xyxy
        if x1 - x0 > 2 and y1 - y0 > 2:
            assert not plan.is_cut(region, (x0 + 1, y0 + 1, x1 - 1, y1 - 1))


def test_cores_begin_where_blocks_do() -> None:
    plan = RegionPlan((5000, 7000), 2100, 128, Window(700, 300, 6000, 4000), (256, 256))
    starts = {(r.core.x, r.core.y) for r in plan}
    assert len(starts) > 4
    assert all(x % 256 == 0 or x == 700 for x, _ in starts)
    assert all(y % 256 == 0 or y == 300 for _, y in starts)


def test_blocks_as_wide_as_the_raster_do_not_decide() -> None:
    plan = RegionPlan((3000, 3000), 1024, 100, block_hw=(1, 3000))
    assert plan.region(1).core.x == 824


def test_a_plan_of_a_huge_raster_is_made_and_read_at_once() -> None:
    plan = RegionPlan((10**8, 10**8), 4096, 512)
    assert len(plan) > 10**9
    assert [r.index for r in itertools.islice(plan, 3)] == [0, 1, 2]
    middle = len(plan) // 2 + 100
    assert plan.region(middle).index == middle
    assert len(plan.neighbours(middle)) == 8


def test_what_fits_into_one_region_is_one() -> None:
    plan = RegionPlan((1000, 900), 1000, 200)
    assert [r.core for r in plan] == [Window(0, 0, 900, 1000)]


def test_margins_that_leave_nothing_are_refused() -> None:
    with pytest.raises(ParameterError, match="larger than the margins"):
        RegionPlan((100, 100), 64, 32)


def test_areas_outside_are_refused() -> None:
    with pytest.raises(ParameterError, match="within the raster"):
        RegionPlan((100, 100), 64, 8, Window(50, 50, 51, 50))


def test_an_index_beyond_the_end_is_refused() -> None:
    with pytest.raises(IndexError):
        RegionPlan((100, 100), 64, 8).region(-1)
