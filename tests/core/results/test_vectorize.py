from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import rasterio.features
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.crs import CRS
from scipy import ndimage

from samgeo_core.errors import ParameterError, RasterError
from samgeo_core.geogrid import GeoGrid
from samgeo_core.objects import ObjectSet
from samgeo_core.reading.raster import Raster
from samgeo_core.results.labels import label_raster, write_label_raster
from samgeo_core.results.vectorize import _strips_of_file, vectorize, vectorize_labels
from tests.factories import UTM_33N, MakeRaster

UTM = CRS.from_epsg(32633)
COLUMNS = [
    "object_id",
    "parent_id",
    "score",
    "stability",
    "area_px",
    "area_m2",
    "perimeter_m",
    "geometry",
]
GRIDS = {
    "north up": (UTM_33N, UTM),
    "south up": (Affine(0.5, 0, 500_000, 0, 0.5, 5_000_000), UTM),
    "rotated": (Affine(0.4, 0.3, 500_000, 0.3, -0.4, 5_000_000), UTM),
    "sheared": (Affine(0.5, 0.2, 500_000, 0.0, -0.7, 5_000_000), UTM),
    "columns and rows swapped": (Affine(0, 0.5, 500_000, 0.5, 0, 5_000_000), UTM),
    "degrees": (Affine(1e-6, 0, 10, 0, -1e-6, 50), CRS.from_epsg(4326)),
    "pixels": (Affine.identity(), None),
}


def grid(name: str, shape_hw: tuple[int, int]) -> GeoGrid:
    return GeoGrid(shape_hw, *GRIDS[name])


def blobs(seed: int, n: int = 8, shape_hw: tuple[int, int] = (48, 64)) -> ObjectSet:
    """Objects as a model makes them: roundish, ragged, with holes and loose pixels."""
    random = np.random.default_rng(seed)
    masks = []
    for _ in range(n):
        noise = ndimage.gaussian_filter(random.random(random.integers(4, 33, 2)), 1.5)
        masks.append(noise > np.quantile(noise, random.uniform(0.2, 0.8)))
    offsets = random.integers(0, 16, (n, 2))
    return ObjectSet.build(shape_hw, masks, offsets, random.random(n), random.random(n))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(sorted(GRIDS)))
def test_polygons_are_valid_and_rasterise_to_the_masks_they_come_from(seed: int, name: str) -> None:
    objects = blobs(seed)
    place = grid(name, objects.shape_hw)
    frame = vectorize(objects, place)
    assert len(frame) == len(objects)
    assert frame.is_valid.all()
    assert set(frame.geom_type) <= {"Polygon", "MultiPolygon"}
    pixel_area = abs(place.transform.determinant)
    tolerance = 1e-12 if name == "pixels" else 1e-6
    areas = shapely.area(frame.geometry.values)
    np.testing.assert_allclose(areas, objects.areas_px * pixel_area, rtol=tolerance)
    for index, geometry in enumerate(frame.geometry):
        back = rasterio.features.rasterize(
            [geometry], out_shape=objects.shape_hw, transform=place.transform
        )
        np.testing.assert_array_equal(back > 0, objects.full_mask(index))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_area_in_pixels_is_the_number_of_pixels(seed: int) -> None:
    objects = blobs(seed)
    frame = vectorize(objects, grid("pixels", objects.shape_hw))
    assert frame.area.tolist() == objects.areas_px.tolist() == frame["area_px"].tolist()


def test_attributes() -> None:
    masks = [np.ones((20, 20), np.bool_), np.ones((4, 6), np.bool_)]
    objects = ObjectSet.build((48, 64), masks, [(0, 0), (3, 3)], [0.9, 0.8], [0.95, 0.85])
    frame = vectorize(objects, grid("north up", (48, 64)))
    assert list(frame.columns) == COLUMNS
    assert frame["object_id"].tolist() == [1, 2]
    assert frame["parent_id"].tolist() == [2, 0]
    assert frame["score"].tolist() == pytest.approx([0.8, 0.9])
    assert frame["stability"].tolist() == pytest.approx([0.85, 0.95])
    assert frame["area_px"].tolist() == [24, 400]
    # The map's scale is 0.9996 on the central meridian.
    assert frame["area_m2"].tolist() == pytest.approx([6 / 0.9996**2, 100 / 0.9996**2], rel=1e-6)
    assert frame["perimeter_m"].tolist() == pytest.approx([10 / 0.9996, 40 / 0.9996], rel=1e-6)
    assert frame.crs.to_epsg() == 32633
    assert shapely.get_exterior_ring(frame.geometry.iloc[0]).is_ccw


