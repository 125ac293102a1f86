"""Results written as GeoTIFF: compressed, in tiles, with overviews, in place on the map."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import ColorInterp
from rasterio.io import MemoryFile

from samgeo_core.errors import ParameterError
from samgeo_core.geogrid import GeoGrid
from samgeo_core.reading.sources import accept_pixels_without_place
from samgeo_core.results.files import replacing

ColorTable = dict[int, tuple[int, int, int, int]]

_OPTIONS = {
    "driver": "COG",
    "compress": "deflate",
    "blocksize": 512,
    # Values are names, not amounts: no mean of two of them means anything.
    "overview_resampling": "nearest",
    "bigtiff": "IF_SAFER",
}

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
    profile = {
        **_OPTIONS,
        "count": stack.shape[0],
        "height": stack.shape[1],
        "width": stack.shape[2],
        "dtype": stack.dtype,
        "crs": grid.crs,
        "nodata": nodata,
    }
    # GDAL takes the identity for "no transform", and so it is written.
    if grid.transform != Affine.identity():
        profile["transform"] = grid.transform
    accept_pixels_without_place()
    # NOTE: to a full disk GDAL writes half a file and says nothing, hence the way through memory.
    with replacing(Path(path)) as temporary, MemoryFile() as memory:
        with memory.open(**profile) as dataset:
            if stack.dtype == np.uint8 and len(stack) in _COLOURS:
                dataset.colorinterp = _COLOURS[len(stack)]
            dataset.write(stack)
            if color_table is not None:
                dataset.write_colormap(1, color_table)
        temporary.write_bytes(memory.getbuffer())
