"""What the first bytes of a file say, before the rest of it has arrived.

Only sizes are read here, by what the formats' specifications fix; whether a file is sound is found
out when GDAL opens all of it, see `reading/raster`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from samgeo_core.errors import RasterTooLargeError
from samgeo_core.reading.sources import driver_of
from samgeo_core.windows import ShapeHW

HEAD_BYTES = 64 << 10
"""So many bytes hold the size of nearly every image that says it at the beginning."""

_WIDTH_TAG, _HEIGHT_TAG = 256, 257
_MOST_TAGS = 4096
_INTEGERS = {1: "B", 3: "H", 4: "I", 16: "Q"}
"""Types of a TIFF's fields that can hold a width, and how `struct` calls them."""


def check_first_bytes(head: bytes, name: str, max_pixels: int | None = None) -> None:
    """Refuse what isn't an image of a known format, or declares more pixels than are accepted.

    Args:
        head: the first bytes of the file, at best `HEAD_BYTES`.
        name: what the file is called in the answer.
        max_pixels: most pixels (width x height); None sets no limit.

    Raises:
        UnsupportedFormatError: another format.
        RasterTooLargeError: too many pixels.
    """
    driver_of(head, name)
    shape_hw = declared_shape(head)
    if shape_hw is None or max_pixels is None:
        return
    height, width = shape_hw
    if height * width > max_pixels:
        raise RasterTooLargeError(
            f"{name} has {width} x {height} = {height * width:,} px, more than the "
            f"{max_pixels:,} px accepted here; cut it into parts or reduce its resolution."
        )


def declared_shape(head: bytes) -> ShapeHW | None:
    """Height and width that an image declares in its first bytes; None where they don't say."""
    parsers: tuple[tuple[tuple[bytes, ...], Callable[[bytes], ShapeHW | None]], ...] = (
        ((b"II*\0", b"MM\0*"), _classic_tiff),
        ((b"II+\0", b"MM\0+"), _big_tiff),
        ((b"\x89PNG",), _png),
        ((b"\xff\xd8\xff",), _jpeg),
        ((b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"), _jpeg_2000),
    )
    for magic, parse in parsers:
        if head.startswith(magic):
            try:
                return parse(head)
            except struct.error:
                return None  # it says so behind the bytes that are here
    return None


def _classic_tiff(head: bytes) -> ShapeHW | None:
    order = "<" if head.startswith(b"II") else ">"
    (directory,) = struct.unpack_from(f"{order}I", head, 4)
    (count,) = struct.unpack_from(f"{order}H", head, directory)
    return _tiff_fields(head, order, directory + 2, count, entry_bytes=12)


def _big_tiff(head: bytes) -> ShapeHW | None:
    order = "<" if head.startswith(b"II") else ">"
    (directory,) = struct.unpack_from(f"{order}Q", head, 8)
    if directory > len(head):
        return None
    (count,) = struct.unpack_from(f"{order}Q", head, directory)
    return _tiff_fields(head, order, directory + 8, count, entry_bytes=20)


def _tiff_fields(
    head: bytes, order: str, start: int, count: int, entry_bytes: int
) -> ShapeHW | None:
    """Height and width out of a directory of a TIFF, whose fields come in rising order."""
    value_at = 8 if entry_bytes == 12 else 12
    found: dict[int, int] = {}
    for index in range(min(count, _MOST_TAGS)):
        entry = start + index * entry_bytes
        tag, kind = struct.unpack_from(f"{order}HH", head, entry)
        if tag in (_WIDTH_TAG, _HEIGHT_TAG) and kind in _INTEGERS:
            (found[tag],) = struct.unpack_from(f"{order}{_INTEGERS[kind]}", head, entry + value_at)
        if len(found) == 2:
            return found[_HEIGHT_TAG], found[_WIDTH_TAG]
    return None


def _png(head: bytes) -> ShapeHW | None:
    width, height = struct.unpack_from(">II", head, 16)
    return height, width


def _jpeg(head: bytes) -> ShapeHW | None:
    at = 2
    while True:
        mark, kind, length = struct.unpack_from(">BBH", head, at)
        if mark != 0xFF:
            return None
        if kind == 0xFF:
            at += 1  # any number of these may stand before a marker
            continue
        # Starts of frames; the three left out are tables.
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", head, at + 5)
            return height, width
        at += 2 + length


def _jpeg_2000(head: bytes) -> ShapeHW | None:
    # The codestream tells it twice: in the box "ihdr", and in its own segment SIZ.
    if (box := head.find(b"ihdr")) >= 0:
        height, width = struct.unpack_from(">II", head, box + 4)
        return height, width
    if (stream := head.find(b"\xff\x4f\xff\x51")) < 0:
        return None
    right, bottom, left, top = struct.unpack_from(">IIII", head, stream + 8)
    return bottom - top, right - left
