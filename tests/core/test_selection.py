from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samgeo_core.candidates import CandidateSet, MaskCandidate
from samgeo_core.config import SelectionRule
from samgeo_core.selection import select, without_duplicates
from tests.core.test_candidates import candidate_sets, full
from tests.core.test_objects import object_sets, same

Place = tuple[int, int, int, int]


def squares(*items: tuple[Place, float, float]) -> CandidateSet:
    """Rectangles (left, top, right, bottom) with score and stability."""
    masks = []
    for (x0, y0, x1, y1), score, stability in items:
        mask = np.ones((y1 - y0, x1 - x0), bool)
        masks.append(MaskCandidate.of(mask, (x0, y0), score, stability, (x0, y0)))
    return CandidateSet.collect((40, 40), [mask for mask in masks if mask is not None])


def boxes(candidates: CandidateSet, rule: SelectionRule, **more: Any) -> list[Place]:
    return [tuple(box) for box in select(candidates, rule, **more).boxes_xyxy.tolist()]


GOOD, WEAK = (0.9, 0.95), (0.6, 0.7)
WEAK_IS_GOOD = {"good_score": 0.6, "good_stability": 0.7}
SURE, STABLE, FAIR = (0.9, 0.76), (0.8, 0.99), (0.8, 0.7)
LEFT, LOT, BLOCK = (0, 0, 7, 10), (0, 0, 14, 14), (0, 0, 40, 40)
HOUSE, TWIN, ROOM, YARD = (0, 0, 10, 10), (0, 0, 10, 9), (1, 1, 4, 4), (0, 0, 20, 20)


@pytest.mark.parametrize(
    ("items", "change", "expected"),
    [
        ([(HOUSE, *GOOD), (ROOM, *GOOD), (YARD, *GOOD)], {}, [ROOM, HOUSE, YARD]),
        ([(TWIN, *GOOD), (HOUSE, 0.95, 0.95)], {}, [HOUSE]),
        ([(TWIN, *GOOD), (HOUSE, 0.95, 0.95)], {"duplicate_iou": 0.95}, [TWIN, HOUSE]),
        ([(HOUSE, *GOOD), (ROOM, *WEAK)], {}, [HOUSE]),
        ([(HOUSE, *GOOD), (YARD, *WEAK)], {}, [HOUSE, YARD]),
        ([(HOUSE, *GOOD), (YARD, *WEAK)], {"new_share": 0.8}, [HOUSE]),
        ([(HOUSE, *WEAK), (ROOM, *GOOD)], {}, [ROOM, HOUSE]),
        ([(HOUSE, *GOOD), (LEFT, *SURE)], {}, [LEFT, HOUSE]),
        ([(HOUSE, *GOOD), (LEFT, *STABLE)], {}, [HOUSE]),
        ([(HOUSE, *GOOD), (LEFT, *FAIR)], {}, [HOUSE]),
        ([(LOT, *GOOD), (HOUSE, *FAIR)], {}, [LOT]),
        ([(BLOCK, *GOOD), (HOUSE, *FAIR)], {}, [HOUSE, BLOCK]),
        ([(BLOCK, *GOOD), (HOUSE, *WEAK)], {}, [BLOCK]),
        ([(HOUSE, *GOOD), (ROOM, *WEAK)], WEAK_IS_GOOD, [ROOM, HOUSE]),
        ([(HOUSE, *WEAK)], {"least_score": 0.61}, []),
        ([(HOUSE, *WEAK)], {"least_stability": 0.71}, []),
        ([(HOUSE, *GOOD)], {"good_score": 1, "least_score": 0.9, "least_stability": 0.95}, [HOUSE]),
        ([(HOUSE, *GOOD), (ROOM, *GOOD)], {"min_area_px": 9, "max_area_px": 99}, [ROOM]),
        ([(HOUSE, *GOOD), (ROOM, *GOOD)], {"min_area_px": 10}, [HOUSE]),
        ([(HOUSE, *GOOD), (ROOM, *GOOD)], {"min_area_m2": 1}, []),
    ],
)  # fmt: skip
def test_what_is_kept(items: Any, change: dict[str, float], expected: list[Place]) -> None:
    assert boxes(squares(*items), replace(SelectionRule(), **change)) == expected


def test_size_on_the_ground() -> None:
    candidates = squares((HOUSE, *GOOD), (ROOM, *GOOD), (YARD, *GOOD))
    areas = np.array([25.0, 2.25, np.nan])
    for limits, expected in [
        ({"min_area_m2": 3}, [HOUSE]),
        ({"max_area_m2": 3}, [ROOM]),
        ({"min_area_m2": 2.25, "max_area_m2": 25}, [ROOM, HOUSE]),
    ]:
        assert boxes(candidates, SelectionRule(**limits), areas_m2=areas) == expected


@given(object_sets())
def test_what_was_chosen_before_stays_as_it_is(drawn: Any) -> None:
    _, _, objects = drawn
    assert same(select(CandidateSet.of_objects(objects), SelectionRule.keep_all()), objects)


@given(candidate_sets(), st.integers(3, 9))
def test_no_two_say_the_same_and_every_mask_left_out_has_its_reason(
    candidates: CandidateSet, tenths: int
) -> None:
    iou = tenths / 10
    rule = SelectionRule(good_score=0.5, good_stability=0.5, duplicate_iou=iou)
    objects = select(candidates, rule)
    kept = [objects.full_mask(i) for i in range(len(objects))]
    for i, mask in enumerate(kept):
        for other in kept[:i]:
            assert (mask & other).sum() <= (iou + 1e-9) * (mask | other).sum()
    covered = np.any(kept, axis=0) if kept else np.zeros(candidates.shape_hw, bool)
    for i in range(len(candidates)):
        mask, candidate = full(candidates, i), candidates[i]
        if any((mask == other).all() for other in kept):
            continue
        refused = candidate.score < np.float32(0.3) or candidate.stability < np.float32(0.3)
        new = (mask & ~covered).sum() >= rule.new_share * mask.sum()
        twin = any((mask & o).sum() > (iou - 1e-9) * (mask | o).sum() for o in kept)
        assert refused or not new or twin


@given(candidate_sets(), st.integers(3, 9))
def test_of_each_group_of_duplicates_the_best_stays(candidates: CandidateSet, tenths: int) -> None:
    kept = without_duplicates(candidates, tenths / 10)
    assert [m.quality for m in kept] == sorted((m.quality for m in kept), reverse=True)
    if len(candidates):
        assert kept[0].quality == max(m.quality for m in candidates)
