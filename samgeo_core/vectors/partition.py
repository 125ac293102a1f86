"""A partition of any size: block by block, on several cores, in memory that hardly grows."""

from __future__ import annotations

import logging
import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from samgeo_core.progress import Monitor
from samgeo_core.reading.raster import Raster
from samgeo_core.results.outlines import Geometries, IntArray
from samgeo_core.vectors.blocks import Block, Pieces, Wanted, draw_block
from samgeo_core.vectors.mosaic import ReadLabels, ReadValid
from samgeo_core.vectors.promises import AREA_SHARE, promised_area_px
from samgeo_core.vectors.style import OutlineStyle
from samgeo_core.vectors.subpixel import reach_px
from samgeo_core.vectors.unit_edges import Keys, place_keys
from samgeo_core.windows import ShapeHW, Window

logger = logging.getLogger(__name__)

BLOCK_PX = 1024
"""Side of a block. Where blocks lie depends on the raster alone, never on who works on them."""

_AHEAD = 2
"""How many blocks wait for each process, so that none idles and few are held."""


@dataclass(frozen=True, eq=False)
class Source:
    """What is partitioned.

    Attributes:
        shape_hw: height and width of the raster, px.
        labels: reads object ids.
        valid: reads where data is; None takes every pixel.
        raster: the image, for the bands; None for none.
        fill_px: how far away an object may be that takes a pixel of nobody.
        crossings: keys of edges, ascending, and where the model's logits pass these
            (`outline.shifts_by_edge`); None where that isn't known.
    """

    shape_hw: ShapeHW
    labels: ReadLabels
    valid: ReadValid | None
    raster: Raster | None
    fill_px: float
    crossings: tuple[Keys, NDArray[np.float64]] | None = None

    def blocks(self) -> list[Window]:
        """Cores of all blocks, row by row."""
        height, width = self.shape_hw
        return [
            Window(x, y, min(BLOCK_PX, width - x), min(BLOCK_PX, height - y))
            for y in range(0, height, BLOCK_PX)
            for x in range(0, width, BLOCK_PX)
        ]

    def block(self, core: Window, passes: int) -> Block:
        """Read what drawing a block needs."""
        margin = reach_px(passes)
        seen = self._around(core, margin)
        wide = self._around(core, margin + int(np.ceil(self.fill_px)) + 1)
        read = wide if self.fill_px else seen
        valid = None if self.valid is None else self.valid(read)
        edges, shifts = self._crossings_within(seen)
        return Block(core, seen, read, self.labels(read), valid, self.raster, edges, shifts)

    def _crossings_within(self, seen: Window) -> tuple[Keys, NDArray[np.float64]]:
        if self.crossings is None:
            return np.zeros(0, np.int64), np.zeros(0)
        edges, shifts = self.crossings
        left, top, right, bottom = seen.box_xyxy
        rows = place_keys(np.array([[0, 2 * top], [0, 2 * bottom + 1]]))
        first, last = np.searchsorted(edges, rows).tolist()
        x2 = edges[first:last] & 0xFFFFFFFF
        here = (x2 >= 2 * left) & (x2 <= 2 * right)
        return edges[first:last][here], shifts[first:last][here]

    def _around(self, core: Window, margin: int) -> Window:
        left, top, right, bottom = core.box_xyxy
        height, width = self.shape_hw
        x, y = max(left - margin, 0), max(top - margin, 0)
        return Window(x, y, min(right + margin, width) - x, min(bottom + margin, height) - y)


