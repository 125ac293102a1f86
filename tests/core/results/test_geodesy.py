from __future__ import annotations

import math

import numpy as np
import pyproj
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from pyproj import CRS

from samgeo_core.results.geodesy import densified, measure

WGS84 = pyproj.Geod(ellps="WGS84")


def zone_area(south: float, north: float, width_deg: float) -> float:
    """Area between two parallels and two meridians of WGS 84, in closed form (Snyder 1987)."""
    e = math.sqrt(WGS84.es)

    def half_q(lat: float) -> float:
        s = math.sin(math.radians(lat))
        return s / (1 - (e * s) ** 2) / 2 + math.atanh(e * s) / (2 * e)

    return WGS84.b**2 * math.radians(width_deg) * (half_q(north) - half_q(south))


def zone_perimeter(south: float, north: float, width_deg: float) -> float:
    def parallel(lat: float) -> float:
        s = math.sin(math.radians(lat))
        return WGS84.a * math.cos(math.radians(lat)) / math.sqrt(1 - WGS84.es * s * s)

    _, _, side = WGS84.inv(0, south, 0, north)
    return 2 * side + math.radians(width_deg) * (parallel(south) + parallel(north))


@pytest.mark.parametrize("size_deg", [1e-6, 1e-4, 1e-2, 2.0])
@pytest.mark.parametrize("south", [0.0, 60.0, -75.0])
@pytest.mark.parametrize("epsg", [4326, 3857])
def test_area_and_perimeter_of_a_rectangle_in_degrees(
    epsg: int, south: float, size_deg: float
) -> None:
    # In EPSG:3857 edges of such a rectangle stay straight, as meridians and parallels do there.
    to_map = pyproj.Transformer.from_crs(4326, epsg, always_xy=True)
    (x0, x1), (y0, y1) = to_map.transform([10, 10 + size_deg], [south, south + size_deg])
    (area,), (perimeter,) = measure(np.array([shapely.box(x0, y0, x1, y1)]), CRS(epsg))
    north = south + size_deg
    assert area == pytest.approx(zone_area(south, north, size_deg), rel=1e-4)
    assert perimeter == pytest.approx(zone_perimeter(south, north, size_deg), rel=1e-4)


@pytest.mark.parametrize(("lon", "lat"), [(15.0, 60.0), (17.9, 45.0), (12.5, -1.0)])
def test_area_in_utm_is_the_map_area_divided_by_its_scale(lon: float, lat: float) -> None:
    crs = CRS(32633)
    x, y = pyproj.Transformer.from_crs(4326, crs, always_xy=True).transform(lon, lat)
    scale = pyproj.Proj(crs).get_factors(lon, lat).areal_scale
    polygon = shapely.box(x - 100, y - 50, x + 100, y + 50) - shapely.box(x, y, x + 20, y + 20)
    (area,), (perimeter,) = measure(np.array([polygon]), crs)
    assert area == pytest.approx(polygon.area / scale, rel=1e-6)
    assert perimeter == pytest.approx(polygon.length / math.sqrt(scale), rel=1e-6)


@pytest.mark.parametrize(
    "crs",
    [
        CRS(2227),  # US survey feet
        CRS(4807),  # grads, from the Paris meridian
        CRS.from_proj4("+proj=omerc +lat_0=46 +lonc=7 +alpha=30 +ellps=bessel +units=m"),
        CRS.from_proj4("+proj=sterea +lat_0=52 +lon_0=5 +ellps=bessel +towgs84=565,50,466"),
        CRS.from_wkt(CRS(28992).to_wkt("WKT1_GDAL")),
        CRS("EPSG:25832+7837"),  # with heights
    ],
    ids=lambda crs: crs.name,
)
def test_units_datums_and_projections(crs: CRS) -> None:
    lon, lat = _centre(crs)
    x, y = pyproj.Transformer.from_crs(4326, crs, always_xy=True).transform(lon, lat)
    to_lonlat = pyproj.Transformer.from_crs(crs, 4326, always_xy=True)
    step = 0.002 if crs.is_geographic else 200.0
    box = shapely.box(x, y, x + step, y + step)
    lonlat = shapely.transform(box, lambda xy: np.stack(to_lonlat.transform(*xy.T), axis=1))
    expected_area, expected_perimeter = WGS84.geometry_area_perimeter(lonlat)
    (area,), (perimeter,) = measure(np.array([box]), crs)
    # Between ellipsoids sizes differ by up to 0.02 %.
    assert area == pytest.approx(abs(expected_area), rel=5e-4)
    assert perimeter == pytest.approx(expected_perimeter, rel=5e-4)


def _centre(crs: CRS) -> tuple[float, float]:
    area = crs.area_of_use
    if area is None:
        return 5.0, 52.0
    return (area.west + area.east) / 2, (area.south + area.north) / 2


