"""Objects cut by regions come back whole, once each, in flat memory, whatever the plan."""

from __future__ import annotations

import gc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from rasterio.crs import CRS
from scipy import ndimage

from samgeo_core.candidates import CandidateSet, MaskCandidate
from samgeo_core.config import Scales, SegmentConfig, SelectionRule
from samgeo_core.engine.ladder import FixedWindows, FullConfig
from samgeo_core.geogrid import GeoGrid
from samgeo_core.objects import ObjectSet
from samgeo_core.overlap_rules import apply_overlap_rule
from samgeo_core.pool import CandidatePool
from samgeo_core.results.nesting import parent_ids
from samgeo_core.selection import select
from samgeo_core.streaming.joining import join_pools
from samgeo_core.streaming.regions import Region, RegionPlan
from samgeo_core.streaming.seam_groups import Group
from samgeo_core.streaming.seam_parts import Part
from samgeo_core.streaming.seam_sizes import SizeLimits
from samgeo_core.streaming.seam_views import Views
from samgeo_core.streaming.seams import SeamJoiner, WholeObject, join_candidates, join_regions
from samgeo_core.windows import Window
from tests.factories import UTM_33N

Mask = NDArray[np.bool_]
SHAPE = (90, 120)


def box(x0: int, y0: int, x1: int, y1: int, shape: tuple[int, int] = SHAPE) -> Mask:
    mask = np.zeros(shape, np.bool_)
    mask[y0:y1, x0:x1] = True
    return mask


@st.composite
def shapes(draw: st.DrawFn, kinds: str = "rfl") -> Mask:
    """Connected: a rectangle, a frame, or an L that may lie across many regions."""
    x, y = draw(st.integers(0, 115)), draw(st.integers(0, 85))
    mask = box(x, y, x + draw(st.integers(3, 120)), y + draw(st.integers(3, 90)))
    kind = draw(st.sampled_from(kinds))
    if kind == "f":
        mask &= ~ndimage.binary_erosion(mask, iterations=4, border_value=0)
    if kind == "l":
        mask[y + 6 :, x + 6 :] = False
    return mask


@st.composite
def plans(draw: st.DrawFn) -> RegionPlan:
    margin = draw(st.integers(4, 12))
    core = draw(st.integers(20, 70))
    shift = draw(st.tuples(st.integers(0, 69), st.integers(0, 69)))
    return RegionPlan(SHAPE, core + 2 * margin, margin, shift_xy=shift)


def seen(region: Region, truth: list[Mask], *, in_parts: bool = False) -> ObjectSet:
    """What a region that sees perfectly reports; each connected part apart, if asked."""
    parts = [mask[region.window.slices] for mask in truth]
    if in_parts:
        labelled = [ndimage.label(part, np.ones((3, 3))) for part in parts]
        parts = [labels == i + 1 for labels, n in labelled for i in range(n)]
    parts = [part for part in parts if part.any()]
    n = len(parts)
    return ObjectSet.build(region.window.shape_hw, parts, [(0, 0)] * n, [0.9] * n, [0.95] * n)


def joined(plan: RegionPlan, truth: list[Mask], *, in_parts: bool = False) -> list[WholeObject]:
    found = ((region, seen(region, truth, in_parts=in_parts)) for region in plan)
    return [item for items in join_regions(plan, found, SelectionRule.keep_all()) for item in items]


def full(item: WholeObject, shape: tuple[int, int] = SHAPE) -> Mask:
    count = np.zeros(shape, int)
    for (x, y), mask in item.pieces:
        count[y : y + mask.shape[0], x : x + mask.shape[1]] += mask
    assert count.max() == 1, "pieces share no pixel"
    return count > 0


def distinct(masks: list[Mask]) -> list[Mask]:
    return list({mask.tobytes(): mask for mask in masks if mask.any()}.values())


