"""Objects of any number that share out all pixels with data: what none covers joins the nearest.

`overlap_rules.partition` does so for what fits into memory. Here objects are painted first, then
the gaps of square after square are given away by what lies around it. Which window found an object,
and where squares end, doesn't matter.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from rasterio.windows import Window as RasterioWindow

from samgeo_core.geogrid import GeoGrid
from samgeo_core.objects import BoolMask
from samgeo_core.progress import SILENT, Monitor
from samgeo_core.results.files import folder_beside
from samgeo_core.results.geotiff import reading_back
from samgeo_core.results.kept_masks import MaskWriter, ValidParts, kept_masks, packed_pieces
from samgeo_core.results.label_writer import LabelWriter
from samgeo_core.results.labels import Labels, nearest_labels
from samgeo_core.wholes import PackedMask, PackedPieces, WholeObject
from samgeo_core.windows import Window

_SQUARE_PX = 1024
_REACHES_PX = (64, 256, 1024)
"""How far around a square is looked, one after the other, until all its gaps are given away."""

_CELL_PX = 64
"""Whoever is further from any object gets one that touches the nearest cell of this side."""

_AT_ONCE = 1024


def without_gaps(
    groups: Iterable[list[WholeObject]],
    folder: Path,
    grid: GeoGrid,
    extent: Window,
    valid: ValidParts | None = None,
    monitor: Monitor = SILENT,
) -> Iterator[list[WholeObject]]:
    """Objects that share no pixel, by ascending id, with the gaps that lie nearest to each.

    Args:
        groups: the objects, each once; no two share a pixel.
        folder: where they can be put down meanwhile.
        grid: of the raster.
        extent: the part of it that is shared out.
        valid: where the raster carries data, complete once the groups were gone through; None takes
            every pixel.
        monitor: hears of the stage "write labels", and may cancel.

    Raises:
        ExportError: the disk refuses.
    """
    with folder_beside(folder / "gaps") as scratch:
        pile, painted = _Pile(scratch), scratch / "labels.tif"
        with LabelWriter(painted, grid, window=extent, monitor=monitor) as labels:
            for objects in groups:
                labels.append(objects)
                pile.add(objects)
        if not labels.covered_px:
            return
        with reading_back(painted) as source:
            gaps = _Gaps(source, valid.moved(-extent.x, -extent.y) if valid else None, extent)
            squares = list(gaps.squares())
            for done, square in enumerate(squares):
                monitor.step("write labels", done, len(squares))
                pile.add(gaps.given_away(square))
        yield from pile.taken()


@dataclass(frozen=True, eq=False)
class _Gaps:
    """Where nothing lies, and who is nearest; px of the extent.

    Attributes:
        labels: an open raster of object ids, 0 for none.
        valid: where data is; None is everywhere.
        extent: px of the raster.
    """

    labels: Any
    valid: ValidParts | None
    extent: Window

    def squares(self) -> Iterator[Window]:
        """The squares that tile the extent, row by row."""
        height, width = self.extent.shape_hw
        for y in range(0, height, _SQUARE_PX):
            for x in range(0, width, _SQUARE_PX):
                yield Window(x, y, min(_SQUARE_PX, width - x), min(_SQUARE_PX, height - y))

    def given_away(self, square: Window) -> list[WholeObject]:
        """The gaps of a square as pieces of objects, px of the raster."""
        from samgeo_core.vectors.mosaic import places

        gaps = self._valid(square) & (self._read(square) == 0)
        owners = np.where(gaps, self._nearest(square, gaps), 0) if gaps.any() else gaps
        x, y = self.extent.x + square.x, self.extent.y + square.y
        found = []
        for object_id, (rows, columns) in places(owners.astype(np.int64)):
            mask = owners[rows, columns] == object_id
            piece = PackedMask.of(mask, (x + columns.start, y + rows.start))
            found.append(_piece_of(object_id, piece, int(np.count_nonzero(mask))))
        return found

    def _nearest(self, square: Window, gaps: BoolMask) -> Labels:
        """Ids of a square, gaps with that of the nearest object."""
        whole = Window.whole(self.extent.shape_hw)
        for reach in _REACHES_PX:
            window = _grown(square, reach, whole)
            inner = square.moved(-window.x, -window.y).slices
            around = np.where(self._valid(window), self._read(window), 0)
            # NOTE: all that is no further lies in the window, and so do the ways to it.
            nearest: Labels = nearest_labels(around, None if window == whole else reach)[inner]
            if (nearest[gaps] > 0).all():
                return nearest
        rows, columns = (np.arange(s.start, s.stop) // _CELL_PX for s in square.slices)
        return np.where(nearest > 0, nearest, self._cells[np.ix_(rows, columns)])

    @cached_property
    def _cells(self) -> Labels:
        """For each cell of the extent an object that touches it or the nearest that any touches."""
        height, width = (-(-side // _CELL_PX) for side in self.extent.shape_hw)
        cells = np.zeros((height, width), np.uint32)
        for square in self.squares():
            labels = np.where(self._valid(square), self._read(square), 0)
            rows, columns = (np.arange(0, side, _CELL_PX) for side in square.shape_hw)
            highest = np.maximum.reduceat(np.maximum.reduceat(labels, rows, 0), columns, 1)
            top, left = square.y // _CELL_PX, square.x // _CELL_PX
            cells[top : top + len(rows), left : left + len(columns)] = highest
        return nearest_labels(cells)

    def _read(self, window: Window) -> Labels:
        place = RasterioWindow(window.x, window.y, window.width, window.height)
        labels: Labels = self.labels.read(1, window=place)
        return labels

    def _valid(self, window: Window) -> BoolMask:
        if self.valid is None:
            return np.ones(window.shape_hw, np.bool_)
        return self.valid.read(window)


class _Pile:
    """Pieces of objects, put down in any order and taken object by object; they lie on the disk.

    Args:
        folder: where; a file for some ids each.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers: set[int] = set()
        self._waiting: list[WholeObject] = []

    def add(self, objects: Sequence[WholeObject]) -> None:
        """Put down objects, or more pieces of such."""
        self._waiting += objects
        if len(self._waiting) >= _AT_ONCE:
            self._put_down()

    def taken(self) -> Iterator[list[WholeObject]]:
        """Each object once with all its pieces, by ascending id, some at a time."""
        self._put_down()
        for number in sorted(self._numbers):
            parts = defaultdict(list)
            for item in chain.from_iterable(kept_masks(self._file(number))):
                parts[item.object_id].append(item)
            yield [_united(parts[object_id]) for object_id in sorted(parts)]

    def _put_down(self) -> None:
        by_number = defaultdict(list)
        for item in self._waiting:
            by_number[item.object_id // _AT_ONCE].append(item)
        for number, some in by_number.items():
            with MaskWriter(self._file(number)) as writer:
                writer.append(some)
        self._numbers |= by_number.keys()
        self._waiting = []

    def _file(self, number: int) -> Path:
        return self._folder / f"{number}.arrow"


def _piece_of(object_id: int, piece: PackedMask, area_px: int) -> WholeObject:
    nowhere = float("nan"), float("nan")
    return WholeObject(object_id, 0, PackedPieces((piece,)), 0.0, 0.0, nowhere, area_px, piece.box)


def _united(parts: list[WholeObject]) -> WholeObject:
    """The first of some parts of an object, which is itself, with the pieces of all."""
    packed = tuple(piece for part in parts for piece in packed_pieces(part.pieces))
    x0, y0, x1, y1 = zip(*(part.box_xyxy for part in parts), strict=True)
    return replace(
        parts[0],
        pieces=PackedPieces(packed),
        area_px=sum(part.area_px for part in parts),
        box_xyxy=(min(x0), min(y0), max(x1), max(y1)),
    )


def _grown(window: Window, by_px: int, within: Window) -> Window:
    """A window with more around it, as far as another reaches."""
    x0, y0, x1, y1 = window.box_xyxy
    left, top = max(x0 - by_px, within.x), max(y0 - by_px, within.y)
    right = min(x1 + by_px, within.x + within.width)
    bottom = min(y1 + by_px, within.y + within.height)
    return Window(left, top, right - left, bottom - top)
