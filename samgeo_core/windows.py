"""Rectangles of pixels, and the plan by which a raster is read in pieces."""

from __future__ import annotations

from dataclasses import dataclass

from samgeo_core.errors import ParameterError

ShapeHW = tuple[int, int]


@dataclass(frozen=True, order=True)
class Window:
    """A rectangle of whole pixels: offset (x right, y down) and size, all in px."""

    x: int
    y: int
    width: int
    height: int

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise ParameterError(
                f"A window needs at least one pixel, got {self.width} x {self.height}."
            )

    @classmethod
    def whole(cls, shape_hw: ShapeHW) -> Window:
        """The window that covers a raster of this shape."""
        return cls(0, 0, shape_hw[1], shape_hw[0])

    @property
    def shape_hw(self) -> ShapeHW:
        """Height and width, px."""
        return self.height, self.width

    @property
    def box_xyxy(self) -> tuple[int, int, int, int]:
        """Left, top, right, bottom; right and bottom exclusive."""
        return self.x, self.y, self.x + self.width, self.y + self.height

    @property
    def slices(self) -> tuple[slice, slice]:
        """Row and column slices of this window in an array of the whole raster."""
        return slice(self.y, self.y + self.height), slice(self.x, self.x + self.width)

    def moved(self, x: int, y: int) -> Window:
        """The same window further right and down, px."""
        return Window(self.x + x, self.y + y, self.width, self.height)

    def intersection(self, other: Window) -> Window | None:
        """The common part, or None where the two don't meet."""
        x0, y0 = max(self.x, other.x), max(self.y, other.y)
        x1 = min(self.x + self.width, other.x + other.width)
        y1 = min(self.y + self.height, other.y + other.height)
        return Window(x0, y0, x1 - x0, y1 - y0) if x1 > x0 and y1 > y0 else None


def window_starts(length: int, window: int, overlap: int) -> list[int]:
    """Offsets of windows of one axis; all stay full size, so the last ones overlap more."""
    if window >= length:
        return [0]
    stride = window - overlap
    count = -(-(length - overlap) // stride)
    last = length - window
    return [min(round(i * last / (count - 1)), last) for i in range(count)]


def plan_windows(shape_hw: ShapeHW, window_px: int | None, overlap_px: int = 0) -> list[Window]:
    """Cover a raster with equal windows, row by row.

    Args:
        shape_hw: height and width of the raster, px.
        window_px: side of a window; None takes the whole raster as one window.
        overlap_px: least number of pixels that neighbouring windows share.

    Raises:
        ParameterError: the overlap leaves no stride.
    """
    if window_px is None:
        return [Window.whole(shape_hw)]
    if not 0 <= overlap_px < window_px:
        raise ParameterError(
            f"The overlap must be smaller than the window, got {overlap_px} of {window_px} px."
        )
    height, width = shape_hw
    return [
        Window(x, y, min(window_px, width), min(window_px, height))
        for y in window_starts(height, window_px, overlap_px)
        for x in window_starts(width, window_px, overlap_px)
    ]
