"""Scale bar, north and coordinates, each measured on the Earth by other means."""

from __future__ import annotations

import math

import numpy as np
import pyproj
import pytest
from affine import Affine
from rasterio.crs import CRS

from samgeo_core.geogrid import GeoGrid
from samgeo_core.report.furniture import (
    edge_ticks,
    north_on_map,
    pixel_aspect,
    round_below,
    scale_bar,
)

GEOD = pyproj.Geod(ellps="WGS84")


def utm(turn: float = 0.0) -> GeoGrid:
    # On the central meridian of zone 33, where grid north is true north.
    place = Affine.translation(500_000, 5_000_000) @ Affine.rotation(turn) @ Affine.scale(0.5, -0.5)
    return GeoGrid((800, 1000), place, CRS.from_epsg(32633))


def mercator(lat: float) -> GeoGrid:
    x, y = pyproj.Transformer.from_crs(4326, 3857, always_xy=True).transform(10.0, lat)
    return GeoGrid((800, 1000), Affine(2.0, 0, x, 0, -2.0, y), CRS.from_epsg(3857))


def degrees(lat: float) -> GeoGrid:
    return GeoGrid((800, 1000), Affine(1e-5, 0, 10.0, 0, -1e-5, lat), CRS.from_epsg(4326))


@pytest.mark.parametrize("grid", [utm(), utm(33.0), mercator(0.0), mercator(64.0), degrees(60.0)])
def test_a_scale_bar_is_as_long_on_the_ground_as_it_says(grid: GeoGrid) -> None:
    bar = scale_bar(grid, (20, 780), 300)
    (lon0, lat0), (lon1, lat1) = grid.to_lonlat([bar.start_xy, bar.end_xy])
    assert GEOD.inv(lon0, lat0, lon1, lat1)[2] == pytest.approx(bar.length, rel=1e-6)
    assert bar.is_ground
    assert bar.length in {1, 2, 5, 10, 20, 50, 100, 200, 500}
    assert 100 < bar.end_xy[0] - bar.start_xy[0] <= 301


def test_mercator_is_shorter_on_the_ground_than_its_numbers() -> None:
    near, far = (scale_bar(mercator(lat), (0, 400), 300) for lat in (0.0, 64.0))
    m_per_px = [bar.length / bar.end_xy[0] for bar in (near, far)]
    assert m_per_px[1] / m_per_px[0] == pytest.approx(math.cos(math.radians(64)), rel=0.01)


def test_a_bar_counts_px_where_there_is_no_place() -> None:
    bar = scale_bar(GeoGrid((100, 100), Affine.identity(), None), (3, 90), 40)
    assert (bar.length, bar.is_ground, bar.end_xy) == (20, False, (23, 90))


@pytest.mark.parametrize("turn", [0, 25, 90, -130, 180])
def test_north_follows_a_rotated_grid(turn: float) -> None:
    north = north_on_map(utm(turn))
    assert north is not None
    # The grid turned to the left: on the picture north turned to the right, y downwards.
    turned = math.degrees(math.atan2(north[0], -north[1]))
    assert math.remainder(turned - turn, 360) == pytest.approx(0, abs=0.1)


def test_north_is_true_north_far_from_the_central_meridian() -> None:
    grid = GeoGrid((100, 100), Affine(10, 0, 166_000, 0, -10, 7_100_000), CRS.from_epsg(32633))
    north = north_on_map(grid)
    lon, lat = grid.to_lonlat([(50, 50)])[0]
    convergence = pyproj.Proj(32633).get_factors(lon, lat).meridian_convergence
    assert north is not None
    assert math.degrees(math.atan2(north[0], -north[1])) == pytest.approx(-convergence, abs=0.05)
    assert abs(convergence) > 5


def test_no_north_without_a_place() -> None:
    assert north_on_map(GeoGrid((9, 9), Affine.identity(), None)) is None


def test_degrees_are_drawn_in_the_shape_of_the_ground() -> None:
    assert pixel_aspect(degrees(60.0)) == pytest.approx(2.0, rel=0.01)
    assert pixel_aspect(utm()) == pytest.approx(1.0, rel=1e-3)


@pytest.mark.parametrize("along_x", [True, False])
@pytest.mark.parametrize("grid", [utm(), degrees(45.0), utm(20.0)])
def test_coordinates_stand_where_they_are(grid: GeoGrid, along_x: bool) -> None:
    ticks = edge_ticks(grid, along_x=along_x)
    assert 1 <= len(ticks) <= 6
    height, _ = grid.shape_hw
    for tick in ticks:
        place = (tick.at_px, height) if along_x else (0, tick.at_px)
        assert grid.to_crs_xy([place])[0][0 if along_x else 1] == pytest.approx(
            tick.value, abs=1e-6
        )


@pytest.mark.parametrize(("value", "wanted"), [(1, 1), (1.99, 1), (0.3, 0.2), (999, 500), (50, 50)])
def test_lengths_are_round(value: float, wanted: float) -> None:
    assert np.isclose(round_below(value), wanted)
