from __future__ import annotations

import json
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyproj
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from rasterio.crs import CRS

from samgeo_core.errors import ParameterError
from samgeo_core.geogrid import GeoGrid
from samgeo_core.reading.raster import Raster
from samgeo_core.windows import Window

UTM = CRS.from_epsg(32633)
LOCAL = CRS.from_wkt('LOCAL_CS["site",UNIT["metre",1]]')
MOON = CRS.from_wkt(
    'GEOGCS["Moon",DATUM["D_Moon",SPHEROID["Moon",1737400,0]],PRIMEM["Reference_Meridian",0],'
    'UNIT["degree",0.0174532925199433]]'
)
CUSTOM = CRS.from_string(
    "+proj=tmerc +lat_0=45.1 +lon_0=15.2 +k=1 +x_0=1000 +y_0=2000 +ellps=GRS80 +units=m"
)


def grid(transform: Affine, crs: CRS | None = UTM, shape_hw: tuple[int, int] = (40, 60)) -> GeoGrid:
    return GeoGrid(shape_hw, transform, crs)


def at(crs: CRS, lonlat: tuple[float, float], size: float = 1.0) -> GeoGrid:
    """A grid of square pixels, centred on a place."""
    x, y = pyproj.Transformer.from_crs("OGC:CRS84", crs.to_wkt(), always_xy=True).transform(*lonlat)
    return GeoGrid((100, 100), Affine(size, 0, x - 50 * size, 0, -size, y + 50 * size), crs)


transforms = st.builds(
    lambda x, y, angle, width, height, flip: (
        Affine.translation(x, y) @ Affine.rotation(angle) @ Affine.scale(width, height * flip)
    ),
    st.floats(-5e6, 5e6),
    st.floats(-5e6, 5e6),
    st.sampled_from([0.0, 0.0, 30.0, 123.4, 270.0]),
    st.floats(0.01, 100),
    st.floats(0.01, 100),
    st.sampled_from([1.0, -1.0]),
)
points = st.lists(st.tuples(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4)), max_size=8)


class TestFrames:
    @given(transforms, points)
    def test_pixels_survive_the_round_trip_through_the_crs(
        self, transform: Affine, points_xy: list[tuple[float, float]]
    ) -> None:
        made = grid(transform)
        back = made.to_px_xy(made.to_crs_xy(points_xy))
        assert back.shape == (len(points_xy), 2)
        np.testing.assert_allclose(back, np.reshape(points_xy, (-1, 2)), atol=1e-4)

    @given(
        st.sampled_from([UTM, CUSTOM, *map(CRS.from_epsg, (4326, 3857, 3395))]),
        st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)), min_size=1, max_size=8),
    )
    def test_pixels_survive_the_round_trip_through_lonlat(
        self, crs: CRS, points_xy: list[tuple[float, float]]
    ) -> None:
        made = at(crs, (15.1, 45.2), 1e-5 if crs.is_geographic else 0.5)
        np.testing.assert_allclose(
            made.from_lonlat(made.to_lonlat(points_xy)), points_xy, atol=1e-3
        )

    @given(st.integers(0, 30), st.integers(0, 30), points)
    def test_a_window_keeps_every_place(
        self, x: int, y: int, points_xy: list[tuple[float, float]]
    ) -> None:
        whole = grid(Affine(0.5, 0.1, 500_000, 0.2, -0.5, 5_000_000))
        part = whole.window(Window(x, y, 7, 9))
        assert part.shape_hw == (9, 7)
        shifted = np.reshape(points_xy, (-1, 2)) + np.array([x, y])
        np.testing.assert_allclose(part.to_crs_xy(points_xy), whole.to_crs_xy(shifted), atol=1e-6)

    def test_the_corner_of_the_first_pixel_is_the_origin_of_the_transform(self) -> None:
        made = grid(Affine(0.5, 0, 500_000, 0, -0.5, 5_000_000))
        assert made.to_crs_xy([(0, 0), (2, 4)]).tolist() == [[500_000, 5e6], [500_001, 4_999_998]]

    def test_points_of_another_shape_are_refused(self) -> None:
        with pytest.raises(ParameterError, match=r"x, y pairs, got shape \(2, 3\)"):
            grid(Affine.identity()).to_crs_xy(np.zeros((2, 3)))

    @pytest.mark.parametrize(
        ("transform", "rotated"),
        [
            (Affine(0.5, 0, 5e5, 0, -0.5, 5e6), False),
            (Affine(0.5, 0, 5e5, 0, 0.5, 5e6), False),
            (Affine.rotation(20), True),
            (Affine(0, 1, 0, 1, 0, 0), True),
        ],
        ids=["north-up", "south-up", "turned", "swapped axes"],
    )
    def test_rotation(self, transform: Affine, rotated: bool) -> None:
        assert grid(transform).is_rotated is rotated