def can_be_told_apart(plan: RegionPlan, truth: list[Mask]) -> bool:
    """Whether no two objects look like one in the pixels that two regions share.

    Nor may several together: a bar beside an arm of a frame of which regions see two arms.
    """
    regions = list(plan)
    for i, region in enumerate(regions):
        for other in regions[:i]:
            shared = region.window.intersection(other.window)
            parts = [mask[shared.slices] for mask in truth] if shared else []
            for j, one in enumerate(parts):
                for two in parts[:j]:
                    if 2 * (one & two).sum() > (one | two).sum():
                        return False
    return True


@settings(deadline=None, max_examples=40)
@given(plans(), st.lists(shapes("rl"), max_size=5))
def test_objects_that_all_regions_see_come_back_exactly_once(
    plan: RegionPlan, truth: list[Mask]
) -> None:
    truth = distinct(truth)
    if not can_be_told_apart(plan, truth):
        return
    found = joined(plan, truth)
    assert sorted(full(item).tobytes() for item in found) == sorted(m.tobytes() for m in truth)
    for item in found:
        mask = full(item)
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        assert item.area_px == mask.sum()
        assert item.box_xyxy == (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
    ids = [item.object_id for item in found]
    assert len(set(ids)) == len(ids)
    assert min(ids, default=1) >= 1


@settings(deadline=None, max_examples=40)
@given(plans(), shapes())
@example(RegionPlan(SHAPE, 28, 4), box(0, 0, 24, 90))  # fills whole windows
def test_an_object_that_regions_see_in_separate_parts_comes_back_whole(
    plan: RegionPlan, mask: Mask
) -> None:
    found = joined(plan, [mask], in_parts=True)
    assert [full(item).tobytes() for item in found] == [mask.tobytes()]


@settings(deadline=None, max_examples=40)
@given(plans(), st.lists(shapes("rl"), max_size=5))
def test_parents_are_those_of_a_raster_in_one_piece(plan: RegionPlan, truth: list[Mask]) -> None:
    truth = distinct(truth)
    n = len(truth)
    objects = ObjectSet.build(SHAPE, truth, [(0, 0)] * n, [0.9] * n, [0.95] * n)
    masks = [objects.full_mask(i).tobytes() for i in range(n)]
    areas = objects.areas_px.tolist()
    if len(set(areas)) < n or not can_be_told_apart(plan, truth):
        return  # of two of one size it's a matter of taste which is the larger
    expected = {
        masks[i]: masks[parent - 1] if parent else None
        for i, parent in enumerate(parent_ids(objects).tolist())
    }
    found = joined(plan, truth)
    by_id = {item.object_id: full(item).tobytes() for item in found}
    assert {full(i).tobytes(): by_id.get(i.parent_id) for i in found} == expected


@settings(deadline=None, max_examples=40)
@given(plans(), st.lists(shapes(), max_size=6), st.randoms())
def test_the_order_in_which_a_region_lists_its_objects_does_not_matter(
    plan: RegionPlan, truth: list[Mask], random: np.random.Generator
) -> None:
    truth = distinct(truth)
    other = list(truth)
    random.shuffle(other)  # type: ignore[arg-type]

    def told(masks: list[Mask]) -> list[tuple[int, int, bytes]]:
        return [(i.object_id, i.parent_id, full(i).tobytes()) for i in joined(plan, masks)]

    assert told(truth) == told(other)


def two_regions(*masks_of: list[tuple[Mask, float]]) -> list[Mask]:
    """What is kept of masks (in the raster's frame) and scores that two regions report."""
    plan = RegionPlan(SHAPE, 80, 20)
    regions = [plan.region(i) for i in range(2)]
    found = []
    for region, given_masks in zip(regions, masks_of, strict=False):
        parts = [mask[region.window.slices] for mask, _ in given_masks]
        scores = [score for _, score in given_masks]
        n = len(parts)
        objects = ObjectSet.build(region.window.shape_hw, parts, [(0, 0)] * n, scores, [0.95] * n)
        found.append((region, objects))
    return [full(item) for items in join_regions(plan, found) for item in items]


def test_an_edge_that_the_neighbour_does_not_confirm_makes_no_object() -> None:
    plan = RegionPlan(SHAPE, 80, 20)
    right = plan.region(0).window.width
    assert two_regions([(box(30, 10, right, 30), 0.95)], []) == []


@pytest.mark.parametrize(("top", "stays"), [(0, False), (20, True)])
def test_a_mask_that_fills_its_window_must_be_confirmed_all_along_its_edges(
    top: int, stays: bool
) -> None:
    shape = (60, 120)
    plan = RegionPlan(shape, 80, 20)
    one, other = plan.region(0), plan.region(1)
    here = box(0, top, one.window.width, 55, shape)
    # The neighbour sees all but a seventh of it go on.
    there = box(other.window.x, top + (55 - top) // 7, 70, 55, shape)
    found = [(one, seen(one, [here])), (other, seen(other, [there]))]
    kept = [full(i, shape) for items in join_regions(plan, found) for i in items]
    assert [mask.tobytes() for mask in kept] == [(here | there).tobytes()] * stays


def test_what_was_confirmed_only_by_a_part_that_goes_is_trimmed() -> None:
    shape = (20, 100)
    plan = RegionPlan(shape, 60, 20)
    road = box(0, 0, 100, 10, shape)
    beside = {1: box(46, 0, 60, 20, shape), 2: box(46, 0, 80, 20, shape)}
    found = []
    for region in plan:
        mask = road | beside[region.index] if region.index in beside else road
        found.append((region, seen(region, [mask & box(*region.window.box_xyxy, shape)])))
    # Region 2 takes more beside the road for a part of it, and region 1 some of that: none of the
    # others sees it go on, and they see the road.
    kept = [full(i, shape) for items in join_regions(plan, found) for i in items]
    assert [mask.tobytes() for mask in kept] == [road.tobytes()]


def test_what_a_region_saw_whole_stands_for_what_its_neighbour_saw_cut() -> None:
    plan = RegionPlan(SHAPE, 80, 20)
    right = plan.region(0).window.width
    whole = box(45, 10, 95, 30)
    blurred = whole & box(0, 0, right, 90)
    blurred[10:12] = False
    kept = two_regions([(blurred, 0.99)], [(whole, 0.8)])
    assert [mask.tobytes() for mask in kept] == [whole.tobytes()]


def test_a_weak_object_gives_way_to_a_good_one_of_the_next_region() -> None:
    good, weak = box(42, 10, 70, 40), box(50, 5, 75, 36)
    assert (good & weak).sum() / (good | weak).sum() < 0.6
    kept = two_regions([(weak, 0.4)], [(good, 0.95), (box(100, 50, 110, 60), 0.9)])
    assert any((mask == good).all() for mask in kept)
    assert not any((mask == weak).all() for mask in kept)


def test_the_better_of_two_that_say_the_same_stays() -> None:
    one, other = box(45, 10, 70, 40), box(45, 11, 71, 40)
    kept = two_regions([(one, 0.8)], [(other, 0.9)])
    assert [mask.tobytes() for mask in kept] == [other.tobytes()]


def test_objects_of_one_region_do_not_judge_each_other_again() -> None:
    one, other = box(2, 10, 30, 40), box(4, 12, 30, 40)
    assert len(two_regions([(one, 0.4), (other, 0.9)], [])) == 2


def test_what_is_done_is_gone_before_python_looks_for_garbage() -> None:
    plan = RegionPlan((400, 200), 80, 10)
    truth = [box(x, y, x + 12, y + 12, (400, 200)) for y in range(3, 390, 9) for x in (3, 60, 133)]
    joiner = SeamJoiner(plan)
    gc.collect()
    older = held_parts()
    gc.disable()
    try:
        for region in plan:
            joiner.add(region, seen(region, truth))
        joiner.finish()
        assert len(held_parts()) == len(older)
    finally:
        gc.enable()


def held_parts() -> list[Part | Group]:
    # NOTE: isinstance would ask proxies, such as Streamlit's, for what they stand for.
    return [item for item in gc.get_objects() if type(item) in (Part, Group)]


def test_what_is_held_grows_with_the_width_of_the_raster_and_not_with_its_height() -> None:
    most = []
    for height in (400, 1600):
        shape = (height, 200)
        plan = RegionPlan(shape, 80, 10)
        truth = [
            box(x, y, x + 12, y + 12, shape)
            for y in range(3, height, 15)
            for x in range(3, 200, 15)
        ]
        joiner = SeamJoiner(plan)
        held, n = [], 0
        for region in plan:
            n += len(joiner.add(region, seen(region, truth)))
            held.append(joiner.n_held)
        n += len(joiner.finish())
        assert n == len(truth)
        assert joiner.n_held == 0
        most.append(max(held))
    assert most[1] <= most[0] * 1.05
    assert most[1] < 0.2 * len(truth)


def test_objects_come_as_soon_as_nothing_can_change_them() -> None:
    plan = RegionPlan((90, 500), 100, 20)
    mask = box(5, 5, 30, 30, (90, 500))
    region = plan.region(0)
    assert len(SeamJoiner(plan).add(region, seen(region, [mask]))) == 1


def test_regions_may_be_left_out() -> None:
    plan = RegionPlan(SHAPE, 60, 10)
    masks = [box(5, 5, 20, 20), box(100, 70, 110, 80)]
    found = [(r, seen(r, masks)) for r in plan if seen(r, masks).areas_px.sum()]
    assert len(found) < len(plan)
    items = [i for some in join_regions(plan, found) for i in some]
    assert len(items) == 2


def test_no_region_gives_no_object() -> None:
    plan = RegionPlan(SHAPE, 60, 10)
    assert [i for some in join_regions(plan, []) for i in some] == []


@pytest.mark.parametrize("seed", range(3))
def test_noise_at_seams_is_settled_the_same_every_time(seed: int) -> None:
    plan = RegionPlan(SHAPE, 50, 10)
    random = np.random.default_rng(seed)
    found = []
    for region in plan:
        h, w = region.window.shape_hw
        masks, scores = [], []
        for _ in range(12):
            x, y = random.integers(0, w - 4), random.integers(0, h - 4)
            masks.append(box(x, y, x + random.integers(4, 30), y + random.integers(4, 30), (h, w)))
            scores.append(float(random.uniform(0.3, 1)))
        found.append((region, ObjectSet.build((h, w), masks, [(0, 0)] * 12, scores, [0.9] * 12)))
    first, second = (
        [(i.object_id, full(i).tobytes()) for some in join_regions(plan, found) for i in some]
        for _ in range(2)
    )
    assert first == second
    assert first


def candidates_of(random: np.random.Generator, n: int) -> CandidateSet:
    """Small masks of all qualities, some nearly alike, in the frame of the raster."""
    masks = []
    for _ in range(n):
        x, y = random.integers(0, 108), random.integers(0, 78)
        w, h = random.integers(4, 12, 2)
        for _ in range(random.integers(1, 3)):
            dx, dy = random.integers(0, 2, 2)
            masks.append(
                MaskCandidate.of(
                    np.ones((h - dy, w - dx), bool),
                    (int(x + dx), int(y + dy)),
                    float(np.float32(random.uniform(0.2, 1))),
                    float(np.float32(random.uniform(0.7, 1))),
                    (float(x + w / 2), float(y + h / 2)),
                )
            )
    return CandidateSet.collect(SHAPE, [mask for mask in masks if mask is not None])


def found_by_regions(offered: CandidateSet, plan: RegionPlan) -> list[tuple[Region, CandidateSet]]:
    """Each mask by the region in whose core it begins, cut where that one's window ends."""
    found = []
    for region in plan:
        x, y, right, bottom = region.core.box_xyxy
        mine = [
            MaskCandidate.of(
                mask.pixels(),
                (mask.box[0] - region.window.x, mask.box[1] - region.window.y),
                mask.score,
                mask.stability,
                (mask.point_xy[0] - region.window.x, mask.point_xy[1] - region.window.y),
            )
            for mask in offered
            if x <= mask.box[0] < right and y <= mask.box[1] < bottom
        ]
        shape_hw = region.window.shape_hw
        found.append((region, CandidateSet.collect(shape_hw, [m for m in mine if m is not None])))
    return found


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 2**32),
    st.integers(20, 70),
    st.tuples(st.integers(0, 69), st.integers(0, 69)),
    st.sampled_from(["nested", "flatten", "largest"]),
)
def test_choosing_across_regions_is_choosing_in_one(
    seed: int, core_px: int, shift_xy: tuple[int, int], overlap: str
) -> None:
    offered = candidates_of(np.random.default_rng(seed), 40)
    plan = RegionPlan(SHAPE, core_px + 26, 13, shift_xy=shift_xy)
    rule = SelectionRule(overlap=overlap)
    found = found_by_regions(offered, plan)
    items = [i for some in join_candidates(plan, found, rule) for i in some]
    chosen = select(offered, rule)
    objects = apply_overlap_rule(chosen, overlap, np.ones(SHAPE, bool))
    expected = [objects.full_mask(i).tobytes() for i in range(len(objects))]
    assert sorted(full(item).tobytes() for item in items) == sorted(expected)
    for item in items:
        rows, columns = np.nonzero(full(item))
        assert item.area_px == len(rows)
        assert item.box_xyxy == (
            columns.min(), rows.min(), columns.max() + 1, rows.max() + 1,
        )  # fmt: skip


