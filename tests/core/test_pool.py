from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from rasterio.crs import CRS

from samgeo_core.candidates import CandidateSet
from samgeo_core.config import OVERLAPS, SelectionRule
from samgeo_core.geogrid import GeoGrid
from samgeo_core.overlap_rules import apply_overlap_rule
from samgeo_core.pool import CandidatePool
from samgeo_core.selection import select
from tests.core.test_candidates import SHAPE, candidate_sets
from tests.core.test_objects import same
from tests.core.test_selection import GOOD, HOUSE, ROOM, YARD, squares
from tests.factories import UTM_33N

GRID = GeoGrid(SHAPE, Affine.identity(), None)
EVERYTHING = SelectionRule.keep_all()


@given(candidate_sets(), hnp.arrays(bool, SHAPE), st.sampled_from(OVERLAPS), st.integers(0, 9))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_choosing_later_is_choosing_now(
    tmp_path: Path, candidates: CandidateSet, valid: np.ndarray, overlap: str, tenths: int
) -> None:
    rule = SelectionRule(least_score=tenths / 10, min_area_px=3, overlap=overlap)
    pool = CandidatePool(candidates, valid, GRID)
    pool.save(tmp_path / "candidates.npz")
    later = CandidatePool.load(tmp_path / "candidates.npz", GRID)
    assert (later.valid == valid).all()
    expected = apply_overlap_rule(select(candidates, rule), overlap, valid)
    assert same(pool.objects(rule), expected)
    assert same(later.objects(rule), expected)


@pytest.mark.parametrize(
    ("transform", "crs", "m2_per_px"),
    [
        (UTM_33N, CRS.from_epsg(32633), 0.25),
        # At 60 degrees north a metre of web mercator is half a metre of ground.
        (Affine(1, 0, 0, 0, -1, 8_399_737.9), CRS.from_epsg(3857), 0.25),
    ],
)
def test_sizes_in_square_metres_are_those_on_the_ground(
    transform: Affine, crs: CRS, m2_per_px: float
) -> None:
    candidates = squares((HOUSE, *GOOD), (ROOM, *GOOD), (YARD, *GOOD))
    grid = GeoGrid((40, 40), transform, crs)
    pool = CandidatePool(candidates, np.ones((40, 40), bool), grid)
    for low, high, count in [
        (None, None, 3),
        (8, None, 2),
        (20, 30, 1),
        (None, 3, 1),
        (24, 24.1, 0),
    ]:
        rule = replace(EVERYTHING, min_area_m2=low, max_area_m2=high)
        assert len(pool.objects(rule)) == count
    assert len(pool.objects(replace(EVERYTHING, min_area_m2=100 * m2_per_px * 0.98))) == 2


def test_without_a_place_no_mask_has_a_size_on_the_ground() -> None:
    pool = CandidatePool(
        squares((ROOM, *GOOD)), np.ones((40, 40), bool), replace(GRID, shape_hw=(40, 40))
    )
    assert len(pool.objects(EVERYTHING)) == 1
    assert len(pool.objects(replace(EVERYTHING, min_area_m2=0.0))) == 0
