"""What is promised of an outline, and whether one keeps it."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

from samgeo_core.results.outlines import Geometries
from samgeo_core.vectors.subpixel import distances

AREA_SHARE = 0.01
"""By which share of its mask's area that of a polygon may differ."""

SMALL_AREA_SHARE = 0.1
"""The same for masks below `promised_area_px`, in objects by themselves."""

_LEAST_AREA_PX = 100.0
_CELLS_PER_PX = 1024


def promised_area_px(tolerance_px: float) -> float:
    """The least mask, px, of whose area all but a hundredth is promised.

    100 px, or 1600 times the square of the tolerance if that is more: what a tolerance takes away
    all along an outline is a larger share of what is small.
    """
    return max(_LEAST_AREA_PX, _LEAST_AREA_PX * (4 * tolerance_px) ** 2)


def area_kept(exact: Geometries, drawn: Geometries, tolerance_px: float) -> NDArray[np.bool_]:
    """Bool [N]: whether areas are as promised.

    Args:
        exact: [N], along pixel edges, raster px.
        drawn: [N], as they are to be.
        tolerance_px: of simplification.
    """
    wanted = shapely.area(exact)
    is_small = wanted < promised_area_px(tolerance_px)
    allowed = np.where(is_small, SMALL_AREA_SHARE, AREA_SHARE) * wanted
    return np.asarray(np.abs(shapely.area(drawn) - wanted) <= allowed, np.bool_)


def vertex_keys(xy: NDArray[np.float64]) -> NDArray[np.int64]:
    """A number for each vertex of smoothed outlines, raster px, of which no two are so near."""
    cells = np.rint(xy * _CELLS_PER_PX).astype(np.int64)
    return np.asarray((cells[:, 1] << 32) + cells[:, 0])


def deviates(before: Geometries, after: Geometries, tolerance_px: float) -> NDArray[np.bool_]:
    """Bool [N]: whether an outline left the vertices that it had by more than a tolerance.

    Between two vertices that stayed, it leads past all those that went, so that these are as far
    from it as it is from what it was.

    Args:
        before: [N], raster px.
        after: [N], the same with some of the vertices only.
        tolerance_px: px.
    """
    polygons, owner_of_polygon = shapely.get_parts(before, return_index=True)
    rings, polygon = shapely.get_rings(polygons, return_index=True)
    xy, ring = shapely.get_coordinates(rings, return_index=True)
    lengths = shapely.get_num_coordinates(rings)
    begins = np.cumsum(lengths) - lengths
    owner = owner_of_polygon[polygon]
    kept_xy, kept_owner = shapely.get_coordinates(after, return_index=True)
    # NOTE: a vertex of another outline at the same place says nothing of this one.
    _, name = np.unique(vertex_keys(np.concatenate([xy, kept_xy])), return_inverse=True)
    name += np.concatenate([owner[ring], kept_owner]) * (int(name.max(initial=0)) + 1)
    stayed = np.isin(name[: len(xy)], name[len(xy) :])
    result = np.zeros(len(before), np.bool_)
    # A ring's first vertex stands again at its end; the walk goes round twice, so that every
    # vertex has one that stayed on either side.
    index = np.flatnonzero(stayed)
    counts = np.bincount(ring[index], minlength=len(rings))
    result[owner[counts < 3]] = True
    ok = (counts >= 3)[ring]
    first = np.searchsorted(index, begins)
    last = np.searchsorted(index, begins + lengths) - 1
    place = np.searchsorted(index, np.arange(len(xy)), "right") - 1
    earlier = np.where(place < first[ring], last[ring], place)
    later = np.where(place + 1 > last[ring], first[ring], place + 1)
    gone = np.flatnonzero(~stayed & ok)
    away = distances(xy[gone], xy[index[earlier[gone]]], xy[index[later[gone]]])
    result[owner[ring[gone[away > tolerance_px * (1 + 1e-9)]]]] = True
    return result
