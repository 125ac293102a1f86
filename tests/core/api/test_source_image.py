import gc
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from PIL import Image
from rasterio.crs import CRS

from samgeo_core.api.source_image import SourceImage, write_array
from samgeo_core.errors import ParameterError, RasterError

PLACE = Affine(0.5, 0, 400000, 0, -0.5, 5000000)


def ramp(*shape: int) -> np.ndarray:
    return np.arange(np.prod(shape)).reshape(shape)


@pytest.mark.parametrize(
    "dtype", ["bool", "uint8", "int8", "uint16", "int32", "uint64", "float16", "float32", "float64"]
)
@pytest.mark.parametrize("shape", [(20, 30), (20, 30, 1), (20, 30, 3), (20, 30, 4), (20, 30, 7)])
def test_arrays_of_any_kind_become_images(shape: tuple[int, ...], dtype: str):
    array = (ramp(*shape) % 2 if dtype == "bool" else ramp(*shape) % 100).astype(dtype)
    image = SourceImage.open(array)
    assert image.name is None
    assert image.tile.rgb.shape == (20, 30, 3)
    assert image.tile.valid.all()
    assert image.raster.grid.crs is None and not image.raster.has_alpha


def test_uint8_arrays_are_shown_as_they_are():
    array = (ramp(20, 30, 4) % 251).astype(np.uint8)
    array[3:6, :, 3] = 0
    image = SourceImage.open(array)
    assert np.array_equal(image.tile.rgb, array[..., :3])
    assert image.tile.valid.all(), "a fourth band is not opacity"
    assert np.array_equal(SourceImage.open(array, (4, 3, 1)).tile.rgb, array[..., [3, 2, 0]])


def test_true_becomes_255():
    array = ramp(20, 30) % 2 == 1
    assert np.array_equal(SourceImage.open(array).tile.rgb[..., 0], array * 255)


def test_nan_and_nodata_are_not_valid():
    array = ramp(20, 30).astype(np.float32)
    array[:5] = np.nan
    assert SourceImage.open(array).tile.valid.sum() == 15 * 30
    whole = (ramp(20, 30) % 50 + 1).astype(np.uint8)
    whole[:, :10] = 0
    assert SourceImage.open(whole).tile.valid.all()
    assert SourceImage.open(whole, nodata=0).tile.valid.sum() == 20 * 20


def test_an_array_can_be_placed():
    image = SourceImage.open(ramp(20, 30) % 9, crs="EPSG:32633", transform=PLACE)
    assert image.raster.grid.crs == CRS.from_epsg(32633)
    assert image.raster.grid.transform.almost_equals(PLACE)


@pytest.mark.parametrize("driver", ["GTiff", "PNG"])
def test_a_file_can_be_given_nodata(tmp_path: Path, driver: str):
    path = tmp_path / "image"
    pixels = np.dstack([ramp(20, 30) % 200] * 3).astype(np.uint8)
    if driver == "GTiff":
        write_array(path, pixels, crs="EPSG:32633", transform=PLACE)
    else:
        Image.fromarray(pixels).save(path, driver)
    before = path.read_bytes()
    image = SourceImage.open(path, nodata=7)
    assert image.name == str(path)
    assert (~image.tile.valid).sum() == 3
    assert (image.raster.grid.crs is not None) == (driver == "GTiff")
    assert path.read_bytes() == before
    with pytest.raises(ParameterError, match="type uint8"):
        SourceImage.open(path, nodata=-9999)


def test_temporary_copies_go_with_their_image():
    image = SourceImage.open(ramp(20, 30))
    folder = image.raster.path.parent
    assert folder.is_dir()
    del image
    gc.collect()
    assert not folder.exists()


@pytest.mark.parametrize(
    ("array", "arguments", "message"),
    [
        (ramp(20), {}, "H, W"),
        (ramp(2, 3, 4, 5), {}, "H, W"),
        (np.zeros((0, 5)), {}, "H, W"),
        (ramp(3, 20, 30), {}, "bands last"),
        (ramp(20, 30).astype(complex), {}, "hold numbers"),
        (ramp(20, 30).astype(str), {}, "hold numbers"),
        (ramp(20, 30), {"crs": "EPSG:4326"}, "both crs and transform"),
        (ramp(20, 30), {"crs": "nowhere", "transform": PLACE}, "name such as"),
        (ramp(20, 30), {"bands": (1, 2, 3)}, "Bands must be"),
        (ramp(20, 30).astype(np.uint8), {"nodata": -1}, "type uint8"),
        ("image.tif", {"crs": "EPSG:4326"}, "a file brings its own"),
    ],
)
def test_wrong_sources_are_told(array, arguments, message: str):
    with pytest.raises(ParameterError, match=message):
        SourceImage.open(array, **arguments)


def test_a_missing_file_is_told():
    with pytest.raises(RasterError, match="no file"):
        SourceImage.open("missing.tif")
    with pytest.raises(RasterError, match="no file"):
        SourceImage.open("missing.tif", nodata=0)
