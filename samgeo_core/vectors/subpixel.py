"""Outlines that leave the pixel edges by at most half a pixel, and with that their stairs.

Between the centres of two neighbouring pixels, of which one belongs to an object and the other
does not, an outline passes once. Pixel edges let it pass in the middle. Here the place is found by
the model's logits (`crossings`), or, where there are none, by smoothing along the outline. As each
passage stays between its two centres, and one that is shared by two objects is computed from the
same numbers for both, no outlines cross that did not, and neighbours keep their common edges to the
last bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from samgeo_core.results.outlines import Geometries, IntArray
from samgeo_core.vectors.unit_edges import Keys, UnitEdges, among

FloatArray = NDArray[np.float64]

_REACH_PX = 0.45
"""How far a passage may lie from the middle; at 0.5 outlines could touch each other."""

_SAFE_PX = 0.2
"""With passages this near the middle no corner is further than half a pixel from an outline."""

# Taubin (1995), "A signal processing approach to fair surface design": a step that smooths and one
# that swells, so that round things keep their size.
_SMOOTH, _SWELL = 0.5, -0.53
_MOST_TIGHTENINGS = 8


@dataclass(frozen=True, eq=False)
class Fixed:
    """What stays on pixel edges.

    Attributes:
        nodes: keys of corners where more than two outlines meet.
        edges: keys of the middles of edges.
    """

    nodes: Keys
    edges: Keys


NOTHING_FIXED = Fixed(np.zeros(0, np.int64), np.zeros(0, np.int64))


def smoothed(
    geometries: Geometries,
    passes: int,
    fixed: Fixed = NOTHING_FIXED,
    shifts: FloatArray | None = None,
) -> Geometries:
    """Outlines without stairs.

    Every point of the result lies within half a pixel of the outline that it was, and the other way
    round. It is valid where that was, with as many parts and holes.

    Args:
        geometries: [N], Polygon or MultiPolygon along pixel edges, raster px.
        passes: how often to smooth; 0 only cuts the corners.
        fixed: what stays in place.
        shifts: where to begin, float64 [M] px for the M `UnitEdges`; None in the middles.
    """
    edges = UnitEdges.of(geometries)
    if not len(edges.corners_xy):
        return geometries
    found = moved(edges, passes, fixed, shifts)
    places = np.stack([edges.corners_xy, passages_xy(edges, found.shifts)], axis=1)
    return drawn_through(edges, places, found.corners(edges), ~found.still)


@dataclass(frozen=True, eq=False)
class Moved:
    """Where M edges are passed.

    Attributes:
        shifts: float64 [M], px across each edge from its middle, to the right or down.
        still: bool [M], edges that stay as they are.
        nodes: bool [M], whether more than two outlines meet where an edge begins.
    """

    shifts: FloatArray
    still: NDArray[np.bool_]
    nodes: NDArray[np.bool_]

    def corners(self, edges: UnitEdges) -> NDArray[np.bool_]:
        """Bool [M]: which corners are vertices of what is drawn."""
        still_before = self.still[edges.previous]
        # Of corners between two edges that stay, those that don't turn say nothing.
        turns = (edges.steps_xy != edges.steps_xy[edges.previous]).any(axis=1)
        stays = self.nodes | self.still | still_before
        return np.asarray(stays & (turns | self.nodes | (self.still != still_before)), np.bool_)


def moved(edges: UnitEdges, passes: int, fixed: Fixed, shifts: FloatArray | None = None) -> Moved:
    """Find where each edge is passed; arguments as in `smoothed`.

    It depends on nothing further along an outline than `reach_px`.
    """
    still = among(edges.edge_keys, fixed.edges)
    nodes = among(edges.corner_keys, fixed.nodes)
    # A corner stays where outlines meet, and at either end of an edge that stays.
    stays = nodes | still | still[edges.previous]
    begin = np.zeros(len(still)) if shifts is None else shifts.clip(-_REACH_PX, _REACH_PX)
    begin[still] = 0.0
    relaxed = _relaxed(edges, begin, still, stays, passes)
    return Moved(_tightened(edges, relaxed, stays), still, nodes)


def reach_px(passes: int) -> int:
    """How far along an outline a passage depends on others, px."""
    return 2 * passes + _MOST_TIGHTENINGS + 2


def drawn_through(
    edges: UnitEdges,
    places: FloatArray,
    kept_corners: NDArray[np.bool_],
    kept_middles: NDArray[np.bool_],
) -> Geometries:
    """Outlines through some of the places of their edges.

    Args:
        edges: M edges.
        places: float64 [M, 2, 2]: where each begins, and where it is passed, px.
        kept_corners, kept_middles: bool [M], which of these are vertices, but for middles between
            two others on one straight line.
    """
    before, after = edges.previous, edges.following
    straight = kept_middles & kept_middles[before] & kept_middles[after]
    straight &= ~kept_corners & ~kept_corners[after]
    passed = places[:, 1]
    for other in (before, after):
        straight &= (passed == passed[other]).any(axis=1)
    straight &= (edges.axes == edges.axes[before]) & (edges.axes == edges.axes[after])
    kept = np.stack([kept_corners, kept_middles & ~straight], axis=1)
    return edges.rebuilt(places[kept], np.nonzero(kept)[0])


def passages_xy(edges: UnitEdges, shifts: FloatArray) -> FloatArray:
    """float64 [M, 2]: where each edge is passed, if that is shifted across it."""
    places = edges.middles_xy
    places[np.arange(len(places)), edges.axes] += shifts
    return places


def _relaxed(
    edges: UnitEdges,
    shifts: FloatArray,
    still: NDArray[np.bool_],
    stays: NDArray[np.bool_],
    passes: int,
) -> FloatArray:
    """Shifts after smoothing along the rings.

    Args:
        edges: M edges.
        shifts: float64 [M], px across each edge, to the right or down.
        still: bool [M], edges that stay.
        stays: bool [M], corners that stay: smoothing doesn't look beyond.
        passes: how often.
    """
    axes, rows = edges.axes, np.arange(len(shifts))
    middles = edges.middles_xy
    before, after = edges.previous, edges.following
    stays_after = stays[after]
    middle = middles[rows, axes]
    # Along the axis across an edge its neighbours move only where they run the same way.
    moves_before = ~stays & (axes[before] == axes)
    moves_after = ~stays_after & (axes[after] == axes)
    side_before = np.where(stays, edges.corners_xy[rows, axes], middles[before, axes])
    side_after = np.where(stays_after, edges.corners_xy[after, axes], middles[after, axes])
    for factor in (_SMOOTH, _SWELL) * passes:
        # NOTE: the sum of two numbers doesn't depend on their order, so that whoever walks the
        # other way round gets the same.
        sides = (side_before + np.where(moves_before, shifts[before], 0.0)) + (
            side_after + np.where(moves_after, shifts[after], 0.0)
        )
        shifts = shifts + factor * (sides * 0.5 - (middle + shifts))
        shifts = np.where(still, 0.0, shifts.clip(-_REACH_PX, _REACH_PX))
    return shifts


def _tightened(edges: UnitEdges, shifts: FloatArray, stays: NDArray[np.bool_]) -> FloatArray:
    """Shifts by which no corner ends up further than half a pixel from the outline."""
    before, after = edges.previous, edges.following
    turns = (edges.steps_xy != edges.steps_xy[before]).any(axis=1) & ~stays
    corners = np.flatnonzero(turns)
    for attempt in range(_MOST_TIGHTENINGS):
        places = passages_xy(edges, shifts)
        away = distances(edges.corners_xy[corners], places[before[corners]], places[corners])
        # A corner that is near stays so until a neighbour is moved.
        far = np.zeros(len(turns), np.bool_)
        far[corners[away > 0.5]] = True
        if not far.any():
            break
        at_either_end = far | far[after]
        tighter = shifts * 0.75
        if attempt == _MOST_TIGHTENINGS - 1:
            tighter = shifts.clip(-_SAFE_PX, _SAFE_PX)
        shifts = np.where(at_either_end, tighter, shifts)
        corners = np.flatnonzero(turns & (at_either_end | at_either_end[before]))
    return shifts


def distances(points: FloatArray | IntArray, starts: FloatArray, ends: FloatArray) -> FloatArray:
    """float64 [M]: from each point to the line between a start and an end."""
    # Sorted ends give the same number, whichever way round an outline is walked.
    swap = (starts[:, 0] > ends[:, 0]) | (
        (starts[:, 0] == ends[:, 0]) & (starts[:, 1] > ends[:, 1])
    )
    a = np.where(swap[:, None], ends, starts)
    along, away = np.where(swap[:, None], starts, ends) - a, points - a
    length = np.maximum((along**2).sum(axis=1), 1e-12)
    share = ((along * away).sum(axis=1) / length).clip(0.0, 1.0)
    return np.asarray(np.hypot(*(away - share[:, None] * along).T))
