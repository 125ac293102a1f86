import math

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from rasterio.crs import CRS

from samgeo_core.geogrid import GeoGrid
from samgeo_core.web.frame import (
    MAX_ZOOM,
    WORLD_M,
    map_frame,
    mercator_lonlat,
    mercator_xy,
    tile_bounds_m,
)


def grid(crs: str | None, transform: Affine, shape_hw: tuple[int, int] = (400, 600)) -> GeoGrid:
    return GeoGrid(shape_hw, transform, None if crs is None else CRS.from_user_input(crs))


UTM = Affine(0.5, 0, 500_000, 0, -0.5, 5_000_000)


def test_a_georeferenced_raster_lies_on_a_web_map() -> None:
    frame = map_frame(grid("EPSG:32633", UTM))
    assert frame.is_geographic
    assert frame.leaflet_crs == "EPSG3857"
    (south, west), (north, _) = frame.bounds_latlng
    # The central meridian of zone 33 is 15 degrees east.
    assert west == pytest.approx(15.0, abs=1e-9)
    assert south < north < 45.2
    # 0.5 m on the ground at 45 degrees are 0.707 m of the map: zoom 18 has 0.597 m.
    assert frame.native_zoom == 18


@pytest.mark.parametrize(
    ("shape_hw", "zoom", "bounds"),
    [
        ((200, 100), 0, ((-200, 0), (0, 100))),
        ((256, 256), 0, ((-256, 0), (0, 256))),
        ((257, 10), 1, ((-128.5, 0), (0, 5))),
        ((1000, 4000), 4, ((-62.5, 0), (0, 250))),
    ],
)
def test_a_raster_without_crs_lies_on_its_own_pixels(
    shape_hw: tuple[int, int], zoom: int, bounds: tuple[tuple[float, float], ...]
) -> None:
    frame = map_frame(grid(None, Affine.identity(), shape_hw))
    assert not frame.is_geographic
    assert frame.leaflet_crs == "Simple"
    assert frame.native_zoom == zoom
    assert frame.bounds_latlng == bounds


@pytest.mark.parametrize(
    ("crs", "transform"),
    [
        # Lunar coordinates lead to no place on Earth.
        ("IAU_2015:30100", Affine(0.001, 0, 10, 0, -0.001, 10)),
        # All of it lies beyond the latitude where web mercator ends.
        ("EPSG:4326", Affine(0.001, 0, 10, 0, -0.001, 89)),
    ],
)
def test_what_no_web_map_can_show_lies_on_its_own_pixels(crs: str, transform: Affine) -> None:
    assert not map_frame(grid(crs, transform)).is_geographic


@pytest.mark.parametrize(
    ("crs", "transform"),
    [
        ("EPSG:32633", UTM),
        ("EPSG:32633", UTM @ Affine.rotation(30)),
        ("EPSG:28992", Affine(0.25, 0, 150_000, 0, -0.25, 460_000)),
        ("EPSG:3857", Affine(0.3, 0, 3_620_000, 0, 0.3, 30_000)),
        ("EPSG:4326", Affine(1e-5, 0, 179.999, 0, -1e-5, -17)),
        ("EPSG:4326", Affine(1e-5, 0, 210, 0, -1e-5, -17)),
        ("EPSG:3031", Affine(10, 0, -2_000_000, 0, -10, 1_000_000)),
        (None, Affine.identity()),
        (None, Affine(2, 0, 7, 0, 2, 7)),
    ],
)
@given(x=st.floats(-10, 610), y=st.floats(-10, 410))
def test_places_on_the_map_lead_back(
    crs: str | None, transform: Affine, x: float, y: float
) -> None:
    frame = map_frame(grid(crs, transform))
    points = np.array([[x, y]])
    assert frame.from_lnglat(frame.to_lnglat(points)) == pytest.approx(points, abs=0.01)


@pytest.mark.parametrize("west", [160, -200])
def test_a_raster_across_the_antimeridian_is_one_piece_on_the_map(west: float) -> None:
    frame = map_frame(grid("EPSG:4326", Affine(0.1, 0, west, 0, -0.1, 5)))
    corners = frame.to_lnglat(np.array([[0, 0], [300, 0], [600, 0]]))
    assert corners[:, 0] == pytest.approx([160, 190, 220])
    assert frame.bounds_latlng[0][1] == pytest.approx(160)
    # A click beyond the edge of the world may come in with either count of turns.
    clicked = frame.from_lnglat(np.array([[-170, 5], [190, 5]]))
    assert clicked.round(6).tolist() == [[300, 0], [300, 0]]


def test_corners_of_the_bounds_are_corners_of_the_raster() -> None:
    frame = map_frame(grid(None, Affine.identity(), (1000, 3000)))
    (south, west), (north, east) = frame.bounds_latlng
    assert frame.from_lnglat(np.array([[west, north], [east, south]])).tolist() == [
        [0, 0],
        [3000, 1000],
    ]


@given(lon=st.floats(-180, 180), lat=st.floats(-85, 85))
def test_mercator_and_back(lon: float, lat: float) -> None:
    place = np.array([[lon, lat]])
    assert mercator_lonlat(mercator_xy(place)) == pytest.approx(place, abs=1e-9)


def test_mercator_is_that_of_epsg_3857() -> None:
    import pyproj

    places = np.array([[13.4, 52.5], [-70.6, -33.4], [0, 0], [180, 85]])
    x, y = pyproj.Transformer.from_crs(4326, 3857, always_xy=True).transform(*places.T)
    assert mercator_xy(places) == pytest.approx(np.stack([x, y], 1), abs=1e-6)


def test_tiles_cover_the_world_without_gap() -> None:
    half = WORLD_M / 2
    assert tile_bounds_m(0, 0, 0) == pytest.approx((-half, -half, half, half))
    left, bottom, right, top = tile_bounds_m(3, 5, 2)
    assert tile_bounds_m(3, 6, 2)[0] == pytest.approx(right)
    assert tile_bounds_m(3, 5, 3)[3] == pytest.approx(bottom)
    assert right - left == pytest.approx(WORLD_M / 8)
    assert top == pytest.approx(half - 2 * WORLD_M / 8)


@pytest.mark.parametrize(("gsd", "zoom"), [(0.01, 24), (1e-7, MAX_ZOOM), (1e5, 1)])
def test_the_native_zoom_follows_the_resolution(gsd: float, zoom: int) -> None:
    frame = map_frame(grid("EPSG:3857", Affine(gsd, 0, 0, 0, -gsd, 0), (10, 10)))
    assert frame.native_zoom == zoom
    assert frame.native_zoom <= frame.max_zoom <= MAX_ZOOM
    if zoom < MAX_ZOOM:
        assert WORLD_M / 256 / 2**zoom <= gsd < 2 * WORLD_M / 256 / 2**zoom
    assert math.isfinite(frame.bounds_latlng[0][0])
