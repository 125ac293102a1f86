"""A report of one page: the map with its furniture, figures, how it was made, whom to name."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from samgeo_core.errors import ParameterError
from samgeo_core.report.chart import area_text, draw_histogram, draw_table
from samgeo_core.report.map_axes import (
    degrees,
    draw_graticule,
    draw_map,
    draw_north,
    draw_scale_bar,
    shape_on_page,
)
from samgeo_core.report.picture import map_picture
from samgeo_core.report.subject import ReportSubject, crs_name
from samgeo_core.report.texts import FAINT, GREY, INK, fitted, wrapped, write
from samgeo_core.results.files import replacing
from samgeo_core.words import _, ngettext
from samgeo_core.words.quantities import percent

Paper = Literal["A4", "Letter"]
PAPERS_MM: dict[str, tuple[float, float]] = {"A4": (210.0, 297.0), "Letter": (215.9, 279.4)}

MOST_PX = 1800
"""Longest side of the picture on a page: 250 dots to an inch of a map as wide as it."""

_MARGIN, _TOP, _BOTTOM = 15.0, 14.0, 20.0
_GAP, _LOWER, _NAMES = 6.0, 74.0, 25.0
_TICKS_MM = (5.0, 11.0)
_PT = 72 / 25.4
_drawing = threading.Lock()
"""One page at a time: each takes a core and some 100 MB."""


@dataclass(frozen=True)
class _Page:
    """A figure that is measured in mm from the upper left corner of its paper."""

    figure: Any
    width: float
    height: float

    def box(self, x: float, y: float, w: float, h: float) -> tuple[float, float, float, float]:
        return x / self.width, 1 - (y + h) / self.height, w / self.width, h / self.height

    def write(self, x: float, y: float, text: str, size: float, **more: Any) -> None:
        more = {"va": "baseline", **more}
        write(self.figure, x / self.width, 1 - y / self.height, text, size, **more)

    def line(self, y: float, color: str, width_pt: float) -> None:
        from matplotlib.lines import Line2D

        x0, x1, at = _MARGIN / self.width, 1 - _MARGIN / self.width, 1 - y / self.height
        self.figure.add_artist(Line2D([x0, x1], [at, at], color=color, lw=width_pt))

    @property
    def inner(self) -> float:
        """Width between the margins."""
        return self.width - 2 * _MARGIN


def write_page(path: Path, subject: ReportSubject, paper: str = "A4") -> None:
    """Write the report as a PDF of one page, whole or not at all.

    Args:
        path: the file.
        subject: what it is of.
        paper: "A4" or "Letter".

    Raises:
        ParameterError: another paper.
        ExportError: it can't be written.
        RasterError: the image or its labels can't be read.
    """
    if paper not in PAPERS_MM:
        raise ParameterError(f"Paper is A4 or Letter, got {paper}.")
    with _drawing, replacing(path) as partial:
        figure = page_figure(subject, paper)
        figure.savefig(
            partial, format="pdf",
            metadata={"Title": subject.title, "Creator": "SamGeo Studio", "Producer": None},
        )  # fmt: skip


def page_figure(subject: ReportSubject, paper: str = "A4") -> Any:
    """The report as a figure of matplotlib that no global state knows."""
    from matplotlib.backends.backend_pdf import FigureCanvasPdf
    from matplotlib.figure import Figure

    width, height = PAPERS_MM[paper]
    figure = Figure(figsize=(width / 25.4, height / 25.4), facecolor="white")
    FigureCanvasPdf(figure)
    page = _Page(figure, width, height)
    y = _head(page, subject)
    y = _map(page, subject, y)
    _lower(page, subject, y + _GAP)
    _foot(page, subject)
    return figure


def _head(page: _Page, subject: ReportSubject) -> float:
    """Title and a line below; returns where the map may begin."""
    figures, most = subject.figures, page.inner * _PT
    page.write(_MARGIN, _TOP + 6, fitted(subject.title, 17, most, bold=True), 17, bold=True)
    n = len(figures)
    parts = [ngettext("{n:,} object", "{n:,} objects", n).format(n=n)]
    if figures.coverage is not None:
        parts.append(_("{share} covered").format(share=percent(figures.coverage)))
    if n:
        parts.append(_("median {area}").format(area=area_text(figures.median, figures.unit)))
    page.write(_MARGIN, _TOP + 12, fitted(" · ".join(parts), 9.5, most), 9.5, color=GREY)
    page.line(_TOP + 15, INK, 0.8)
    return _TOP + 19


def _map(page: _Page, subject: ReportSubject, y: float) -> float:
    """The map in the middle; returns where it ends, coordinates included."""
    grid, (tick_w, tick_h) = subject.grid, _TICKS_MM
    most_h = page.height - y - tick_h - _GAP - _LOWER - _BOTTOM
    w, h = shape_on_page(grid, page.inner - tick_w, most_h)
    x = _MARGIN + tick_w + (page.inner - tick_w - w) / 2
    box = page.box(x, y, w, h)
    axes = draw_map(page.figure, box, grid, map_picture(subject, MOST_PX))
    draw_graticule(axes, grid, 6.5)
    if min(w, h) >= 15:
        draw_scale_bar(axes, grid, (w * _PT, h * _PT), 7)
        disc = min(11.0, 0.3 * min(w, h))
        draw_north(page.figure, (box[0] + box[2], box[1] + box[3]), grid, disc * _PT)
    corners = fitted(_corners(subject), 6.5, page.inner * _PT)
    page.write(page.width / 2, y + h + 8.5, corners, 6.5, color=GREY, ha="center")
    return y + h + tick_h


def _corners(subject: ReportSubject) -> str:
    """Which coordinates stand at the map's edges, and where two of its corners lie on Earth."""
    grid = subject.grid
    if not grid.is_georeferenced:
        return _("Coordinates: {crs}").format(crs=crs_name(grid))
    height, width = grid.shape_hw
    ends = grid.to_lonlat([(0, 0), (width, height)]).tolist()
    first, last = (f"{degrees(lat, 5, 'y')} {degrees(lon, 5, 'x')}" for lon, lat in ends)
    return _("Coordinates: {crs} · upper left {first} · lower right {last}").format(
        crs=crs_name(grid), first=first, last=last
    )


