"""New masks of old ones: united, smoothed, divided. Arrays only, no model."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from samgeo_core.candidates import MaskCandidate
from samgeo_core.errors import ParameterError
from samgeo_core.objects import BoolMask, SegObject
from samgeo_core.windows import ShapeHW

MOST_SMOOTHING_PX = 100
_NO_POINT = (math.nan, math.nan)
_MOST_NODES = 200_000
"""Pixels between which ways are looked for; larger masks are divided at less resolution."""


def as_candidate(item: SegObject) -> MaskCandidate:
    """An object as a mask that an edit can keep."""
    x, y = item.offset_xy
    height, width = item.mask.shape
    return MaskCandidate(
        np.packbits(item.mask),
        (x, y, x + width, y + height),
        item.area_px,
        item.score,
        item.stability,
        _NO_POINT,
    )


def merged(items: Sequence[SegObject]) -> MaskCandidate:
    """All pixels of several objects as one mask; scores are the means by size.

    Raises:
        ParameterError: there is no object.
    """
    if not items:
        raise ParameterError("To merge takes objects, got none: select two or more.")
    left, top = (min(item.offset_xy[axis] for item in items) for axis in (0, 1))
    right = max(item.slices[1].stop for item in items)
    bottom = max(item.slices[0].stop for item in items)
    union = np.zeros((bottom - top, right - left), np.bool_)
    for item in items:
        rows, columns = item.slices
        union[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] |= (
            item.mask
        )
    weights = np.array([item.area_px for item in items], np.float64)
    score = float(np.average([item.score for item in items], weights=weights))
    stability = float(np.average([item.stability for item in items], weights=weights))
    made = MaskCandidate.of(union, (left, top), score, stability, _NO_POINT)
    assert made is not None  # an object has pixels
    return made


def smoothed(item: SegObject, radius_px: int, shape_hw: ShapeHW) -> MaskCandidate:
    """An object without spikes and notches that are narrower than a disc.

    A morphological opening and then a closing: to smooth once more changes nothing. Beyond the
    raster an object goes on as it does at its edge.

    Args:
        item: the object.
        radius_px: of the disc.
        shape_hw: height and width of the raster, px.

    Raises:
        ParameterError: the radius is out of its range, or nothing is left.
    """
    import cv2  # heavy, and most pages do without

    if not 1 <= radius_px <= MOST_SMOOTHING_PX:
        raise ParameterError(
            f"The radius must be 1 to {MOST_SMOOTHING_PX} px, got {radius_px}: choose another."
        )
    margin = 2 * radius_px + 1
    rows, columns = item.slices
    # How far the crop may grow before it meets the edge of the raster.
    rooms = (
        (min(margin, rows.start), min(margin, shape_hw[0] - rows.stop)),
        (min(margin, columns.start), min(margin, shape_hw[1] - columns.stop)),
    )
    grown = np.pad(item.mask.view(np.uint8), rooms)
    padded = np.pad(grown, margin, mode="edge")
    side = 2 * radius_px + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    opened = cv2.morphologyEx(padded, cv2.MORPH_OPEN, disc)
    closed = cv2.morphologyEx(opened, cv2.MORPH_CLOSE, disc)
    inside = closed[margin:-margin, margin:-margin].view(np.bool_)
    offset = columns.start - rooms[1][0], rows.start - rooms[0][0]
    made = MaskCandidate.of(inside, offset, item.score, item.stability, _NO_POINT)
    if made is None:
        raise ParameterError(
            f"Nothing of this object is as wide as {side} px: choose a smaller radius."
        )
    return made


def divided(
    mask: BoolMask,
    first_xy: tuple[int, int],
    second_xy: tuple[int, int],
    found: tuple[BoolMask | None, BoolMask | None] = (None, None),
) -> tuple[BoolMask, BoolMask]:
    """A mask in two parts, each with one of two points; every pixel belongs to exactly one.

    What only one of two found masks claims, connected with its point, is that part's for sure. From
    there both grow, and meet where the mask is narrow or half way between them.

    Args:
        mask: bool [h, w].
        first_xy: column and row of a pixel of the mask.
        second_xy: of another one.
        found: masks [h, w] that a model found at the points; None where it found none.

    Raises:
        ParameterError: the points are one pixel, or one of them lies beside the mask.
    """
    (x0, y0), (x1, y1) = first_xy, second_xy
    height, width = mask.shape
    inside = all(
        0 <= x < width and 0 <= y < height and bool(mask[y, x]) for x, y in (first_xy, second_xy)
    )
    if first_xy == second_xy or not inside:
        raise ParameterError("To split takes two different points on the object: place them anew.")
    seeds = np.zeros((height, width), np.int8)
    for value, (x, y), own, other in ((1, first_xy, *found), (2, second_xy, *found[::-1])):
        if own is not None:
            sure = own & mask if other is None else own & mask & ~other
            seeds[_part_at(sure, (x, y))] = value
    seeds[y0, x0], seeds[y1, x1] = 1, 2
    first = mask & (_grown(mask, seeds) == 1)
    return first, mask & ~first


def _grown(mask: BoolMask, seeds: NDArray[np.int8]) -> NDArray[np.int8]:
    """Seeds 1 and 2 grown over a mask [h, w], slower where it is narrow."""
    step = math.ceil(math.sqrt(np.count_nonzero(mask) / _MOST_NODES))
    if step <= 1:
        return _owners(mask, seeds)
    cells, cell_seeds = _blocks(mask, step), _blocks(seeds, step)
    if (cell_seeds == 1).any() and (cell_seeds == 2).any():
        owners = _owners(cells.view(np.bool_), cell_seeds)
        owners = owners.repeat(step, 0).repeat(step, 1)[: mask.shape[0], : mask.shape[1]]
    else:
        owners = _nearest(seeds)
    return np.where(seeds > 0, seeds, owners)


def _nearest(owners: NDArray[np.int8]) -> NDArray[np.int8]:
    """For each pixel the owner of the nearest one that has any."""
    from scipy import ndimage  # heavy, and most pages do without

    _, (rows, columns) = ndimage.distance_transform_edt(owners == 0, return_indices=True)
    nearest: NDArray[np.int8] = owners[rows, columns]
    return nearest


def _blocks(values: NDArray[np.bool_] | NDArray[np.int8], step: int) -> NDArray[np.int8]:
    """The highest of each step x step values."""
    height, width = values.shape
    padded = np.pad(values.view(np.int8), ((0, -height % step), (0, -width % step)))
    rows, columns = padded.shape
    blocks: NDArray[np.int8] = padded.reshape(rows // step, step, columns // step, step).max((1, 3))
    return blocks


def _owners(mask: BoolMask, seeds: NDArray[np.int8]) -> NDArray[np.int8]:
    """Which seed reaches each pixel of a mask [h, w] first, 0 beside it.

    A step takes the longer the nearer it is to the edge of the mask: so two bodies part at the neck
    between them, and what is equally wide everywhere half way. All that is as deep
    as the shallower seed counts alike, or a point near the edge would own next to nothing.
    """
    from scipy import ndimage, sparse  # heavy, and most pages do without
    from scipy.sparse import csgraph

    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    depth = np.minimum(depth, min(depth[seeds == value].max() for value in (1, 2)))
    nodes = np.full(mask.shape, -1, np.int64)
    nodes[mask] = np.arange(np.count_nonzero(mask))
    starts, ends, times = [], [], []
    for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
        here = np.s_[: mask.shape[0] - dy, max(-dx, 0) : mask.shape[1] - max(dx, 0)]
        there = np.s_[dy:, max(dx, 0) : mask.shape[1] + min(dx, 0)]
        both = mask[here] & mask[there]
        starts.append(nodes[here][both])
        ends.append(nodes[there][both])
        width = depth[here][both] + depth[there][both]
        times.append(math.hypot(dx, dy) / width**2)
    n = int(np.count_nonzero(mask))
    steps = (np.concatenate(times), (np.concatenate(starts), np.concatenate(ends)))
    sources = np.flatnonzero(seeds[mask])
    _, _, reached_from = csgraph.dijkstra(
        sparse.csr_array(steps, shape=(n, n)),
        directed=False,
        indices=sources,
        return_predecessors=True,
        min_only=True,
    )
    owners = np.zeros(mask.shape, np.int8)
    owners[mask] = np.where(reached_from >= 0, seeds[mask][np.maximum(reached_from, 0)], 0)
    if (owners[mask] == 0).any():  # parts without a point
        owners = np.where(mask, _nearest(owners), 0).astype(np.int8)
    return owners


def _part_at(mask: BoolMask, xy: tuple[int, int]) -> BoolMask:
    """The connected part of a mask that holds a pixel; nothing where the pixel isn't set."""
    from scipy import ndimage  # heavy, and most pages do without

    x, y = xy
    if not mask[y, x]:
        return np.zeros_like(mask)
    parts, _ = ndimage.label(mask)
    part: BoolMask = parts == parts[y, x]
    return part


