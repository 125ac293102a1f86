from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from samgeo_core.candidates import CandidateSet, MaskCandidate
from samgeo_core.config import OVERLAPS, SelectionRule
from samgeo_core.edits import making
from samgeo_core.edits.asking import Eye, clicked_mask, two_parts
from samgeo_core.edits.edits import Edit
from samgeo_core.edits.making import Shown
from samgeo_core.edits.shapes import divided
from samgeo_core.errors import ParameterError
from samgeo_core.overlap_rules import sources_of
from samgeo_core.picking.masks import Pick, PickedMask
from samgeo_core.picking.prompts import ObjectPrompts
from samgeo_core.pool import CandidatePool
from samgeo_core.results.labels import label_raster
from samgeo_core.windows import Window
from tests.core.edits.test_apply import boxes, pool_of
from tests.core.test_candidates import candidate_sets, full
from tests.core.test_selection import GOOD, HOUSE, ROOM, YARD, squares

ALL = SelectionRule.keep_all()


def shown_by(pool: CandidatePool, rule: SelectionRule, edits: Sequence[Edit] = ()) -> Shown:
    before = pool.edited(pool.chosen(rule), rule, edits).for_rule(rule.overlap)
    return Shown(
        before, pool.laid_out(before, rule), rule.overlap, lambda some: pool.laid_out(some, rule)
    )


def pictures(shown: Shown) -> list[np.ndarray]:
    return [shown.after.full_mask(i) for i in range(len(shown.after))]


@given(candidate_sets(most=6), st.sampled_from(OVERLAPS))
def test_shown_objects_are_traced_to_what_they_were(candidates: CandidateSet, overlap: str) -> None:
    shown = shown_by(pool_of(candidates), replace(ALL, overlap=overlap))
    before = shown.before.objects
    sources = sources_of(before, shown.after, overlap)
    assert len(sources) == len(shown.after) == len(set(sources.tolist()))
    owners = label_raster(before)
    for item, source in zip(shown.after, sources.tolist(), strict=True):
        assert item.score == before[source].score
        seen = owners[item.slices][item.mask]
        if overlap in ("flatten", "partition"):
            assert set(np.unique(seen)) <= {0, source + 1}
        else:
            assert item.area_px == before[source].area_px


@given(candidate_sets(most=6), st.sampled_from(OVERLAPS), st.data())
def test_what_is_deleted_is_gone_and_nothing_comes_in_its_place(
    candidates: CandidateSet, overlap: str, data: st.DataObject
) -> None:
    pool, rule = pool_of(candidates), replace(ALL, overlap=overlap)
    shown = shown_by(pool, rule)
    assume(len(shown.after))
    index = data.draw(st.integers(0, len(shown.after) - 1))
    edit = making.delete(shown, [index + 1])
    left = shown_by(pool, rule, [edit])
    # No object is seen that was hidden before.
    assert len(left.after) == len(shown.after) - 1
    if overlap in ("nested", "largest"):
        assert set(boxes(left.after)) <= set(boxes(shown.after))
    if overlap == "flatten":
        # Pixels of others stay theirs; those that became free go to what was seen around them.
        covered = np.any(pictures(shown), axis=0)
        assert not (np.any([*pictures(left), np.zeros_like(covered)], axis=0) & ~covered).any()


@given(candidate_sets(most=6), st.sampled_from(OVERLAPS), st.data())
def test_merging_and_splitting_change_no_pixel_of_others(
    candidates: CandidateSet, overlap: str, data: st.DataObject
) -> None:
    pool, rule = pool_of(candidates), replace(ALL, overlap=overlap)
    shown = shown_by(pool, rule)
    assume(len(shown.after) >= 2)
    ids = data.draw(st.lists(st.integers(1, len(shown.after)), min_size=2, max_size=2, unique=True))
    united = making.merge(shown, ids)
    was = pictures(shown)
    union = was[ids[0] - 1] | was[ids[1] - 1]
    if overlap != "partition":
        assert (union == full(CandidateSet.collect(shown.after.shape_hw, united.added), 0)).all()
    after = shown_by(pool, rule, [united])
    if overlap in ("flatten", "partition"):
        assert len(after.after) == len(shown.after) - 1
        assert any((union == picture).all() for picture in pictures(after))
        untouched = [p for i, p in enumerate(was, start=1) if i not in ids]
        assert all(any((p == q).all() for q in pictures(after)) for p in untouched)