@pytest.mark.parametrize("overlap", ["flatten", "partition"])
@pytest.mark.parametrize("seed", range(3))
def test_objects_that_were_laid_flat_in_each_region_share_no_pixel_across_seams(
    overlap: str, seed: int
) -> None:
    plan = RegionPlan(SHAPE, 50, 10)
    random = np.random.default_rng(seed)
    rule = SelectionRule(overlap=overlap)
    found = []
    for region in plan:
        n, (h, w) = 8, region.window.shape_hw
        masks = []
        for _ in range(n):
            x, y = random.integers(0, w - 6), random.integers(0, h - 6)
            masks.append(box(x, y, x + random.integers(5, 30), y + random.integers(5, 30), (h, w)))
        scores = random.uniform(0.5, 1, n).tolist()
        objects = ObjectSet.build((h, w), masks, [(0, 0)] * n, scores, [0.9] * n)
        found.append((region, apply_overlap_rule(objects, overlap, np.ones((h, w), bool))))
    items = [i for some in join_regions(plan, found, rule) for i in some]
    times = sum(full(item).astype(int) for item in items)
    assert np.max(times) == 1
    nested = join_regions(plan, found, SelectionRule())
    assert np.max(sum(full(i).astype(int) for some in nested for i in some)) > 1


FIXED_SHAPE = (300, 2400)