@pytest.mark.parametrize("name", ["north up", "pixels"])
def test_no_objects_give_a_table_with_all_columns(name: str) -> None:
    full = vectorize(blobs(0), grid(name, (48, 64)))
    empty = vectorize(ObjectSet.empty((48, 64)), grid(name, (48, 64)))
    assert isinstance(empty, gpd.GeoDataFrame)
    assert len(empty) == 0
    assert empty.dtypes.to_dict() == full.dtypes.to_dict()
    assert empty.crs == full.crs


def test_without_crs_areas_are_known_in_pixels_only() -> None:
    frame = vectorize(blobs(1), grid("pixels", (48, 64)))
    assert frame.crs is None
    assert frame["area_m2"].isna().all()
    assert frame["perimeter_m"].isna().all()
    assert (frame["area_px"] > 0).all()


@pytest.mark.parametrize("lat", [0.3, 60.0, -60.0])
def test_the_same_ground_has_the_same_area_in_every_crs(lat: float) -> None:
    """A square of 100 x 100 m, on rasters of three CRS, each about 0.5 m on the ground."""
    crs_utm = CRS.from_epsg(32633 if lat > 0 else 32733)
    lonlat = CRS.from_epsg(4326)
    (x,), (y,) = rasterio.warp.transform(lonlat, crs_utm, [14.2], [lat])
    square = shapely.box(x, y, x + 100, y + 100)
    areas = []
    for crs in (crs_utm, lonlat, CRS.from_epsg(3857)):
        outline = rasterio.warp.transform_geom(crs_utm, crs, shapely.geometry.mapping(square))
        shape = shapely.geometry.shape(outline)
        west, south, east, north = shape.bounds
        transform = Affine((east - west) / 400, 0, west, 0, (south - north) / 400, north)
        mask = rasterio.features.rasterize([shape], out_shape=(400, 400), transform=transform) > 0
        objects = ObjectSet.build((400, 400), [mask], [(0, 0)], [1], [1])
        areas.append(vectorize(objects, GeoGrid((400, 400), transform, crs))["area_m2"].iloc[0])
    assert areas == pytest.approx([10_000 / 0.9996**2] * 3, rel=1e-3)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.1, 3))
def test_simplified_outlines_stay_valid_and_near(seed: int, tolerance: float) -> None:
    objects = blobs(seed)
    place = grid("rotated", objects.shape_hw)
    exact, simple = vectorize(objects, place), vectorize(objects, place, simplify_px=tolerance)
    assert simple.is_valid.all()
    assert not simple.is_empty.any()
    before, after = (shapely.get_num_coordinates(f.geometry.values).sum() for f in (exact, simple))
    assert after <= before
    # Half a metre per pixel. Where a ring begins, the tolerance counts from either side.
    away = shapely.hausdorff_distance(
        shapely.boundary(exact.geometry.values), shapely.boundary(simple.geometry.values)
    )
    assert (away <= 2 * tolerance * 0.5).all()
    assert simple["area_px"].tolist() == exact["area_px"].tolist()


def test_parameters_are_checked() -> None:
    with pytest.raises(ParameterError, match=r"\[48, 64\].*\[3, 3\]"):
        vectorize(blobs(0), grid("pixels", (3, 3)))
    with pytest.raises(ParameterError, match="simplify_px"):
        vectorize(blobs(0), grid("pixels", (48, 64)), simplify_px=-1)
    with pytest.raises(ParameterError, match="whole numbers"):
        vectorize_labels(np.full((3, 3), 0.5))
    with pytest.raises(ParameterError, match=r"\[H, W\]"):
        vectorize_labels(np.zeros((1, 3, 3), np.uint8))
    with pytest.raises(ParameterError, match=r"\[3, 3\].*\[48, 64\]"):
        vectorize_labels(np.zeros((3, 3), np.uint8), grid("pixels", (48, 64)))


LABELS = np.array(
    [
        [7, 7, 0, 7],
        [7, 9, 0, 0],
        [0, 0, 9, 9],
    ]
)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "int64", "float32"])
def test_regions_of_equal_value(dtype: str) -> None:
    frame = vectorize_labels(LABELS.astype(dtype))
    assert list(frame.columns) == ["value", "area_px", "area_m2", "perimeter_m", "geometry"]
    assert frame["value"].tolist() == [7, 7, 9, 9]
    assert sorted(frame["area_px"]) == [1, 1, 2, 3]
    assert set(frame.geom_type) == {"Polygon"}


