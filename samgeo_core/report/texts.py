"""Texts of a drawn page: in fonts that have their signs, never read as formulas, cut to fit."""

from __future__ import annotations

import threading
from typing import Any

from samgeo_core.report.fonts import drawable, font

INK, GREY, FAINT = "#1c2624", "#5c6a67", "#c9d1cf"

_local = threading.local()


def write(
    target: Any, x: float, y: float, text: str, size: float, *, bold: bool = False, **more: Any
) -> Any:
    """Put text on a figure or axes; a `$` of a file's name is a dollar, not a formula.

    Args:
        target: figure or axes of matplotlib.
        x, y: place, in its coordinates.
        text: any text.
        size: points.
        bold: whether it is heavier.
        more: what `matplotlib.text.Text` takes.
    """
    more = {"color": INK, **more}
    return target.text(
        x, y, drawable(text), fontproperties=font(size, bold=bold), parse_math=False, **more
    )


def width_pt(text: str, size: float, *, bold: bool = False) -> float:
    """How wide a line of text is, points."""
    renderer = getattr(_local, "renderer", None)
    if renderer is None:
        from matplotlib.backends.backend_agg import RendererAgg

        renderer = _local.renderer = RendererAgg(8, 8, 72)  # type: ignore[no-untyped-call]
    properties = font(size, bold=bold)
    return float(renderer.get_text_width_height_descent(drawable(text), properties, False)[0])


def fitted(text: str, size: float, most_pt: float, *, bold: bool = False) -> str:
    """A line of text, its middle left out where it is too wide: ends tell files apart."""
    if width_pt(text, size, bold=bold) <= most_pt:
        return text
    low, high = 0, len(text)
    while low < high:  # the most signs that fit
        kept = (low + high + 1) // 2
        if width_pt(_cut(text, kept), size, bold=bold) <= most_pt:
            low = kept
        else:
            high = kept - 1
    return _cut(text, low)


def _cut(text: str, kept: int) -> str:
    ends = kept // 3
    return f"{text[: kept - ends]}…{text[len(text) - ends :] if ends else ''}"


def wrapped(text: str, size: float, most_pt: float, most_lines: int) -> list[str]:
    """Text in lines no wider than asked for; the last one is cut where there are too many."""
    lines: list[str] = []
    rest = " ".join(text.split())
    while rest and len(lines) < most_lines - 1:
        if width_pt(rest, size) <= most_pt:
            break
        taken = max(1, _fits(rest, size, most_pt))
        space = rest.rfind(" ", 1, taken + 1)
        # Chinese has no spaces: it breaks anywhere.
        at = space if space > taken // 4 else taken
        lines.append(rest[:at].rstrip())
        rest = rest[at:].lstrip()
    if rest:
        lines.append(fitted(rest, size, most_pt))
    return lines


def _fits(text: str, size: float, most_pt: float) -> int:
    low, high = 0, len(text)
    while low < high:
        kept = (low + high + 1) // 2
        if width_pt(text[:kept], size) <= most_pt:
            low = kept
        else:
            high = kept - 1
    return low
