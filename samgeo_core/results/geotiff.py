"""Results written as GeoTIFF: compressed, in tiles, with overviews, in place on the map."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import DTypeLike, NDArray
from rasterio._err import CPLE_BaseError
from rasterio.enums import ColorInterp
from rasterio.errors import RasterioError
from rasterio.shutil import copy

from samgeo_core.errors import ParameterError
from samgeo_core.geogrid import GeoGrid
from samgeo_core.reading.sources import accept_pixels_without_place
from samgeo_core.results.files import folder_beside, replacing

ColorTable = dict[int, tuple[int, int, int, int]]

BLOCK_PX = 512
_LARGE = {"bigtiff": "IF_SAFER"}
_OPTIONS = {
    "driver": "COG",
    "compress": "deflate",
    "blocksize": BLOCK_PX,
    # Values are names, not amounts: no mean of two of them means anything.
    "overview_resampling": "nearest",
    **_LARGE,
}
# Colours may change a little, and have means.
_PICTURE_OPTIONS = {
    **_OPTIONS,
    "compress": "jpeg",
    "quality": 90,
    "overview_resampling": "average",
}
# Photographs, to the very value; differences of neighbours are smaller than they are.
_PHOTO_OPTIONS = {**_OPTIONS, "predictor": "yes", "overview_resampling": "average"}
# What is read but once needn't be small.
_SCRATCH_OPTIONS = {
    "driver": "GTiff",
    "compress": "zstd",
    "zstd_level": 1,
    "tiled": True,
    "blockxsize": BLOCK_PX,
    "blockysize": BLOCK_PX,
    **_LARGE,
}
_CACHE_BYTES = 16 * 2**20
"""Blocks that GDAL keeps in memory; by default a twentieth of the machine."""

_COG_TRAILER_BYTES = 4
"""Behind each block of a COG its last bytes stand again (GDAL's documentation of the driver)."""

_RGB = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
_COLOURS = {3: _RGB, 4: (*_RGB, ColorInterp.alpha)}
"""What three and four bands of uint8 are here: pictures."""


def write_geotiff(
    path: str | Path,
    bands: NDArray[Any],
    grid: GeoGrid,
    *,
    nodata: float | None = None,
    color_table: ColorTable | None = None,
) -> None:
    """Write bands as a cloud-optimised GeoTIFF, whole or not at all.

    Args:
        path: the file; one that exists is replaced.
        bands: [C, H, W] or [H, W].
        grid: where it lies; also kept where rotated or without CRS.
        nodata: value that marks missing pixels.
        color_table: RGBA by value, for one band of uint8.

    Raises:
        ParameterError: the grid has another shape.
        ExportError: the file can't be written.
    """
    stack = bands if bands.ndim == 3 else bands[None]
    if stack.shape[1:] != grid.shape_hw:
        raise ParameterError(
            f"The grid must have the shape of the raster, {list(stack.shape[1:])} px, "
            f"but has {list(grid.shape_hw)}: take the grid of the same raster."
        )
    with writing_geotiff(
        path, grid, stack.dtype, count=len(stack), nodata=nodata, color_table=color_table
    ) as dataset:
        dataset.write(stack)


@contextmanager
def writing_geotiff(
    path: str | Path,
    grid: GeoGrid,
    dtype: DTypeLike,
    *,
    count: int = 1,
    nodata: float | None = None,
    color_table: ColorTable | None = None,
    picture: bool = False,
    photo: bool = False,
) -> Iterator[Any]:
    """Write a cloud-optimised GeoTIFF part by part, in memory that doesn't depend on its size.

    Args:
        path: the file; one that exists is replaced once the block has ended well.
        grid: where it lies.
        dtype: of the pixels.
        count: number of bands.
        nodata: value that marks missing pixels.
        color_table: RGBA by value, for one band of uint8.
        picture: whether it is three bands of uint8 for people to look at, which may lose a little;
            `write_mask` of what is yielded says where they are clear.
        photo: whether values are amounts, so that overviews have their means; nothing is lost.

    Yields:
        A `rasterio.io.DatasetWriter` that takes windows in any order; what isn't written is 0.

    Raises:
        ExportError: the file can't be written.
    """
    target, kind = Path(path), np.dtype(dtype)
    profile = {
        **_SCRATCH_OPTIONS,
        "count": count,
        "height": grid.shape_hw[0],
        "width": grid.shape_hw[1],
        "dtype": kind,
        "crs": grid.crs,
        "nodata": nodata,
    }
    # GDAL takes the identity for "no transform", and so it is written.
    if grid.transform != Affine.identity():
        profile["transform"] = grid.transform
    accept_pixels_without_place()
    environment = {"GDAL_CACHEMAX": _CACHE_BYTES, "GDAL_TIFF_INTERNAL_MASK": True}
    with folder_beside(target) as folder, rasterio.Env(**environment):
        scratch = folder / "parts.tif"
        with _told_as_os_error(), rasterio.open(scratch, "w", **profile) as dataset:
            if kind == np.uint8 and count in _COLOURS:
                dataset.colorinterp = _COLOURS[count]
            if color_table is not None:
                dataset.write_colormap(1, color_table)
            yield dataset
        _check_blocks(scratch)
        with replacing(target) as temporary, _told_as_os_error():
            options = _PICTURE_OPTIONS if picture else _PHOTO_OPTIONS if photo else _OPTIONS
            copy(scratch, temporary, **options)
            _check_blocks(temporary, _COG_TRAILER_BYTES)


@contextmanager
def reading_back(path: Path) -> Iterator[Any]:
    """Open what `writing_geotiff` wrote; yields a `rasterio.DatasetReader` that keeps few blocks.

    Raises:
        OSError: it can't be read.
    """
    accept_pixels_without_place()
    with (
        rasterio.Env(GDAL_CACHEMAX=_CACHE_BYTES),
        _told_as_os_error(),
        rasterio.open(path) as dataset,
    ):
        yield dataset


@contextmanager
def _told_as_os_error() -> Iterator[None]:
    """Where GDAL notices that it can't write, say so as Python does."""
    try:
        yield
    except (CPLE_BaseError, RasterioError) as error:
        raise OSError(errno.EIO, f"GDAL: {error}") from error


def _check_blocks(path: Path, trailer_bytes: int = 0) -> None:
    """Look whether a file holds all blocks that it lists.

    NOTE: to a full disk GDAL writes half a file and says nothing.
    """
    size = path.stat().st_size
    with rasterio.open(path) as dataset:
        levels = len(dataset.overviews(1))
    for level in (None, *range(levels)):
        options = {} if level is None else {"overview_level": level}
        with rasterio.open(path, **options) as dataset:
            for (row, column), _ in dataset.block_windows(1):
                name = f"{column}_{row}"
                begin, length = (
                    int(dataset.get_tag_item(f"BLOCK_{what}_{name}", "TIFF", bidx=1) or 0)
                    for what in ("OFFSET", "SIZE")
                )
                if not length or begin + length + trailer_bytes > size:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
