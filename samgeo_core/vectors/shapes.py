"""Outlines as people would draw them: right angles, circles. Where the mask doesn't agree, not."""

from __future__ import annotations

import warnings

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from samgeo_core.results.outlines import Geometries, gathered

LEAST_IOU = 0.9
"""How much of an outline and its mask must be common to both, as intersection over union."""

_CIRCLE_IOU = 0.93
"""A square and the circle of its area have 0.83 in common, a hexagon and its circle 0.93."""

_ATTEMPTS = (
    (4.0, 4.0, 0.93),
    (4.0, 2.5, 0.93),
    (2.0, 2.5, 0.93),
    (2.0, 1.0, 0.93),
    (1.0, 1.0, 0.9),
)
"""How far apart edges may be to become one, how far corners may lie from what they simplify, px,
and the IoU that is asked for: first what leaves few edges. Chosen on roofs, see docs/vectors.md."""

_LEAST_PX = 16.0
_CIRCLE_QUARTER = 12


def as_regular(outlines: Geometries, exact: Geometries) -> Geometries:
    """Right angles and one direction for each outline, where it still agrees with its mask.

    Half right angles are allowed, too, where an edge has them. Each part of an object is made
    regular by itself; specks stay as they are.

    Args:
        outlines: [N], raster px.
        exact: [N], the masks' own outlines.
    """
    parts, owner = shapely.get_parts(outlines, return_index=True)
    mine, owner_of_mine = shapely.get_parts(exact, return_index=True)
    # Smoothing keeps parts and their order; where it didn't, an outline stays.
    same = np.bincount(owner, minlength=len(exact)) == np.bincount(
        owner_of_mine, minlength=len(exact)
    )
    chosen, masks = parts[same[owner]], mine[same[owner_of_mine]]
    made = gathered(_regular_parts(chosen, masks), owner[same[owner]], len(exact))
    changed = np.array([a is not b for a, b in zip(made, outlines, strict=True)], np.bool_)
    fits = same & changed & shapely.is_valid(made)
    fits[fits] = _iou(made[fits], exact[fits]) >= LEAST_IOU
    return np.asarray(np.where(fits, made, outlines), object)


def _regular_parts(parts: Geometries, exact: Geometries) -> Geometries:
    """Polygons with right angles where these agree with others, else as they are."""
    from buildingregulariser import regularize_geodataframe

    # It warns of outlines that it can't straighten, which we find out by ourselves. NOTE:
    # catch_warnings isn't safe among threads, so the filter stays.
    warnings.filterwarnings("ignore", module="buildingregulariser")
    warnings.filterwarnings("ignore", module=__name__)
    result = parts.copy()
    todo = np.flatnonzero(shapely.area(exact) >= _LEAST_PX)
    for parallel_px, simplify_px, least in _ATTEMPTS:
        if not len(todo):
            break
        made = regularize_geodataframe(
            gpd.GeoDataFrame({"index": todo}, geometry=parts[todo]),
            parallel_threshold=parallel_px,
            simplify_tolerance=simplify_px,
            allow_45_degree=True,
            allow_circles=False,
            num_cores=1,
        )
        index, first, counts = np.unique(
            made["index"].to_numpy(), return_index=True, return_counts=True
        )
        index, first = index[counts == 1], first[counts == 1]
        wanted = np.asarray(made.geometry.values, object)[first]
        fits = agree(wanted, exact[index], least)
        result[index[fits]] = wanted[fits]
        todo = np.setdiff1d(todo, index[fits])
    return result


def as_circles(outlines: Geometries, exact: Geometries) -> Geometries:
    """Circles of the masks' area and centre, where they agree with their masks.

    Args:
        outlines: [N], raster px.
        exact: [N], the masks' own outlines.
    """
    radii = np.sqrt(shapely.area(exact) / np.pi)
    # The area of a circle's polygon is smaller by this share.
    corners = 4 * _CIRCLE_QUARTER
    radii *= np.sqrt(np.pi / (corners / 2 * np.sin(2 * np.pi / corners)))
    circles = shapely.buffer(shapely.centroid(exact), radii, quad_segs=_CIRCLE_QUARTER)
    return np.asarray(np.where(agree(circles, exact, _CIRCLE_IOU), circles, outlines), object)


def agree(outlines: Geometries, exact: Geometries, least: float) -> NDArray[np.bool_]:
    """Bool [N]: whether outlines are valid polygons and share enough with others."""
    result = shapely.is_valid(outlines) & (
        shapely.get_type_id(outlines) == shapely.GeometryType.POLYGON
    )
    result[result] = _iou(outlines[result], exact[result]) >= least
    return np.asarray(result, np.bool_)


def _iou(outlines: Geometries, exact: Geometries) -> NDArray[np.float64]:
    common = shapely.area(shapely.intersection(outlines, exact))
    together = shapely.area(outlines) + shapely.area(exact) - common
    return np.asarray(common / np.maximum(together, 1e-12), np.float64)
