"""Tiles put together as a GeoTIFF, in memory that grows with its width only."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import rasterio.windows
from numpy.typing import NDArray

from samgeo_core.basemap.fetching import Pixels, TileFetcher
from samgeo_core.basemap.lattice import MapBox, Tile
from samgeo_core.errors import FetchError
from samgeo_core.progress import Monitor
from samgeo_core.results.geotiff import BLOCK_PX, writing_geotiff

logger = logging.getLogger(__name__)

WRITING = "write"
"""The stage of progress that counts rows."""


def write_tiles(
    path: Path,
    box: MapBox,
    tags: Mapping[str, str],
    fetcher: TileFetcher,
    gone: set[Tile],
    monitor: Monitor,
) -> None:
    """Write the GeoTIFF of a box in strips as high as its blocks.

    Args:
        path: the file; one that exists is replaced.
        box: its pixels.
        tags: what it says of itself.
        fetcher: has the tiles.
        gone: tiles that there aren't; those that prove to be damaged are added.
        monitor: hears of rows, and can stop it.

    Raises:
        ExportError: the file can't be written.
        CancelledError: the monitor stopped it.
    """
    height, width = box.shape_hw
    # Eight pixels a byte; None where all of a strip carries data, as mostly.
    valid: list[NDArray[np.uint8] | None] = []
    decoded = dict[Tile, Pixels | None]()
    with writing_geotiff(path, box.grid, np.uint8, count=3, photo=True) as dataset:
        dataset.update_tags(**tags)
        for top in range(0, height, BLOCK_PX):
            monitor.step(WRITING, top, height)
            part = replace(box, top=box.top + top, bottom=min(box.top + top + BLOCK_PX, box.bottom))
            wanted = set(part.tiles())
            decoded = {tile: pixels for tile, pixels in decoded.items() if tile in wanted}
            for tile in wanted - decoded.keys():
                decoded[tile] = _pixels(fetcher, tile, gone)
            strip = _strip(part, decoded)
            window = rasterio.windows.Window(0, top, width, len(strip))
            dataset.write(np.moveaxis(strip[..., :3], -1, 0), window=window)
            there = strip[..., 3] > 0
            valid.append(None if there.all() else np.packbits(there, axis=1))
        if any(packed is not None for packed in valid):
            for index, packed in enumerate(valid):
                _write_mask(dataset, index * BLOCK_PX, packed)
        monitor.step(WRITING, height, height)


def _write_mask(dataset: Any, top: int, packed: NDArray[np.uint8] | None) -> None:
    """Write where a strip carries data; None is everywhere."""
    height, width = min(BLOCK_PX, dataset.height - top), dataset.width
    rows = np.ones((height, width), np.bool_)
    if packed is not None:
        rows = np.unpackbits(packed, axis=1, count=width).view(np.bool_)
    dataset.write_mask(rows, window=rasterio.windows.Window(0, top, width, height))


def _pixels(fetcher: TileFetcher, tile: Tile, gone: set[Tile]) -> Pixels | None:
    if tile in gone:
        return None
    try:
        pixels = fetcher.pixels(tile)
    except FetchError as error:
        logger.info("A tile is lost: %s", error)
        pixels = None
    if pixels is None:
        gone.add(tile)
    return pixels


def _strip(part: MapBox, decoded: dict[Tile, Pixels | None]) -> Pixels:
    """The pixels of a box out of those of its tiles; where there are none, all is 0."""
    strip = np.zeros((*part.shape_hw, 4), np.uint8)
    side = part.tile_px
    for tile, pixels in decoded.items():
        if pixels is None:
            continue
        left, top = tile.x * side, tile.y * side
        x0, x1 = max(left, part.left), min(left + side, part.right)
        y0, y1 = max(top, part.top), min(top + side, part.bottom)
        strip[y0 - part.top : y1 - part.top, x0 - part.left : x1 - part.left] = pixels[
            y0 - top : y1 - top, x0 - left : x1 - left
        ]
    return strip