def nearest_pixel(mask: BoolMask, xy: tuple[float, float], reach_px: float) -> tuple[int, int]:
    """Column and row of the pixel of a mask that is nearest to a place.

    Args:
        mask: bool [h, w].
        xy: a place in its frame, px.
        reach_px: how far beside the mask the place may be.

    Raises:
        ParameterError: it is farther away.
    """
    rows, columns = np.nonzero(mask)
    away = np.hypot(columns + 0.5 - xy[0], rows + 0.5 - xy[1])
    nearest = int(np.argmin(away))
    if away[nearest] > reach_px + 1:
        raise ParameterError("The point lies beside the object: place it on it.")
    return int(columns[nearest]), int(rows[nearest])


def deepest_point(mask: BoolMask, away_from_xy: NDArray[np.float64]) -> tuple[float, float]:
    """The middle of the pixel that is farthest from the mask's edge and from some points.

    Args:
        mask: bool [h, w], some pixel set.
        away_from_xy: float64 [K, 2] in its frame, px.
    """
    from scipy import ndimage  # heavy, and most pages do without

    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    rows, columns = np.indices(mask.shape)
    for x, y in away_from_xy.tolist():
        depth = np.minimum(depth, np.hypot(columns + 0.5 - x, rows + 0.5 - y))
    row, column = np.unravel_index(int(np.argmax(np.where(mask, depth, -1))), mask.shape)
    return float(column) + 0.5, float(row) + 0.5
