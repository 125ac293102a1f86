"""A picture for slides and messages: the map with a legend, a scale bar and north."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from samgeo_core.report.chart import group_name, legend_rows
from samgeo_core.report.map_axes import draw_map, draw_north, draw_scale_bar, shape_on_page
from samgeo_core.report.page import _drawing
from samgeo_core.report.picture import map_picture
from samgeo_core.report.subject import ReportSubject
from samgeo_core.report.texts import GREY, fitted, width_pt, write
from samgeo_core.results.files import replacing
from samgeo_core.words import _, ngettext

LONGEST_PX = 1600
_LEAST_WIDTH_PX, _DPI = 720, 100
_PX = 72 / _DPI  # points to a px
_PAD, _TITLE, _TEXT, _SMALL = 14.0, 14.0, 10.0, 7.5


def write_quicklook(path: Path, subject: ReportSubject) -> None:
    """Write the picture as a PNG, whole or not at all.

    Args:
        path: the file.
        subject: what it is of.

    Raises:
        ExportError: it can't be written.
        RasterError: the image or its labels can't be read.
    """
    with _drawing, replacing(path) as partial:
        figure = quicklook_figure(subject)
        figure.savefig(partial, format="png", dpi=_DPI, metadata={"Title": subject.title})


def quicklook_figure(subject: ReportSubject) -> Any:
    """The picture as a figure of matplotlib that no global state knows."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    grid = subject.grid
    map_w, map_h = (round(side) for side in shape_on_page(grid, LONGEST_PX, LONGEST_PX * 0.8))
    width = max(map_w, _LEAST_WIDTH_PX)
    entries = _placed(subject, width * _PX - 2 * _PAD)
    lines = entries[-1][1] + 1 if entries else 0
    strip = (_PAD * 1.6 + _TITLE + lines * 1.7 * _TEXT + 1.8 * _SMALL + _PAD * 0.6) / _PX
    height = map_h + round(strip)
    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    left = (width - map_w) / 2 / width
    box = (left, 1 - map_h / height, map_w / width, map_h / height)
    axes = draw_map(figure, box, grid, map_picture(subject, LONGEST_PX))
    draw_scale_bar(axes, grid, (map_w * _PX, map_h * _PX), 10)
    draw_north(figure, (box[0] + box[2], 1.0), grid, min(44.0, 0.25 * min(map_w, map_h) * _PX))
    _strip(figure, subject, (width * _PX, height * _PX), map_h * _PX, entries)
    return figure


Entry = tuple[float, int, str, str]
"""x in points, line, text, colour."""


def _placed(subject: ReportSubject, most: float) -> list[Entry]:
    """Entries of the legend, from left to right and line by line."""
    figures = subject.figures
    if not figures.has_classes:
        return []
    found: list[Entry] = []
    x, line = 0.0, 0
    for row in legend_rows(figures, 12):
        name = fitted(group_name(figures, row.group.name), _TEXT, most * 0.4)
        text = f"{name}: {row.count:,}"
        wide = 1.6 * _TEXT + width_pt(text, _TEXT) + 1.6 * _TEXT
        if found and x + wide > most:
            x, line = 0.0, line + 1
        found.append((x, line, text, row.group.color))
        x += wide
    return found


def _strip(
    figure: Any, subject: ReportSubject, page_pt: tuple[float, float], y: float,
    entries: list[Entry],
) -> None:  # fmt: skip
    """Title, legend and whom to name, below the map."""
    from matplotlib.patches import Rectangle

    width, height = page_pt
    most = width - 2 * _PAD

    def put(x: float, down: float, text: str, size: float, **more: Any) -> None:
        write(figure, x / width, 1 - down / height, text, size, va="baseline", **more)

    y += _PAD + _TITLE
    n = len(subject.figures)
    told = ngettext("{n:,} object", "{n:,} objects", n).format(n=n)
    if n and not entries:
        told = _("{objects}, one colour each").format(objects=told)
    told_w = width_pt(told, _TEXT)
    title = fitted(subject.title, _TITLE, most - told_w - 2 * _TEXT, bold=True)
    put(_PAD, y, title, _TITLE, bold=True)
    put(width - _PAD, y, told, _TEXT, color=GREY, ha="right")
    for x, line, text, color in entries:
        down = y + (line + 1) * 1.7 * _TEXT
        corner = ((_PAD + x) / width, 1 - (down + 0.1 * _TEXT) / height)
        size = (1.1 * _TEXT / width, 0.85 * _TEXT / height)
        swatch = Rectangle(corner, *size, facecolor=color, edgecolor="none")
        figure.add_artist(swatch)
        put(_PAD + x + 1.6 * _TEXT, down, text, _TEXT)
    credit = fitted(" · ".join(subject.credits), _SMALL, most)
    put(_PAD, height - 0.75 * _PAD, credit, _SMALL, color=GREY)