def _lower(page: _Page, subject: ReportSubject, y: float) -> None:
    """Figures, histogram and parameters side by side."""
    figures, height = subject.figures, page.height - y - _BOTTOM
    gap = 7.0
    table_w, chart_w = (page.inner - 2 * gap) * 0.37, (page.inner - 2 * gap) * 0.3
    facts_x = _MARGIN + table_w + chart_w + 2 * gap
    page.write(_MARGIN, y + 3, _("Objects"), 9, bold=True)
    table_h = height - 6
    axes = page.figure.add_axes(page.box(_MARGIN, y + 6, table_w, table_h))
    draw_table(axes, figures, 7, (table_w * _PT, table_h * _PT))
    page.write(_MARGIN + table_w + gap, y + 3, _("Objects by area"), 9, bold=True)
    if len(figures):
        chart_h = min(height - 12, 52.0)
        box = page.box(_MARGIN + table_w + gap + 6, y + 7, chart_w - 6, chart_h)
        draw_histogram(page.figure.add_axes(box), figures, 6.5)
    page.write(facts_x, y + 3, _("How it was made"), 9, bold=True)
    _facts(page, subject, facts_x, y + 9, page.width - _MARGIN - facts_x)


def _facts(page: _Page, subject: ReportSubject, x: float, y: float, width: float) -> None:
    end = page.height - _BOTTOM
    for name, value in subject.facts:
        lines = wrapped(value, 7, (width - _NAMES) * _PT, 3)
        if y + 3.4 * (len(lines) - 1) > end:
            return
        page.write(x, y, fitted(name, 7, (_NAMES - 1) * _PT), 7, color=GREY)
        for line in lines:
            page.write(x + _NAMES, y, line, 7)
            y += 3.4
        y += 0.7


def _foot(page: _Page, subject: ReportSubject) -> None:
    """Whom to name, and what the figures don't say."""
    y = page.height - _BOTTOM + 6
    page.line(y - 3, FAINT, 0.6)
    for credit in wrapped(" · ".join(subject.credits), 6.5, page.inner * _PT, 2):
        page.write(_MARGIN, y + 1, credit, 6.5, color=GREY)
        y += 3.2
    note = _(
        "Areas and the scale bar are measured on the ellipsoid. "
        "Objects inside others count in both."
    )
    if subject.figures.unit == "px":
        note = _("Areas are in pixels. Objects inside others count in both.")
    page.write(_MARGIN, y + 1, fitted(note, 6.5, page.inner * _PT), 6.5, color=GREY)
