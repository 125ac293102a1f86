"""Outlines as people would draw them: right angles, circles. Where the mask doesn't agree, not."""

from __future__ import annotations

import warnings

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from samgeo_core.results.outlines import Geometries

LEAST_IOU = 0.9
"""How much of an outline and its mask must be common to both, as intersection over union."""

_CIRCLE_IOU = 0.93
"""A square and the circle of its area have 0.83 in common, a hexagon and its circle 0.93."""

_STRAIGHTEN_PX = 1.5
_PARALLEL_PX = 2.0
_CIRCLE_QUARTER = 12


def as_regular(outlines: Geometries, exact: Geometries) -> Geometries:
    """Right angles and one direction for each outline, where it still agrees with its mask.

    Only what is in one part: the parts of others may be anything. By the library
    `buildingregulariser`, which straightens edges and turns them along the main direction.

    Args:
        outlines: [N], raster px.
        exact: [N], the masks' own outlines.
    """
    single = np.flatnonzero(shapely.get_type_id(outlines) == shapely.GeometryType.POLYGON)
    single = single[~shapely.is_empty(outlines[single])]
    if not len(single):
        return outlines
    from buildingregulariser import regularize_geodataframe

    # It warns of outlines that it can't straighten, which we find out by ourselves. NOTE:
    # catch_warnings isn't safe among threads, so the filter stays.
    warnings.filterwarnings("ignore", module="buildingregulariser")
    warnings.filterwarnings("ignore", module=__name__)
    made = regularize_geodataframe(
        gpd.GeoDataFrame({"index": single}, geometry=outlines[single]),
        parallel_threshold=_PARALLEL_PX,
        simplify_tolerance=_STRAIGHTEN_PX,
        allow_45_degree=False,
        allow_circles=False,
        num_cores=1,
    )
    index, first, counts = np.unique(
        made["index"].to_numpy(), return_index=True, return_counts=True
    )
    index, first = index[counts == 1], first[counts == 1]
    wanted = np.asarray(made.geometry.values, object)[first]
    result = outlines.copy()
    fits = agree(wanted, exact[index], LEAST_IOU)
    result[index[fits]] = wanted[fits]
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
    some = np.flatnonzero(result)
    common = shapely.area(shapely.intersection(outlines[some], exact[some]))
    together = shapely.area(outlines[some]) + shapely.area(exact[some]) - common
    result[some] = common >= least * np.maximum(together, 1e-12)
    return np.asarray(result, np.bool_)