class Partition:
    """Finished rows of a partition, objects by ascending id, then what is nobody's.

    Pieces of outlines lie on the disk; in memory are some numbers for each.

    Args:
        pieces: of all blocks.
        kept: their outlines.
    """

    def __init__(self, pieces: list[_Kept], file: IO[bytes]) -> None:
        self._file = file
        columns = [np.concatenate([getattr(p, name) for p in pieces]) for name in _COLUMNS]
        values, areas, _, touching, starts, lengths, sums = columns
        rows = _background_rows(pieces, values)
        # Ids of objects are above 0; what is nobody's follows them, the topmost left one first.
        highest = int(values.max(initial=0))
        order = np.argsort(np.where(values > 0, values, highest + rows), kind="stable")
        row = np.where(values > 0, values, highest + rows)[order]
        names, begins = np.unique(row, return_index=True)
        self.ids = np.where(names <= highest, names, highest - names).astype(np.int64)
        self._begins = np.append(begins, len(order))
        self._starts, self._lengths = starts[order], lengths[order]
        self.areas_px = np.add.reduceat(areas[order], begins) if len(order) else areas
        self.touching = np.logical_or.reduceat(touching[order], begins) if len(order) else touching
        self.sums = np.add.reduceat(sums[order], begins, axis=0) if len(order) else sums

    def __len__(self) -> int:
        return len(self.ids)

    def outlines(self, some: slice) -> Geometries:
        """Outlines of some rows, px of the raster."""
        rows = range(*some.indices(len(self)))
        result = np.empty(len(rows), object)
        for i, row in enumerate(rows):
            result[i] = self._outline(row)
        return result

    def _outline(self, row: int) -> Any:
        parts = []
        for k in range(self._begins[row], self._begins[row + 1]):
            self._file.seek(self._starts[k])
            parts.append(self._file.read(self._lengths[k]))
        shapes = shapely.from_wkb(parts)
        return shapes[0] if len(shapes) == 1 else shapely.coverage_union_all(shapes)


@dataclass(frozen=True, eq=False)
class _Kept:
    """Numbers of a block's pieces; see `blocks.Pieces`."""

    values: IntArray
    areas_px: IntArray
    boxes_xyxy: IntArray
    touching: NDArray[np.bool_]
    starts: IntArray
    lengths: IntArray
    sums: NDArray[np.float64]
    smooth_px: NDArray[np.float64]
    drawn_px: NDArray[np.float64]
    cuts: IntArray
    cut_pieces: IntArray
    seen: IntArray


_COLUMNS = ("values", "areas_px", "boxes_xyxy", "touching", "starts", "lengths", "sums")


def _background_rows(pieces: list[_Kept], values: IntArray) -> IntArray:
    """For each piece of nobody the number of its connected whole, from 1; 0 for others.

    In an order that doesn't depend on blocks: by top, left, right and bottom of their boxes.
    """
    begins = np.cumsum([0, *(len(p.values) for p in pieces)])
    keys = np.concatenate([p.cuts for p in pieces])
    piece = np.concatenate([p.cut_pieces + b for p, b in zip(pieces, begins, strict=False)])
    order = np.argsort(keys, kind="stable")
    same = np.flatnonzero(keys[order][1:] == keys[order][:-1])
    a, b = piece[order[same]], piece[order[same + 1]]
    graph = coo_array((np.ones(len(a), np.bool_), (a, b)), shape=(len(values), len(values)))
    _, group = connected_components(graph, directed=False)
    nobody = np.flatnonzero(values == 0)
    names, index = np.unique(group[nobody], return_inverse=True)
    boxes = np.concatenate([p.boxes_xyxy for p in pieces])[nobody]
    low = np.full((len(names), 2), np.iinfo(np.int64).max)
    high = np.full((len(names), 2), -1)
    np.minimum.at(low, index, boxes[:, :2])
    np.maximum.at(high, index, boxes[:, 2:])
    ranked = np.lexsort((high[:, 1], high[:, 0], low[:, 0], low[:, 1]))
    number = np.empty(len(names), np.int64)
    number[ranked] = np.arange(1, len(names) + 1)
    rows = np.zeros(len(values), np.int64)
    rows[nobody] = number[index]
    return rows


