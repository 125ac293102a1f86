"""Before and after: a part of a result along pixels, and as a file would have it."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from samgeo_core.errors import RasterError
from samgeo_core.results.batches import Batches
from samgeo_core.tile import TileImage
from samgeo_core.web.finished import ExportChoice, crop_layer
from samgeo_core.web.records import Scene
from samgeo_core.web.selected import Selected
from samgeo_core.windows import Window

LEAST_PX, MOST_PX = 64, 192
_LINE_PX = 0.003
"""Width of lines as a share of the picture's."""

Geometries = NDArray[Any]


@dataclass(frozen=True)
class Preview:
    """Two pictures of the same part, and what differs.

    Attributes:
        before, after: SVG documents.
        window: the part, px of the scene.
        corners: corners of the outlines before and after.
        area_change: by how much the areas of objects differ, as a share of their areas.
        is_coverage: of a partition, whether neighbours share edges without gaps and overlaps.
    """

    before: str
    after: str
    window: Window
    corners: tuple[int, int]
    area_change: float
    is_coverage: bool | None


def preview(
    chosen: Selected, choice: ExportChoice, scene: Scene | None, object_id: int | None = None
) -> Preview | None:
    """Draw a part of a result twice.

    Args:
        chosen: the objects.
        choice: how they are to be drawn.
        scene: the image below them; None draws them alone.
        object_id: the object to look at; None takes one of middle size.

    Returns:
        The pictures; None where there is no object.

    Raises:
        ParameterError: see `ExportChoice.style`.
    """
    if not len(chosen.objects):
        return None
    part = _part(chosen, object_id)
    before, _ = _in_part(crop_layer(chosen, _PIXELS, part), chosen, part)
    after, rows = _in_part(crop_layer(chosen, choice, part), chosen, part)
    place = chosen.source.place.window
    shown = part.moved(place.x, place.y)
    image = _image(chosen, scene, shown)
    return Preview(
        _drawn(before, part, image),
        _drawn(after, part, image),
        shown,
        (
            int(shapely.get_num_coordinates(before).sum()),
            int(shapely.get_num_coordinates(after).sum()),
        ),
        _area_change(before, after),
        bool(shapely.coverage_is_valid(rows)) if choice.product == "partition" else None,
    )


_PIXELS = ExportChoice(smoothing=0, tolerance=0.0)


def _part(chosen: Selected, object_id: int | None) -> Window:
    """A square round an object, px of the result."""
    objects = chosen.objects
    areas = objects.areas_px
    index = int(np.argsort(areas)[len(areas) // 2]) if object_id is None else object_id - 1
    x0, y0, x1, y1 = objects.boxes_xyxy[min(max(index, 0), len(objects) - 1)].tolist()
    height, width = objects.shape_hw
    side = int(min(max(2.5 * max(x1 - x0, y1 - y0), LEAST_PX), MOST_PX))
    w, h = min(side, width), min(side, height)
    x = min(max((x0 + x1 - w) // 2, 0), width - w)
    y = min(max((y0 + y1 - h) // 2, 0), height - h)
    return Window(int(x), int(y), w, h)


def _in_part(layer: Batches, chosen: Selected, part: Window) -> tuple[Geometries, Geometries]:
    """Outlines in px of a part, and as they stand in the layer."""
    grid = chosen.source.place.grid
    rows = np.asarray(layer.whole().geometry.values, object)
    shift = np.array([part.x, part.y], np.float64)
    return shapely.transform(rows, lambda xy: grid.to_px_xy(xy) - shift), rows


def _corners(outlines: Geometries) -> int:
    return int(shapely.get_num_coordinates(outlines).sum())


def _area_change(before: Geometries, after: Geometries) -> float:
    if len(before) != len(after):  # a partition has background, too
        return float("nan")
    areas = shapely.area(before)
    return float(np.abs(shapely.area(after) - areas).sum() / max(areas.sum(), 1e-9))


def _image(chosen: Selected, scene: Scene | None, window: Window) -> str:
    """The image of a part as a data address; empty where it isn't at hand."""
    if scene is None:
        return ""
    try:
        tile: TileImage = scene.raster.read(
            window, bands=scene.display.bands, stretch=scene.stretch
        )
    except RasterError:
        return ""
    from PIL import Image

    target = io.BytesIO()
    Image.fromarray(tile.rgb).save(target, "PNG")
    return f"data:image/png;base64,{base64.b64encode(target.getvalue()).decode()}"


def _drawn(outlines: Geometries, part: Window, image: str) -> str:
    from samgeo_core.results.colors import object_colors

    w, h = part.width, part.height
    colors = object_colors(max(len(outlines), 1))
    paths = "".join(
        f'<path d="{_path(shape)}" fill="rgb({r},{g},{b})" fill-opacity=".28" '
        f'fill-rule="evenodd" stroke="#fff" stroke-width="{max(w, h) * _LINE_PX * 2:.2f}"/>'
        f'<path d="{_path(shape)}" fill="none" stroke="rgb({r},{g},{b})" '
        f'stroke-width="{max(w, h) * _LINE_PX:.2f}"/>'
        for shape, (r, g, b) in zip(outlines, colors.tolist(), strict=False)
    )
    below = (
        f'<image href="{image}" width="{w}" height="{h}" style="image-rendering:pixelated"/>'
        if image
        else f'<rect width="{w}" height="{h}" fill="#eef1f0"/>'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" width="480" '
        f'height="{480 * h / w:.0f}">{below}{paths}</svg>'
    )


def _path(shape: Any) -> str:
    parts = []
    for polygon in shapely.get_parts(shape):
        for ring in shapely.get_rings(polygon):
            corners = " ".join(
                f"{x:.2f},{y:.2f}" for x, y in shapely.get_coordinates(ring).tolist()
            )
            parts.append(f"M{corners}Z")
    return "".join(parts)