class TestValidation:
    @pytest.mark.parametrize(
        "transform",
        [
            Affine(0, 0, 5e5, 0, -1, 5e6),
            Affine(1, 1, 0, 1, 1, 0),
            Affine(math.nan, 0, 0, 0, 1, 0),
            Affine(math.inf, 0, 0, 0, 1, 0),
        ],
    )
    def test_a_transform_without_inverse_is_refused(self, transform: Affine) -> None:
        with pytest.raises(ParameterError, match="inverted"):
            grid(transform)

    def test_an_empty_grid_is_refused(self) -> None:
        with pytest.raises(ParameterError, match="at least 1 x 1"):
            grid(Affine.identity(), shape_hw=(0, 5))


class TestGroundResolution:
    @pytest.mark.parametrize("lat", [0.35, 45.2, -60.0, 75.0])
    def test_web_mercator_is_corrected_by_latitude(self, lat: float) -> None:
        made = at(CRS.from_epsg(3857), (32.6, lat), 0.5)
        assert made.gsd_m is not None
        # Mercator on a sphere against the ellipsoid: within 0.7 % of 1 / cos(latitude).
        assert made.gsd_m == pytest.approx(0.5 * math.cos(math.radians(lat)), rel=0.007)

    @pytest.mark.parametrize(
        ("crs", "size", "expected_m2"),
        [
            # Length of a degree on WGS84 at 45.2°: 111 146 m north, 78 568 m east.
            (CRS.from_epsg(4326), 1e-5, 1.11146 * 0.78568),
            (CRS.from_user_input("OGC:CRS84"), 1e-5, 1.11146 * 0.78568),
            (UTM, 0.5, 0.25),
            (CRS.from_epsg(3035), 2.0, 4.0),
            (CRS.from_epsg(2263), 1.0, 0.3048006**2),
            (CUSTOM, 0.02, 0.0004),
        ],
        ids=["4326", "CRS84", "UTM", "equal area", "US feet", "custom"],
    )
    def test_pixel_area(self, crs: CRS, size: float, expected_m2: float) -> None:
        place = (-73.9, 40.7) if crs.to_epsg() == 2263 else (15.1, 45.2)
        assert at(crs, place, size).pixel_area_m2 == pytest.approx(expected_m2, rel=2e-3)

    @given(st.floats(0, 360), st.sampled_from([1.0, -1.0]))
    def test_neither_rotation_nor_flip_changes_the_area(self, angle: float, flip: float) -> None:
        turned = (
            Affine.translation(5e5, 5e6) @ Affine.rotation(angle) @ Affine.scale(0.5, 0.7 * flip)
        )
        assert grid(turned).pixel_area_m2 == pytest.approx(0.35 * 0.9996**-2, rel=1e-4)

    def test_a_raster_of_uneven_pixels_has_the_side_of_the_equal_square(self) -> None:
        made = grid(Affine(0.4, 0, 5e5, 0, -0.9, 5e6))
        assert made.gsd_m == pytest.approx(0.6, rel=1e-3)

    @pytest.mark.parametrize("scene", ["kampala_dense", "agoro_naip_1", "atlanta_pan"])
    def test_real_scenes(self, scene: str, scene_dir: Callable[[str], Path]) -> None:
        folder = scene_dir(scene)
        stated = json.loads((folder / "meta.json").read_text())["gsd_m"]
        assert Raster.open(folder / "image.tif").grid.gsd_m == pytest.approx(stated, rel=0.01)


