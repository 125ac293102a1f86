"""Loose prompts (lists, arrays, GeoJSON, vector files, any CRS) made pixels of one raster."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.warp import transform as transform_coordinates

from samgeo_core.errors import ParameterError
from samgeo_core.geogrid import GeoGrid

_LOG = logging.getLogger(__name__)
_WGS84 = CRS.from_epsg(4326)
_EDGE_STEPS = 21

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
PointsLike = ArrayLike | str | Path | Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Prompts:
    """Prompts of N objects in the pixel frame of one raster.

    Attributes:
        points_xy: float64 [N, K, 2], K points an object, px; None without points.
        labels: int64 [N, K], 1 for a point on the object, 0 for one beside it; None without points.
        boxes_xyxy: float64 [N, 4], left, top, right, bottom, px; None without boxes.
    """

    points_xy: FloatArray | None
    labels: IntArray | None
    boxes_xyxy: FloatArray | None

    @classmethod
    def on_grid(
        cls,
        grid: GeoGrid,
        points: PointsLike | None = None,
        labels: ArrayLike | None = None,
        boxes: PointsLike | None = None,
        crs: str | int | CRS | None = None,
    ) -> Prompts:
        """Make prompts canonical.

        Points of one list describe one object together; [N, K, 2] describes N objects of K points;
        every box is an object of its own. What lies outside the raster is left out, with a warning
        in the log; boxes that reach over the edge are cut.

        Args:
            grid: the raster's grid.
            points: [K, 2] or [N, K, 2] x, y; or a vector file, or a GeoJSON mapping, whose features
                give one point each.
            labels: one number for all points, or one a point; 1 where None.
            boxes: [4] or [N, 4] x, y of two opposite corners; or a vector file, or a GeoJSON
                mapping, whose features give their bounds.
            crs: CRS of the coordinates of arrays; pixels where None. A file with a CRS of its own
                and GeoJSON (WGS 84 by RFC 7946) need none.

        Raises:
            ParameterError: shapes or values are wrong, or nothing lies inside the raster.
        """
        points_xy = labels_array = boxes_xyxy = None
        if points is not None:
            points_xy, labels_array = _points(grid, points, labels, parse_crs(crs))
        if boxes is not None:
            boxes_xyxy = _boxes(grid, boxes, parse_crs(crs))
        if points_xy is not None and boxes_xyxy is not None and len(points_xy) != len(boxes_xyxy):
            raise ParameterError(
                f"Points and boxes together need one box an object, got points of "
                f"{len(points_xy)} and {len(boxes_xyxy)} boxes."
            )
        return cls(points_xy, labels_array, boxes_xyxy)


def parse_crs(crs: str | int | CRS | None) -> CRS | None:
    """The CRS that a name, an EPSG number or WKT means.

    Raises:
        ParameterError: none is known by it.
    """
    if crs is None or isinstance(crs, CRS):
        return crs
    try:
        return CRS.from_user_input(crs)
    except (CRSError, ValueError) as error:
        raise ParameterError(
            f"A CRS must be a name such as EPSG:4326, got {crs!r} ({error})."
        ) from error


def _points(
    grid: GeoGrid, source: PointsLike, labels: ArrayLike | None, crs: CRS | None
) -> tuple[FloatArray, IntArray]:
    """Points [N, K, 2] in px inside the raster, with their labels [N, K]."""
    if isinstance(source, str | Path | Mapping):
        shapes, crs = _features(source, grid, crs)
        inner = shapes.representative_point()
        coordinates = np.column_stack([inner.x, inner.y])
    else:
        coordinates = _numbers(source, "Points")
    if coordinates.ndim not in (2, 3) or coordinates.shape[-1] != 2 or not coordinates.size:
        raise ParameterError(
            f"Points must be [K, 2] or [N, K, 2] x, y coordinates, got {list(coordinates.shape)}."
        )
    points_xy = _to_px(grid, coordinates.reshape(-1, 2), crs).reshape(coordinates.shape)
    label_array = _labels(labels, coordinates.shape[:-1])
    size_wh = np.array(grid.shape_hw[::-1])
    outside = (points_xy < 0) | (points_xy > size_wh) | np.isnan(points_xy)
    inside = ~np.any(outside, axis=-1 if coordinates.ndim == 2 else (1, 2))
    _warn_outside("points", inside)
    shape = (-1, *points_xy.shape[-2:]) if coordinates.ndim == 3 else (1, -1, 2)
    points_xy = points_xy[inside].reshape(shape)
    return points_xy, label_array[inside].reshape(points_xy.shape[:2])


def _labels(labels: ArrayLike | None, shape: tuple[int, ...]) -> IntArray:
    """Labels of points of this shape [K] or [N, K]."""
    array = _numbers(1 if labels is None else labels, "Labels")
    if array.ndim and array.shape != shape and array.size != 1:
        try:
            array = np.broadcast_to(array, shape)
        except ValueError:
            raise ParameterError(
                f"Labels must be one number, or one for each of the {list(shape)} points, "
                f"got {list(array.shape)}."
            ) from None
    if not np.isin(array, (0, 1)).all():
        raise ParameterError("Labels must be 1 (on the object) or 0 (beside it).")
    return np.broadcast_to(array.astype(np.int64), shape)


def _boxes(grid: GeoGrid, source: PointsLike, crs: CRS | None) -> FloatArray:
    """Boxes [N, 4] in px, cut to the raster."""
    if isinstance(source, str | Path | Mapping):
        shapes, crs = _features(source, grid, crs)
        boxes = np.asarray(shapes.bounds, np.float64)
    else:
        boxes = _numbers(source, "Boxes")
    if boxes.ndim == 1:
        boxes = boxes[None]
    if boxes.ndim != 2 or boxes.shape[1] != 4 or not boxes.size:
        raise ParameterError(f"Boxes must be [4] or [N, 4] numbers, got {list(boxes.shape)}.")
    outlines = np.stack([_outline(box) for box in boxes])
    outlines_px = _to_px(grid, outlines.reshape(-1, 2), crs).reshape(outlines.shape)
    size_wh = np.array(grid.shape_hw[::-1], np.float64)
    low = outlines_px.min(1).clip(0, size_wh)
    high = outlines_px.max(1).clip(0, size_wh)
    inside = ((high - low) > 0).all(1)
    _warn_outside("boxes", inside)
    boxes_xyxy: FloatArray = np.concatenate([low, high], 1)[inside]
    return boxes_xyxy


def _outline(box: FloatArray) -> FloatArray:
    """Points along the edges of a box [4], so that a bent edge keeps its extent in another CRS."""
    steps = np.linspace(0, 1, _EDGE_STEPS)
    x = box[0] + (box[2] - box[0]) * steps
    y = box[1] + (box[3] - box[1]) * steps
    edges = [(x, y[:1]), (x, y[-1:]), (x[:1], y), (x[-1:], y)]
    return np.concatenate([np.column_stack(np.broadcast_arrays(*edge)) for edge in edges])


def _features(
    source: str | Path | Mapping[str, Any], grid: GeoGrid, crs: CRS | None
) -> tuple[Any, CRS | None]:
    """Geometries of a vector file or GeoJSON mapping, with the CRS of their coordinates."""
    import geopandas

    try:
        if isinstance(source, Mapping):
            features = source.get("features", [source] if "geometry" in source else source)
            frame = geopandas.GeoDataFrame.from_features(features)
            own_crs = _WGS84 if crs is None and grid.crs is not None else None
        else:
            frame = geopandas.read_file(Path(source))
            own_crs = None if frame.crs is None else CRS.from_user_input(frame.crs)
    except (OSError, RuntimeError, ValueError, TypeError, AttributeError, KeyError) as error:
        name = "GeoJSON" if isinstance(source, Mapping) else str(source)
        raise ParameterError(f"Prompts can't be read from {name}: {error}") from error
    shapes = frame.geometry
    shapes = shapes[~(shapes.isna() | shapes.is_empty)]
    if not len(shapes):
        raise ParameterError("Prompts need at least one geometry, got none.")
    return shapes, own_crs or crs


def _numbers(values: ArrayLike, what: str) -> FloatArray:
    try:
        array = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        raise ParameterError(f"{what} must be numbers in rows of one length.") from None
    if not np.isfinite(array).all():
        raise ParameterError(f"{what} must be finite numbers.")
    return array


def _to_px(grid: GeoGrid, coordinates: FloatArray, crs: CRS | None) -> FloatArray:
    """Coordinates [N, 2] of a CRS (px where None) in px; NaN where they can't be transformed."""
    if crs is None:
        return coordinates
    if grid.crs is None:
        raise ParameterError(
            "Prompts come in a CRS, but the raster has none: give them in pixels, without a CRS."
        )
    if crs != grid.crs:
        xs, ys = transform_coordinates(crs, grid.crs, coordinates[:, 0], coordinates[:, 1])
        coordinates = np.column_stack([xs, ys])
    coordinates = np.where(np.isfinite(coordinates), coordinates, np.nan)
    return grid.to_px_xy(coordinates)


def _warn_outside(what: str, inside: NDArray[np.bool_]) -> None:
    if not inside.any():
        raise ParameterError(f"None of the {inside.size} {what} lies inside the raster.")
    if not inside.all():
        _LOG.warning("%d of %d %s lie outside the raster.", (~inside).sum(), inside.size, what)
