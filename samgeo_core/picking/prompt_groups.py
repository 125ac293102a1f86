"""Rows of points, boxes and polygons become the prompts of objects.

A row without an object id is an object of its own; rows that share one are one object, such as a
box with two background points. A polygon that is a rectangle along the raster's axes is a box, any
other one a mask prompt. No torch here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from samgeo_core.errors import ParameterError
from samgeo_core.geogrid import GeoGrid
from samgeo_core.picking.prompts import ObjectPrompts
from samgeo_core.reading.vector_files import CRS_ASSUMED
from samgeo_core.results.geodesy import densified, pyproj_crs

BOX_SHARE = 0.9
"""A polygon of four corners that fills this much of its bounds is a box."""
_LABELS = {
    **dict.fromkeys(("1", "1.0", "true", "fg", "foreground", "object", "positive", "+"), 1),
    **dict.fromkeys(("0", "0.0", "false", "bg", "background", "negative", "-"), 0),
}


@dataclass(frozen=True, eq=False)
class PromptGroup:
    """What asks for one object.

    Attributes:
        prompt_id: the object id that the rows share, else the number of the row, from 1.
        rows: positions of the rows in the frame.
        prompts: px of the raster; None where the rows can't be understood.
        problem: a sentence that says why; empty where they can.
    """

    prompt_id: Any
    rows: tuple[int, ...]
    prompts: ObjectPrompts | None
    problem: str = ""


def group_prompts(
    frame: gpd.GeoDataFrame,
    grid: GeoGrid,
    *,
    label_column: str = "label",
    object_column: str = "object_id",
) -> list[PromptGroup]:
    """Make of each row, or of rows that share an object id, the prompts of one object.

    Args:
        frame: geometries in any CRS; without one they are in that of the raster, or in its px
            (x right, y down) where it has none.
        grid: of the raster.
        label_column: tells for points 1, fg, ... (on the object) or 0, bg, ... (beside it); may be
            missing, or empty: then they lie on it, and so they do where it says anything else,
            such as the name of a class.
        object_column: rows with the same value are one object; may be missing, or empty.

    Raises:
        ParameterError: the frame has a CRS and the raster none, or it can't be transformed.
    """
    geometries = _in_px(frame, grid, dense=True)
    boxes = _are_boxes(_in_px(frame, grid, dense=False))
    labels = _column(frame, label_column)
    ids = _column(frame, object_column)
    members: dict[Any, list[int]] = {}
    for row in range(len(frame)):
        value = None if ids is None or pd.isna(ids[row]) or ids[row] == "" else ids[row]
        members.setdefault(("row", row) if value is None else ("id", value), []).append(row)
    groups = []
    for (kind, value), rows in members.items():
        name = value + 1 if kind == "row" else value
        try:
            prompts = _of_rows(geometries, boxes, labels, rows)
        except ParameterError as error:
            groups.append(PromptGroup(name, tuple(rows), None, str(error)))
        else:
            groups.append(PromptGroup(name, tuple(rows), prompts))
    return groups


def _of_rows(
    geometries: Any, boxes: Any, labels: Sequence[Any] | None, rows: Sequence[int]
) -> ObjectPrompts:
    """The prompts that some rows are together."""
    points: list[tuple[float, float, int]] = []
    box: tuple[float, ...] | None = None
    polygon = None
    for row in rows:
        shape = geometries[row]
        if shape is None or shape.is_empty:
            raise ParameterError("The row has no geometry: give it a point, a box or a polygon.")
        if not np.isfinite(shape.bounds).all():
            raise ParameterError("The place can't be told in the raster's CRS: check the prompt's.")
        if shape.geom_type in ("Point", "MultiPoint"):
            label = 1 if labels is None else _label(labels[row])
            xys = shapely.get_coordinates(shape).tolist()
            points += [(x, y, label) for x, y in xys]
            continue
        if shape.geom_type == "MultiPolygon" and len(shape.geoms) == 1:
            shape = shape.geoms[0]
        if shape.geom_type != "Polygon":
            raise ParameterError(
                f"A prompt must be a point, a box or a polygon, got a {shape.geom_type}: "
                "split or redraw it."
            )
        if (box if boxes[row] else polygon) is not None:
            kind = "box" if boxes[row] else "polygon"
            raise ParameterError(f"An object takes one {kind}, got two: give them other ids.")
        if boxes[row]:
            box = shape.bounds
        else:
            polygon = shapely.get_coordinates(shape.exterior)
    return ObjectPrompts.of(points, box, polygon)


def _in_px(frame: gpd.GeoDataFrame, grid: GeoGrid, *, dense: bool) -> Any:
    """The geometries in px of the raster, object [N]; None where there are none.

    Args:
        frame: in any CRS.
        grid: of the raster.
        dense: whether sides bend where the CRS changes, else corners alone are moved.
    """
    crs = pyproj_crs(grid.crs)
    shapes = frame.geometry
    if crs is None and frame.attrs.get(CRS_ASSUMED):
        return np.asarray(shapes.values, object)
    if frame.crs is not None and crs is None:
        raise ParameterError(
            "The prompts have a CRS but the raster has none: give them in px of the raster, "
            "x right and y down, without a CRS."
        )
    if frame.crs is not None and crs is not None and frame.crs != crs:
        values = np.asarray(shapes.values, object)
        areal = np.isin(shapely.get_type_id(values), (3, 6)) & shapely.is_valid(values)
        # A straight side in one CRS bends in another.
        if dense and areal.any():
            values = values.copy()
            values[areal] = densified(values[areal], frame.crs)
            shapes = gpd.GeoSeries(values, crs=frame.crs)
        try:
            shapes = shapes.to_crs(crs)
        except Exception as error:
            raise ParameterError(
                f"The prompts' CRS can't be turned into the raster's ({error}): give another."
            ) from error
    values = np.asarray(shapes.values, object)
    if grid.crs is None and grid.transform.is_identity:
        return values
    with np.errstate(all="ignore"):
        return shapely.transform(values, grid.to_px_xy)


def _are_boxes(shapes: Any) -> Any:
    """Which geometries, px of the raster, are as good as rectangles along its axes, bool [N]."""
    corners = shapely.get_num_coordinates(shapes) == 5
    bounds = shapely.bounds(shapes)
    room = (bounds[:, 2:] - bounds[:, :2]).prod(axis=1)
    with np.errstate(invalid="ignore"):
        fills = shapely.area(shapes) >= BOX_SHARE * room
    return corners & fills & (room > 0)


def _label(value: Any) -> int:
    """1 on the object, 0 beside it; any other text names what it is."""
    if value is None or (not isinstance(value, str) and pd.isna(value)):
        return 1
    return _LABELS.get(str(value).strip().lower(), 1)


def _column(frame: gpd.GeoDataFrame, name: str) -> Sequence[Any] | None:
    return frame[name].tolist() if name in frame.columns else None
