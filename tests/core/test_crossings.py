from __future__ import annotations

from pathlib import Path

import numpy as np
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st

from samgeo_core.candidates import CandidateSet, MaskCandidate
from samgeo_core.crossings import (
    UNKNOWN,
    CrossingBook,
    measure_crossings,
    places_of_edges,
    shifts_of,
)
from samgeo_core.geogrid import GeoGrid
from samgeo_core.objects import ObjectSet
from samgeo_core.pool import CandidatePool
from tests.core.vectors.scenes import masks


@settings(max_examples=50, deadline=None)
@given(masks(), st.integers(0, 2**32 - 1), st.integers(0, 3), st.integers(0, 3))
def test_each_edge_says_where_its_logits_cross(
    mask: np.ndarray, seed: int, left: int, top: int
) -> None:
    random = np.random.default_rng(seed)
    h, w = mask.shape
    field = -random.random((h + 6, w + 6)) - 0.01
    field[top : top + h, left : left + w][mask] *= -1
    found = shifts_of(measure_crossings(mask, (left, top), field.astype(np.float32), (0, 0)))
    places = places_of_edges(mask)
    assert len(found) == len(places)
    for (x2, y2), shift in zip((places + 2 * np.array([left, top])).tolist(), found, strict=True):
        # The two pixels on either side of an edge.
        if x2 % 2 == 0:
            a, b = ((y2 // 2, x2 // 2 - 1), (y2 // 2, x2 // 2))
        else:
            a, b = ((y2 // 2 - 1, x2 // 2), (y2 // 2, x2 // 2))
        if min(*a, *b) < 0:
            assert np.isnan(shift)
        else:
            assert abs(shift - (field[a] / (field[a] - field[b]) - 0.5)) <= 0.5 / 14 + 1e-6


def test_crossings_last_as_long_as_their_mask(tmp_path: Path) -> None:
    y, x = np.indices((40, 40)) + 0.5
    field = (12.3 - np.hypot(x - 20, y - 17)).astype(np.float32)
    with_logits = MaskCandidate.of(field > 0, (5, 6), 0.9, 0.9, (25, 23), field)
    without = MaskCandidate.of(field > 4, (5, 6), 0.9, 0.9, (25, 23))
    assert with_logits is not None
    assert without is not None
    known = with_logits.crossings
    assert known is not None
    assert (known != UNKNOWN).all()
    candidates = CandidateSet.collect((60, 60), [without, with_logits])
    path, grid = tmp_path / "candidates.npz", GeoGrid((60, 60), Affine.identity(), None)
    CandidatePool(candidates, np.ones((60, 60), np.bool_), grid).save(path)
    pool = CandidatePool.load(path, grid)
    assert pool.candidates.crossings_of(0) is None
    objects = pool.candidates.objects(np.array([0, 1]))
    found = [pool.crossings.get(item.mask, item.offset_xy) for item in objects]
    assert found[0] is None
    np.testing.assert_array_equal(found[1], known)
    moved, cut = CrossingBook(), objects[1].mask.copy()
    moved.take(pool.crossings, 100, 7)
    column, row = objects[1].offset_xy
    assert moved.get(objects[1].mask, (column + 100, row + 7)) is found[1]
    cut[12, 12] = False
    assert pool.crossings.get(cut, (column, row)) is None, "another mask"
    again = CandidateSet.of_objects(objects, pool.crossings)
    np.testing.assert_array_equal(again.crossings_of(1), known)
    plain = CandidateSet.of_objects(ObjectSet.empty((60, 60)), pool.crossings)
    assert plain.crossings is None
