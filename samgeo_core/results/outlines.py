"""From masks to polygons that follow pixel edges exactly.

Outlines of all masks are traced together: a mask contributes the corners of its outline, and in a
picture made of squares the corners of one row, taken two by two, bound its horizontal edges, those
of one column its vertical edges. Following the edges gives rings.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from samgeo_core.objects import BoolMask
from samgeo_core.wholes import Piece

IntArray = NDArray[np.int64]
Geometries = NDArray[Any]
"""One-dimensional object array of shapely geometries."""

_BATCH_PX = 2**22
"""Pixels that are traced at once: enough to be quick, at some 20 bytes each."""

# The four pixels round a corner as bits: 1 upper left, 2 upper right, 4 lower left, 8 lower right.
_UPPER_RIGHT_LOWER_LEFT, _UPPER_LEFT_LOWER_RIGHT = 0b0110, 0b1001
_IS_CORNER = np.array([code not in {0, 3, 5, 10, 12, 15} for code in range(16)])


@dataclass(frozen=True, eq=False)
class _Corners:
    """Where outlines turn, row by row within each mask; every array is int64 [N] unless said.

    Attributes:
        xy: int64 [N, 2], position in raster px.
        column: like x, but never shared by two masks.
        codes: uint8 [N], the four pixels round the corner, as bits.
        parts: int64 [N, 4], which connected part each of the four pixels belongs to, 0 for none:
            upper left, upper right, lower left, lower right. Of two that lie one above the other
            and belong to the same part, it may be 0 for both, and in the codes as well.
        owner_of_part: int64 [P], index of the mask of each part; part p stands at p - 1.
    """

    xy: IntArray
    column: IntArray
    codes: NDArray[np.uint8]
    parts: IntArray
    owner_of_part: IntArray


def _mask_corners(mask: BoolMask) -> tuple[IntArray, NDArray[np.uint8], NDArray[np.int32], int]:
    """Corners of one mask: flat index, code, parts [n, 4], and the number of parts."""
    height, width = mask.shape
    padded = np.zeros((height + 2, width + 2), np.uint8)
    padded[1:-1, 1:-1] = mask
    count, parts = cv2.connectedComponents(padded, connectivity=4, ltype=cv2.CV_32S)
    above_below = padded[:-1] + 4 * padded[1:]
    codes = (above_below[:, :-1] + 2 * above_below[:, 1:]).ravel()
    at = _IS_CORNER[codes].nonzero()[0]
    upper_left = at + at // (width + 1)
    around = parts.ravel()[upper_left[:, None] + np.array([0, 1, width + 2, width + 3])]
    return at, codes[at], around, count - 1


def _collect(masks: Sequence[BoolMask], offsets_xy: IntArray) -> _Corners:
    """Corners of all masks, in the order of the masks."""
    at, codes, parts, n_parts = zip(*map(_mask_corners, masks), strict=True)
    n_corners = [len(indices) for indices in at]
    row_lengths = np.array([mask.shape[1] + 1 for mask in masks])
    rows, columns = np.divmod(np.concatenate(at), np.repeat(row_lengths, n_corners))
    xy = np.stack([columns, rows], axis=1) + np.repeat(offsets_xy, n_corners, axis=0)
    local = np.concatenate(parts).astype(np.int64)
    before = np.repeat(np.cumsum(n_parts) - n_parts, n_corners)
    return _Corners(
        xy,
        columns + np.repeat(np.cumsum(row_lengths) - row_lengths, n_corners),
        np.concatenate(codes),
        np.where(local > 0, local + before[:, None], 0),
        np.repeat(np.arange(len(masks)), n_parts),
    )


@dataclass(frozen=True, eq=False)
class _Edges:
    """Horizontal edges, each walked with its mask on the right; arrays of length E.

    Attributes:
        start_xy: int64 [E, 2], where the edge begins, raster px.
        end_xy: int64 [E, 2], where it ends.
        following: the horizontal edge that comes next on the same ring.
        part: the connected part whose outline it is.
    """

    start_xy: IntArray
    end_xy: IntArray
    following: IntArray
    part: IntArray


def _edges(corners: _Corners) -> _Edges:
    """Join corners by horizontal and vertical edges.

    Where two pixels meet by their corners only, two edges of each direction end, so that such a
    corner stands twice in the list: first as the end of the edge on its left, then of that on its
    right. Both turn so that no ring touches itself: round the two pixels where they are of
    different parts, and else round the two gaps, of which one then is a hole.
    """
    diagonal = np.isin(corners.codes, (_UPPER_RIGHT_LOWER_LEFT, _UPPER_LEFT_LOWER_RIGHT))
    take = np.repeat(np.arange(diagonal.size), 1 + diagonal)
    diagonal, codes, xy = diagonal[take], corners.codes[take], corners.xy[take]
    upper_left, upper_right, lower_left, lower_right = corners.parts[take].T
    right = np.zeros(take.size, np.bool_)
    right[1:] = take[1:] == take[:-1]
    left_turns_up = np.where(
        codes == _UPPER_LEFT_LOWER_RIGHT, upper_left != lower_right, upper_right == lower_left
    )
    down = diagonal & (right == left_turns_up)
    by_column = np.lexsort((down, xy[:, 1], corners.column[take]))
    across = np.empty_like(by_column)
    across[by_column[0::2]] = by_column[1::2]
    across[by_column[1::2]] = by_column[0::2]

    left_part = np.maximum(upper_left, lower_left)
    right_part = np.maximum(upper_right, lower_right)
    part = np.where(
        diagonal, np.where(right, right_part, left_part), np.maximum(left_part, right_part)
    )
    # Edge k lies between corners 2k and 2k + 1; it runs to the right where its mask lies below.
    leftmost = np.arange(0, take.size, 2)
    start = leftmost + (lower_right[leftmost] == 0)
    end = start ^ 1
    return _Edges(xy[start], xy[end], across[end] >> 1, part[start])


def _walk(following: IntArray) -> tuple[IntArray, IntArray]:
    """Cycles of a permutation: its indices, cycle after cycle, and where each cycle begins."""
    successors = following.tolist()
    seen = bytearray(len(successors))
    order: list[int] = []
    begins: list[int] = []
    for first in range(len(successors)):
        if seen[first]:
            continue
        begins.append(len(order))
        edge = first
        while not seen[edge]:
            seen[edge] = 1
            order.append(edge)
            edge = successors[edge]
    return np.array(order, np.int64), np.array(begins, np.int64)


def trace_parts(
    masks: Sequence[BoolMask], offsets_xy: NDArray[np.int64]
) -> tuple[Geometries, IntArray]:
    """Trace every connected part of every mask.

    Pixels are connected by their sides. The polygons are valid, have a vertex only where the
    outline turns, and cover exactly the pixels of the mask.

    Args:
        masks: N arrays bool [h, w].
        offsets_xy: int64 [N, 2], column and row of each mask's first pixel, px.

    Returns:
        Polygons in raster px (x right, y down), and for each the index of its mask, ascending.
    """
    if not any(mask.any() for mask in masks):
        return np.empty(0, object), np.empty(0, np.int64)
    corners = _collect(masks, offsets_xy)
    return _polygons(corners), corners.owner_of_part


def _polygons(corners: _Corners) -> Geometries:
    """The polygon of each part."""
    edges = _edges(corners)
    order, begins = _walk(edges.following)
    start, end = edges.start_xy[order], edges.end_xy[order]
    # Horizontal edges alone give the signed area, which is positive for an outer ring.
    is_hole = np.add.reduceat(start[:, 1] * (start[:, 0] - end[:, 0]), begins) < 0
    lengths = np.diff(begins, append=len(order))
    rings = shapely.linearrings(
        np.stack([start, end], axis=1).reshape(-1, 2).astype(np.float64),
        indices=np.repeat(np.arange(len(begins)), 2 * lengths),
    )
    part = edges.part[order[begins]]
    outer_first = np.lexsort((is_hole, part))
    polygons = shapely.polygons(rings[outer_first], indices=part[outer_first] - 1)
    return np.asarray(polygons, object)


def trace(masks: Sequence[BoolMask], offsets_xy: NDArray[np.int64]) -> Geometries:
    """Trace every mask: a Polygon, or a MultiPolygon where it has several parts; N geometries.

    Args and guarantees as in `trace_parts`; an empty mask gives an empty polygon.
    """
    return trace_wholes([((x, y), m)] for (x, y), m in zip(offsets_xy.tolist(), masks, strict=True))


def trace_wholes(wholes: Iterable[Sequence[Piece]]) -> Geometries:
    """Trace objects that are given in pieces; where pieces meet, nothing of that remains.

    Memory beyond the outlines themselves doesn't depend on how large an object is.

    Args:
        wholes: N objects; the pieces of one share no pixel.

    Returns:
        [N], Polygon, or MultiPolygon where an object has several parts; guarantees as in
        `trace_parts`; an object without pixels gives an empty polygon.
    """
    counts: list[int] = []
    traced = [_traced(batch) for batch in _batches(wholes, counts)]
    polygons = np.concatenate([part for part, _ in traced])
    owner = np.concatenate([index for _, index in traced])
    cut = np.flatnonzero(np.array(counts) > 1)
    if cut.size:
        in_pieces = np.isin(owner, cut)
        parts, owner_of_parts = unite(polygons[in_pieces], owner[in_pieces])
        polygons = np.concatenate([polygons[~in_pieces], parts])
        owner = np.concatenate([owner[~in_pieces], owner_of_parts])
        order = np.argsort(owner, kind="stable")
        polygons, owner = polygons[order], owner[order]
    return gathered(polygons, owner, len(counts))


def _batches(
    wholes: Iterable[Sequence[Piece]], counts: list[int]
) -> Iterator[list[tuple[int, Piece]]]:
    """Pieces with the index of their object, in lists of not too many pixels.

    Args:
        wholes: objects.
        counts: takes the number of pieces of each.
    """
    batch: list[tuple[int, Piece]] = []
    n_px = 0
    for index, pieces in enumerate(wholes):
        counts.append(len(pieces))
        for piece in pieces:
            batch.append((index, piece))
            n_px += piece[1].size
            if n_px > _BATCH_PX:
                yield batch
                batch, n_px = [], 0
    yield batch


def _traced(batch: Sequence[tuple[int, Piece]]) -> tuple[Geometries, IntArray]:
    """Parts of pieces, and the index of the object that each belongs to, as it came."""
    offsets_xy = np.array([offset_xy for _, (offset_xy, _) in batch], np.int64)
    parts, piece = trace_parts([mask for _, (_, mask) in batch], offsets_xy.reshape(-1, 2))
    return parts, np.array([index for index, _ in batch], np.int64)[piece]


def unite(polygons: Geometries, owner: IntArray) -> tuple[Geometries, IntArray]:
    """Unite the polygons of each owner where they share an edge.

    Args:
        polygons: [P], as `trace_parts` makes them, without common pixels.
        owner: int64 [P], whose they are.

    Returns:
        Parts as `trace_parts` has them, by owner and place, and the owner of each.
    """
    if not len(polygons):
        return polygons, owner
    part = components(len(polygons), contacts(polygons, owner))
    parts = joined(polygons, part)
    owner_of_part = np.empty(len(parts), np.int64)
    owner_of_part[part] = owner
    x, y = shapely.get_coordinates(shapely.get_point(shapely.get_exterior_ring(parts), 0)).T
    by_place = np.lexsort((x, y, owner_of_part))
    return parts[by_place], owner_of_part[by_place]


def contacts(polygons: Geometries, owner: IntArray) -> IntArray:
    """Find polygons of the same owner that share a stretch of an edge.

    Args:
        polygons: [P], as in `unite`.
        owner: int64 [P], whose they are.

    Returns:
        int64 [C, 2], indices of two polygons; the same two may stand there several times.
    """
    if not len(polygons):
        return np.empty((0, 2), np.int64)
    start, end, polygon = _rings_as_edges(polygons)
    owner = np.unique(owner, return_inverse=True)[1][polygon]
    extent = np.ptp(start, axis=0) + 1
    pairs = []
    for along, across in ((0, 1), (1, 0)):
        take = slice(along, None, 2)
        line = owner[take] * extent[across] + start[take, across]
        pairs.append(
            _facing(line * extent[along], start[take, along], end[take, along], polygon[take])
        )
    return np.concatenate(pairs)


def _facing(line: IntArray, start: IntArray, end: IntArray, polygon: IntArray) -> IntArray:
    """Polygons that lie on either side of the same stretch of a line.

    Args:
        line: int64 [E], a number for the line of each edge, farther from the next than edges reach.
        start: int64 [E], where on the line the edge begins.
        end: int64 [E], where it ends; edges of one direction share no stretch.
        polygon: int64 [E], whose edge it is.

    Returns:
        int64 [C, 2], indices of two polygons.
    """
    low, high = line + np.minimum(start, end), line + np.maximum(start, end)
    forth, back = np.flatnonzero(start < end), np.flatnonzero(start > end)
    forth = forth[np.argsort(low[forth])]
    first = np.searchsorted(high[forth], low[back], "right")
    counts = np.searchsorted(low[forth], high[back], "left") - first
    step = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    met = forth[np.repeat(first, counts) + step]
    return np.stack([polygon[np.repeat(back, counts)], polygon[met]], axis=1)


def components(n: int, pairs: IntArray) -> IntArray:
    """Number what hangs together: int64 [n], counted from 0; ``pairs`` [C, 2] are below n."""
    if not len(pairs):
        return np.arange(n)
    links = coo_array((np.ones(len(pairs), np.bool_), pairs.T), shape=(n, n))
    return np.asarray(connected_components(links, directed=False)[1], np.int64)


def joined(polygons: Geometries, part: IntArray) -> Geometries:
    """Join polygons that hang together, in a time that depends on their vertices alone.

    Args:
        polygons: [P], as in `unite`.
        part: int64 [P], to which of N it belongs; those of one are connected by edges.

    Returns:
        [N], Polygon; guarantees as in `trace_parts`.
    """
    if not len(polygons):
        return polygons
    xy, _, polygon = _rings_as_edges(polygons)
    part_of_xy = part[polygon]
    order = np.lexsort((xy[:, 0], xy[:, 1], part_of_xy))
    xy, part_of_xy = xy[order], part_of_xy[order]
    is_new = np.ones(len(xy), np.bool_)
    is_new[1:] = (xy[1:] != xy[:-1]).any(axis=1) | (part_of_xy[1:] != part_of_xy[:-1])
    # Along a line between two rows, a part gains a pixel below or loses one above where an edge
    # starts, and the reverse where it ends: of edges that polygons share, nothing remains.
    first = is_new.nonzero()[0]
    steps = np.add.reduceat(1 - 2 * (order & 1), first)
    remains = steps.nonzero()[0]
    steps, xy, part_of_xy = steps[remains], xy[first[remains]], part_of_xy[first[remains]]
    right = np.cumsum(steps)
    left = right - steps
    known = np.stack([left < 0, right < 0, left > 0, right > 0], axis=1)
    corners = _Corners(
        xy,
        part_of_xy * (np.ptp(xy[:, 0]) + 1) + xy[:, 0],
        np.packbits(known, axis=1, bitorder="little")[:, 0],
        known * (part_of_xy + 1)[:, None],
        np.arange(part.max() + 1),
    )
    return _polygons(corners)


def _rings_as_edges(polygons: Geometries) -> tuple[IntArray, IntArray, IntArray]:
    """Edges of traced polygons, by turns horizontal and vertical, the first horizontal.

    Returns:
        Start and end int64 [E, 2], and index of the polygon, int64 [E].
    """
    rings, polygon = shapely.get_rings(polygons, return_index=True)
    xy, ring = shapely.get_coordinates(rings, return_index=True)
    xy = xy.astype(np.int64)
    follows = ring[1:] == ring[:-1]
    return xy[:-1][follows], xy[1:][follows], polygon[ring[1:][follows]]


def gathered(polygons: Geometries, owner: IntArray, n: int) -> Geometries:
    """One geometry for each of n owners, empty where there is none; ``owner`` [P] ascends."""
    counts = np.bincount(owner, minlength=n)
    geometries = np.full(n, shapely.Polygon(), object)
    several = counts[owner] > 1
    geometries[owner[~several]] = polygons[~several]
    shapely.multipolygons(polygons[several], indices=owner[several], out=geometries)
    return geometries
