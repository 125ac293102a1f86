"""The image below a project's layers: 8 bits, as the model saw it, small."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from samgeo_core.geogrid import GeoGrid
from samgeo_core.results.geotiff import writing_geotiff
from samgeo_core.tile import TileImage
from samgeo_core.windows import Window

_STRIP_PX = 1024

ReadTile = Callable[[Window], TileImage]
"""Reads a window of a result."""


def write_image(path: Path, read: ReadTile, grid: GeoGrid) -> None:
    """Write a picture strip by strip: lossy, clear where there is no data.

    Args:
        path: a GeoTIFF; one that exists is replaced.
        read: reads a window, px of the result.
        grid: of the result.

    Raises:
        ExportError: the file can't be written.
    """
    height, width = grid.shape_hw
    with writing_geotiff(path, grid, "uint8", count=3, picture=True) as dataset:
        for top in range(0, height, _STRIP_PX):
            window = Window(0, top, width, min(_STRIP_PX, height - top))
            tile, place = read(window), ((top, top + window.height), (0, width))
            dataset.write(tile.rgb.transpose(2, 0, 1), window=place)
            dataset.write_mask(tile.valid, window=place)