@given(candidate_sets(most=5), st.sampled_from(["flatten", "partition"]), st.data())
def test_parts_of_a_split_make_up_what_was_seen(
    candidates: CandidateSet, overlap: str, data: st.DataObject
) -> None:
    pool, rule = pool_of(candidates), replace(ALL, overlap=overlap)
    shown = shown_by(pool, rule)
    # Where gaps are filled, what was found itself is divided, and gaps are filled anew.
    covered = label_raster(shown.before.objects) > 0
    found = [item.mask & covered[item.slices] for item in shown.after]
    big = [i for i, mask in enumerate(found, start=1) if mask.sum() > 1]
    assume(big)
    number = data.draw(st.sampled_from(big))
    item = shown.after[number - 1]
    rows, columns = np.nonzero(found[number - 1])
    ends = [(int(columns[i]), int(rows[i])) for i in (0, -1)]
    parts = [
        MaskCandidate.of(part, item.offset_xy, 0.9, 0.9, (0, 0))
        for part in divided(item.mask, ends[0], ends[1])
    ]
    edit = making.split(shown, number, [part for part in parts if part is not None])
    after = shown_by(pool, rule, [edit])
    assert len(after.after) == len(shown.after) + 1
    whole = pictures(shown)[number - 1]
    new = [p for p in pictures(after) if (p & whole).any()]
    assert len(new) == 2
    assert (new[0] ^ new[1] == whole).all() and not (new[0] & new[1]).any()


def test_what_an_overlap_rule_hid_stays_hidden() -> None:
    room, house = squares((ROOM, *GOOD), (HOUSE, *GOOD))
    pool = pool_of(squares((ROOM, *GOOD), (HOUSE, *GOOD), (YARD, *GOOD)))
    outermost = replace(ALL, overlap="largest")
    shown = shown_by(pool, outermost)
    assert boxes(shown.after) == [YARD]
    gone = making.delete(shown, [1])
    assert len(gone.removed) == 3
    assert not len(pool.objects(outermost, [gone]))
    # Smoothed, the yard goes on hiding what lies in it, which other rules show.
    valid = np.ones((40, 40), bool)
    smooth = making.smooth(shown, [1], 2, valid)
    assert len(smooth.removed) == 1
    assert len(pool.objects(ALL, [smooth])) == 3
    # A house that shows round its room takes the room's place; one that is all rooms does not.
    flat = replace(ALL, overlap="flatten")
    room_id = [i for i, item in enumerate(shown_by(pool, flat).after, start=1) if item.area_px == 9]
    edit = making.delete(shown_by(pool, flat), room_id)
    assert [mask.box for mask in edit.removed] == [room.box]
    halves = squares(((0, 0, 10, 5), *GOOD), ((0, 5, 10, 10), *GOOD), (HOUSE, *GOOD))
    edit = making.delete(shown_by(pool_of(halves), flat), [1])
    assert {mask.box for mask in edit.removed} == {house.box, (0, 0, 10, 5)}


@pytest.mark.parametrize(
    ("ids", "message"), [([], "No object is selected"), ([4], "no object 4 any more")]
)
def test_objects_that_are_not_there(ids: list[int], message: str) -> None:
    shown = shown_by(pool_of(squares((ROOM, *GOOD), (HOUSE, *GOOD), (YARD, *GOOD))), ALL)
    with pytest.raises(ParameterError, match=message):
        making.delete(shown, ids)
    with pytest.raises(ParameterError, match="two objects or more"):
        making.merge(shown, [1, 1])


def test_what_is_there_is_not_added_again() -> None:
    room, house = squares((ROOM, *GOOD), (HOUSE, *GOOD))
    shown = shown_by(pool_of(squares((HOUSE, *GOOD))), ALL)
    with pytest.raises(ParameterError, match="Object 1 is there already"):
        making.add(shown, house)
    assert making.add(shown, room).added == (room,)


