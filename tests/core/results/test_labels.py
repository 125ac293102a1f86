from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from rasterio.crs import CRS
from scipy import ndimage

from samgeo_core.errors import ExportError, ParameterError
from samgeo_core.geogrid import GeoGrid
from samgeo_core.objects import ObjectSet
from samgeo_core.reading.raster import Raster
from samgeo_core.results.colors import object_colors
from samgeo_core.results.labels import (
    binary_mask,
    label_raster,
    write_label_raster,
    write_mask_raster,
)
from tests.factories import UTM_33N

ROTATED = Affine(0.4, 0.3, 500_000.0, 0.3, -0.4, 5_000_000.0)


def object_set(*boxes: tuple[int, int, int, int], shape: tuple[int, int] = (20, 30)) -> ObjectSet:
    masks = [np.ones((y1 - y0, x1 - x0), np.bool_) for x0, y0, x1, y1 in boxes]
    offsets = [(x0, y0) for x0, y0, _, _ in boxes]
    n = len(boxes)
    return ObjectSet.build(shape, masks, offsets, [0.9] * n, [0.9] * n)


def random_objects(seed: int, n: int = 9) -> ObjectSet:
    random = np.random.default_rng(seed)
    masks = [random.random(random.integers(1, 15, 2)) < 0.7 for _ in range(n)]
    return ObjectSet.build((26, 24), masks, random.integers(0, 10, (n, 2)), [1] * n, [1] * n)


def test_smaller_objects_lie_on_top_and_the_largest_has_the_highest_id() -> None:
    labels = label_raster(object_set((0, 0, 10, 10), (2, 2, 6, 6), (5, 5, 7, 7)))
    assert labels.dtype == np.uint8
    assert labels[0, 0] == 3
    assert labels[3, 3] == 2
    assert labels[5, 5] == 1
    assert labels[15, 15] == 0
    assert np.bincount(labels.ravel()).tolist() == [500, 4, 15, 81]


@pytest.mark.parametrize(
    ("n", "dtype"), [(0, "uint8"), (255, "uint8"), (256, "uint16"), (65_536, "uint32")]
)
def test_the_type_follows_from_the_number_of_objects(n: int, dtype: str) -> None:
    side = 260
    pixel = np.ones((1, 1), np.bool_)
    offsets = [(i % side, i // side) for i in range(n)]
    objects = ObjectSet.build((side, side), [pixel] * n, offsets, [1] * n, [1] * n)
    labels = label_raster(objects)
    assert labels.dtype == dtype
    assert np.unique(labels).size == n + 1


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 9))
def test_every_kth_pixel_is_that_of_the_whole(seed: int, step: int) -> None:
    objects = random_objects(seed)
    whole = label_raster(objects)
    np.testing.assert_array_equal(label_raster(objects, step=step), whole[::step, ::step])


def test_mask_marks_objects_or_what_lies_between() -> None:
    objects = random_objects(3)
    foreground = binary_mask(objects)
    assert foreground.dtype == np.uint8
    np.testing.assert_array_equal(foreground == 255, label_raster(objects) > 0)
    np.testing.assert_array_equal(binary_mask(objects, foreground=False), 255 - foreground)


def test_pixels_without_data_are_neither() -> None:
    objects = object_set((0, 0, 5, 5))
    valid = np.ones((20, 30), np.bool_)
    valid[:, 3:20] = False
    assert binary_mask(objects, valid=valid).astype(bool).sum() == 15
    assert binary_mask(objects, foreground=False, valid=valid).astype(bool).sum() == 20 * 13 - 15


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 4))
def test_border_erosion_equals_the_definition(seed: int, width: int) -> None:
    objects = random_objects(seed)
    marked = np.zeros(objects.shape_hw, np.bool_)
    borders = np.zeros(objects.shape_hw, np.bool_)
    square = np.ones((2 * width + 1, 2 * width + 1))
    for i in range(len(objects)):
        mask = objects.full_mask(i)
        marked |= mask
        borders |= mask & ~ndimage.binary_erosion(mask, square, border_value=1)
    expected = np.where(marked & ~borders, 255, 0)
    np.testing.assert_array_equal(binary_mask(objects, border_erosion_px=width), expected)


