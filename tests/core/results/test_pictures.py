from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image
from rasterio.crs import CRS

from samgeo_core.errors import ExportError
from samgeo_core.geogrid import GeoGrid
from samgeo_core.results.pictures import write_picture

GRID = GeoGrid((6, 8), Affine(0.5, 0.1, 400000, 0.1, -0.5, 5000000), CRS.from_epsg(32633))
RAMP = np.arange(48).reshape(6, 8)


@pytest.mark.parametrize(
    ("name", "picture"),
    [
        ("a.tif", RAMP.astype(np.uint8)),
        ("a.TIFF", RAMP.astype(np.float32)),
        ("a.tif", (RAMP * 100000).astype(np.uint32)),
        ("a.tif", np.dstack([RAMP] * 3).astype(np.uint8)),
        ("a.tif", np.dstack([RAMP] * 4).astype(np.uint8)),
    ],
)
def test_a_tif_keeps_values_and_place(tmp_path: Path, name: str, picture: np.ndarray):
    write_picture(tmp_path / name, picture, GRID, nodata=0)
    with rasterio.open(tmp_path / name) as dataset:
        bands = dataset.read()
        assert dataset.crs == GRID.crs
        assert dataset.transform.almost_equals(GRID.transform)
        assert dataset.nodata == 0
    assert bands.dtype == picture.dtype
    assert np.array_equal(np.moveaxis(bands, 0, 2).squeeze(), picture)


@pytest.mark.parametrize("bands", [3, 4])
def test_a_tif_of_a_picture_says_which_band_is_which_colour(tmp_path: Path, bands: int):
    write_picture(tmp_path / "a.tif", np.dstack([RAMP] * bands).astype(np.uint8), GRID)
    with rasterio.open(tmp_path / "a.tif") as dataset:
        names = [colour.name for colour in dataset.colorinterp]
    assert names == ["red", "green", "blue", "alpha"][:bands]


@pytest.mark.parametrize(
    ("name", "picture", "expected"),
    [
        ("a.png", RAMP.astype(np.uint8), np.uint8),
        ("a.png", (RAMP * 255).astype(np.uint16), np.uint16),
        ("a.png", (RAMP > 5) * np.float32(255), np.uint8),
        ("a.PNG", np.dstack([RAMP] * 3).astype(np.uint8), np.uint8),
    ],
)
def test_a_png_keeps_whole_numbers(tmp_path: Path, name: str, picture: np.ndarray, expected: type):
    write_picture(str(tmp_path / name), picture, GRID)
    with Image.open(tmp_path / name) as image:
        found = np.asarray(image)
    assert np.array_equal(found, picture)
    assert found.astype(expected).dtype == expected


def test_a_jpeg_of_a_transparent_picture_is_black_there(tmp_path: Path):
    picture = np.zeros((6, 8, 4), np.uint8)
    write_picture(tmp_path / "a.jpg", picture, GRID)
    with Image.open(tmp_path / "a.jpg") as image:
        assert image.mode == "RGB" and image.getextrema() == ((0, 0),) * 3


@pytest.mark.parametrize(
    ("name", "picture", "message"),
    [
        ("a.docx", RAMP.astype(np.uint8), "must end in .tif"),
        ("a", RAMP.astype(np.uint8), "must end in .tif"),
        ("a.png", (RAMP * 100000).astype(np.uint32), "0 to 65535"),
        ("a.jpg", (RAMP * 255).astype(np.uint16), "0 to 255"),
        ("a.png", -RAMP, "write a .tif"),
        ("missing/a.png", RAMP.astype(np.uint8), "must exist"),
    ],
)
def test_what_a_file_cant_hold_is_told(
    tmp_path: Path, name: str, picture: np.ndarray, message: str
):
    with pytest.raises(ExportError, match=message):
        write_picture(tmp_path / name, picture, GRID)
    assert list(tmp_path.iterdir()) == []
