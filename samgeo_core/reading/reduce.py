"""A raster at half its resolution, or in tiles, written piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.windows
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import RasterioError

from samgeo_core.errors import RasterError
from samgeo_core.windows import Window

BLOCK_PX = 256
_PIECE_BYTES = 8 << 20
_COLUMNS = 2048
_OPTIONS = {
    "driver": "GTiff", "compress": "zstd", "zstd_level": 1, "tiled": True,
    "blockxsize": BLOCK_PX, "blockysize": BLOCK_PX, "bigtiff": "IF_SAFER", "interleave": "pixel",
}  # fmt: skip


def write_half(dataset: Any, target: Path, still_wanted: Callable[[], bool]) -> bool:
    """Write a raster at half its resolution: each pixel is the mean of those it covers.

    Only pixels that carry data count; colour indices and values that don't fit a mean take the
    first of each four. Bands, nodata, palette, opacity and mask stay. Where a side is odd, the
    last pixels cover one row or column only.

    Args:
        dataset: an open `rasterio.DatasetReader`.
        target: the GeoTIFF to write.
        still_wanted: asked for each piece; where it says no, False is returned.

    Raises:
        RasterError: the source is damaged, or the target can't be written.
    """
    return _write(dataset, target, still_wanted, step=2)


def write_copy(dataset: Any, target: Path, still_wanted: Callable[[], bool]) -> bool:
    """Write a raster as a tiled GeoTIFF of the same pixels; arguments as of `write_half`.

    Raises:
        RasterError: the source is damaged, or the target can't be written.
    """
    return _write(dataset, target, still_wanted, step=1)


def _write(dataset: Any, target: Path, still_wanted: Callable[[], bool], step: int) -> bool:
    height, width = -(-dataset.height // step), -(-dataset.width // step)
    profile = {
        "count": dataset.count, "dtype": dataset.dtypes[0], "nodata": dataset.nodata,
        "height": height, "width": width, **_OPTIONS,
    }  # fmt: skip
    masked = _has_own_mask(dataset)
    try:
        with (
            rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
            rasterio.open(target, "w", **profile) as written,
        ):
            written.colorinterp = dataset.colorinterp
            if dataset.colorinterp[0] == ColorInterp.palette:
                written.write_colormap(1, dataset.colormap(1))
            for piece in _pieces(dataset):
                if not still_wanted():
                    return False
                _write_piece(dataset, written, piece, step, masked)
    except (RasterioError, CPLE_BaseError) as error:
        raise RasterError(f"{target.name} could not be written: {error}") from error
    return True


def _write_piece(dataset: Any, written: Any, piece: Window, step: int, masked: bool) -> None:
    place = rasterio.windows.Window(piece.x, piece.y, piece.width, piece.height)
    height, width = -(-piece.height // step), -(-piece.width // step)
    target = rasterio.windows.Window(piece.x // step, piece.y // step, width, height)
    values = dataset.read(window=place)
    mask = dataset.dataset_mask(window=place) if masked else None
    if step == 2:
        indices = dataset.colorinterp[0] == ColorInterp.palette
        values = _halved(values, dataset.nodata, mask, indices)
        mask = None if mask is None else _any_of_four(mask > 0).astype(np.uint8) * 255
    written.write(values, window=target)
    if mask is not None:
        written.write_mask(mask, window=target)


def _pieces(dataset: Any) -> Iterator[Window]:
    """Windows of some megabytes with even corners, in the order of the file."""
    block_h, block_w = dataset.block_shapes[0]
    pixel_bytes = sum(np.dtype(dtype).itemsize for dtype in dataset.dtypes)
    in_strips = block_w == dataset.width
    # Blocks of strips are decoded whole, so pieces are as wide as they are.
    width = dataset.width if in_strips else max(_even(block_w), _COLUMNS // block_w * block_w)
    width = _even(width)
    fitting = max(2, _PIECE_BYTES // (width * pixel_bytes))
    # At best whole rows of blocks here and there.
    unit = next(n for n in (2 * BLOCK_PX, block_h, 2) if n <= fitting)
    height = _even(fitting // unit * unit)
    for y in range(0, dataset.height, height):
        for x in range(0, dataset.width, width):
            yield Window(x, y, min(width, dataset.width - x), min(height, dataset.height - y))


def _even(length: int) -> int:
    return length + length % 2


def _has_own_mask(dataset: Any) -> bool:
    """Whether validity is neither in the values nor in a band."""
    return list(dataset.mask_flag_enums[0]) == [MaskFlags.per_dataset]


def _halved(
    values: NDArray[Any], nodata: float | None, mask: NDArray[np.uint8] | None, indices: bool
) -> NDArray[Any]:
    """Values [C, H, W] at half the resolution, rounded up: means of those that carry data."""
    if indices:
        return np.ascontiguousarray(values[:, ::2, ::2])
    bands, height, width = values.shape
    half = np.empty((bands, -(-height // 2), -(-width // 2)), values.dtype)
    for band in range(bands):
        valid = _valid(values[band], nodata)
        if mask is not None:
            valid &= mask > 0
        half[band] = _means(values[band], valid)
    return half


def _valid(values: NDArray[Any], nodata: float | None) -> NDArray[np.bool_]:
    valid = np.isfinite(values) if values.dtype.kind == "f" else np.ones(values.shape, np.bool_)
    if nodata is not None and np.isfinite(nodata):
        valid &= values != nodata
    return valid


def _means(values: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[Any]:
    """Means of two by two of [H, W]; the first of the four where none carries data."""
    first = values[::2, ::2]
    total = np.zeros(first.shape, np.float64 if values.dtype.itemsize > 2 else np.float32)
    count = np.zeros(first.shape, np.uint8)
    for dy in (0, 1):
        for dx in (0, 1):
            part, counts = values[dy::2, dx::2], valid[dy::2, dx::2]
            rows, columns = part.shape
            total[:rows, :columns] += np.where(counts, part, 0)
            count[:rows, :columns] += counts
    mean = total / np.maximum(count, 1)
    if values.dtype.kind in "iu":
        mean = np.rint(mean)
    return np.where(count > 0, mean, first).astype(values.dtype)


def _any_of_four(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    half = mask[::2, ::2].copy()
    half[:, : mask[::2, 1::2].shape[1]] |= mask[::2, 1::2]
    half[: mask[1::2, ::2].shape[0]] |= mask[1::2, ::2]
    corner = mask[1::2, 1::2]
    half[: corner.shape[0], : corner.shape[1]] |= corner
    return half
