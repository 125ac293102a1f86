import json
import logging
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from rasterio.crs import CRS
from rasterio.warp import transform
from shapely.geometry import Point, box

from samgeo_core.api.prompts import Prompts
from samgeo_core.errors import ParameterError
from samgeo_core.geogrid import GeoGrid

UTM = CRS.from_epsg(32633)
GRID = GeoGrid((100, 200), Affine(0.5, 0, 400000, 0, -0.5, 5000000), UTM)
ROTATED = GeoGrid((100, 200), GRID.transform @ Affine.rotation(30), UTM)
SOUTH_UP = GeoGrid((100, 200), Affine(0.5, 0, 400000, 0, 0.5, 5000000), UTM)
PLAIN = GeoGrid((100, 200), Affine.identity(), None)


def lonlat(grid: GeoGrid, xy_px: tuple[float, float]) -> tuple[float, float]:
    x, y = grid.to_crs_xy([xy_px])[0]
    lon, lat = transform(grid.crs, CRS.from_epsg(4326), [x], [y])
    return lon[0], lat[0]


@pytest.mark.parametrize(
    ("points", "labels", "expected_points", "expected_labels"),
    [
        ([[10, 20]], None, [[[10, 20]]], [[1]]),
        ([[10, 20], [30, 40]], [1, 0], [[[10, 20], [30, 40]]], [[1, 0]]),
        ([(10, 20), (30, 40)], 0, [[[10, 20], [30, 40]]], [[0, 0]]),
        ([(10, 20), (30, 40)], [1], [[[10, 20], [30, 40]]], [[1, 1]]),
        (np.array([[[10, 20]], [[30, 40]]]), None, [[[10, 20]], [[30, 40]]], [[1], [1]]),
        ([[[10, 20], [1, 2]], [[30, 40], [3, 4]]], [1, 0], None, [[1, 0], [1, 0]]),
    ],
)
def test_points_in_pixels(points, labels, expected_points, expected_labels):
    prompts = Prompts.on_grid(PLAIN, points, labels)
    expected_points = points if expected_points is None else expected_points
    assert prompts.points_xy.tolist() == np.asarray(expected_points, float).tolist()
    assert prompts.labels.tolist() == expected_labels
    assert prompts.boxes_xyxy is None


@given(x=st.floats(1, 199), y=st.floats(1, 99))
@pytest.mark.parametrize("grid", [GRID, ROTATED, SOUTH_UP], ids=["north", "rotated", "south"])
def test_points_in_another_crs_come_back_to_their_pixel(grid: GeoGrid, x: float, y: float):
    prompts = Prompts.on_grid(grid, [lonlat(grid, (x, y))], crs="EPSG:4326")
    np.testing.assert_allclose(prompts.points_xy, [[[x, y]]], atol=1e-2)


def test_points_outside_leave_with_their_labels(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING):
        prompts = Prompts.on_grid(GRID, [[-1, 5], [10, 20], [300, 20]], [1, 0, 1])
    assert prompts.points_xy.tolist() == [[[10, 20]]]
    assert prompts.labels.tolist() == [[0]]
    assert "2 of 3 points" in caplog.text


def test_an_object_with_a_point_outside_leaves_whole():
    prompts = Prompts.on_grid(GRID, [[[1, 1], [500, 1]], [[3, 3], [4, 4]]], [[1, 0], [0, 1]])
    assert prompts.points_xy.tolist() == [[[3, 3], [4, 4]]]
    assert prompts.labels.tolist() == [[0, 1]]


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        ([10, 20, 30, 40], [[10, 20, 30, 40]]),
        ([30, 40, 10, 20], [[10, 20, 30, 40]]),
        ([[10.5, 20, 30, 40], [1, 2, 3, 4]], [[10.5, 20, 30, 40], [1, 2, 3, 4]]),
        ([-5, -5, 30, 400], [[0, 0, 30, 100]]),
        ([[10, 20, 30, 40], [500, 1, 600, 2]], [[10, 20, 30, 40]]),
    ],
)
def test_boxes_in_pixels(boxes, expected):
    assert Prompts.on_grid(GRID, boxes=boxes).boxes_xyxy.tolist() == expected