class Boxes:
    """Finds the smallest of some boxes that holds all foreground and no background points."""

    def __init__(self, *found: tuple[int, int, int, int]) -> None:
        self.found = found
        self.asked: list[tuple[np.ndarray, Window | None]] = []

    def pick(self, prompts: ObjectPrompts, *, view: Window | None = None) -> Pick:
        self.asked.append((np.column_stack([prompts.points_xy, prompts.labels]), view))
        for x0, y0, x1, y1 in sorted(self.found, key=lambda b: (b[2] - b[0]) * (b[3] - b[1])):
            on = ((prompts.points_xy >= (x0, y0)) & (prompts.points_xy < (x1, y1))).all(1)
            if (on == (prompts.labels == 1)).all():
                mask = np.ones((y1 - y0, x1 - x0), bool)
                area = int(mask.sum())
                return Pick((PickedMask(mask, (x0, y0), 0.9, 0.8, area, None),), 0, view)  # type: ignore[arg-type]
        raise ParameterError("No object was found there.")


class TestAsking:
    window = Window(100, 50, 40, 40)
    valid = np.ones((40, 40), bool)

    def eye(self, *found: tuple[int, int, int, int]) -> Eye:
        self.picker = Boxes(*found)
        return Eye(self.picker, self.window, self.valid)

    def test_answers_are_in_px_of_the_result_and_end_with_its_data(self) -> None:
        eye = self.eye((95, 60, 110, 70))
        mask = clicked_mask(np.array([[5.0, 12.0, 1.0]]), eye, view_px=80)
        assert mask.box == (0, 10, 10, 20)
        assert mask.point_xy == (5.0, 12.0)
        points, view = self.picker.asked[0]
        assert points.tolist() == [[105.0, 62.0, 1.0]]
        assert view is not None and max(view.shape_hw) == 80
        holes = self.valid.copy()
        holes[10:15] = False
        mask = clicked_mask(np.array([[5.0, 17.0, 1.0]]), replace(eye, valid=holes))
        assert mask.box == (0, 15, 10, 20)
        with pytest.raises(ParameterError, match="Nothing was found"):
            clicked_mask(np.array([[5.0, 17.0, 1.0]]), replace(eye, valid=~self.valid))
        with pytest.raises(ParameterError, match="Click the object itself first"):
            clicked_mask(np.array([[5.0, 17.0, 0.0]]), eye)

    def test_clicks_beside_an_object_extend_or_narrow_it(self) -> None:
        (house,) = squares((HOUSE, *GOOD)).objects(np.arange(1))
        eye = self.eye((100, 50, 120, 60), (100, 50, 110, 60), (100, 50, 104, 60))
        wider = clicked_mask(np.array([[15.0, 5.0, 1.0]]), eye, item=house)
        assert wider.box == (0, 0, 20, 10)
        narrower = clicked_mask(np.array([[7.5, 5.5, 0.0]]), eye, item=house)
        assert narrower.box == (0, 0, 4, 10)
        # A click on it says where it is, without any help.
        clicked_mask(np.array([[2.0, 2.0, 1.0]]), eye, item=house)
        assert len(self.picker.asked[-1][0]) == 1

    def test_a_split_follows_what_is_found_at_its_points(self) -> None:
        (yard,) = squares((YARD, *GOOD)).objects(np.arange(1))
        points = np.array([[2.0, 4.0], [15.0, 4.0]])
        first, second = two_parts(yard, points, self.eye((100, 40, 106, 90), (106, 40, 130, 90)))
        assert (first.box, second.box) == ((0, 0, 6, 20), (6, 0, 20, 20))
        assert first.score == pytest.approx(0.9)
        # Found nothing, or all of it at both: half way.
        for eye in (self.eye(), self.eye((100, 40, 130, 90))):
            first, second = two_parts(yard, points, eye)
            assert first.area_px + second.area_px == 400
            assert abs(first.area_px - 170) < 40
        with pytest.raises(ParameterError, match="takes two points"):
            two_parts(yard, points[:1], eye)
        with pytest.raises(ParameterError, match="beside the object"):
            two_parts(yard, points + 30, eye)
        with pytest.raises(ParameterError, match="two different points"):
            two_parts(yard, points[[0, 0]], eye)
