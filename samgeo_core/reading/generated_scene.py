"""A drawn aerial scene whose objects are exactly known: for tests and trials without any data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import rasterio
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.features import rasterize
from shapely.affinity import affine_transform

from samgeo_core.errors import ParameterError
from samgeo_core.reading.sources import accept_pixels_without_place

_CELL_PX = 96
_SUPERSAMPLING = 4
_PLACE_LONLAT = (15.1, 45.2)

_GRASS = (96, 122, 72)
_ROOFS = ((178, 84, 66), (148, 152, 160), (196, 170, 140), (110, 70, 62), (214, 214, 208))
_TANKS = ((236, 238, 240), (205, 212, 224))
_FIELDS = ((176, 158, 88), (68, 92, 44), (150, 176, 84), (142, 110, 76))

Rgb = tuple[int, int, int]


@dataclass(frozen=True)
class GeneratedScene:
    """A scene on disk and what was drawn on it.

    Attributes:
        path: the GeoTIFF, uint8 RGB.
        truth: outlines of all objects in the CRS of the file (in px where it has none).
        truth_px: the same outlines in px, x right, y down.
    """

    path: Path
    truth: list[Any]
    truth_px: list[Any]


def generated_scene(
    path: Path,
    *,
    seed: int = 0,
    size: int = 512,
    crs: str | None = "EPSG:32633",
    gsd: float = 0.5,
) -> GeneratedScene:
    """Draw roofs (turned rectangles), tanks (circles) and fields on grass.

    Objects never touch, and none reaches the edge.

    Args:
        path: the GeoTIFF to write.
        seed: the same seed gives the same scene.
        size: width and height, px; at least 96.
        crs: any name of a coordinate reference system; None leaves the file without one.
        gsd: ground resolution, m per px.

    Raises:
        ParameterError: the scene is too small for an object.
    """
    if size < _CELL_PX:
        raise ParameterError(f"A generated scene needs at least {_CELL_PX} px, got {size}.")
    rng = np.random.default_rng(seed)
    canvas = _ground(size, _GRASS, rng, noise=5.0)
    outlines = []
    for x, y, width, height in _cells(size, rng):
        outline, colour = _object_in(x, y, width, height, rng)
        outlines.append(outline)
        _paint(canvas, outline, colour, rng)
    canvas += rng.normal(0.0, 2.0, canvas.shape)  # the noise of a sensor
    transform = Affine.identity() if crs is None else _transform(crs, gsd)
    _write(path, canvas, transform, crs)
    return GeneratedScene(path, [_placed(outline, transform) for outline in outlines], outlines)


def _cells(size: int, rng: np.random.Generator) -> list[tuple[float, float, float, float]]:
    """Disjoint boxes (x, y, width, height; px), one for each object; some take two cells."""
    count = size // _CELL_PX
    side = size / count
    boxes = []
    for row in range(count):
        col = 0
        while col < count:
            span = 2 if col + 2 <= count and rng.random() < 0.25 else 1
            boxes.append((col * side, row * side, span * side, side))
            col += span
    return boxes


def _object_in(
    x: float, y: float, width: float, height: float, rng: np.random.Generator
) -> tuple[Any, Rgb]:
    """An outline well inside a box, and its colour."""
    if width > height * 1.5:
        margin = rng.uniform(6.0, 12.0, 4)
        field = shapely.box(
            x + margin[0], y + margin[1], x + width - margin[2], y + height - margin[3]
        )
        return field, _FIELDS[rng.integers(len(_FIELDS))]
    centre_x = x + width / 2 + rng.uniform(-0.08, 0.08) * width
    centre_y = y + height / 2 + rng.uniform(-0.08, 0.08) * height
    if rng.random() < 0.3:
        radius = rng.uniform(0.14, 0.28) * width
        tank = shapely.Point(centre_x, centre_y).buffer(radius, quad_segs=32)
        return tank, _TANKS[rng.integers(len(_TANKS))]
    half_w, half_h = rng.uniform(0.16, 0.27, 2) * width
    roof = shapely.box(-half_w, -half_h, half_w, half_h)
    angle = rng.uniform(0.0, np.pi)
    cos, sin = float(np.cos(angle)), float(np.sin(angle))
    turned = affine_transform(roof, [cos, -sin, sin, cos, centre_x, centre_y])
    return turned, _ROOFS[rng.integers(len(_ROOFS))]


def _ground(size: int, colour: Rgb, rng: np.random.Generator, noise: float) -> NDArray[np.float64]:
    """Float [size, size, 3]: a colour with soft spots some 16 px wide."""
    coarse = rng.normal(0.0, noise, (size // 16 + 2, size // 16 + 2))
    steps = np.arange(size) / 16
    cell, share = steps.astype(int), steps % 1
    rows = coarse[cell] * (1 - share[:, None]) + coarse[cell + 1] * share[:, None]
    spots = rows[:, cell] * (1 - share) + rows[:, cell + 1] * share
    return np.asarray(spots[..., None] + np.array(colour, np.float64))


def _paint(
    canvas: NDArray[np.float64], outline: Any, colour: Rgb, rng: np.random.Generator
) -> None:
    """Blend an object into the canvas [H, W, 3] by the share that it covers of each pixel."""
    left, top, right, bottom = (int(v) for v in outline.bounds)
    height, width = bottom - top + 1, right - left + 1
    fine = rasterize(
        [outline],
        out_shape=(height * _SUPERSAMPLING, width * _SUPERSAMPLING),
        transform=Affine.translation(left, top) @ Affine.scale(1 / _SUPERSAMPLING),
        dtype="uint8",
    )
    parts = fine.reshape(height, _SUPERSAMPLING, width, _SUPERSAMPLING)
    cover = parts.mean(axis=(1, 3))[..., None]
    shade = rng.uniform(0.92, 1.08)
    part = canvas[top : top + height, left : left + width]
    part[:] = part * (1 - cover) + np.array(colour) * shade * cover


def _transform(crs: str, gsd: float) -> Affine:
    """North-up transform with this ground resolution at a place in Europe."""
    lon, lat = _PLACE_LONLAT
    geod = pyproj.Geod(ellps="WGS84")
    step = 1000.0
    east = geod.fwd(lon, lat, 90.0, step)[:2]
    north = geod.fwd(lon, lat, 0.0, step)[:2]
    to_crs = pyproj.Transformer.from_crs("OGC:CRS84", crs, always_xy=True)
    x0, y0 = to_crs.transform(lon, lat)
    width = np.hypot(*np.subtract(to_crs.transform(*east), (x0, y0))) / step * gsd
    height = np.hypot(*np.subtract(to_crs.transform(*north), (x0, y0))) / step * gsd
    return Affine(float(width), 0.0, float(x0), 0.0, -float(height), float(y0))


def _placed(outline: Any, transform: Affine) -> Any:
    a, b, c, d, e, f = tuple(transform)[:6]
    return affine_transform(outline, [a, b, d, e, c, f])


def _write(path: Path, canvas: NDArray[np.float64], transform: Affine, crs: str | None) -> None:
    rgb = np.clip(np.rint(canvas), 0, 255).astype(np.uint8)
    accept_pixels_without_place()
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=rgb.shape[0],
        width=rgb.shape[1],
        count=3,
        dtype="uint8",
        crs=None if crs is None else CRS.from_user_input(crs),
        transform=None if crs is None else transform,
        photometric="RGB",
        compress="deflate",
    ) as dataset:
        dataset.write(np.moveaxis(rgb, -1, 0))
