"""What makes a picture a map: a length on the ground, where north is, round coordinates."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pyproj
from numpy.typing import NDArray

from samgeo_core.geogrid import GeoGrid

_WGS84 = pyproj.Geod(ellps="WGS84")
_PROBES = 65
_STEP_DEG = 1e-4
XY = tuple[float, float]


@dataclass(frozen=True)
class ScaleBar:
    """A bar along a row of pixels.

    Attributes:
        length: round, m on the ground or px.
        is_ground: whether that is metres.
        start_xy, end_xy: its ends, px of the grid.
    """

    length: float
    is_ground: bool
    start_xy: XY
    end_xy: XY


@dataclass(frozen=True)
class Tick:
    """A coordinate at the edge of a map.

    Attributes:
        value: in the CRS' unit.
        at_px: along the edge, px from the grid's first corner.
    """

    value: float
    at_px: float


def ground_lengths_m(
    grid: GeoGrid, starts_px: NDArray[np.float64], ends_px: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Geodesic lengths between positions [N, 2] px, m; NaN where the place is unknown."""
    if not grid.is_georeferenced:
        return np.full(len(starts_px), np.nan)
    a, b = grid.to_lonlat(starts_px), grid.to_lonlat(ends_px)
    return np.asarray(_WGS84.inv(a[:, 0], a[:, 1], b[:, 0], b[:, 1])[2], np.float64)


def pixel_aspect(grid: GeoGrid) -> float:
    """Height of a pixel on the ground as a share of its width, at the centre; 1 where unknown.

    A picture of pixels in degrees looks stretched to the sides far from the equator: drawn with
    this ratio it shows the shapes that are on the ground.
    """
    x, y = centre(grid)
    starts = np.array([(x - 0.5, y), (x, y - 0.5)])
    ends = np.array([(x + 0.5, y), (x, y + 0.5)])
    if grid.is_georeferenced:
        width, height = ground_lengths_m(grid, starts, ends).tolist()
    else:
        t = grid.transform
        width, height = math.hypot(t.a, t.d), math.hypot(t.b, t.e)
    ratio = height / width if width > 0 and height > 0 else 1.0
    return ratio if math.isfinite(ratio) and 0.02 < ratio < 50 else 1.0


def centre(grid: GeoGrid) -> XY:
    """The middle of a grid, px."""
    return grid.shape_hw[1] / 2, grid.shape_hw[0] / 2


def scale_bar(grid: GeoGrid, start_xy: XY, most_px: float) -> ScaleBar:
    """The longest bar of a round length that fits, to the right of a position.

    Measured where it lies, on the ellipsoid: in degrees and in EPSG:3857 a pixel's length on the
    ground depends on its latitude.

    Args:
        grid: of the map.
        start_xy: its left end, px.
        most_px: how long it may be drawn, px.
    """
    x, y = start_xy

    def ground(px: float) -> float:
        ends = np.array([(x, y)]), np.array([(x + px, y)])
        return float(ground_lengths_m(grid, *ends)[0])

    longest = ground(most_px)
    if not (math.isfinite(longest) and longest > 0):
        length = round_below(most_px)
        return ScaleBar(length, False, start_xy, (x + length, y))
    length = round_below(longest)
    px = most_px * length / longest
    for _ in range(8):  # the ground under a long bar is no straight line: Newton's steps, nearly
        px *= length / ground(px)
    return ScaleBar(length, True, start_xy, (x + px, y))


def round_below(value: float) -> float:
    """The largest of 1, 2, 5, 10, 20, 50, … (and tenths of them) that is not above a value."""
    power = 10.0 ** math.floor(math.log10(value))
    return float(next(k for k in (5, 2, 1) if k * power <= value * (1 + 1e-9)) * power)


def north_on_map(grid: GeoGrid) -> XY | None:
    """Where true north is at the centre: a unit vector, x to the right and y down, as drawn.

    Of a map that is drawn with `pixel_aspect`. None where the place on Earth is unknown, or a pole.
    """
    if not grid.is_georeferenced:
        return None
    here = grid.to_lonlat([centre(grid)])[0]
    if not np.isfinite(here).all() or abs(here[1]) > 89.99:
        return None
    ends = grid.from_lonlat(here + np.array([(0.0, -_STEP_DEG), (0.0, _STEP_DEG)]))
    dx, dy = (ends[1] - ends[0]) * (1.0, pixel_aspect(grid))
    length = math.hypot(dx, dy)
    return (dx / length, dy / length) if math.isfinite(length) and length > 0 else None


def edge_ticks(grid: GeoGrid, *, along_x: bool, wanted: int = 4) -> list[Tick]:
    """Round coordinates along the bottom edge (x) or the left edge (y), few of them.

    Args:
        grid: of the map; coordinates are px where it has no CRS.
        along_x: which edge.
        wanted: about how many.
    """
    height, width = grid.shape_hw
    share = np.linspace(0.0, 1.0, _PROBES)
    side = width if along_x else height
    zero = np.zeros_like(share)
    edge = np.stack([share * width, zero + height] if along_x else [zero, share * height], axis=1)
    # NOTE: where there is no CRS the transform may still be of another frame; px are sure.
    coordinates = grid.to_crs_xy(edge) if grid.crs is not None else edge
    values = coordinates[:, 0 if along_x else 1]
    low, high = float(values.min()), float(values.max())
    if not high > low or not np.all(np.isfinite(values)):
        return []
    step = _tick_step((high - low) / wanted)
    rising = values[-1] >= values[0]
    found, at = (values, share) if rising else (values[::-1], share[::-1])
    round_values = np.arange(math.ceil(low / step), math.floor(high / step) + 1) * step
    return [Tick(float(v), float(np.interp(v, found, at)) * side) for v in round_values]


def _tick_step(value: float) -> float:
    """The smallest of 1, 2, 5, 10, … that is not below a value."""
    power = 10.0 ** math.floor(math.log10(value))
    return float(next(k for k in (1, 2, 5, 10) if k * power >= value * (1 - 1e-9)) * power)


def crossings(grid: GeoGrid, xs: list[Tick], ys: list[Tick]) -> NDArray[np.float64]:
    """Where the lines of round coordinates cross on the map, float64 [M, 2] px."""
    points = np.array([(x.value, y.value) for x in xs for y in ys], np.float64).reshape(-1, 2)
    px = grid.to_px_xy(points) if grid.crs is not None else points
    height, width = grid.shape_hw
    inside = (px > 0).all(1) & (px < (width, height)).all(1)
    return np.asarray(px[inside], np.float64)