def seen_through_fixed_windows(
    plan: RegionPlan, truth: Mask, search: FullConfig | None = None
) -> list[tuple[Region, CandidateSet]]:
    """Of an object what each of the largest fixed windows sees that is asked within a region."""
    fixed = FixedWindows.of(plan.extent, plan.margin_px, search)
    assert fixed is not None
    found = []
    for region in plan:
        masks = []
        x, y = region.window.x, region.window.y
        for view in fixed.meeting(region.window):
            middle = view.x + view.width // 2, view.y + view.height // 2
            mine = region.core.intersection(Window(*middle, 1, 1))
            part = truth[view.slices]
            if mine and part.any():
                at = view.x - x, view.y - y
                masks.append(MaskCandidate.of(part, at, 0.9, 0.95, (middle[0] - x, middle[1] - y)))
        shape_hw = region.window.shape_hw
        found.append((region, CandidateSet.collect(shape_hw, [m for m in masks if m is not None])))
    return found


@pytest.mark.parametrize("shift", [0, 37, 200, 411])
def test_what_fixed_windows_cut_becomes_one_object_wherever_regions_lie(shift: int) -> None:
    plan = RegionPlan(FIXED_SHAPE, 1100, 256, shift_xy=(shift, 0))
    truth = box(100, 40, 2300, 200, FIXED_SHAPE)
    found = seen_through_fixed_windows(plan, truth)
    assert sum(len(candidates) for _, candidates in found) > 4
    items = [i for some in join_candidates(plan, found) for i in some]
    assert [full(item, FIXED_SHAPE).tobytes() for item in items] == [truth.tobytes()]


