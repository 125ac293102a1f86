"""The windows from which prompts are answered: squares on a fixed lattice.

Sides are powers of two and neighbours overlap by half, so that windows found for one click are
found again for the next one: their embeddings can be kept, prefetched and shared by visitors.
"""

from __future__ import annotations

import math

from samgeo_core.picking.prompts import BoxXYXY
from samgeo_core.windows import ShapeHW, Window

LEAST_SIDE_PX, MOST_SIDE_PX = 128, 8192
CONTEXT = 4.0
"""Side of a window over the longer side of the object in it."""


def lattice_sides(shape_hw: ShapeHW) -> list[int]:
    """Sides of the lattice's squares, px, from the smallest up; the last may hold the raster."""
    sides = [LEAST_SIDE_PX]
    while sides[-1] < min(max(shape_hw), MOST_SIDE_PX):
        sides.append(2 * sides[-1])
    return sides


def fitting_side(shape_hw: ShapeHW, size_px: float) -> int:
    """The side nearest, by ratio, to `CONTEXT` times an object's longer side."""
    wanted = CONTEXT * max(size_px, 1.0)
    return min(lattice_sides(shape_hw), key=lambda side: abs(math.log(side / wanted)))


def lattice_window(shape_hw: ShapeHW, side_px: int, xy: tuple[float, float]) -> Window:
    """The window of a side whose middle lies nearest to a place; cut to a smaller raster."""
    height, width = shape_hw
    x, y = (_start(n, side_px, at) for n, at in ((width, xy[0]), (height, xy[1])))
    return Window(x, y, min(side_px, width), min(side_px, height))


def window_around(shape_hw: ShapeHW, side_px: int, box_xyxy: BoxXYXY) -> Window:
    """The window of at least this side that holds a box (as far as the raster does)."""
    x0, y0, x1, y1 = box_xyxy
    middle = (x0 + x1) / 2, (y0 + y1) / 2
    window = lattice_window(shape_hw, side_px, middle)
    while not holds(window, box_xyxy, shape_hw):
        side_px *= 2
        window = lattice_window(shape_hw, side_px, middle)
    return window


def lattice_windows(shape_hw: ShapeHW, side_px: int, view: Window) -> list[Window]:
    """The windows that answer places in a view, those in its middle first."""
    x0, y0, x1, y1 = view.box_xyxy
    columns, rows = (
        sorted({_start(n, side_px, at) for at in _places(low, high, side_px)})
        for n, low, high in ((shape_hw[1], x0, x1), (shape_hw[0], y0, y1))
    )
    width, height = min(side_px, shape_hw[1]), min(side_px, shape_hw[0])
    windows = [Window(x, y, width, height) for y in rows for x in columns]
    middle = (x0 + x1) / 2, (y0 + y1) / 2
    return sorted(windows, key=lambda w: math.dist(centre_xy(w), middle))


def centre_xy(window: Window) -> tuple[float, float]:
    """Its middle, px."""
    return window.x + window.width / 2, window.y + window.height / 2


def holds(window: Window, box_xyxy: BoxXYXY, shape_hw: ShapeHW) -> bool:
    """Whether a window holds all of a box that lies on the raster."""
    x0, y0, x1, y1 = box_xyxy
    left, top, right, bottom = window.box_xyxy
    height, width = shape_hw
    return (
        left <= max(x0, 0)
        and top <= max(y0, 0)
        and right >= min(x1, width)
        and bottom >= min(y1, height)
    )


def _start(length: int, side: int, at: float) -> int:
    """Where the window begins on one axis."""
    last = max(length - side, 0)
    step = side // 2
    return min(max(round((at - step) / step) * step, 0), last)


def _places(low: float, high: float, side: int) -> list[float]:
    """Places on one axis, from low to high, close enough to meet every window between them."""
    count = max(1, math.ceil((high - low) / (side / 4)))
    return [low + (high - low) * i / count for i in range(count + 1)]
