"""The histogram and the table of classes on a drawn page."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from samgeo_core.report.figures import AreaFigures, AreaUnit, GroupFigures
from samgeo_core.report.texts import FAINT, GREY, INK, fitted, width_pt, write
from samgeo_core.words import _
from samgeo_core.words.quantities import area_m2, significant

MOST_ROWS = 9
"""How many classes a table on a page has; the smallest share one row beyond."""


def area_text(value: float, unit: AreaUnit) -> str:
    """An area with its unit; a dash where there is none."""
    if not math.isfinite(value):
        return "–"
    return area_m2(value) if unit == "m2" else _("{n} px").format(n=f"{value:,.0f}")


def group_name(figures: AreaFigures, name: str) -> str:
    """What a group is called."""
    if name:
        return name
    return _("Without a class") if figures.has_classes else _("All objects")


def draw_histogram(axes: Any, figures: AreaFigures, size: float) -> None:
    """Objects by area, classes above each other, on a logarithmic scale.

    Args:
        axes: of matplotlib.
        figures: what is counted.
        size: of numbers, points.
    """
    found = figures.histogram
    edges = np.log10(found.edges)
    below = np.zeros(found.counts.shape[1])
    for row, group in zip(found.counts, figures.groups, strict=True):
        axes.bar(
            edges[:-1], row, np.diff(edges), below, align="edge", color=group.color,
            edgecolor="white", linewidth=0.4, zorder=3,
        )  # fmt: skip
        below += row
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(0, max(float(below.max()) * 1.08, 1.0))
    _count_axis(axes, float(below.max()), size)
    _area_axis(axes, edges, figures.unit, size)
    for name in ("top", "right", "left"):
        axes.spines[name].set_visible(False)
    axes.spines["bottom"].set(color=INK, linewidth=0.6)


def _count_axis(axes: Any, most: float, size: float) -> None:
    step = max(1, int(10 ** math.floor(math.log10(max(most, 1)))))
    step = next((k for k in (step // 5, step // 2, step) if k >= 1 and most / k <= 5), step * 2)
    ticks = range(0, int(most) + 1, max(step, 1))
    axes.set_yticks(list(ticks))
    axes.tick_params(axis="y", length=0, labelleft=False)
    axes.grid(axis="y", color=FAINT, linewidth=0.4, zorder=0)
    axes.set_axisbelow(True)
    for value in ticks:
        _tick_text(axes, 0.0, value, f"{value:,} ", size, across=True)


def _area_axis(axes: Any, edges: Any, unit: AreaUnit, size: float) -> None:
    low, high = float(edges[0]), float(edges[-1])
    every = max(1, math.ceil((high - low) / 5))
    powers = range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1, every)
    values = [10.0**k for k in powers]
    if len(values) < 2:
        values = [
            k * 10.0**p for p in range(math.floor(low), math.ceil(high) + 1) for k in (1, 2, 5)
        ]
        values = [v for v in values if low - 1e-9 <= math.log10(v) <= high + 1e-9]
    axes.set_xticks([math.log10(value) for value in values])
    axes.tick_params(axis="x", length=3, width=0.5, color=INK, labelbottom=False)
    for value in values:
        text = area_text(value, unit) if value >= 1 or unit == "m2" else significant(value)
        _tick_text(axes, math.log10(value), 0.0, text, size, across=False)


def _tick_text(axes: Any, x: float, y: float, text: str, size: float, *, across: bool) -> None:
    from matplotlib.transforms import ScaledTranslation, blended_transform_factory

    move = ScaledTranslation(
        -3 / 72 if across else 0, 0 if across else -5 / 72, axes.figure.dpi_scale_trans
    )
    place = (
        blended_transform_factory(axes.transAxes, axes.transData)
        if across
        else blended_transform_factory(axes.transData, axes.transAxes)
    )
    write(
        axes, x, y, text, size, color=GREY, transform=place + move, clip_on=False,
        ha="right" if across else "center", va="center" if across else "top",
    )  # fmt: skip


def legend_rows(figures: AreaFigures, most: int = MOST_ROWS) -> list[GroupFigures]:
    """The groups with the most objects, in their order; the rest is told by `rest_of`."""
    if len(figures.rows) <= most:
        return list(figures.rows)
    largest = sorted(figures.rows, key=lambda row: -row.count)[:most]
    return [row for row in figures.rows if row in largest]


def draw_table(axes: Any, figures: AreaFigures, size: float, page_pt: tuple[float, float]) -> None:
    """Legend and figures in one: a swatch, what it is, how many, how much, how large.

    Args:
        axes: empty ones, filled from the top.
        figures: what is told.
        size: points.
        page_pt: width and height of the axes, points.
    """
    width, height = page_pt
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.axis("off")
    columns = _columns(figures, size, width)
    line, y = 1.75 * size, 1.0 * size
    for x, text in zip(columns, (_("Objects"), _("Area"), _("Median")), strict=True):
        write(axes, x, y, text, size, color=GREY, ha="right", va="baseline")
    y += 0.6 * size
    axes.plot([0, width], [y, y], color=INK, lw=0.5)
    shown = legend_rows(figures)
    for row in shown:
        y += line
        _swatch(axes, figures, row.group.color, y, size)
        name = fitted(group_name(figures, row.group.name), size, _name_pt(figures, columns, size))
        write(axes, 1.8 * size, y, name, size, va="baseline")
        _numbers(axes, columns, y, row.count, row.total, row.median, figures.unit, size)
    if more := len(figures.rows) - len(shown):
        y += line
        write(axes, 1.8 * size, y, _("{n} more classes").format(n=more), size, color=GREY)
    if len(figures.rows) > 1:
        y += 0.55 * size
        axes.plot([0, width], [y, y], color=FAINT, lw=0.5)
        y += line - 0.2 * size
        write(axes, 1.8 * size, y, _("All objects"), size, bold=True, va="baseline")
        _numbers(axes, columns, y, len(figures), figures.total, figures.median, figures.unit, size)


def _columns(figures: AreaFigures, size: float, width: float) -> tuple[float, float, float]:
    """Right edges of the columns of numbers, as wide as their widest text."""
    heads = (_("Objects"), _("Area"), _("Median"))
    told = [_texts(r.count, r.total, r.median, figures.unit) for r in legend_rows(figures)]
    told += [heads, _texts(len(figures), figures.total, figures.median, figures.unit)]
    wide = [max(width_pt(row[i], size) for row in told) for i in range(3)]
    gap = 0.9 * size
    return width - wide[2] - wide[1] - 2 * gap, width - wide[2] - gap, width


def _name_pt(figures: AreaFigures, columns: tuple[float, float, float], size: float) -> float:
    """How wide a name may be."""
    counts = [f"{row.count:,}" for row in figures.rows] + [f"{len(figures):,}", _("Objects")]
    return max(columns[0] - max(width_pt(text, size) for text in counts) - 2.6 * size, 2 * size)


def _texts(count: int, total: float, median: float, unit: AreaUnit) -> tuple[str, str, str]:
    return f"{count:,}", area_text(total if count else math.nan, unit), area_text(median, unit)


def _numbers(
    axes: Any, columns: tuple[float, float, float], y: float, count: int, total: float,
    median: float, unit: AreaUnit, size: float,
) -> None:  # fmt: skip
    for x, text in zip(columns, _texts(count, total, median, unit), strict=True):
        write(axes, x, y, text, size, ha="right", va="baseline")


def _swatch(axes: Any, figures: AreaFigures, color: str, y: float, size: float) -> None:
    from matplotlib.colors import to_rgba
    from matplotlib.patches import Rectangle

    if figures.has_classes:
        box = Rectangle((0.3, y - 0.75 * size), 1.15 * size, 0.85 * size)
        box.set(facecolor=to_rgba(color, 0.45), edgecolor=color, linewidth=1)
        axes.add_patch(box)
        return
    from samgeo_core.results.colors import object_colors

    # One colour each: the swatch shows some of them.
    for i, (r, g, b) in enumerate((object_colors(3) / 255).tolist()):
        part = Rectangle((0.3 + i * 0.4 * size, y - 0.75 * size), 0.4 * size, 0.85 * size)
        part.set(facecolor=(r, g, b, 0.45), edgecolor=(r, g, b), linewidth=0.8)
        axes.add_patch(part)