class TestPlaceOnEarth:
    @pytest.mark.parametrize(
        ("crs", "known"),
        [
            (None, False),
            (LOCAL, False),
            (MOON, False),
            (CRS.from_epsg(4978), False),
            (UTM, True),
            (CUSTOM, True),
            (CRS.from_user_input("EPSG:32633+5773"), True),
        ],
        ids=["none", "local", "moon", "geocentric", "UTM", "custom", "compound"],
    )
    def test_is_known_where_the_crs_leads_to_lonlat(self, crs: CRS | None, known: bool) -> None:
        made = grid(Affine(0.5, 0, 5e5, 0, -0.5, 5e6) if crs != CUSTOM else Affine.identity(), crs)
        assert made.is_georeferenced is known
        assert (made.bounds_lonlat is not None) is known
        assert (made.gsd_m is not None) is known

    @pytest.mark.parametrize("crs", [None, LOCAL])
    def test_asking_an_unknown_place_says_what_to_do(self, crs: CRS | None) -> None:
        made = grid(Affine.identity(), crs)
        with pytest.raises(ParameterError, match="positions in pixels instead"):
            made.to_lonlat([(0, 0)])
        with pytest.raises(ParameterError, match="positions in pixels instead"):
            made.from_lonlat([(0, 0)])

    def test_coordinates_beyond_the_crs_are_no_place(self) -> None:
        assert not grid(Affine(1e9, 0, 0, 0, -1e9, 0)).is_georeferenced

    def test_places_outside_the_projection_become_inf(self) -> None:
        gnomonic = CRS.from_string("+proj=gnom +lat_0=45 +lon_0=15 +ellps=WGS84")
        found = grid(Affine.rotation(30), gnomonic).from_lonlat([(15, 45), (-165, -45)])
        assert np.isfinite(found[0]).all()
        assert np.isinf(found[1]).all()

    def test_bounds_hold_the_bulge_of_the_edges(self) -> None:
        made = at(CRS.from_epsg(3035), (10.0, 60.0), 10_000)
        west, south, east, north = made.bounds_lonlat or (0, 0, 0, 0)
        rows, cols = np.mgrid[0:101:5, 0:101:5]
        inside = made.to_lonlat(np.stack([cols.ravel(), rows.ravel()], axis=1))
        slack = 1e-9
        assert (inside >= (west - slack, south - slack)).all()
        assert (inside <= (east + slack, north + slack)).all()
        corners = made.to_lonlat([(0, 0), (100, 0), (0, 100), (100, 100)])
        assert north > corners[:, 1].max() + 0.1

    def test_bounds_across_the_antimeridian_go_on_beyond_180(self) -> None:
        west, _, east, _ = at(CRS.from_epsg(32601), (-179.9, 60.0), 1000).bounds_lonlat or (0,) * 4
        assert 178 < west < 180 < east < 182

    @pytest.mark.parametrize(("epsg", "south", "north"), [(3413, 89, 90), (3031, -90, -89)])
    def test_bounds_around_a_pole_span_all_longitudes(
        self, epsg: int, south: float, north: float
    ) -> None:
        polar = GeoGrid((100, 100), Affine(1000, 0, -50_000, 0, -1000, 50_000), CRS.from_epsg(epsg))
        bounds = polar.bounds_lonlat or (0,) * 4
        assert (bounds[0], bounds[2]) == (-180, 180)
        assert south <= bounds[1] < bounds[3] <= north
        assert 90 in (-bounds[1], bounds[3])

    def test_bounds_of_the_whole_world(self) -> None:
        world = GeoGrid((180, 360), Affine(1, 0, -180, 0, -1, 90), CRS.from_epsg(4326))
        assert world.bounds_lonlat == (-180, -90, 180, 90)

    def test_one_grid_serves_many_threads(self) -> None:
        made = at(UTM, (15.1, 45.2))
        expected = made.to_lonlat([(1, 2)])
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda _: made.to_lonlat([(1, 2)]), range(64)))
        assert all(np.array_equal(each, expected) for each in found)
