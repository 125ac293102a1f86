"""Polygons that share their edges, kept sharing them: smoothing and simplifying a coverage."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from samgeo_core.results.outlines import Geometries, IntArray
from samgeo_core.vectors.promises import area_kept, deviates, vertex_keys
from samgeo_core.vectors.subpixel import Fixed, noded, smoothed
from samgeo_core.vectors.unit_edges import UnitEdges

logger = logging.getLogger(__name__)

_AT_ONCE = 512
"""Geometries that are smoothed or simplified at once."""

_ATTEMPTS = 5


def smooth_coverage(exact: Geometries, fixed: Fixed, passes: int) -> Geometries:
    """Take the stairs out of outlines that geometries share, and leave them shared.

    Those whose area would change by more than was promised stay on pixel edges.

    Args:
        exact: [N], a coverage along pixel edges, raster px.
        fixed: corners where more than two meet, and edges that stay.
        passes: see `subpixel.smoothed`; 0 leaves all on pixel edges.
    """
    if not passes:
        return noded(exact, fixed)
    result = np.empty(len(exact), object)
    todo = np.arange(len(exact))
    tree = None
    for _ in range(_ATTEMPTS):
        for some in _groups(todo):
            result[some] = smoothed(exact[some], passes, fixed)
        bad = np.flatnonzero(~area_kept(exact, result, 0.0))
        if not len(bad):
            return result
        logger.info("%d of %d outlines stay on pixel edges", len(bad), len(exact))
        edges = np.union1d(fixed.edges, UnitEdges.of(exact[bad]).edge_keys)
        fixed = Fixed(fixed.nodes, edges)
        tree = tree or shapely.STRtree(exact)
        todo = np.unique(tree.query(exact[bad], predicate="intersects")[1])
    return noded(exact, fixed)


def simplify_coverage(geometries: Geometries, exact: Geometries, tolerance: float) -> Geometries:
    """Simplify a coverage: common edges stay common, its outer edge stays as it is.

    Those that would leave their outline by more than the tolerance, or change their area by more
    than was promised, keep all their vertices.

    Args:
        geometries: [N], a valid coverage.
        exact: [N], the same before it was smoothed.
        tolerance: see `shapely.coverage_simplify`; in units of the coordinates.
    """
    frozen = np.zeros(len(geometries), np.bool_)
    order = _along_a_curve(geometries)
    for _ in range(_ATTEMPTS):
        result = geometries.copy()
        free = order[~frozen[order]]
        # Group by group, each with its edge as it was; then those on either side of such edges.
        groups = np.full(len(geometries), -1)
        for number, some in enumerate(_groups(free)):
            groups[some] = number
            result[some] = _simplified(result[some], tolerance)
        seam = free[_meet_others(result[free], groups[free])]
        result[seam] = _simplified(result[seam], tolerance)
        bad = ~area_kept(exact, result, tolerance) | deviates(geometries, result, tolerance)
        bad &= ~frozen
        if not bad.any():
            return result
        logger.info("%d of %d outlines are not simplified", np.count_nonzero(bad), len(bad))
        frozen |= bad
    return geometries


def _simplified(coverage: Geometries, tolerance: float) -> Geometries:
    if not len(coverage):
        return coverage
    simple = shapely.coverage_simplify(coverage, tolerance, simplify_boundary=False)
    return np.asarray(simple, object)


def _meet_others(geometries: Geometries, groups: IntArray) -> NDArray[np.bool_]:
    """Bool [N]: which geometries share a vertex with one of another group."""
    xy, owner = shapely.get_coordinates(geometries, return_index=True)
    if not len(xy):
        return np.zeros(len(geometries), np.bool_)
    _, vertex = np.unique(vertex_keys(xy), return_inverse=True)
    group = groups[owner]
    # Where all have one group, any one is every one.
    any_group = np.zeros(int(vertex.max()) + 1, np.int64)
    any_group[vertex] = group
    several = np.zeros(len(any_group), np.bool_)
    several[vertex[any_group[vertex] != group]] = True
    result = np.zeros(len(geometries), np.bool_)
    result[owner[several[vertex]]] = True
    return result


def _along_a_curve(geometries: Geometries) -> IntArray:
    """An order in which neighbours mostly follow each other."""
    if not len(geometries):
        return np.zeros(0, np.int64)
    return np.argsort(gpd.GeoSeries(geometries).hilbert_distance().to_numpy(), kind="stable")


def _groups(index: IntArray) -> Iterator[NDArray[np.int64]]:
    for begin in range(0, len(index), _AT_ONCE):
        yield index[begin : begin + _AT_ONCE]