def test_the_windows_of_a_purpose_cut_elsewhere_and_objects_become_whole_too() -> None:
    config = SegmentConfig(preset="full", scales=Scales(128, 256))
    plan = RegionPlan(FIXED_SHAPE, 1100, 256, shift_xy=(37, 0))
    truth = box(100, 40, 2300, 200, FIXED_SHAPE)
    found = seen_through_fixed_windows(plan, truth, FullConfig.of_run(config))
    grid = GeoGrid(FIXED_SHAPE, UTM_33N, CRS.from_epsg(32633))
    pools = [
        (region, CandidatePool(some, np.ones(some.shape_hw, bool), grid.window(region.window)))
        for region, some in found
    ]
    items = [i for some in join_pools(plan, pools, config, grid) for i in some]
    assert [full(item, FIXED_SHAPE).tobytes() for item in items] == [truth.tobytes()]


@pytest.mark.parametrize(
    ("limits", "stays"),
    [
        ({"min_area_px": 100_000}, True),
        ({"min_area_px": 400_000}, False),
        ({"max_area_px": 400_000}, True),
        ({"max_area_px": 200_000}, False),
        ({"max_area_px": 50_000}, False),
        ({"min_area_m2": 1.0}, False),
    ],
)
def test_limits_of_size_hold_for_whole_objects(limits: dict[str, float], stays: bool) -> None:
    plan = RegionPlan(FIXED_SHAPE, 1100, 256)
    truth = box(100, 40, 2300, 200, FIXED_SHAPE)
    assert truth.sum() == 352_000
    found = seen_through_fixed_windows(plan, truth)
    assert max(some.areas_px.max() for _, some in found) < 100_000
    rule = SelectionRule(**limits)
    items = [i for some in join_candidates(plan, found, rule) for i in some]
    assert [full(item, FIXED_SHAPE).tobytes() for item in items] == [truth.tobytes()] * stays
    chosen = [(region, seen(region, [truth])) for region in plan]
    items = [i for some in join_regions(plan, chosen, rule, SizeLimits(rule)) for i in some]
    assert [full(item, FIXED_SHAPE).tobytes() for item in items] == [truth.tobytes()] * stays