def test_one_geometry_for_each_value() -> None:
    frame = vectorize_labels(LABELS, multipart=True)
    assert frame["value"].tolist() == [7, 9]
    assert frame["area_px"].tolist() == [4, 3]
    assert set(frame.geom_type) == {"MultiPolygon"}


@pytest.mark.parametrize("factor", [1, -1, 10**8])
def test_any_whole_number_is_a_value(factor: int) -> None:
    frame = vectorize_labels(LABELS * factor, multipart=True)
    assert frame["value"].tolist() == sorted([7 * factor, 9 * factor])
    by_value = dict(zip(frame["value"], frame["area_px"], strict=True))
    assert by_value == {7 * factor: 4, 9 * factor: 3}


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            LABELS.astype(np.uint64) << np.uint64(60),
            r"2\^63 - 1, got 0 to 1\.038e\+19:",
        ),
        (LABELS * 1e19, r"got 0 to 9e\+19:"),
        (LABELS * -1e19, r"got -9e\+19 to 0:"),
        ((LABELS == 9) * np.float32(2.0**63), r"got 0 to 9\.223e\+18:"),
    ],
    ids=["uint64", "float64", "below zero", "float32"],
)
def test_values_beyond_int64_are_refused(labels: np.ndarray, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        vectorize_labels(labels)


@pytest.mark.parametrize(
    ("value", "dtype"), [(2**63 - 1, "uint64"), (-(2**63), "int64"), (-(2.0**63), "float32")]
)
def test_values_at_the_ends_of_int64(value: float, dtype: str) -> None:
    frame = vectorize_labels(np.array([[0, value]], dtype))
    assert frame["value"].tolist() == [int(value)]
    assert frame["area_px"].tolist() == [1]


def test_booleans_and_empty_labels() -> None:
    assert vectorize_labels(LABELS == 9)["value"].tolist() == [1, 1]
    empty = vectorize_labels(np.zeros((5, 5), np.uint8), multipart=True)
    assert len(empty) == 0
    assert "value" in empty


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_labels_come_back_from_their_polygons(seed: int, multipart: bool) -> None:
    labels = np.random.default_rng(seed).integers(-2, 3, (9, 12))
    place = grid("rotated", (9, 12))
    frame = vectorize_labels(labels, place, multipart=multipart)
    assert frame.is_valid.all()
    assert frame["area_px"].sum() == (labels != 0).sum()
    shapes = zip(frame.geometry, frame["value"], strict=True)
    back = rasterio.features.rasterize(
        shapes, out_shape=(9, 12), transform=place.transform, dtype="int64"
    )
    np.testing.assert_array_equal(back, labels)


@pytest.mark.parametrize("name", sorted(GRIDS))
def test_label_files(tmp_path: Path, name: str) -> None:
    objects = blobs(5)
    labels = label_raster(objects)
    write_label_raster(tmp_path / "labels.tif", labels, grid(name, (48, 64)))
    from_file = vectorize_labels(tmp_path / "labels.tif")
    from_array = vectorize_labels(labels, grid(name, (48, 64)))
    assert from_file.crs == from_array.crs
    assert from_file["value"].tolist() == from_array["value"].tolist()
    assert shapely.equals_exact(from_file.geometry.values, from_array.geometry.values, 1e-9).all()


def check_strips(labels: np.ndarray, rows: int, multipart: bool = False) -> None:
    """Polygons are the same, vertex by vertex, however many rows are traced at once."""
    whole = vectorize_labels(labels, multipart=multipart)
    assert whole.is_valid.all()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("samgeo_core.results.vectorize._STRIP_PX", rows * labels.shape[1])
        in_strips = vectorize_labels(labels, multipart=multipart)
    pd.testing.assert_frame_equal(
        whole.drop(columns="geometry"), in_strips.drop(columns="geometry")
    )
    assert whole.geometry.to_wkb().tolist() == in_strips.geometry.to_wkb().tolist()


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 17), st.integers(1, 4), st.booleans())
def test_strips_leave_no_trace(seed: int, rows: int, n_values: int, multipart: bool) -> None:
    random = np.random.default_rng(seed)
    labels = random.integers(1, n_values + 1, (17, 23))
    labels[random.random(labels.shape) < random.uniform(0.1, 0.6)] = 0
    check_strips(labels, rows, multipart)