def partition(
    source: Source, style: OutlineStyle, file: IO[bytes], monitor: Monitor, workers: int
) -> Partition:
    """Draw all blocks; again those with objects whose area would not be as promised.

    Args:
        source: what is partitioned.
        style: how outlines are drawn.
        file: empty, takes the outlines; must stay open.
        monitor: hears of the stage "outlines", and may cancel.
        workers: processes that draw; 1 draws in this one.
    """
    cores = source.blocks()
    kept: list[_Kept | None] = [None] * len(cores)
    none = np.zeros(0, np.int64)
    wanted = Wanted(source.fill_px, style.smoothing, style.tolerance_px, none, none)
    todo = list(range(len(cores)))
    with ExitStack() as working:
        draw = _drawing(min(workers, len(cores)), working)
        while todo:
            tasks = ((i, source.block(cores[i], style.smoothing)) for i in todo)
            for done, (i, pieces) in enumerate(draw(tasks, wanted)):
                monitor.step("outlines", done, len(todo))
                kept[i] = _keep(pieces, file)
            blocks = [k for k in kept if k is not None]
            pinned, whole = _broken(blocks, style)
            new = np.concatenate(
                [np.setdiff1d(pinned, wanted.pinned), np.setdiff1d(whole, wanted.whole)]
            )
            logger.info("%d objects are drawn once more", len(new))
            wanted = Wanted(
                source.fill_px,
                style.smoothing,
                style.tolerance_px,
                np.union1d(wanted.pinned, pinned),
                np.union1d(wanted.whole, whole),
            )
            todo = [i for i, k in enumerate(blocks) if np.isin(new, k.seen).any()]
    return Partition(blocks, file)


def _keep(pieces: Pieces, file: IO[bytes]) -> _Kept:
    lengths = np.array([len(data) for data in pieces.drawn], np.int64)
    starts = file.seek(0, 2) + np.cumsum(lengths) - lengths
    file.write(b"".join(pieces.drawn))
    return _Kept(
        pieces.values, pieces.areas_px, pieces.boxes_xyxy, pieces.touching, starts, lengths,
        pieces.sums, pieces.smooth_px, pieces.drawn_px, pieces.cuts, pieces.cut_pieces, pieces.seen,
    )  # fmt: skip


def _broken(blocks: list[_Kept], style: OutlineStyle) -> tuple[IntArray, IntArray]:
    """Objects whose area breaks what is promised: by smoothing, and only by simplification."""
    values = np.concatenate([k.values for k in blocks])
    ids, index = np.unique(values, return_inverse=True)
    px, smooth, lines = (
        np.bincount(index, np.concatenate([getattr(k, name) for k in blocks]), len(ids))
        for name in ("areas_px", "smooth_px", "drawn_px")
    )
    # A rounding error is no breach: what stays on pixel edges has its area to the last bit or two.
    allowed = AREA_SHARE * px + 1e-6
    bent = (np.abs(smooth - px) > allowed) & (px >= promised_area_px(0.0)) & (ids > 0)
    cut = (np.abs(lines - px) > allowed) & (px >= promised_area_px(style.tolerance_px))
    return ids[bent], ids[cut & ~bent & (ids > 0)]


Tasks = Iterable[tuple[int, Block]]
Draw = Callable[[Tasks, Wanted], Iterator[tuple[int, Pieces]]]


def _drawing(workers: int, working: ExitStack) -> Draw:
    """What draws blocks, here or in processes of its own."""
    if workers <= 1:
        return lambda tasks, wanted: ((i, draw_block(block, wanted)) for i, block in tasks)
    # NOTE: a fork of a process with threads may hang; a new one starts in a second.
    pool = working.enter_context(ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")))
    working.callback(pool.shutdown, wait=False, cancel_futures=True)

    def draw(tasks: Tasks, wanted: Wanted) -> Iterator[tuple[int, Pieces]]:
        waiting: list[tuple[int, Future[Pieces]]] = []
        for i, block in tasks:
            waiting.append((i, pool.submit(draw_block, block, wanted)))
            if len(waiting) >= _AHEAD * workers:
                first, future = waiting.pop(0)
                yield first, future.result()
        for i, future in waiting:
            yield i, future.result()

    return draw