def test_limits_on_the_ground_hold_for_whole_objects() -> None:
    plan = RegionPlan(SHAPE, 60, 12)
    grid = GeoGrid(SHAPE, UTM_33N, CRS.from_epsg(32633))
    large, small = box(5, 5, 115, 60), box(5, 70, 15, 80)
    chosen = [(region, seen(region, [large, small])) for region in plan]
    area_m2 = float(grid.pixel_areas_m2([(60, 32)])[0] * large.sum())
    for rule, expected in (
        (SelectionRule(min_area_m2=area_m2 * 0.99), [large]),
        (SelectionRule(max_area_m2=area_m2 * 0.99), [small]),
        (SelectionRule(min_area_m2=area_m2 * 1.01), []),
    ):
        items = [i for s in join_regions(plan, chosen, rule, SizeLimits(rule, grid)) for i in s]
        assert [full(item).tobytes() for item in items] == [mask.tobytes() for mask in expected]


def test_what_ends_at_the_edge_of_a_fixed_window_alone_is_no_object() -> None:
    plan = RegionPlan(FIXED_SHAPE, 1100, 256)
    found = seen_through_fixed_windows(plan, box(100, 40, 2300, 200, FIXED_SHAPE))
    first = [(region, candidates if region.index == 0 else CandidateSet.collect(
        candidates.shape_hw, ())) for region, candidates in found]  # fmt: skip
    assert len(first[0][1]) == 1
    assert [i for some in join_candidates(plan, first) for i in some] == []


