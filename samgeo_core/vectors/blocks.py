"""One block of a partition: outlines that fit those of all other blocks to the last bit.

A block is looked at with so much around it that all passages of its outlines are those that the
whole raster would give. Its polygons end where the block does; there, an outline is cut in the
middle between two passages, where it runs straight, so that nothing is to be seen of the cut once
the pieces are united. Simplification leaves the cuts in place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from samgeo_core.objects import BoolMask
from samgeo_core.reading.raster import Raster
from samgeo_core.results.labels import Labels
from samgeo_core.results.outlines import Geometries, IntArray, trace, trace_parts
from samgeo_core.vectors.bands import sums_of_pieces
from samgeo_core.vectors.mosaic import NOBODY, OUTSIDE, meetings, owners_of, places
from samgeo_core.vectors.promises import deviates
from samgeo_core.vectors.subpixel import Fixed, drawn_through, moved, passages_xy
from samgeo_core.vectors.unit_edges import Keys, UnitEdges, among, place_keys
from samgeo_core.windows import Window

_ATTEMPTS = 5


@dataclass(frozen=True, eq=False)
class Block:
    """What drawing a block needs.

    Attributes:
        core: the block, px of the raster.
        seen: the block with `subpixel.reach_px` around it.
        read: that with the width of gaps around it.
        labels: ids of ``read``.
        valid: bool of ``read``; None takes every pixel.
        raster: the image, for the bands; None for none.
        known_edges: keys of edges, ascending, of which logits say where they are passed.
        known_shifts: float64, there, px from their middles.
    """

    core: Window
    seen: Window
    read: Window
    labels: Labels
    valid: BoolMask | None
    raster: Raster | None
    known_edges: Keys
    known_shifts: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Wanted:
    """How outlines are to be.

    Attributes:
        fill_px: see `mosaic.owners_of`.
        passes: of smoothing.
        tolerance_px: of simplification.
        pinned: int64, ascending, objects that stay on pixel edges.
        whole: int64, ascending, objects that keep all their vertices.
    """

    fill_px: float
    passes: int
    tolerance_px: float
    pinned: IntArray
    whole: IntArray


@dataclass(frozen=True, eq=False)
class Pieces:
    """What a block holds: N connected parts of objects and of what is nobody's.

    Attributes:
        values: int64 [N], ids of objects, 0 for nobody.
        areas_px: int64 [N], pixels.
        smooth_px, drawn_px: float64 [N], areas of the outlines before and after simplification.
        boxes_xyxy: int64 [N, 4], px of the raster.
        touching: bool [N], whether they reach an edge of what is valid.
        drawn: [N] polygons as WKB, px of the raster.
        sums: float64 [N, 3, B], count, sum and sum of squares of each band.
        cuts: keys of edges where what is nobody's goes on in other blocks.
        cut_pieces: int64, the piece of each of these.
        seen: int64, objects that the block saw, ascending.
    """

    values: IntArray
    areas_px: IntArray
    smooth_px: NDArray[np.float64]
    drawn_px: NDArray[np.float64]
    boxes_xyxy: IntArray
    touching: NDArray[np.bool_]
    drawn: list[bytes]
    sums: NDArray[np.float64]
    cuts: IntArray
    cut_pieces: IntArray
    seen: IntArray


def draw_block(block: Block, wanted: Wanted) -> Pieces:
    """Draw one block."""
    owners = owners_of(block.labels, block.valid, wanted.fill_px)[_within(block.seen, block.read)]
    core = owners[_within(block.core, block.seen)]
    exact, ranks = _parts(core, (block.core.x, block.core.y))
    known = _Known.of(owners, block, wanted)
    edges = UnitEdges.of(exact)
    smooth, is_cut, on_border = known.drawn(edges, _cut_corners(owners, block))
    whole = np.isin(ranks - NOBODY, wanted.whole) & (ranks > NOBODY)
    lines = _simplified(smooth, wanted.tolerance_px, whole)
    owner_of_edge = edges.owners
    touching = np.zeros(len(exact), np.bool_)
    touching[owner_of_edge[on_border]] = True
    cuts = is_cut & (ranks == NOBODY)[owner_of_edge] if len(exact) else is_cut
    seen = np.unique(owners)
    sums = np.zeros((len(exact), 3, 0))
    if block.raster is not None and len(exact):
        sums = sums_of_pieces(core, block.core, exact, ranks, block.raster)
    return Pieces(
        ranks - NOBODY,
        np.rint(shapely.area(exact)).astype(np.int64),
        shapely.area(smooth),
        shapely.area(lines),
        np.nan_to_num(shapely.bounds(exact)).astype(np.int64),
        touching,
        list(shapely.to_wkb(lines)),
        sums,
        edges.edge_keys[cuts],
        owner_of_edge[cuts],
        seen[seen > NOBODY] - NOBODY,
    )


def _within(inner: Window, outer: Window) -> tuple[slice, slice]:
    return inner.moved(-outer.x, -outer.y).slices


def _parts(owners: Labels, corner_xy: tuple[int, int]) -> tuple[Geometries, IntArray]:
    """Outlines of connected parts along pixel edges, and whose they are."""
    masks, offsets, ranks = _masks(owners, corner_xy)
    parts, mask = trace_parts(masks, offsets)
    return parts, ranks[mask]


def _masks(owners: Labels, corner_xy: tuple[int, int]) -> tuple[list[BoolMask], IntArray, IntArray]:
    found = [item for item in places(owners) if item[0] != OUTSIDE]
    masks = [owners[place] == rank for rank, place in found]
    offsets = np.array([(c.start, r.start) for _, (r, c) in found], np.int64).reshape(-1, 2)
    return masks, offsets + np.array(corner_xy), np.array([rank for rank, _ in found], np.int64)


def _cut_corners(owners: Labels, block: Block) -> Keys:
    """Keys of corners on the edge of a block at which an owner goes on across a block's edge.

    Args:
        owners: [h, w] of what the block sees.
        block: the block.
    """
    left, top, right, bottom = block.core.box_xyxy
    found = [np.zeros((0, 2), np.int64)]
    for axis, lines, (low, high) in (
        (0, (left, right), (top, bottom)),
        (1, (top, bottom), (left, right)),
    ):
        across, first = (owners.T, block.seen.x) if axis == 0 else (owners, block.seen.y)
        start = block.seen.y if axis == 0 else block.seen.x
        for line in lines:
            at = line - first
            if not 0 < at < len(across):
                continue
            same = np.flatnonzero(across[at - 1] == across[at]) + start
            same = same[(same >= low - 1) & (same <= high)]
            ends = np.concatenate([same, same + 1])
            place = np.full(len(ends), line)
            found.append(np.stack([place, ends] if axis == 0 else [ends, place], axis=1))
    return np.unique(place_keys(2 * np.concatenate(found)))


@dataclass(frozen=True, eq=False)
class _Known:
    """Where outlines pass that are not cut.

    Attributes:
        fixed: nodes, and edges that stay.
        border: edges of what is valid.
        keys: of edges, ascending.
        shifts: float64, of these.
        still: bool, of these: whether they stay.
        corners: keys of corners where an outline passes, ascending.
        crossings_xy: float64 [., 2], the point there at which it can be cut.
    """

    fixed: Fixed
    border: Keys
    keys: Keys
    shifts: NDArray[np.float64]
    still: NDArray[np.bool_]
    corners: Keys
    crossings_xy: NDArray[np.float64]

    @classmethod
    def of(cls, owners: Labels, block: Block, wanted: Wanted) -> _Known:
        corner_xy = block.seen.x, block.seen.y
        masks, offsets, ranks = _masks(owners, corner_xy)
        outlines = trace(masks, offsets)
        found = meetings(owners, corner_xy)
        pinned = np.isin(ranks - NOBODY, wanted.pinned) & (ranks > NOBODY)
        stay = UnitEdges.of(outlines[pinned]).edge_keys
        fixed = Fixed(found.nodes, np.union1d(found.edges, stay))
        edges = UnitEdges.of(outlines)
        if wanted.passes:
            begin = np.zeros(len(edges.axes))
            if len(block.known_edges):
                at = np.searchsorted(block.known_edges, edges.edge_keys)
                at = at.clip(max=len(block.known_edges) - 1)
                same = block.known_edges[at] == edges.edge_keys
                begin[same] = block.known_shifts[at[same]]
            passed = moved(edges, wanted.passes, fixed, begin)
            shifts, still = passed.shifts, passed.still
        else:
            shifts, still = np.zeros(len(edges.axes)), np.ones(len(edges.axes), np.bool_)
        places_xy, before = passages_xy(edges, shifts), edges.previous
        # NOTE: the sum of two numbers doesn't depend on their order: both sides get the same.
        middles = (places_xy + places_xy[before]) * 0.5
        stays = (still | still[before])[:, None]
        crossings = np.where(stays, edges.corners_xy, middles)
        keys, first = np.unique(edges.edge_keys, return_index=True)
        corners, at = np.unique(edges.corner_keys, return_index=True)
        return cls(fixed, found.edges, keys, shifts[first], still[first], corners, crossings[at])

    def drawn(
        self, edges: UnitEdges, cut_corners: Keys
    ) -> tuple[Geometries, NDArray[np.bool_], NDArray[np.bool_]]:
        """Outlines of pieces, which of their edges only cut, and which lie on the border.

        Args:
            edges: M edges of pieces.
            cut_corners: keys of corners at either end of such cuts, of these pieces or of others.
        """
        if not len(edges.corners_xy):
            none = np.zeros(0, np.bool_)
            return np.empty(0, object), none, none
        keys, before = edges.edge_keys, edges.previous
        place = np.searchsorted(self.keys, keys).clip(max=len(self.keys) - 1)
        cut = self.keys[place] != keys
        still = self.still[place] | cut
        shifts = np.where(cut, 0.0, self.shifts[place])
        node = among(edges.corner_keys, self.fixed.nodes)
        split = among(edges.corner_keys, cut_corners)
        turns = (edges.steps_xy != edges.steps_xy[before]).any(axis=1)
        stays = node | still | still[before]
        kept = split | (stays & (turns | node | (still != still[before])))
        at = np.searchsorted(self.corners, edges.corner_keys).clip(max=len(self.corners) - 1)
        crossed = split & ~node & (self.corners[at] == edges.corner_keys)
        corners_xy = np.where(crossed[:, None], self.crossings_xy[at], edges.corners_xy)
        through = np.stack([corners_xy, passages_xy(edges, shifts)], axis=1)
        return drawn_through(edges, through, kept, ~still), cut, among(keys, self.border)


def _simplified(coverage: Geometries, tolerance: float, whole: NDArray[np.bool_]) -> Geometries:
    """A coverage with fewer vertices; its outer edge and that of some geometries stay.

    Those that would leave their outline by more than the tolerance keep all their vertices, too.
    """
    if not tolerance:
        return coverage
    whole = whole.copy()
    for _ in range(_ATTEMPTS):
        result = coverage.copy()
        if not whole.all():
            result[~whole] = shapely.coverage_simplify(
                coverage[~whole], tolerance, simplify_boundary=False
            )
        bad = deviates(coverage, result, tolerance) & ~whole
        if not bad.any():
            return result
        whole |= bad
    return coverage