def test_a_polygon_across_the_antimeridian_counts_once() -> None:
    beyond = shapely.box(179.9, -17.2, 180.1, -17.0)
    crs = CRS(3832)  # Mercator round 150 degrees east
    to_map = pyproj.Transformer.from_crs(4326, crs, always_xy=True)
    projected = shapely.transform(beyond, lambda xy: np.stack(to_map.transform(*xy.T), axis=1))
    expected = zone_area(-17.2, -17.0, 0.2)
    assert measure(np.array([beyond]), CRS(4326))[0][0] == pytest.approx(expected, rel=1e-4)
    assert measure(np.array([projected]), crs)[0][0] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("crs", [CRS(4326), CRS(3857), CRS.from_proj4("+proj=longlat +R=6371000")])
@given(
    lon=st.floats(-179.9, 179.9),
    lat=st.floats(-84, 84),
    metres=st.floats(0.5, 450),
    seed=st.integers(0, 2**32 - 1),
)
def test_uneven_outlines_are_measured_as_geodesics_are(
    crs: CRS, lon: float, lat: float, metres: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    angles = np.sort(rng.uniform(0, 2 * np.pi, 12))
    radii = rng.uniform(0.3, 1, 12) * metres / 111_000
    ring = np.stack([lon + radii * np.cos(angles) / np.cos(np.radians(lat)),
                     lat + radii * np.sin(angles)], axis=1)  # fmt: skip
    polygon = shapely.Polygon(ring)
    to_map = pyproj.Transformer.from_crs(crs.geodetic_crs, crs, always_xy=True)
    on_map = shapely.transform(polygon, to_map.transform, interleaved=False)
    bent = densified(np.array([on_map]), crs)[0]
    expected, around = crs.get_geod().geometry_area_perimeter(
        shapely.transform(
            bent, lambda x, y: to_map.transform(x, y, direction="INVERSE"), interleaved=False
        )
    )
    (area,), (perimeter,) = measure(np.array([on_map]), crs)
    assert perimeter == pytest.approx(around, rel=2e-6)
    # Geod's own areas are right to some square centimetres only.
    tolerance = 2e-6 * around**2 + 1e-3
    assert area == pytest.approx(abs(expected), rel=2e-6, abs=tolerance)


def test_a_polygon_round_a_pole() -> None:
    polar = CRS(3413)
    to_map = pyproj.Transformer.from_crs(4326, polar, always_xy=True)
    ring = np.array([(lon, 80.0) for lon in np.arange(-180, 180, 0.05)])
    on_map = shapely.Polygon(np.stack(to_map.transform(*ring.T), axis=1))
    area, _ = measure(np.array([on_map]), polar)
    assert area[0] == pytest.approx(zone_area(80.0, 90.0, 360.0), rel=1e-3)


def test_parts_add_up_and_holes_count_off() -> None:
    ring = shapely.box(0, 0, 10, 10) - shapely.box(4, 4, 6, 6)
    both = shapely.MultiPolygon([ring, shapely.box(20, 0, 30, 10)])
    polygons = np.array([ring, shapely.box(20, 0, 30, 10), both])
    polygons = shapely.transform(polygons, lambda xy: xy + np.array([5e5, 5e6]))
    area, perimeter = measure(polygons, CRS(32633))
    assert area[2] == pytest.approx(area[0] + area[1], rel=1e-9)
    assert perimeter[2] == pytest.approx(perimeter[0] + perimeter[1], rel=1e-9)
    assert area[0] / area[1] == pytest.approx(0.96, rel=1e-6)
    assert perimeter[0] / perimeter[1] == pytest.approx(1.2, rel=1e-6)


@pytest.mark.parametrize("crs", [None, CRS.from_wkt('LOCAL_CS["site grid",UNIT["metre",1]]')])
def test_off_the_earth_nothing_is_known(crs: CRS | None) -> None:
    area, perimeter = measure(np.array([shapely.box(0, 0, 1, 1)]), crs)
    assert np.isnan(area).all()
    assert np.isnan(perimeter).all()


def test_no_polygons() -> None:
    area, perimeter = measure(np.empty(0, object), CRS(4326))
    assert area.dtype == perimeter.dtype == np.float64
    assert area.shape == perimeter.shape == (0,)


def test_only_long_edges_get_vertices() -> None:
    polygons = np.array([shapely.box(0, 0, 900, 900), shapely.box(0, 0, 2500, 900)])
    counts = shapely.get_num_coordinates(densified(polygons, CRS(32633)))
    assert counts.tolist() == [5, 9]
    assert shapely.get_num_coordinates(polygons).tolist() == [5, 5]
