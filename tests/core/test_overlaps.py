"""Pairs of masks that may overlap are all found, and counted right."""

from __future__ import annotations

import numpy as np
from hypothesis import given

from samgeo_core.candidates import CandidateSet
from samgeo_core.overlaps import common_px, overlapping_boxes
from tests.core.test_candidates import candidate_sets, full


@given(candidate_sets())
def test_every_overlap_is_found_and_counted(candidates: CandidateSet) -> None:
    boxes = candidates.boxes_xyxy
    pairs, room = overlapping_boxes(boxes)
    assert pairs.tolist() == sorted(pairs.tolist())
    known = dict(zip(map(tuple, pairs.tolist()), room.tolist(), strict=True))
    for j in range(len(candidates)):
        for i in range(j):
            expected = np.count_nonzero(full(candidates, i) & full(candidates, j))
            assert known.get((i, j), 0) >= expected
            if known.get((i, j)):
                masks = candidates.mask(i), candidates.mask(j)
                assert common_px(masks[0], boxes[i], masks[1], boxes[j]) == expected
