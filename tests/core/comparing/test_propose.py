from __future__ import annotations

from dataclasses import replace

import geopandas as gpd
import numpy as np
import pytest
import shapely
from rasterio.crs import CRS

from samgeo_core.candidates import CandidateSet, MaskCandidate
from samgeo_core.comparing.ground import Ground
from samgeo_core.comparing.propose import Targets, figures_of, pool_near, propose_rule
from samgeo_core.comparing.reference import Reference, place_reference
from samgeo_core.config import SelectionRule
from samgeo_core.edits.edits import Edit
from samgeo_core.errors import ParameterError
from samgeo_core.geogrid import GeoGrid
from samgeo_core.pool import CandidatePool
from tests.factories import UTM_33N

GRID = GeoGrid((300, 600), UTM_33N, CRS.from_epsg(32633))
SIDE = 20
PLACES = [(20 + 45 * i, 20 + 80 * j) for j in range(3) for i in range(12)]
OWN = SelectionRule()


def mask(x: int, y: int, side: int, score: float, stability: float = 0.95) -> MaskCandidate:
    made = MaskCandidate.of(np.ones((side, side), np.bool_), (x, y), score, stability, (x, y))
    assert made is not None
    return made


def pool_of(*, weak_parts: bool) -> CandidatePool:
    """A square in each place; on each lies a small part, or a weaker one of like size."""
    masks = []
    for x, y in PLACES:
        masks.append(mask(x, y, SIDE, 0.95))
        masks.append(
            mask(x + 6, y + 6, 6 if not weak_parts else 13, 0.96 if not weak_parts else 0.9)
        )
    return CandidatePool(
        CandidateSet.collect(GRID.shape_hw, masks), np.ones(GRID.shape_hw, bool), GRID
    )


def reference_of(places: list[tuple[int, int]]) -> Reference:
    boxes = shapely.box(*np.array([(x, y, x + SIDE, y + SIDE) for x, y in places], float).T)
    shapes = shapely.transform(boxes, GRID.to_crs_xy)
    return place_reference(
        gpd.GeoDataFrame(geometry=shapes, crs="EPSG:32633"), Ground.of_image(GRID)
    )


@pytest.mark.parametrize("weak_parts", [False, True], ids=["small parts", "weak parts"])
def test_ten_objects_find_what_fits_all(weak_parts: bool) -> None:
    pool = pool_of(weak_parts=weak_parts)
    found = propose_rule(pool, OWN, reference_of(PLACES[:10]))
    assert found.n_reference == 10
    assert found.before.f1 == pytest.approx(2 / 3)
    assert found.after.f1 == 1
    everything = Targets.of(reference_of(PLACES), pool)
    assert figures_of(pool.objects(found.rule), everything, 0.5).f1 == 1
    # Few objects say little: one change does it, and one it is.
    assert len(found.changes(OWN)) == 1


def test_what_fits_already_stays() -> None:
    pool = pool_of(weak_parts=False)
    own = replace(OWN, min_area_m2=50.0)
    found = propose_rule(pool, own, reference_of(PLACES[:5]))
    assert found.rule == own
    assert found.before == found.after
    assert found.changes(own) == {}


def test_limits_of_size_keep_away_from_the_reference() -> None:
    found = propose_rule(
        pool_of(weak_parts=False), replace(OWN, overlap="nested"), reference_of(PLACES[:10])
    )
    area_m2 = SIDE**2 * 0.25
    changes = found.changes(OWN)
    assert changes.get("min_area_m2", 0) <= area_m2 / 2
    assert changes.get("max_area_m2", np.inf) >= area_m2 * 2


def test_corrections_hold_while_rules_are_tried() -> None:
    pool = pool_of(weak_parts=False)
    x, y = PLACES[0]
    gone = Edit("delete", removed=(mask(x, y, SIDE, 0.9),))
    found = propose_rule(pool, OWN, reference_of(PLACES[:4]), edits=[gone])
    assert found.after.recall == 0.75


def test_what_is_near_decides_as_the_whole_would() -> None:
    pool, reference = pool_of(weak_parts=True), reference_of(PLACES[:3])
    targets = Targets.of(reference, pool)
    near = pool_near(pool, targets.boxes_xyxy)
    assert len(near.candidates) == 6
    for rule in (OWN, replace(OWN, overlap="flatten"), replace(OWN, good_score=0.9)):
        whole = figures_of(pool.objects(rule), targets, 0.5)
        part = figures_of(near.objects(rule), targets, 0.5)
        assert part == whole


def test_two_objects_say_nothing() -> None:
    with pytest.raises(ParameterError, match="at least 3 reference objects"):
        propose_rule(pool_of(weak_parts=False), OWN, reference_of(PLACES[:2]))
