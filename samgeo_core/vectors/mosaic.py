"""A label raster of any size as pieces of its objects, strip by strip, with the rest filled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from samgeo_core.errors import ParameterError
from samgeo_core.objects import BoolMask
from samgeo_core.results.labels import Labels, nearest_labels
from samgeo_core.vectors.subpixel import Fixed
from samgeo_core.vectors.unit_edges import Keys, place_keys
from samgeo_core.wholes import PackedMask, PackedPieces
from samgeo_core.windows import ShapeHW, Window

ReadLabels = Callable[[Window], Labels]
"""Whole numbers [h, w] of a window of a raster; 0 is no object."""

ReadValid = Callable[[Window], BoolMask]
"""Bool [h, w]: where a window of a raster carries data."""

OUTSIDE, NOBODY = 0, 1

_STRIP_PX = 2**21


@dataclass(frozen=True, eq=False)
class Mosaic:
    """Whose each pixel of a raster is.

    Attributes:
        values: int64 [N], ids of objects, ascending.
        pieces: for each where its pixels are.
    """

    values: NDArray[np.int64]
    pieces: tuple[PackedPieces, ...]


def read_mosaic(shape_hw: ShapeHW, labels: ReadLabels) -> Mosaic:
    """Go through a label raster once; memory beyond a strip is a bit for each pixel at most.

    Args:
        shape_hw: height and width of the raster, px.
        labels: reads them.

    Raises:
        ParameterError: labels are negative.
    """
    packed: dict[int, list[PackedMask]] = {}
    for window in strips(shape_hw):
        owners = owners_of(labels(window))
        for rank, (rows, columns) in places(owners):
            if rank > NOBODY:
                mask = owners[rows, columns] == rank
                piece = PackedMask.of(mask, (columns.start, window.y + rows.start))
                packed.setdefault(rank - NOBODY, []).append(piece)
    values = sorted(packed)
    return Mosaic(
        np.array(values, np.int64),
        tuple(PackedPieces(tuple(packed[value])) for value in values),
    )


def check_fill(fill_px: float) -> None:
    """Refuse a width of gaps that is none.

    Raises:
        ParameterError: it is negative.
    """
    if not fill_px >= 0:
        raise ParameterError(f"fill_px must be 0 or more, got {fill_px}.")


def strips(shape_hw: ShapeHW) -> Iterator[Window]:
    """Whole rows of a raster, some at a time."""
    height, width = shape_hw
    rows = max(_STRIP_PX // width, 1)
    for top in range(0, height, rows):
        yield Window(0, top, width, min(rows, height - top))


def owners_of(labels: Labels, valid: BoolMask | None = None, fill_px: float = 0.0) -> Labels:
    """Whose pixels are: `OUTSIDE` where no data is, `NOBODY`, or the id of an object plus one.

    Args:
        labels: ids [h, w].
        valid: bool [h, w]; None takes all.
        fill_px: pixels without a label join the nearest object if it is no further than that.

    Raises:
        ParameterError: labels are negative.
    """
    ids = np.asarray(labels)
    if ids.size and ids.min() < 0:
        raise ParameterError(f"Labels must be 0 or more, got {int(ids.min())}.")
    if valid is not None:
        ids = np.where(valid, ids, 0)
    owners: Labels = nearest_labels(ids, fill_px).astype(np.int64) + NOBODY
    if valid is not None:
        owners[~valid] = OUTSIDE
    return owners


def places(owners: Labels) -> Iterator[tuple[int, tuple[slice, slice]]]:
    """Each number but 0 and the rectangle that holds it."""
    highest = int(owners.max(initial=0))
    if highest <= 2**24:
        found = enumerate(ndimage.find_objects(owners), start=1)
        yield from ((rank, place) for rank, place in found if place is not None)
        return
    # find_objects keeps a list as long as the highest number.
    ranks, compact = np.unique(owners, return_inverse=True)
    compact = compact.reshape(owners.shape) + 1
    for rank, place in zip(ranks.tolist(), ndimage.find_objects(compact), strict=True):
        if rank:
            yield rank, place


def meetings(owners: Labels, corner_xy: tuple[int, int] = (0, 0)) -> Fixed:
    """Corners where more than two owners meet, and the edges of what isn't outside.

    Args:
        owners: [h, w], see `owners_of`; all around is outside.
        corner_xy: column and row of the first pixel.
    """
    framed = np.pad(owners, 1)
    across = framed[:, 1:] != framed[:, :-1]
    down = framed[1:] != framed[:-1]
    ends = across[1:].astype(np.int8) + across[:-1] + down[:, 1:] + down[:, :-1]
    rows, columns = np.nonzero(ends > 2)
    nodes = _keys(2 * columns, 2 * rows, corner_xy)
    outside = framed == OUTSIDE
    rows, columns = np.nonzero(outside[1:] != outside[:-1])
    lying = _keys(2 * columns - 1, 2 * rows, corner_xy)
    rows, columns = np.nonzero(outside[:, 1:] != outside[:, :-1])
    upright = _keys(2 * columns, 2 * rows - 1, corner_xy)
    return Fixed(np.sort(nodes), np.sort(np.concatenate([lying, upright])))


def _keys(
    x2: NDArray[np.int64], y2: NDArray[np.int64], corner_xy: tuple[int, int]
) -> NDArray[np.int64]:
    return place_keys(np.stack([x2, y2], axis=1) + 2 * np.array(corner_xy, np.int64))


def border_of(shape_hw: ShapeHW, valid: ReadValid | None = None) -> Keys:
    """Keys of the edges where the raster or its data ends.

    Args:
        shape_hw: height and width of the raster, px.
        valid: reads where data is; None takes every pixel.
    """
    height, width = shape_hw
    if valid is None:
        across, down = np.arange(width), np.arange(height)
        x2 = np.concatenate([2 * across + 1, 2 * across + 1, 0 * down, 0 * down + 2 * width])
        y2 = np.concatenate([0 * across, 0 * across + 2 * height, 2 * down + 1, 2 * down + 1])
        return np.unique(_keys(x2, y2, (0, 0)))
    found = []
    for window in strips(shape_hw):
        # With a row more above, so that edges between strips are seen, and only those that are.
        top = max(window.y - 1, 0)
        seen = Window(0, top, width, window.y + window.height - top)
        edges = meetings(valid(seen).astype(np.uint8), (0, top)).edges
        row2 = edges >> 32
        last = window.y + window.height == height
        inside = (row2 > 2 * window.y - 1) & (last | (row2 < 2 * (window.y + window.height)))
        found.append(edges[inside])
    return np.unique(np.concatenate(found))
