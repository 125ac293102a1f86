"""The small square on which settings are tried out."""

from __future__ import annotations

from samgeo_core.windows import ShapeHW, Window

AREA_SIDES_PX = (256, 512, 1024)


def sides_for(shape_hw: ShapeHW) -> list[int]:
    """The sides, px, that leave a good part of the raster outside; none for a small raster."""
    height, width = shape_hw
    return [side for side in AREA_SIDES_PX if side * side <= 0.6 * height * width]


def area_window(
    shape_hw: ShapeHW, side_px: int, center_px: tuple[float, float] | None = None
) -> Window:
    """A square round a position, moved inward where it would leave the raster.

    Args:
        shape_hw: height and width of the raster, px.
        side_px: side of the square; cut to the raster where that is smaller.
        center_px: x and y in px; None is the middle of the raster.
    """
    height, width = shape_hw
    x, y = center_px or (width / 2, height / 2)
    wide, high = min(side_px, width), min(side_px, height)
    left = min(max(round(x - wide / 2), 0), width - wide)
    top = min(max(round(y - high / 2), 0), height - high)
    return Window(left, top, wide, high)


def inside(shape_hw: ShapeHW, point_px: tuple[float, float]) -> bool:
    """Whether a position lies on the raster."""
    height, width = shape_hw
    return 0 <= point_px[0] < width and 0 <= point_px[1] < height