SHAPES = {
    "corners that touch": ["##..", "##..", "..##", "..##"],
    "corners that touch on both sides of a gap": [".##.", "#..#", "#..#", ".##."],
    "a hole": ["#####", "#...#", "#...#", "#...#", "#####"],
    "holes that touch": ["######", "#..###", "#..###", "###..#", "###..#", "######"],
    "a U": ["#...#", "#...#", "#...#", "#...#", "#####"],
    "a U upside down": ["#####", "#...#", "#...#", "#...#", "#...#"],
    "two that a third joins": ["#.#.#", "#.#.#", "#.###", "#...#", "#####"],
    "an S": ["#####", "#....", "#####", "....#", "#####"],
    "rings in rings": [
        "#########",
        "#.......#",
        "#.#####.#",
        "#.#...#.#",
        "#.#.#.#.#",
        "#.#...#.#",
        "#.#####.#",
        "#.......#",
        "#########",
    ],
    "one that ends before a gap": ["##", "##", "..", "##", "##"],
    "other values on either side": ["aab", "bba", "bba", "aab"],
}


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("rows", [1, 2, 3, 4])
def test_shapes_across_strips(name: str, rows: int) -> None:
    check_strips(np.array([[".#ab".index(c) for c in row] for row in SHAPES[name]]), rows)


def test_one_large_region_across_many_strips() -> None:
    check_strips(np.random.default_rng(0).random((1024, 512)) < 0.65, 16)


def test_a_file_is_read_in_strips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = label_raster(blobs(5))
    path = tmp_path / "labels.tif"
    with rasterio.open(
        path, "w", driver="GTiff", height=48, width=64, count=1, dtype="int32", nodata=0,
        blockysize=4, crs=UTM, transform=UTM_33N,
    ) as dataset:  # fmt: skip
        dataset.write(labels.astype(np.int32), 1)
    whole = vectorize_labels(path)
    monkeypatch.setattr("samgeo_core.results.vectorize._STRIP_PX", 64 * 9)
    assert len(list(_strips_of_file(path))) == 6
    assert whole.equals(vectorize_labels(path))


def test_a_block_as_tall_as_the_file_is_traced_in_strips(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = label_raster(blobs(5))
    path = tmp_path / "labels.tif"
    with rasterio.open(
        path, "w", driver="GTiff", height=48, width=64, count=1, dtype="int32", nodata=0,
        blockysize=48, compress="deflate", crs=UTM, transform=UTM_33N,
    ) as dataset:  # fmt: skip
        dataset.write(labels.astype(np.int32), 1)
        assert dataset.block_shapes == [(48, 64)]
    whole = vectorize_labels(path)
    monkeypatch.setattr("samgeo_core.results.vectorize._STRIP_PX", 64 * 9)
    assert [len(labels) for _, labels in _strips_of_file(path)] == [9, 9, 9, 9, 9, 3]
    assert whole.equals(vectorize_labels(path))


def test_nodata_of_a_file_is_background(make_raster: MakeRaster) -> None:
    data = np.full((1, 6, 8), 255, np.uint8)
    data[0, 1:3, 1:4] = 5
    frame = vectorize_labels(str(make_raster(data=data, nodata=255)))
    assert frame["value"].tolist() == [5]
    assert frame.area.tolist() == [1.5]


def test_a_file_that_is_no_raster(tmp_path: Path) -> None:
    (tmp_path / "labels.tif").write_text("no raster")
    with pytest.raises(RasterError, match=r"labels\.tif"):
        vectorize_labels(tmp_path / "labels.tif")


def test_real_outlines_have_the_ground_area_of_their_scene(
    scene_dir: Callable[[str], Path],
) -> None:
    """kampala_dense is in EPSG:3857 near the equator; a 7.5 cm pixel is 7.46 cm on the ground."""
    folder = scene_dir("kampala_dense")
    place = Raster.open(folder / "image.tif").grid
    outlines = json.loads((folder / "labels_px.geojson").read_text())["features"]
    shapes = [shapely.geometry.shape(item["geometry"]) for item in outlines]
    masks = [rasterio.features.rasterize([s], out_shape=place.shape_hw) > 0 for s in shapes]
    n = len(masks)
    objects = ObjectSet.build(place.shape_hw, masks, [(0, 0)] * n, [1] * n, [1] * n)
    frame = vectorize(objects, place)
    assert place.pixel_area_m2 is not None
    np.testing.assert_allclose(frame["area_m2"], frame["area_px"] * place.pixel_area_m2, rtol=1e-3)
