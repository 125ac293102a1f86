from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st

from samgeo_core.candidates import CandidateSet, MaskCandidate
from samgeo_core.config import OVERLAPS, SelectionRule
from samgeo_core.edits.apply import SAME_IOU, apply_edits, mask_iou
from samgeo_core.edits.edits import Edit
from samgeo_core.geogrid import GeoGrid
from samgeo_core.objects import ObjectSet
from samgeo_core.pool import CandidatePool
from tests.core.test_candidates import SHAPE, candidate_sets, full
from tests.core.test_objects import same
from tests.core.test_selection import GOOD, HOUSE, ROOM, TWIN, WEAK, YARD, squares

ALL = SelectionRule.keep_all()


def pool_of(candidates: CandidateSet) -> CandidatePool:
    grid = GeoGrid(candidates.shape_hw, Affine.identity(), None)
    return CandidatePool(candidates, np.ones(candidates.shape_hw, bool), grid)


def boxes(objects: ObjectSet) -> list[tuple[int, ...]]:
    return sorted(map(tuple, objects.boxes_xyxy.tolist()))


def everything(candidates: CandidateSet) -> ObjectSet:
    return candidates.objects(np.arange(len(candidates)))


@given(candidate_sets(), candidate_sets(most=3))
def test_what_is_added_can_be_deleted_and_what_is_deleted_added(
    candidates: CandidateSet, added: CandidateSet
) -> None:
    before = everything(candidates)
    more = [Edit("add", (), (mask,)) for mask in added]
    grown = apply_edits(before, more).objects
    assert len(grown) == len(before) + len(added)
    assert grown.areas_px.sum() == before.areas_px.sum() + added.areas_px.sum()
    shrunk = apply_edits(grown, [Edit("delete", (mask,)) for mask in candidates]).objects
    assert len(shrunk) == len(added)


@given(candidate_sets(), st.data())
def test_an_edit_takes_away_the_one_that_is_most_alike(
    candidates: CandidateSet, data: st.DataObject
) -> None:
    target = data.draw(candidate_sets(most=1).filter(len))[0]
    before = everything(candidates)
    after = apply_edits(before, [Edit("delete", (target,))]).objects
    ious = [
        np.count_nonzero(full(candidates, i) & picture)
        / np.count_nonzero(full(candidates, i) | picture)
        for picture in [full(CandidateSet.collect(SHAPE, [target]), 0)]
        for i in range(len(candidates))
    ]
    best = max(ious, default=0.0)
    assert len(after) == len(before) - (best >= SAME_IOU)
    if best >= SAME_IOU:
        gone = candidates.areas_px[ious.index(best)]
        assert before.areas_px.sum() - after.areas_px.sum() == gone or ious.count(best) > 1


@given(candidate_sets(most=6), st.sampled_from(OVERLAPS), st.integers(0, 9), st.data())
def test_edits_hold_for_other_rules(
    candidates: CandidateSet, overlap: str, tenths: int, data: st.DataObject
) -> None:
    """An object that was deleted under one rule is in no result of another, nor a twin of it."""
    pool = pool_of(candidates)
    rule = SelectionRule(least_score=tenths / 10, good_score=0, good_stability=0, overlap=overlap)
    if not len(candidates):
        return
    gone = candidates[data.draw(st.integers(0, len(candidates) - 1))]
    chosen = pool.chosen(rule)
    left = pool.edited(chosen, rule, [Edit("delete", (gone,))]).objects
    alike = [
        i for i in range(len(chosen))
        if mask_iou(gone.pixels(), gone.box, chosen.masks[i], tuple(chosen.boxes_xyxy[i].tolist()))
        >= SAME_IOU
    ]  # fmt: skip
    assert len(left) == len(chosen) - bool(alike)
    # And the other way round: the deletion costs nothing else.
    assert set(boxes(left)) <= set(boxes(chosen))


def test_what_a_person_added_stands_whatever_scores_are_asked_for() -> None:
    house, room, twin = squares((HOUSE, *GOOD), (ROOM, *WEAK), (TWIN, *WEAK))
    pool = pool_of(squares((HOUSE, *GOOD), (YARD, *GOOD)))
    redrawn = Edit("redraw", (house,), (twin,))
    added = Edit("add", (), (room,))
    strict = replace(ALL, least_score=0.85, good_score=0.95)
    assert boxes(pool.objects(strict, [redrawn, added])) == sorted([TWIN, ROOM, YARD])
    # Limits of size hold for it as for others.
    large = replace(ALL, min_area_px=10)
    assert boxes(pool.objects(large, [redrawn, added])) == sorted([TWIN, YARD])
    on_ground = replace(ALL, min_area_m2=1)
    assert boxes(pool.objects(on_ground, [redrawn, added])) == []  # there is no ground
    # Where a rule had left out what was redrawn, the new one is there nevertheless.
    small = replace(ALL, max_area_px=95)
    assert boxes(pool.objects(small, [redrawn])) == [TWIN]


def test_a_twin_that_another_rule_chose_is_the_same_thing() -> None:
    pool = pool_of(squares((HOUSE, 0.9, 0.95), (TWIN, 0.95, 0.95)))
    (house,) = squares((HOUSE, *GOOD))
    gone = [Edit("delete", (house,))]
    # Both are chosen, and the one that is meant goes; then its twin alone was chosen, and goes.
    assert boxes(pool.objects(ALL, gone)) == [TWIN]
    assert boxes(pool.objects(SelectionRule(), gone)) == []


def test_results_without_gaps_have_none_after_edits() -> None:
    pool = pool_of(squares((HOUSE, *GOOD), (YARD, *GOOD)))
    house, far = squares((HOUSE, *GOOD), ((30, 30, 35, 40), *GOOD))
    rule = replace(ALL, overlap="partition")
    for edits in ([Edit("delete", (house,))], [Edit("add", (), (far,))]):
        assert pool.objects(rule, edits).areas_px.sum() == 40 * 40


def test_order_matters_and_masks_beyond_the_raster_are_cut() -> None:
    room, house = squares((ROOM, *GOOD), (HOUSE, *GOOD))
    before = ObjectSet.empty((8, 8))
    add, gone = Edit("add", (), (house,)), Edit("delete", (house,))
    assert boxes(apply_edits(before, [gone, add]).objects) == [(0, 0, 8, 8)]
    far = MaskCandidate.of(np.ones((3, 3), bool), (20, 20), 1, 1, (0, 0))
    assert far is not None
    assert len(apply_edits(before, [Edit("add", (), (far,))]).objects) == 0
    edited = apply_edits(before, [Edit("add", (), (room,)), Edit("delete", (room,))]).objects
    assert same(edited, before)


@pytest.mark.parametrize(
    ("other", "expected"), [(TWIN, 0.9), (ROOM, 0.09), ((20, 20, 30, 30), 0.0)]
)
def test_alikeness_of_masks(other: tuple[int, int, int, int], expected: float) -> None:
    one, two = squares((HOUSE, *GOOD), (other, *GOOD))
    assert mask_iou(one.pixels(), one.box, two.pixels(), two.box) == pytest.approx(expected)
