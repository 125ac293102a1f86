"""Which pixels of a raster a map tile needs, and how they become the tile.

All of it is geometry and arrays: no file is opened here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from samgeo_core.web.frame import (
    MAX_ZOOM,
    TILE_PX,
    WORLD_M,
    MapFrame,
    mercator_lonlat,
    mercator_xy,
    tile_bounds_m,
)
from samgeo_core.windows import ShapeHW, Window

RGBA = NDArray[np.uint8]
"""uint8 [4, H, W]; the fourth is 255 where there is something to see, else 0."""

_PROBES = 17
_PAD_PX = 2


@dataclass(frozen=True)
class View:
    """The part of a raster that a tile shows.

    Attributes:
        window: part of the raster, a little larger than the tile.
        factor: a power of two; every factor-th pixel is enough for the tile.
    """

    window: Window
    factor: int

    @property
    def shape_hw(self) -> ShapeHW:
        """Height and width to which the window is read, px."""
        return -(-self.window.height // self.factor), -(-self.window.width // self.factor)


@dataclass(frozen=True, eq=False)
class Block:
    """Pixels read for a view.

    Attributes:
        rgba: uint8 [4, h, w].
        to_raster: from px of the block to px of the raster.
    """

    rgba: RGBA
    to_raster: Affine

    @classmethod
    def of_window(cls, rgba: RGBA, window: Window) -> Block:
        """Pixels that cover a window, at whatever resolution."""
        scale = Affine.scale(window.width / rgba.shape[2], window.height / rgba.shape[1])
        return cls(rgba, Affine.translation(window.x, window.y) @ scale)


def tile_view(frame: MapFrame, z: int, x: int, y: int) -> View | None:
    """What to read for a tile; None where the tile lies beside the raster."""
    if not (0 <= z <= MAX_ZOOM and 0 <= x < 2**z and 0 <= y < 2**z):
        return None
    found = (
        _probe_mercator(frame, z, x, y) if frame.is_geographic else _probe_pixels(frame, z, x, y)
    )
    if found is None:
        return None
    points, step = found
    inside = points[np.isfinite(points).all(1)]
    if len(inside) == 0:
        return None
    factor = 2 ** max(0, math.floor(math.log2(step))) if step > 0 else 1
    height, width = frame.grid.shape_hw
    (x0, y0), (x1, y1) = inside.min(0), inside.max(0)
    left, right = _snap(x0, x1, factor, width)
    top, bottom = _snap(y0, y1, factor, height)
    if right <= left or bottom <= top:
        return None
    return View(Window(left, top, right - left, bottom - top), factor)


def draw_tile(frame: MapFrame, block: Block, z: int, x: int, y: int, *, smooth: bool) -> RGBA:
    """Lay a block on a tile: uint8 [4, 256, 256].

    Args:
        frame: where the raster lies.
        block: the pixels of the tile's view.
        z: zoom of the tile, and so on.
        x: column.
        y: row.
        smooth: interpolate between pixels (where a tile px is larger than a raster px); else each
            tile px takes the raster px it lies in.
    """
    from rasterio.enums import ColorInterp
    from rasterio.io import MemoryFile
    from rio_tiler import reader

    crs, transform, tile_transform = _planes(frame, block, z, x, y)
    _, height, width = block.rgba.shape
    profile: dict[str, Any] = {
        "driver": "GTiff", "count": 4, "dtype": "uint8", "height": height, "width": width,
        "crs": crs, "transform": transform,
    }  # fmt: skip
    with MemoryFile() as memory:
        with memory.open(**profile) as target:
            target.colorinterp = (
                ColorInterp.red,
                ColorInterp.green,
                ColorInterp.blue,
                ColorInterp.alpha,
            )
            target.write(block.rgba)
        with memory.open() as dataset:
            image = reader.read(
                dataset,
                dst_crs=_mercator(),
                height=TILE_PX,
                width=TILE_PX,
                indexes=(1, 2, 3),
                reproject_method="bilinear" if smooth else "nearest",
                # NOTE: given options make it warp also where the CRS stays, which is what gets
                # rotated and south-up rasters right.
                vrt_options={
                    "transform": tile_transform,
                    "height": TILE_PX,
                    "width": TILE_PX,
                    "add_alpha": False,
                },
            )
    alpha = np.where(np.asarray(image.alpha_mask) >= 128, np.uint8(255), np.uint8(0))
    return np.concatenate([np.where(alpha > 0, image.data, np.uint8(0)), alpha[None]])


def encode_png(rgba: RGBA) -> bytes:
    """A PNG of uint8 [4, H, W]."""
    from rio_tiler.utils import render

    return bytes(render(rgba[:3], rgba[3], img_format="PNG", zlevel=3))


@lru_cache(maxsize=1)
def empty_png() -> bytes:
    """A tile of which nothing is seen."""
    return encode_png(np.zeros((4, TILE_PX, TILE_PX), np.uint8))


def halve(rgba: RGBA) -> RGBA:
    """Half the resolution: each px the mean of what is visible among four; sides rounded up."""
    _, height, width = rgba.shape
    padded = np.pad(rgba, ((0, 0), (0, height % 2), (0, width % 2)))
    cells = padded.reshape(4, -(-height // 2), 2, -(-width // 2), 2).astype(np.uint16)
    seen = cells[3:] > 0
    count = seen.sum(axis=(2, 4), dtype=np.uint16)
    mean = (cells[:3] * seen).sum(axis=(2, 4), dtype=np.uint16) // np.maximum(count, 1)
    return np.concatenate([mean, np.where(count > 0, 255, 0)]).astype(np.uint8)


@lru_cache(maxsize=1)
def _mercator() -> Any:
    from rasterio.crs import CRS

    return CRS.from_epsg(3857)


def _planes(frame: MapFrame, block: Block, z: int, x: int, y: int) -> tuple[Any, Affine, Affine]:
    """CRS and transform of the block, and transform of the tile on its map's plane.

    A map in pixels borrows web mercator as its plane, with raster px for metres and y upwards.
    """
    if frame.is_geographic:
        left, bottom, right, top = tile_bounds_m(z, x, y)
        to_plane, crs = frame.grid.transform @ block.to_raster, frame.grid.crs
        if crs is not None and crs.is_geographic:
            _, height, width = block.rgba.shape
            middle_lng, _ = to_plane @ (width / 2, height / 2)
            tile_lng = mercator_lonlat(np.array([[(left + right) / 2, 0.0]]))[0, 0]
            # NOTE: GDAL takes 190 degrees and -170 for different places; to the map they are one.
            turns = round((tile_lng - middle_lng) / 360)
            to_plane = Affine.translation(360.0 * turns, 0.0) @ to_plane
    else:
        side = TILE_PX * 2.0 ** (frame.native_zoom - z)
        left, top = x * side, -y * side
        right, bottom = left + side, top - side
        to_plane, crs = Affine.scale(1, -1) @ block.to_raster, _mercator()
    scale = Affine.scale((right - left) / TILE_PX, (bottom - top) / TILE_PX)
    return crs, to_plane, Affine.translation(left, top) @ scale


def _probe_pixels(
    frame: MapFrame, z: int, x: int, y: int
) -> tuple[NDArray[np.float64], float] | None:
    step = 2.0 ** (frame.native_zoom - z)
    corners = np.array([[x, y], [x + 1, y + 1]], np.float64) * TILE_PX * step
    return corners, step


def _probe_mercator(
    frame: MapFrame, z: int, x: int, y: int
) -> tuple[NDArray[np.float64], float] | None:
    """Raster px [N, 2] across the shared part of tile and raster, and raster px per tile px."""
    (south, west), (north, east) = frame.bounds_latlng
    (min_x, min_y), (max_x, max_y) = mercator_xy(np.array([[west, south], [east, north]]))
    left, bottom, right, top = tile_bounds_m(z, x, y)
    bottom, top = max(bottom, min_y), min(top, max_y)
    # NOTE: a raster across the antimeridian has an east beyond 180 degrees; its eastern part lies
    # on the tiles of the far west.
    shift = WORLD_M if min(right, max_x) <= max(left, min_x) and max_x > WORLD_M / 2 else 0.0
    left, right = max(left + shift, min_x), min(right + shift, max_x)
    if right <= left or top <= bottom:
        return None
    shares = np.linspace(0, 1, _PROBES)
    xs, ys = np.meshgrid(left + shares * (right - left), bottom + shares * (top - bottom))
    places = mercator_lonlat(np.stack([xs.ravel(), ys.ravel()], axis=1))
    points = frame.from_lnglat(places)
    grid = points.reshape(_PROBES, _PROBES, 2)
    tile_px_m = WORLD_M / TILE_PX / 2**z
    along_x = np.linalg.norm(np.diff(grid, axis=1), axis=2) / ((right - left) / (_PROBES - 1))
    along_y = np.linalg.norm(np.diff(grid, axis=0), axis=2) / ((top - bottom) / (_PROBES - 1))
    steps = np.concatenate([along_x.ravel(), along_y.ravel()]) * tile_px_m
    steps = steps[np.isfinite(steps)]
    return (points, float(np.median(steps))) if len(steps) else None


def _snap(low: float, high: float, factor: int, length: int) -> tuple[int, int]:
    """A range of px widened to whole cells of ``factor`` px with a margin, cut to the raster."""
    pad = _PAD_PX * factor
    start = max(math.floor((low - pad) / factor) * factor, 0)
    stop = min(math.ceil((high + pad) / factor) * factor, length)
    return start, stop