def test_of_two_things_of_one_window_that_others_tell_apart_nowhere_the_better_goes_on() -> None:
    plan = RegionPlan(FIXED_SHAPE, 1100, 256)
    truth = box(100, 40, 2300, 200, FIXED_SHAPE)
    first, (region, candidates), *others = seen_through_fixed_windows(plan, truth)
    seen_well = candidates[0]
    more = np.zeros((300, seen_well.sides_px[0]), bool)
    more[40:200] = True
    more[:, 134:-134] = True
    worse = MaskCandidate.of(more, (seen_well.box[0], 0), 0.9, 0.85, seen_well.point_xy)
    assert worse
    both = CandidateSet.collect(candidates.shape_hw, [*candidates, worse])
    items = [i for some in join_candidates(plan, [first, (region, both), *others]) for i in some]
    assert [full(item, FIXED_SHAPE).tobytes() for item in items] == [truth.tobytes()]


def test_what_lies_around_everything_in_one_window_hides_nothing_before_others_are_known() -> None:
    plan = RegionPlan(FIXED_SHAPE, 1100, 256)
    truth = box(100, 40, 2300, 200, FIXED_SHAPE)
    (region, candidates), *others = seen_through_fixed_windows(plan, truth)
    gap = replace(candidates[0], score=0.6, stability=0.7)
    around = MaskCandidate.of(np.ones((300, 510), bool), (0, 0), 0.95, 0.79, gap.point_xy)
    assert around
    both = CandidateSet.collect(candidates.shape_hw, [around, gap, *list(candidates)[1:]])
    items = [i for some in join_candidates(plan, [(region, both), *others]) for i in some]
    assert [full(item, FIXED_SHAPE).tobytes() for item in items] == [truth.tobytes()]


def test_what_a_region_alone_sees_fills_what_fixed_windows_leave_open() -> None:
    plan = RegionPlan(FIXED_SHAPE, 1100, 256)
    region = plan.region(0)
    large = MaskCandidate.of(np.ones((200, 700), bool), (50, 50), 0.99, 0.99, (260.0, 100.0))
    small = MaskCandidate.of(np.ones((150, 300), bool), (60, 60), 0.8, 0.9, (260.0, 100.0))
    twin = MaskCandidate.of(np.ones((190, 690), bool), (50, 50), 0.6, 0.9, (260.0, 100.0))
    assert large and small and twin
    views = Views.of_candidates(plan)
    assert views.sight(region, large.box, large.point_xy).fills
    assert not views.sight(region, small.box, small.point_xy).fills
    candidates = CandidateSet.collect(region.window.shape_hw, [large, small, twin])
    items = [i for some in join_candidates(plan, [(region, candidates)]) for i in some]
    assert [item.area_px for item in items] == [200 * 700, 150 * 300]


def test_what_only_fills_gaps_goes_where_others_of_any_size_leave_none() -> None:
    plan = RegionPlan(FIXED_SHAPE, 1100, 256)
    region = plan.region(0)
    fill = MaskCandidate.of(np.ones((200, 700), bool), (50, 50), 0.8, 0.9, (260.0, 100.0))
    parts = [
        MaskCandidate.of(np.ones((200, 190), bool), (x, 50), 0.95, 0.95, (x + 90.0, 100.0))
        for x in (50, 250, 450)
    ]
    for some, areas in ((parts, [200 * 190] * 3), (parts[:1], [200 * 190, 200 * 700])):
        offered = CandidateSet.collect(region.window.shape_hw, [m for m in (fill, *some) if m])
        items = [i for found in join_candidates(plan, [(region, offered)]) for i in found]
        assert [item.area_px for item in items] == areas
