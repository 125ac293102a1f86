"""A label raster of any size as pieces of its objects, strip by strip, with the rest filled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

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

BACKGROUND = 0

_STRIP_PX = 2**21


@dataclass(frozen=True, eq=False)
class Mosaic:
    """Who owns each valid pixel of a raster.

    Attributes:
        shape_hw: height and width of the raster, px.
        values: int64 [N], ids of objects, ascending; `BACKGROUND` comes first where there is any.
        pieces: for each where its pixels are.
        areas_px: int64 [N].
        fixed: corners where more than two of them (or the outside) meet, and the edges of what is
            valid; None of both unless it was asked for.
    """

    shape_hw: ShapeHW
    values: NDArray[np.int64]
    pieces: tuple[PackedPieces, ...]
    areas_px: NDArray[np.int64]
    fixed: Fixed


def read_mosaic(
    shape_hw: ShapeHW,
    labels: ReadLabels,
    valid: ReadValid | None = None,
    *,
    fill_px: float = 0.0,
    background: bool = False,
) -> Mosaic:
    """Go through a label raster once; memory beyond a strip is a bit for each pixel at most.

    Args:
        shape_hw: height and width of the raster, px.
        labels: reads them.
        valid: reads where data is; None takes every pixel.
        fill_px: pixels without a label join the nearest object if it is no further than that.
        background: whether what is left becomes a part of the mosaic, so that every valid pixel
            belongs to it, and whether the places where parts meet are wanted.

    Raises:
        ParameterError: labels are negative, or ``fill_px`` is.
    """
    if not fill_px >= 0:
        raise ParameterError(f"fill_px must be 0 or more, got {fill_px}.")
    packed: dict[int, list[PackedMask]] = {}
    areas: dict[int, int] = {}
    meetings = _Meetings(shape_hw[1]) if background else None
    for top, owners in _strips(shape_hw, labels, valid, fill_px):
        if meetings is not None:
            meetings.feed(owners)
        first = 0 if background else 1
        for rank, (rows, columns) in _places(owners):
            if rank <= first:
                continue
            mask = owners[rows, columns] == rank
            piece = PackedMask.of(mask, (columns.start, top + rows.start))
            packed.setdefault(rank - 1, []).append(piece)
            areas[rank - 1] = areas.get(rank - 1, 0) + int(np.count_nonzero(mask))
    values = sorted(packed)
    return Mosaic(
        shape_hw,
        np.array(values, np.int64),
        tuple(PackedPieces(tuple(packed[value])) for value in values),
        np.array([areas[value] for value in values], np.int64),
        Fixed(np.zeros(0, np.int64), np.zeros(0, np.int64))
        if meetings is None
        else meetings.done(),
    )


def _strips(
    shape_hw: ShapeHW, labels: ReadLabels, valid: ReadValid | None, fill_px: float
) -> Iterator[tuple[int, Labels]]:
    """First row and owners of each strip: 0 outside, 1 nobody, id + 1 an object."""
    height, width = shape_hw
    margin = 0 if not fill_px else int(min(np.ceil(fill_px) + 1, height))
    rows = max(_STRIP_PX // width, 2 * margin, 1)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        above, below = max(top - margin, 0), min(bottom + margin, height)
        window = Window(0, above, width, below - above)
        ids = np.asarray(labels(window))
        if ids.size and ids.min() < 0:
            raise ParameterError(f"Labels must be 0 or more, got {int(ids.min())}.")
        usable = None if valid is None else valid(window)
        if usable is not None:
            ids = np.where(usable, ids, 0)
        owners = nearest_labels(ids, fill_px).astype(np.int64) + 1
        if usable is not None:
            owners[~usable] = 0
        yield top, owners[top - above : bottom - above]


def _places(owners: Labels) -> Iterator[tuple[int, tuple[slice, slice]]]:
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


class _Meetings:
    """Where owners meet, collected from strips that follow each other."""

    def __init__(self, width: int) -> None:
        self._last: NDArray[Any] = np.zeros(width + 2, np.int64)
        self._row = 0
        self._nodes: list[Keys] = []
        self._edges: list[Keys] = []

    def feed(self, owners: Labels) -> None:
        """Take the next rows [h, W]."""
        framed = np.vstack([self._last[None], np.pad(owners, ((0, 0), (1, 1)))])
        self._take(framed)
        self._last = framed[-1]
        self._row += len(owners)

    def done(self) -> Fixed:
        """Everything, once the last rows were taken."""
        self._take(np.vstack([self._last, np.zeros_like(self._last)]))
        return Fixed(np.unique(np.concatenate(self._nodes)), np.unique(np.concatenate(self._edges)))

    def _take(self, framed: Labels) -> None:
        """Corners on the upper edges of all rows but the first, whose number is the next's."""
        across = framed[:, 1:] != framed[:, :-1]
        down = framed[1:] != framed[:-1]
        ends = across[1:].astype(np.int8) + across[:-1] + down[:, 1:] + down[:, :-1]
        rows, columns = np.nonzero(ends > 2)
        self._nodes.append(self._keys(2 * columns, 2 * rows))
        outside = framed == 0
        rows, columns = np.nonzero(outside[1:] != outside[:-1])
        self._edges.append(self._keys(2 * columns - 1, 2 * rows))
        rows, columns = np.nonzero(outside[1:, 1:] != outside[1:, :-1])
        self._edges.append(self._keys(2 * columns, 2 * rows + 1))

    def _keys(self, x2: NDArray[np.int64], y2: NDArray[np.int64]) -> Keys:
        return place_keys(np.stack([x2, y2 + 2 * self._row], axis=1))


def border_of(shape_hw: ShapeHW, valid: ReadValid | None = None) -> Keys:
    """Keys of the edges where the raster or its data ends.

    Args:
        shape_hw: height and width of the raster, px.
        valid: reads where data is; None takes every pixel.
    """

    def no_labels(window: Window) -> Labels:
        return np.zeros(window.shape_hw, np.uint8)

    meetings = _Meetings(shape_hw[1])
    for _, owners in _strips(shape_hw, no_labels, valid, 0.0):
        meetings.feed(owners)
    return meetings.done().edges
