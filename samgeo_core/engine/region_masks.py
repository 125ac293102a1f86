"""What a region keeps of the masks that its windows show. No torch here."""

from __future__ import annotations

from samgeo_core.candidates import MaskCandidate
from samgeo_core.engine.ladder import EDGE_PX, FixedWindows, Look, Place
from samgeo_core.windows import Window


def as_placed(
    found: list[MaskCandidate], look: Look, place: Place, fixed: FixedWindows
) -> list[MaskCandidate]:
    """Of what a region's other windows show what the largest of its fixed ones don't.

    Whether an edge of one of those cuts a mask must be told from its box alone.
    """
    x, y = place.window.x, place.window.y
    kept: list[MaskCandidate | None] = []
    for mask in found:
        seen = place.local(fixed.answering(mask.point_xy[0] + x, mask.point_xy[1] + y))
        x0, y0, x1, y1 = seen.box_xyxy
        u0, v0, u1, v1 = mask.box
        fits = x0 <= u0 and y0 <= v0 and u1 <= x1 and v1 <= y1
        if not look.is_fixed:
            if not fits and max(mask.sides_px) >= look.least_side_px:
                kept.append(mask)
        elif not _is_cut_by(look, mask, place):
            # Ending there by chance, it loses a line of pixels.
            inner = _inset(seen, place.local(place.extent), 1)
            kept.append(clipped(mask, inner, (0, 0)) if fits else mask)
    return [mask for mask in kept if mask is not None]


def _is_cut_by(look: Look, mask: MaskCandidate, place: Place) -> bool:
    """Whether an edge of its window cuts a mask: edges of the tile may be edges of nothing."""
    inner = _inset(look.window, place.local(place.extent), EDGE_PX)
    x0, y0, x1, y1 = inner.box_xyxy
    u0, v0, u1, v1 = mask.box
    return u0 < x0 or v0 < y0 or u1 > x1 or v1 > y1


def _inset(window: Window, extent: Window, by_px: int) -> Window:
    """A window without its last pixels where the raster goes on."""
    (x0, y0, x1, y1), (low_x, low_y, high_x, high_y) = window.box_xyxy, extent.box_xyxy
    left, top = x0 + by_px * (x0 > low_x), y0 + by_px * (y0 > low_y)
    right, bottom = x1 - by_px * (x1 < high_x), y1 - by_px * (y1 < high_y)
    return Window(left, top, right - left, bottom - top)


def clipped(mask: MaskCandidate, seen: Window, move_xy: tuple[int, int]) -> MaskCandidate | None:
    """A mask's pixels within a window, then moved."""
    x0, y0, x1, y1 = mask.box
    left, top = max(x0, seen.x), max(y0, seen.y)
    right, bottom = min(x1, seen.x + seen.width), min(y1, seen.y + seen.height)
    if right <= left or bottom <= top:
        return None
    pixels = mask.pixels()[top - y0 : bottom - y0, left - x0 : right - x0]
    dx, dy = move_xy
    point = mask.point_xy[0] + dx, mask.point_xy[1] + dy
    return MaskCandidate.of(pixels, (left + dx, top + dy), mask.score, mask.stability, point)
