"""A map on a page: the picture in its true shape, a scale bar, an arrow to true north."""

from __future__ import annotations

from typing import Any

from samgeo_core.geogrid import GeoGrid
from samgeo_core.report.furniture import (
    Tick,
    crossings,
    edge_ticks,
    north_on_map,
    pixel_aspect,
    scale_bar,
)
from samgeo_core.report.picture import MapPicture
from samgeo_core.report.texts import FAINT, GREY, INK, width_pt, write
from samgeo_core.words import _
from samgeo_core.words.quantities import length_m

_BAR_SHARE = 0.26
_MM = 72 / 25.4


def shape_on_page(grid: GeoGrid, most_w: float, most_h: float) -> tuple[float, float]:
    """Width and height of a map that fits into a space, in the same unit."""
    height, width = grid.shape_hw
    ratio = width / (height * pixel_aspect(grid))
    return (most_w, most_w / ratio) if most_w / ratio <= most_h else (most_h * ratio, most_h)


def draw_map(
    figure: Any, box: tuple[float, float, float, float], grid: GeoGrid, picture: MapPicture
) -> Any:
    """Axes with the map, in px of the grid.

    Args:
        figure: of matplotlib.
        box: left, bottom, width, height as shares of the figure.
        grid: of the map.
        picture: see `map_picture`.
    """
    axes = figure.add_axes(box)
    height, width = grid.shape_hw
    axes.imshow(picture.rgb, extent=picture.extent, interpolation="antialiased", aspect="auto")
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.set_xticks([])
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set(color=INK, linewidth=0.6)
    return axes


def draw_scale_bar(axes: Any, grid: GeoGrid, page_pt: tuple[float, float], size: float) -> None:
    """A bar of a round length at the lower left of a map, measured where it lies.

    Args:
        axes: from `draw_map`.
        grid: of the map.
        page_pt: width and height of the axes, points.
        size: of its numbers, points.
    """
    from matplotlib.patches import Rectangle

    height, width = grid.shape_hw
    x_pt, y_pt = width / page_pt[0], height / page_pt[1]  # px of the grid to a point
    pad = 0.7 * size
    start = (2.2 * pad * x_pt, height - 2.2 * pad * y_pt)
    bar = scale_bar(grid, start, max(_BAR_SHARE * width, min(110 * x_pt, 0.6 * width)))
    text = length_m(bar.length) if bar.is_ground else f"{bar.length:,.0f} px"
    long, thick = bar.end_xy[0] - start[0], 0.38 * size
    text_pt = width_pt(text, size)
    axes.add_patch(
        Rectangle(
            (start[0] - pad * x_pt, start[1] + pad * y_pt),
            long + (2 * pad + 0.5 * text_pt) * x_pt, -(2.3 * pad + thick + 1.1 * size) * y_pt,
            facecolor="white", alpha=0.86, edgecolor="none", zorder=5,
        )
    )  # fmt: skip
    for i in range(4):
        part = (start[0] + i * long / 4, start[1])
        face = INK if i % 2 == 0 else "white"
        axes.add_patch(
            Rectangle(
                part, long / 4, -thick * y_pt, facecolor=face, edgecolor=INK, lw=0.5, zorder=6
            )
        )
    above = start[1] - (thick + 0.4 * size) * y_pt
    more: dict[str, Any] = {"va": "baseline", "zorder": 6}
    write(axes, start[0], above, "0", size, ha="center", **more)
    write(axes, bar.end_xy[0], above, text, size, ha="center", **more)


