from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from samgeo_core.errors import RasterTooLargeError, UnsupportedFormatError
from samgeo_core.reading.first_bytes import HEAD_BYTES, check_first_bytes, declared_shape
from tests.factories import MakeRaster

SHAPE_HW = (301, 402)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.tif", {}),
        ("a.tif", {"BIGTIFF": "YES"}),
        ("a.tif", {"ENDIANNESS": "BIG"}),
        ("a.tif", {"BIGTIFF": "YES", "ENDIANNESS": "BIG", "tiled": True}),
        ("a.png", {}),
        ("a.jpg", {}),
        ("a.jp2", {}),
    ],
)
def test_the_size_is_known_from_the_beginning(
    make_raster: MakeRaster, name: str, options: dict[str, object]
) -> None:
    head = make_raster(name, shape_hw=SHAPE_HW, **options).read_bytes()[:HEAD_BYTES]
    assert declared_shape(head) == SHAPE_HW
    check_first_bytes(head, name, max_pixels=SHAPE_HW[0] * SHAPE_HW[1])
    with pytest.raises(RasterTooLargeError, match="402 x 301 = 121,002 px"):
        check_first_bytes(head, name, max_pixels=SHAPE_HW[0] * SHAPE_HW[1] - 1)


def test_a_progressive_jpeg_tells_it_too(tmp_path: Path) -> None:
    Image.new("RGB", (402, 301)).save(tmp_path / "a.jpg", progressive=True, exif=b"Exif\0\0" * 999)
    assert declared_shape((tmp_path / "a.jpg").read_bytes()) == SHAPE_HW


def test_a_bare_codestream_tells_it_too(make_raster: MakeRaster) -> None:
    content = make_raster("a.jp2", shape_hw=SHAPE_HW).read_bytes()
    assert declared_shape(content[content.index(b"\xff\x4f\xff\x51") :]) == SHAPE_HW


@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.jpg", "a.jp2"])
def test_any_first_bytes_are_survived(make_raster: MakeRaster, name: str) -> None:
    content = make_raster(name, shape_hw=SHAPE_HW).read_bytes()
    for length in range(0, 400):
        assert declared_shape(content[:length]) in (None, SHAPE_HW)
    for at in range(4, 200):
        declared_shape(content[:at] + b"\xff" * 8 + content[at + 8 : HEAD_BYTES])


def test_other_formats_are_named() -> None:
    with pytest.raises(UnsupportedFormatError, match=r"notes\.zip is a zip archive"):
        check_first_bytes(b"PK\x03\x04", "notes.zip")
