"""What a model sees of each object: its encoder's features over the mask, and around it.

Every object is answered by one window of the raster, at native resolution unless it is large. Which
one depends on that object alone, so that it gets the same numbers whatever else is measured.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from samgeo_core.candidates import Box, CandidateSet
from samgeo_core.objects import BoolMask
from samgeo_core.picking.windows import window_around
from samgeo_core.progress import SILENT, Monitor
from samgeo_core.reading.raster import Raster
from samgeo_core.reading.stretch import Stretch
from samgeo_core.teaching.features import ObjectFeatures
from samgeo_core.teaching.keys import mask_keys
from samgeo_core.teaching.shapes import colours_of, shape_of
from samgeo_core.windows import ShapeHW, Window

if TYPE_CHECKING:
    from samgeo_core.models.loading import LoadedModel

STAGE = "features"

NATIVE_SIDE_PX = 1024
"""Side of the windows in which most objects are looked at: that of the encoder's input, so that a
pixel of the raster is one of the input. benchmarks.teaching compares it with others."""

CONTEXT = 4
"""A larger object gets a window of at least this many times its longer side."""

_LEAST_COVER = 0.01


def measure(
    raster: Raster,
    model: LoadedModel,
    masks: CandidateSet,
    *,
    stretch: Stretch | None = None,
    origin_xy: tuple[int, int] = (0, 0),
    monitor: Monitor = SILENT,
) -> ObjectFeatures:
    """Look at masks; each window is read and encoded once, and only one is held at a time.

    Args:
        raster: where they lie.
        model: a loaded model.
        masks: N masks.
        stretch: bands and their ranges; None takes the raster's own.
        origin_xy: where the frame of the masks begins, px of the raster.
        monitor: hears of each window in the stage "features"; may cancel.

    Raises:
        RasterError: the file is damaged.
        CancelledError: the monitor's token was cancelled.
    """
    stretch = stretch or raster.stretch()
    by_window: dict[Window, list[int]] = defaultdict(list)
    boxes = masks.boxes_xyxy + np.tile(np.array(origin_xy, np.int64), 2)
    for i, box in enumerate(boxes.tolist()):
        by_window[window_of(raster.shape_hw, tuple(box))].append(i)
    rows: dict[int, _Row] = {}
    for done, (window, members) in enumerate(sorted(by_window.items())):
        monitor.step(STAGE, done, len(by_window))
        view = _View.look(raster, model, stretch, window)
        for i in members:
            rows[i] = view.row(masks.mask(i), tuple(boxes[i].tolist()))
    monitor.step(STAGE, len(by_window), len(by_window))
    ordered = [rows[i] for i in range(len(masks))]
    width = 256 if not ordered else ordered[0].encoded.shape[1]
    return ObjectFeatures(
        mask_keys(masks),
        np.array([row.encoded for row in ordered], np.float16).reshape(-1, 3, width),
        np.array([row.outline for row in ordered], np.float32).reshape(-1, 6),
        np.array([row.colours for row in ordered], np.float32).reshape(-1, 6),
    )


def window_of(shape_hw: ShapeHW, box: Box) -> Window:
    """The window that answers for an object: of fitting ones, that in which it is most central.

    Args:
        shape_hw: of the raster, px.
        box: of the object.
    """
    longer = max(box[2] - box[0], box[3] - box[1])
    side = NATIVE_SIDE_PX
    while side < CONTEXT * longer and side < max(shape_hw):
        side *= 2
    return window_around(shape_hw, side, box)


@dataclass(frozen=True, eq=False)
class _Row:
    encoded: NDArray[np.float32]
    outline: NDArray[np.float64]
    colours: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _View:
    """An encoded window.

    Attributes:
        window: px of the raster.
        rgb: uint8 [h, w, 3].
        cells: float32 [rows, columns, C], the features of the part that the window fills.
        cell_px: side of a cell, px of the raster.
    """

    window: Window
    rgb: NDArray[np.uint8]
    cells: NDArray[np.float32]
    cell_px: float

    @classmethod
    def look(cls, raster: Raster, model: LoadedModel, stretch: Stretch, window: Window) -> _View:
        from samgeo_core.engine.encoder import encode

        tile = raster.read(window, stretch=stretch)
        features = encode(model, tile).features.cpu().numpy()
        cell_px = max(window.shape_hw) / features.shape[-1]
        # The rest of the encoder's square is padding.
        rows, columns = (int(np.ceil(n / cell_px)) for n in window.shape_hw)
        cells = np.ascontiguousarray(np.moveaxis(features, 0, -1)[:rows, :columns])
        return cls(window, tile.rgb, cells, cell_px)

    def row(self, mask: BoolMask, box: Box) -> _Row:
        """What is seen of a mask that fills its box, px of the raster."""
        x, y = box[0] - self.window.x, box[1] - self.window.y
        height, width = mask.shape
        pixels = self.rgb[y : y + height, x : x + width][mask]
        return _Row(self._encoded(mask, x, y), shape_of(mask), colours_of(pixels))

    def _encoded(self, mask: BoolMask, x: int, y: int) -> NDArray[np.float32]:
        """Mean in the mask, mean around it, and spread in it; float32 [3, C]."""
        n_rows, n_columns, _ = self.cells.shape
        to_rows, (top, bottom) = _shares(y, mask.shape[0], self.cell_px, n_rows)
        to_columns, (left, right) = _shares(x, mask.shape[1], self.cell_px, n_columns)
        weights = to_rows.T @ mask.astype(np.float32) @ to_columns
        cover = np.minimum(weights / self.cell_px**2, 1)
        around = _ring(cover)
        cells = self.cells[top:bottom, left:right].reshape(weights.size, -1)
        inner = weights.ravel() / weights.sum()
        outer = around.ravel() / max(float(around.sum()), 1e-6)
        mean = inner @ cells
        spread = np.sqrt(np.maximum(inner @ cells**2 - mean**2, 0))
        return np.stack([mean, outer @ cells, spread])


def _shares(
    start: int, length: int, cell_px: float, count: int
) -> tuple[NDArray[np.float32], tuple[int, int]]:
    """How much each px of one axis asks of each cell when features are interpolated linearly.

    Returns:
        float32 [length, cells]; and the range of cells, one more on each side than is asked of.
    """
    at = np.clip((start + np.arange(length) + 0.5) / cell_px - 0.5, 0, count - 1)
    cell = np.minimum(at.astype(np.int64), max(count - 2, 0))
    part = (at - cell).astype(np.float32)
    first, last = max(int(cell[0]) - 1, 0), min(int(cell[-1]) + 3, count)
    shares = np.zeros((length, last - first), np.float32)
    px = np.arange(length)
    shares[px, cell - first] = 1 - part
    after = np.minimum(cell + 1, count - 1) - first
    shares[px, after] += part
    return shares, (first, last)


def _ring(cover: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of the cells that a mask meets and those beside them, what it leaves of each."""
    met = (cover > _LEAST_COVER).astype(np.float32)
    near = cv2.dilate(met, cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3)))
    ring: NDArray[np.float32] = np.maximum(near - cover, 0)
    return ring
