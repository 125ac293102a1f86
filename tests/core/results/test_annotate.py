from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.crs import CRS

from samgeo_core.errors import ExportError, ParameterError
from samgeo_core.geogrid import GeoGrid
from samgeo_core.objects import ObjectSet
from samgeo_core.results.annotate import annotation_image, object_colors, write_annotation
from samgeo_core.tile import TileImage
from tests.factories import UTM_33N

GRID = GeoGrid((40, 60), UTM_33N, CRS.from_epsg(32633))


@pytest.fixture
def objects() -> ObjectSet:
    """A square of 10 px within one of 30 px, at the upper left."""
    masks = [np.ones((30, 30), np.bool_), np.ones((10, 10), np.bool_)]
    return ObjectSet.build((40, 60), masks, [(0, 0), (10, 10)], [1, 1], [1, 1])


@pytest.fixture
def tile() -> TileImage:
    random = np.random.default_rng(0)
    return TileImage.from_rgb(random.integers(0, 256, (40, 60, 3), np.uint8))


def test_colours_are_bright_distinct_and_keep_their_object() -> None:
    colors = object_colors(1000)
    assert colors.dtype == np.uint8
    np.testing.assert_array_equal(object_colors(7), colors[:7])
    assert (colors.max(axis=1) >= 0.75 * 255 - 1).all()
    assert (np.ptp(colors.astype(int), axis=1) >= 0.4 * 255).all()
    neighbours = np.abs(np.diff(colors.astype(int), axis=0)).sum(axis=1)
    assert neighbours.min() > 60
    assert (object_colors(1000, seed=1) != colors).any(axis=1).mean() > 0.99
    assert object_colors(0).shape == (0, 3)


def test_on_a_transparent_ground(objects: ObjectSet) -> None:
    picture = annotation_image(objects, alpha=0.5)
    small, large = object_colors(2)
    assert picture.shape == (40, 60, 4)
    assert picture[15, 15].tolist() == [*small, 128]
    assert picture[5, 5].tolist() == [*large, 128]
    assert picture[35, 50].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("alpha", [0.0, 0.35, 1.0])
def test_over_the_image(objects: ObjectSet, tile: TileImage, alpha: float) -> None:
    before = tile.rgb.copy()
    picture = annotation_image(objects, tile.rgb, alpha=alpha)
    expected = tile.rgb.astype(float)
    expected[:30, :30] = (1 - alpha) * expected[:30, :30] + alpha * object_colors(2)[1]
    expected[10:20, 10:20] = (1 - alpha) * tile.rgb[10:20, 10:20] + alpha * object_colors(2)[0]
    np.testing.assert_allclose(picture, expected, atol=1)
    np.testing.assert_array_equal(picture[:, 30:], tile.rgb[:, 30:])
    np.testing.assert_array_equal(tile.rgb, before)


@pytest.mark.parametrize(("max_px", "shape"), [(60, (40, 60)), (59, (20, 30)), (7, (5, 7))])
def test_large_rasters_are_shrunk(
    objects: ObjectSet, tile: TileImage, max_px: int, shape: tuple[int, int]
) -> None:
    assert annotation_image(objects, max_px=max_px).shape == (*shape, 4)
    picture = annotation_image(objects, tile.rgb, max_px=max_px, alpha=1)
    assert picture.shape == (*shape, 3)
    assert picture[0, 0].tolist() == object_colors(2)[1].tolist()


def test_no_objects_show_the_image_alone(tile: TileImage) -> None:
    empty = ObjectSet.empty((40, 60))
    np.testing.assert_array_equal(annotation_image(empty, tile.rgb), tile.rgb)
    assert not annotation_image(empty).any()


def test_parameters_are_checked(objects: ObjectSet, tile: TileImage) -> None:
    with pytest.raises(ParameterError, match="alpha"):
        annotation_image(objects, alpha=1.5)
    with pytest.raises(ParameterError, match="max_px"):
        annotation_image(objects, max_px=0)
    with pytest.raises(ParameterError, match=r"\[40, 60, 3\].*\[30, 60, 3\]"):
        annotation_image(objects, tile.rgb[:30])


@pytest.mark.parametrize("name", ["picture.png", "picture.webp", "picture.PNG"])
@pytest.mark.parametrize("with_tile", [True, False])
def test_files_hold_the_picture(
    tmp_path: Path, objects: ObjectSet, tile: TileImage, name: str, with_tile: bool
) -> None:
    ground = tile if with_tile else None
    write_annotation(tmp_path / name, objects, ground, max_px=30)
    with Image.open(tmp_path / name) as image:
        assert image.size == (30, 20)
        assert image.mode == ("RGB" if with_tile else "RGBA")
    if name.endswith("png"):
        expected = annotation_image(objects, tile.rgb if with_tile else None, max_px=30)
        with Image.open(tmp_path / name) as image:
            np.testing.assert_array_equal(np.asarray(image), expected)


def test_jpeg_has_no_transparency(tmp_path: Path, objects: ObjectSet) -> None:
    write_annotation(tmp_path / "picture.jpg", objects)
    with Image.open(tmp_path / "picture.jpg") as image:
        assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (60, 40))


def test_a_geotiff_keeps_its_place_and_all_pixels(
    tmp_path: Path, objects: ObjectSet, tile: TileImage
) -> None:
    write_annotation(tmp_path / "picture.tif", objects, tile, max_px=10, grid=GRID)
    with rasterio.open(tmp_path / "picture.tif") as dataset:
        assert (dataset.transform, dataset.crs) == (GRID.transform, GRID.crs)
        picture = np.moveaxis(dataset.read(), 0, 2)
    np.testing.assert_array_equal(picture, annotation_image(objects, tile.rgb))
    with pytest.raises(ParameterError, match="grid"):
        write_annotation(tmp_path / "other.tif", objects, tile)


def test_unknown_kinds_are_refused(tmp_path: Path, objects: ObjectSet) -> None:
    for name in ("picture.doc", "picture"):
        with pytest.raises(ExportError, match="must end in"):
            write_annotation(tmp_path / name, objects)
    assert list(tmp_path.iterdir()) == []