def draw_north(figure: Any, corner: tuple[float, float], grid: GeoGrid, size_pt: float) -> None:
    """An arrow to true north on a light disc; none where the place on Earth is unknown.

    Args:
        figure: of matplotlib.
        corner: upper right corner of the map, as shares of the figure.
        grid: of the map.
        size_pt: diameter of the disc.
    """
    north = north_on_map(grid)
    if north is None:
        return
    from matplotlib.patches import Circle, Polygon

    w, h = (side * 72 for side in figure.get_size_inches())
    gap = 0.22 * size_pt
    box = (
        corner[0] - (size_pt + gap) / w,
        corner[1] - (size_pt + gap) / h,
        size_pt / w,
        size_pt / h,
    )
    axes = figure.add_axes(box)
    axes.set(xlim=(-1, 1), ylim=(-1, 1))
    axes.axis("off")
    x, y = north[0], -north[1]  # y up
    axes.add_patch(Circle((0, 0), 1, facecolor="white", alpha=0.86, edgecolor="none"))
    across = (y, -x)

    def at(along: float, side: float) -> tuple[float, float]:
        return along * x + side * across[0], along * y + side * across[1]

    tip, notch = at(0.36, 0), at(-0.52, 0)
    left, right = at(-0.8, -0.36), at(-0.8, 0.36)
    axes.add_patch(Polygon([tip, left, notch], facecolor=INK, edgecolor=INK, lw=0.4))
    axes.add_patch(Polygon([tip, right, notch], facecolor="white", edgecolor=INK, lw=0.4))
    write(axes, *at(0.66, 0), _("N"), 0.26 * size_pt, bold=True, ha="center", va="center")


def draw_graticule(axes: Any, grid: GeoGrid, size: float) -> None:
    """Round coordinates of the CRS along the lower and left edge, crosses where they meet."""
    height = grid.shape_hw[0]
    xs, ys = edge_ticks(grid, along_x=True), edge_ticks(grid, along_x=False)
    axes.set_xticks([tick.at_px for tick in xs])
    axes.set_yticks([tick.at_px for tick in ys])
    axes.tick_params(length=3, width=0.5, color=INK, labelbottom=False, labelleft=False)
    is_degrees = grid.crs is not None and bool(grid.crs.is_geographic)
    for ticks, along_x in ((xs, True), (ys, False)):
        for tick in ticks:
            label = _label(tick, ticks, is_degrees, along_x)
            if along_x:
                _beside(axes, tick.at_px, height, label, size, (0, -5), 0)
            else:
                _beside(axes, 0, tick.at_px, label, size, (-5, 0), 90)
    if len(points := crossings(grid, xs, ys)):
        axes.plot(*points.T, "+", color="white", ms=7, mew=1.6, zorder=4, alpha=0.8)
        axes.plot(*points.T, "+", color=GREY, ms=6, mew=0.6, zorder=4)


def _beside(
    axes: Any, x: float, y: float, label: str, size: float, shift_pt: tuple[float, float], turn: int
) -> None:
    from matplotlib.transforms import ScaledTranslation

    figure = axes.figure
    move = ScaledTranslation(shift_pt[0] / 72, shift_pt[1] / 72, figure.dpi_scale_trans)
    place: dict[str, Any] = (
        {"ha": "center", "va": "top"} if turn == 0 else {"ha": "right", "va": "center"}
    )
    write(
        axes, x, y, label, size, color=GREY, rotation=turn, rotation_mode="default",
        transform=axes.transData + move, clip_on=False, **place,
    )  # fmt: skip


def _label(tick: Tick, ticks: list[Tick], is_degrees: bool, along_x: bool) -> str:
    step = abs(ticks[1].value - ticks[0].value) if len(ticks) > 1 else abs(tick.value) or 1.0
    decimals = next((d for d in range(8) if step >= 0.999 * 10.0**-d), 8)
    if not is_degrees:
        return f"{tick.value:,.{decimals}f}"
    return degrees(tick.value, decimals, "x" if along_x else "y")


def degrees(value: float, decimals: int, axis: str) -> str:
    """Degrees with the half of the Earth, as in 32.58° E."""
    if axis == "x":
        value = (value + 180) % 360 - 180
    name = (_("{n}° E"), _("{n}° W")) if axis == "x" else (_("{n}° N"), _("{n}° S"))
    return name[value < 0].format(n=f"{abs(value):.{decimals}f}")


__all__ = ["FAINT", "draw_graticule", "draw_map", "draw_north", "draw_scale_bar", "shape_on_page"]