def test_border_erosion_parts_neighbours_but_not_at_the_raster_edge() -> None:
    mask = binary_mask(object_set((0, 0, 10, 20), (10, 0, 20, 20)), border_erosion_px=1) > 0
    assert mask[:, :9].all()
    assert not mask[:, 9:11].any()
    assert mask[:, 11:19].all()
    assert not mask[:, 19:].any()


def test_no_objects_give_an_empty_raster() -> None:
    empty = ObjectSet.empty((4, 6))
    assert label_raster(empty).tolist() == [[0] * 6] * 4
    assert not binary_mask(empty, border_erosion_px=2).any()
    assert (binary_mask(empty, foreground=False) == 255).all()


def test_parameters_are_checked() -> None:
    objects = object_set((0, 0, 2, 2))
    with pytest.raises(ParameterError, match="border_erosion_px"):
        binary_mask(objects, border_erosion_px=-1)
    with pytest.raises(ParameterError, match=r"\[20, 30\].*\[3, 3\]"):
        binary_mask(objects, valid=np.ones((3, 3), np.bool_))
    with pytest.raises(ParameterError, match="step"):
        label_raster(objects, step=0)


@pytest.mark.parametrize(
    ("transform", "crs"),
    [
        (UTM_33N, CRS.from_epsg(32633)),
        (ROTATED, CRS.from_epsg(32633)),
        (Affine(1e-5, 0, 10, 0, 1e-5, 50), CRS.from_epsg(4326)),
        (UTM_33N, CRS.from_proj4("+proj=laea +lat_0=10 +lon_0=20 +ellps=bessel +units=m")),
        (Affine(2, 0, 100, 0, -2, 50), None),
        (Affine.identity(), None),
    ],
    ids=["north up", "rotated", "degrees, south up", "no EPSG", "transform only", "pixels only"],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32])
def test_label_rasters_read_back(
    tmp_path: Path, transform: Affine, crs: CRS | None, dtype: type
) -> None:
    labels = np.arange(1200 * 600).reshape(1200, 600).astype(dtype)
    path = tmp_path / "labels.tif"
    write_label_raster(path, labels, GeoGrid((1200, 600), transform, crs))
    with rasterio.open(path) as dataset:
        np.testing.assert_array_equal(dataset.read(1), labels)
        assert dataset.transform.almost_equals(transform, 1e-12)
        assert dataset.crs == crs
        assert dataset.nodata == 0
        assert dataset.profile["tiled"]
        assert dataset.compression.name == "deflate"
        assert dataset.overviews(1) == [2, 4]
        if dtype == np.uint8:
            table = dataset.colormap(1)
            assert table[0][3] == 0
            assert [table[i][:3] for i in (1, 255)] == [
                tuple(object_colors(255)[i]) for i in (0, 254)
            ]
    overview = rasterio.open(path, overview_level=0)
    with overview:
        assert np.isin(overview.read(1), labels).all()
    assert Raster.open(path).grid.shape_hw == (1200, 600)
    assert [file.name for file in tmp_path.iterdir()] == ["labels.tif"]


def test_mask_rasters_read_back(tmp_path: Path) -> None:
    mask = binary_mask(object_set((3, 3, 9, 9)))
    write_mask_raster(tmp_path / "mask.tif", mask, GeoGrid((20, 30), UTM_33N, CRS.from_epsg(32633)))
    with rasterio.open(tmp_path / "mask.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(1), mask)
        assert dataset.nodata == 0
        assert dataset.colorinterp[0].name == "palette"
        assert dataset.colormap(1)[255][:3] == (255, 255, 255)
    # Programs that apply the table see what others see.
    assert np.array_equal(np.asarray(Image.open(tmp_path / "mask.tif").convert("L")), mask)


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    labels = np.zeros((4, 4), np.uint8)
    path = tmp_path / "labels.tif"
    path.write_bytes(b"old")
    with pytest.raises(ParameterError, match=r"\[4, 4\].*\[5, 4\]"):
        write_label_raster(path, labels, GeoGrid((5, 4), UTM_33N, None))
    assert path.read_bytes() == b"old"
    with pytest.raises(ExportError, match="create it"):
        write_label_raster(
            tmp_path / "missing" / "labels.tif", labels, GeoGrid((4, 4), UTM_33N, None)
        )
    with pytest.raises(ExportError, match="is a folder"):
        write_label_raster(tmp_path, labels, GeoGrid((4, 4), UTM_33N, None))