@pytest.mark.parametrize("grid", [GRID, SOUTH_UP], ids=["north", "south"])
def test_boxes_in_the_rasters_crs(grid: GeoGrid):
    (left, top), (right, bottom) = grid.to_crs_xy([(10, 20), (30, 40)])
    prompts = Prompts.on_grid(grid, boxes=[left, bottom, right, top], crs=32633)
    np.testing.assert_allclose(prompts.boxes_xyxy, [[10, 20, 30, 40]], atol=1e-6)


def test_a_box_in_degrees_encloses_its_corners():
    west, north = lonlat(GRID, (50, 20))
    east, south = lonlat(GRID, (90, 60))
    prompts = Prompts.on_grid(GRID, boxes=[west, south, east, north], crs="EPSG:4326")
    x0, y0, x1, y1 = prompts.boxes_xyxy[0]
    assert x0 <= 50 and y0 <= 20 and x1 >= 90 and y1 >= 60
    np.testing.assert_allclose([x0, y0, x1, y1], [50, 20, 90, 60], atol=2)


@pytest.mark.parametrize("suffix", [".geojson", ".gpkg", ".shp"])
def test_a_file_brings_its_own_crs(tmp_path: Path, suffix: str):
    shapes = [box(*GRID.to_crs_xy([(10, 40), (30, 20)]).ravel())]
    path = tmp_path / f"boxes{suffix}"
    frame = gpd.GeoDataFrame(geometry=shapes, crs=UTM)
    (frame.to_crs(4326) if suffix == ".geojson" else frame).to_file(path)
    for source in (path, str(path)):
        prompts = Prompts.on_grid(GRID, boxes=source)
        np.testing.assert_allclose(prompts.boxes_xyxy, [[10, 20, 30, 40]], atol=0.5)


def test_geojson_is_in_degrees():
    geometry = Point(lonlat(GRID, (50, 20)))
    collection = json.loads(gpd.GeoSeries([geometry]).to_json())
    for source in (collection, collection["features"][0]):
        prompts = Prompts.on_grid(GRID, source)
        np.testing.assert_allclose(prompts.points_xy, [[[50, 20]]], atol=1e-2)


def test_geojson_of_a_raster_without_crs_is_in_pixels():
    collection = json.loads(gpd.GeoSeries([Point(50, 20)]).to_json())
    assert Prompts.on_grid(PLAIN, collection).points_xy.tolist() == [[[50, 20]]]


def test_one_point_list_and_one_box_describe_one_object():
    prompts = Prompts.on_grid(PLAIN, [[10, 20]], boxes=[1, 2, 30, 40])
    assert prompts.points_xy.shape == (1, 1, 2)
    assert prompts.boxes_xyxy.shape == (1, 4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"points": [[1, 2, 3]]}, r"\[K, 2\] or \[N, K, 2\]"),
        ({"points": []}, r"\[K, 2\] or \[N, K, 2\]"),
        ({"points": [[1, 2], [3]]}, "rows of one length"),
        ({"points": [["a", "b"]]}, "must be numbers"),
        ({"points": [[1, np.nan]]}, "finite"),
        ({"points": [[-1, 5]]}, "None of the 1 points"),
        ({"points": [[1, 2], [3, 4]], "labels": [1, 1, 1]}, "one for each"),
        ({"points": [[1, 2]], "labels": [3]}, "must be 1"),
        ({"boxes": [1, 2, 3]}, r"\[4\] or \[N, 4\]"),
        ({"boxes": [1, 2, 1, 9]}, "None of the 1 boxes"),
        ({"boxes": [[1, 2, 3, 4], [5, 6, 7, 8]], "points": [[1, 2]]}, "one box an object"),
        ({"points": [[1, 2]], "crs": "EPSG:4326"}, "the raster has none"),
        ({"points": [[1, 2]], "crs": "EPSG:no"}, "name such as EPSG:4326"),
        ({"points": "missing.geojson"}, "missing.geojson"),
        ({"points": {"type": "FeatureCollection", "features": []}}, "at least one geometry"),
        ({"boxes": {"a": 1}}, "can't be read from GeoJSON"),
    ],
)
def test_wrong_prompts_are_told(arguments, message: str):
    with pytest.raises(ParameterError, match=message):
        Prompts.on_grid(PLAIN, **arguments)
