"""Values and validity of three bands out of an open dataset, before any stretch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import rasterio.windows
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags, Resampling

from samgeo_core.reading.channels import bands_in, is_plain
from samgeo_core.reading.expressions import Expression
from samgeo_core.reading.stretch import BandTriple
from samgeo_core.windows import ShapeHW, Window

_CHUNK_BYTES = 4 * 2**20
"""Stored values that are decoded at once: beside them lie several arrays of their size."""

_VIEW_PX = 1024
_DECIMATE_UP_TO_PX = 16_000_000
_SAMPLE_GRID = 8
_SAMPLE_PX = 128
_TELLING_SHARE = 0.001
"""Share of a sample that must carry data for the sample to say what values there are."""


@dataclass(frozen=True, eq=False)
class RawPixels:
    """Three bands as stored.

    Attributes:
        values: [3, H, W] in the dtype of the raster; uint8 colours where a palette was expanded.
        band_valid: bool [3, H, W], True where the band carries data.
    """

    values: NDArray[Any]
    band_valid: NDArray[np.bool_]

    @property
    def valid(self) -> NDArray[np.bool_]:
        """Bool [H, W]: True where any of the bands carries data.

        Any, not all: where nodata is 0, a dark pixel often has a 0 in one band only.
        """
        return np.asarray(self.band_valid.any(axis=0))


def is_palette(dataset: Any, bands: BandTriple) -> bool:
    """Whether the three bands are one band of colour indices."""
    band = bands[0]
    if len(set(bands)) != 1 or isinstance(band, str):
        return False
    return bool(dataset.colorinterp[band - 1] == ColorInterp.palette)


def alpha_band(dataset: Any) -> int | None:
    """The band (1-based) that holds opacity, or None."""
    index = next((i for i, c in enumerate(dataset.colorinterp) if c == ColorInterp.alpha), None)
    return None if index is None else index + 1


def read_raw(
    dataset: Any,
    bands: BandTriple,
    window: Window,
    shape_hw: ShapeHW | None = None,
    resampling: Resampling = Resampling.bilinear,
) -> RawPixels:
    """Read three bands of a window.

    Args:
        dataset: an open `rasterio.DatasetReader`.
        bands: three bands, 1-based, or canonical expressions on bands; each may stand there more
            than once.
        window: part of the raster.
        shape_hw: height and width to resample to; None keeps every pixel.
        resampling: how values are resampled; validity and palettes take the nearest.
    """
    place = rasterio.windows.Window(window.x, window.y, window.width, window.height)
    shape = shape_hw or window.shape_hw
    palette = is_palette(dataset, bands)
    if palette:
        resampling = Resampling.nearest
    once = bands_in(bands)
    values = dataset.read(once, window=place, out_shape=(len(once), *shape), resampling=resampling)
    valid = np.stack([_band_valid(dataset, band, place, shape) for band in once])
    if values.dtype.kind == "f":
        valid &= np.isfinite(values)
    alpha = alpha_band(dataset)
    if alpha is not None and alpha not in once:
        opacity = dataset.read(alpha, window=place, out_shape=shape, resampling=Resampling.nearest)
        valid &= opacity > 0
    if palette:
        colours, visible = _expand_palette(values[0], dataset.colormap(once[0]))
        return RawPixels(colours, np.repeat(valid & visible, 3, axis=0))
    if bands == tuple(once):
        return RawPixels(values, valid)
    if not is_plain(bands):
        return _computed(bands, once, values, valid)
    index = [once.index(band) for band in bands if isinstance(band, int)]
    return RawPixels(values[index], valid[index])


def _computed(
    bands: BandTriple, once: list[int], values: NDArray[Any], valid: NDArray[np.bool_]
) -> RawPixels:
    """Channels of which some are expressions.

    A pixel of an expression is valid where all its bands are and it has a value: a division by
    zero or the root of a negative number has none.

    Args:
        bands: the three channels.
        once: numbers of the bands that were read.
        values: [B, H, W], theirs.
        valid: bool [B, H, W].
    """
    found: dict[int | str, tuple[NDArray[Any], NDArray[np.bool_]]] = {}
    for channel in set(bands):
        if isinstance(channel, int):
            at = once.index(channel)
            found[channel] = values[at], valid[at]
            continue
        expression = Expression(channel)
        at_of = {name: once.index(int(name[1:])) for name in expression.names}
        result = expression.compute({name: values[at] for name, at in at_of.items()})
        there = np.isfinite(result) & valid[list(at_of.values())].all(axis=0)
        found[channel] = np.where(there, result, np.nan), there
    return RawPixels(
        np.stack([found[channel][0] for channel in bands]),
        np.stack([found[channel][1] for channel in bands]),
    )


def read_sample(dataset: Any, bands: BandTriple) -> RawPixels:
    """About a million pixels that stand for the whole raster, for measuring ranges and shares.

    A decimated view where that is cheap, that is of small rasters and those with overviews. Of
    others it would decode every block, so there an 8 x 8 grid of small windows is read instead,
    strung together as one row; and the view only where hardly any of these carries data.
    """
    height, width = dataset.shape
    if height * width > _DECIMATE_UP_TO_PX and not dataset.overviews(1):
        sample = _windows_sample(dataset, bands)
        if sample.valid.mean() >= _TELLING_SHARE:
            return sample
    whole = Window.whole((height, width))
    shape = fit_shape(whole.shape_hw, _VIEW_PX)
    return read_raw(dataset, bands, whole, shape, Resampling.nearest)


def _windows_sample(dataset: Any, bands: BandTriple) -> RawPixels:
    height, width = dataset.shape
    pieces = [
        read_raw(dataset, bands, Window(x, y, min(_SAMPLE_PX, width), min(_SAMPLE_PX, height)))
        for y in _spread(height)
        for x in _spread(width)
    ]
    return RawPixels(
        np.concatenate([piece.values.reshape(3, 1, -1) for piece in pieces], axis=2),
        np.concatenate([piece.band_valid.reshape(3, 1, -1) for piece in pieces], axis=2),
    )


def fit_shape(shape_hw: ShapeHW, max_px: int) -> ShapeHW:
    """Height and width shrunk so that the longer side has at most ``max_px``; never enlarged."""
    scale = min(1.0, max_px / max(shape_hw))
    return max(1, round(shape_hw[0] * scale)), max(1, round(shape_hw[1] * scale))


def _spread(length: int) -> list[int]:
    """Offsets of sample windows, one in the middle of each of eight parts of an axis."""
    count = min(_SAMPLE_GRID, -(-length // _SAMPLE_PX))
    middle = [(i + 0.5) * length / count - _SAMPLE_PX / 2 for i in range(count)]
    return [max(0, min(round(start), length - _SAMPLE_PX)) for start in middle]


def row_chunks(window: Window, dataset: Any, chunk_bytes: int = _CHUNK_BYTES) -> Iterator[Window]:
    """Cut a window into pieces of some megabytes (three bands), along the rows of blocks."""
    block_rows = max(height for height, _ in dataset.block_shapes)
    row_bytes = window.width * 3 * max(np.dtype(t).itemsize for t in dataset.dtypes)
    rows = max(chunk_bytes // row_bytes // block_rows, 1) * block_rows
    rows = min(rows, window.height) or 1
    end = window.y + window.height
    y = window.y
    while y < end:
        stop = min((y + rows) // block_rows * block_rows, end)
        stop = stop if stop > y else min(y + rows, end)
        yield Window(window.x, y, window.width, stop - y)
        y = stop


def _band_valid(dataset: Any, band: int, place: Any, shape: ShapeHW) -> NDArray[np.bool_]:
    """Where nodata and the mask of a band let a pixel count; opacity is not looked at."""
    flags = dataset.mask_flag_enums[band - 1]
    if MaskFlags.all_valid in flags or MaskFlags.alpha in flags:
        return np.ones(shape, np.bool_)
    mask = dataset.read_masks(band, window=place, out_shape=shape, resampling=Resampling.nearest)
    return np.asarray(mask > 0)


def _expand_palette(
    indices: NDArray[Any], colormap: dict[int, tuple[int, int, int, int]]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Colour indices [H, W] to uint8 [3, H, W] and bool [H, W], False where transparent."""
    table = np.zeros((max(colormap, default=0) + 1, 4), np.uint8)
    for index, colour in colormap.items():
        table[index] = colour
    known = (indices >= 0) & (indices < len(table))
    rgba = table[np.where(known, indices, 0)]
    rgba[~known] = 0
    return np.moveaxis(rgba[..., :3], -1, 0), rgba[..., 3] > 0
