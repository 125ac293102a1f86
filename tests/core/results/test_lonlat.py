from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import shapely
from pyproj import CRS, Transformer

from samgeo_core.errors import ExportError
from samgeo_core.results.lonlat import to_lonlat

# A box across the antimeridian with one hole across it and one beyond it.
ACROSS = (
    shapely.box(179.9, -17.2, 180.1, -17.0)
    - shapely.box(179.99, -17.15, 180.01, -17.05)
    - shapely.box(180.05, -17.15, 180.06, -17.05)
)


def layer(geometry: shapely.Geometry | None, crs: object, **columns: object) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame({"name": ["one"], **columns}, geometry=[geometry], crs=crs)


def moved(geometry: shapely.Geometry, by: float) -> shapely.Geometry:
    return shapely.transform(geometry, lambda xy: xy + np.array([by, 0]))


def projected(geometry: shapely.Geometry, epsg: int) -> shapely.Geometry:
    transformer = Transformer.from_crs(4326, epsg, always_xy=True)
    return shapely.transform(geometry, lambda xy: np.stack(transformer.transform(*xy.T), axis=1))


def test_projected_polygons_come_to_their_place() -> None:
    square = shapely.box(10, 50, 10.001, 50.001)
    frame = to_lonlat(layer(projected(square, 32632), 32632))
    assert frame.crs.to_epsg() == 4326
    assert frame["name"].tolist() == ["one"]
    assert shapely.hausdorff_distance(frame.geometry.iloc[0], square) < 1e-7


def test_long_edges_bend() -> None:
    # On this map the parallel at 60 degrees is a curve; the straight edge bulges north of it.
    edge = shapely.box(300_000, 6_600_000, 700_000, 6_601_000)
    bent = to_lonlat(layer(edge, 32633)).geometry.iloc[0]
    transformer = Transformer.from_crs(32633, 4326, always_xy=True)
    on_edge = shapely.Point(transformer.transform(400_000, 6_600_000))
    assert shapely.distance(shapely.boundary(bent), on_edge) < 1e-6


@pytest.mark.parametrize(
    "frame",
    [
        layer(ACROSS, 4326),
        layer(moved(ACROSS, -360), 4326),
        layer(projected(ACROSS, 3832), 3832),
        layer(projected(ACROSS, 32701), 32701),
    ],
    ids=["beyond 180", "below -180", "Mercator round 150", "UTM"],
)
def test_what_crosses_the_antimeridian_is_cut_there(frame: gpd.GeoDataFrame) -> None:
    geometry = to_lonlat(frame).geometry.iloc[0]
    assert geometry.is_valid
    assert geometry.geom_type == "MultiPolygon"
    assert geometry.bounds == pytest.approx((-180, -17.2, 180, -17.0), abs=1e-4)
    assert geometry.area == pytest.approx(ACROSS.area, rel=1e-4)
    assert [len(part.interiors) for part in geometry.geoms].count(1) == 1
    west, east = sorted(geometry.geoms, key=lambda part: part.bounds[0])
    assert west.bounds[2] < 0 < east.bounds[0]


@pytest.mark.parametrize("lon", [179.99999, 180.0, 180.00001, -180.0])
def test_parts_on_either_side(lon: float) -> None:
    parts = [shapely.box(lon - 2, 0, lon - 1, 1), shapely.box(lon, 0, lon + 1, 1)]
    geometry = to_lonlat(layer(shapely.MultiPolygon(parts), 4326)).geometry.iloc[0]
    assert geometry.is_valid
    assert geometry.area == pytest.approx(2)
    west, _, east, _ = geometry.bounds
    assert -180 <= west < east <= 180


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((200, 0, 201, 1), (-160, 0, -159, 1)),
        ((-180, -90, 180, 90), (-180, -90, 180, 90)),
        ((0, -90, 360, 90), (-180, -90, 180, 90)),
        ((170, 0, 180, 1), (170, 0, 180, 1)),
    ],
)
def test_longitudes_from_0_to_360_and_the_whole_world(box: tuple, expected: tuple) -> None:
    geometry = to_lonlat(layer(shapely.box(*box), 4326)).geometry.iloc[0]
    assert geometry.is_valid
    assert geometry.geom_type == "Polygon"
    assert geometry.bounds == expected


def test_outer_rings_run_counterclockwise() -> None:
    clockwise = shapely.box(0, 0, 3, 3, ccw=False) - shapely.box(1, 1, 2, 2)
    geometry = to_lonlat(layer(clockwise, 4326)).geometry.iloc[0]
    assert geometry.exterior.is_ccw
    assert not geometry.interiors[0].is_ccw


@pytest.mark.parametrize(("side_deg", "decimals"), [(1e-3, 7), (1e-8, 9), (1e-10, 11)])
def test_digits_suffice_for_the_smallest_pixel(side_deg: float, decimals: int) -> None:
    third = 1 / 3
    square = shapely.box(third, third, third + side_deg, third + side_deg)
    geometry = to_lonlat(layer(square, 4326)).geometry.iloc[0]
    assert geometry.is_valid
    coordinates = shapely.get_coordinates(geometry)
    np.testing.assert_array_equal(coordinates, np.round(coordinates, decimals))


def test_empty_and_missing_geometries_stay() -> None:
    frame = to_lonlat(layer(None, 32633))
    assert frame.geometry.isna().all()
    assert to_lonlat(layer(shapely.Polygon(), 32633)).geometry.iloc[0].is_empty
    nothing = to_lonlat(layer(shapely.box(0, 0, 1, 1), 32633).iloc[:0])
    assert len(nothing) == 0
    assert nothing.crs.to_epsg() == 4326


@pytest.mark.parametrize(
    ("crs", "message"),
    [
        (None, "no coordinate reference system"),
        (CRS.from_wkt('LOCAL_CS["site grid",UNIT["metre",1]]'), "site grid"),
    ],
)
def test_unknown_places_are_refused(crs: CRS | None, message: str) -> None:
    with pytest.raises(ExportError, match=message):
        to_lonlat(layer(shapely.box(0, 0, 1, 1), crs))


def test_polygons_outside_their_projection_are_refused() -> None:
    with pytest.raises(ExportError, match="not defined"):
        to_lonlat(layer(shapely.box(1e30, 1e30, 2e30, 2e30), 3035))
