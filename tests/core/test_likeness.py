from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from samgeo_core.candidates import CandidateSet
from samgeo_core.likeness import Likeness
from tests.core.test_candidates import SHAPE, candidate_sets, full


@given(candidate_sets(), st.integers(0, 9), st.integers(0, 9))
def test_twins_are_all_pairs_more_alike_than_the_limit(
    candidates: CandidateSet, floor: int, more: int
) -> None:
    # A limit between tenths, so that no IoU of small masks comes to lie on it.
    low = floor / 10 + 0.003
    iou = min(low + more / 10, 0.998)
    twins = Likeness.measure(candidates, low).twins(len(candidates), iou)
    masks = [full(candidates, i) for i in range(len(candidates))]
    for i, mask in enumerate(masks):
        expected = [
            j
            for j, other in enumerate(masks)
            if j != i and (mask & other).sum() > iou * (mask | other).sum()
        ]
        assert sorted(twins[i].tolist()) == expected


def test_nothing_has_no_twins() -> None:
    none = CandidateSet.collect(SHAPE, [])
    assert Likeness.measure(none).twins(0, 0.5).others.tolist() == []
