"""Everything in an image, at several scales: ask where nothing good is known yet, keep the best.

A ladder of windows runs from the whole image down to native resolution, coarse to fine. Each
window is asked only on pixels that no confident mask of fitting size explains yet, on a grid that
is coarse where the image is flat. What comes back is kept best first: good masks that say
something new, then weaker ones where nothing good was found.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from samgeo_core.engine.candidates import Candidate, EncodedWindow, Floor
from samgeo_core.engine.grid import busy_points, edge_strength
from samgeo_core.engine.ladder import FullConfig, Look, plan_looks
from samgeo_core.models.loading import LoadedModel
from samgeo_core.objects import BoolMask, ObjectSet
from samgeo_core.progress import SILENT, Monitor
from samgeo_core.tile import TileImage
from samgeo_core.windows import ShapeHW


@dataclass(frozen=True, eq=False)
class _Mask:
    """A candidate at the tile's resolution, eight pixels a byte."""

    bits: NDArray[np.uint8]
    box: tuple[int, int, int, int]
    area: int
    score: float
    stability: float
    point_xy: tuple[float, float]

    @property
    def quality(self) -> float:
        return self.score * self.stability

    @property
    def shape_hw(self) -> ShapeHW:
        return self.box[3] - self.box[1], self.box[2] - self.box[0]

    @property
    def slices(self) -> tuple[slice, slice]:
        return slice(self.box[1], self.box[3]), slice(self.box[0], self.box[2])

    def pixels(self) -> BoolMask:
        h, w = self.shape_hw
        return np.unpackbits(self.bits, count=h * w).astype(np.bool_).reshape(h, w)


def generate_full(
    model: LoadedModel,
    tile: TileImage,
    config: FullConfig | None = None,
    monitor: Monitor = SILENT,
) -> ObjectSet:
    """Masks of everything in a tile, looked at from the whole down to native resolution.

    Args:
        model: the model.
        tile: the pixels.
        config: thoroughness and thresholds.
        monitor: told of every batch of prompts; raises `CancelledError` between them.
    """
    config = config or FullConfig()
    edges = edge_strength(tile)
    settled = ~tile.valid
    pool: list[_Mask] = []
    looks = list(plan_looks(tile.shape_hw, config))
    for i, look in enumerate(looks):
        part = monitor.part(i, len(looks))
        part.step("encode", 0, 1)
        found = _look(model, tile, edges, settled, look, config, part)
        pool.extend(found)
    kept = _select(pool, tile.shape_hw, config)
    return ObjectSet.build(
        tile.shape_hw,
        [m.pixels() for m in kept],
        [m.box[:2] for m in kept],
        [m.score for m in kept],
        [m.stability for m in kept],
        [m.point_xy for m in kept],
    )


def _look(
    model: LoadedModel,
    tile: TileImage,
    edges: NDArray[np.float32],
    settled: BoolMask,
    look: Look,
    config: FullConfig,
    monitor: Monitor,
) -> list[_Mask]:
    """Ask one window, pass by pass, and mark in ``settled`` what it explained."""
    seen: EncodedWindow | None = None
    found: list[_Mask] = []
    floor = Floor(config.least_score, config.least_stability, 1.0, 2.0)
    for i, step in enumerate(look.steps_px):
        points = _open_points(edges, settled, look, step)
        if not len(points):
            continue
        if seen is None:
            seen = EncodedWindow.encode(model, tile, look.window, floor)
        largest = (
            4 * (look.steps_px[i + 1] if i + 1 < len(look.steps_px) else look.finer_step_px)
        ) ** 2
        inner = monitor.part(i, len(look.steps_px))
        for candidate in seen.ask(points, 64, inner, 0, len(points)):
            mask = _cleaned(candidate, tile, config)
            if mask is None:
                continue
            found.append(mask)
            if mask.quality >= config.settled and mask.area <= largest:
                settled[mask.slices] |= mask.pixels()
    return _without_duplicates(found, config.duplicate_iou)


def _open_points(
    edges: NDArray[np.float32], settled: BoolMask, look: Look, step_px: int
) -> NDArray[np.float64]:
    """Grid points of a window's core on pixels that nothing settled yet, px of the window."""
    part = look.core.slices
    points = busy_points(edges[part], ~settled[part], step_px)
    offset = np.array([look.core.x - look.window.x, look.core.y - look.window.y], np.float64)
    return points + offset


def _cleaned(candidate: Candidate, tile: TileImage, config: FullConfig) -> _Mask | None:
    """A candidate's pixels on data, without loose specks; None if little is left."""
    mask, (x, y) = candidate.mask()
    h, w = mask.shape
    mask = mask & tile.valid[y : y + h, x : x + w]
    count, parts, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    if count < 2:
        return None
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    # Loose parts that are small beside the main one are noise of the model.
    keep = areas >= max(config.least_px, 0.02 * areas.max())
    window = candidate.window
    if not keep.any() or areas[keep].sum() > config.window_share * window.width * window.height:
        return None
    mask = keep[parts]
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    y0, y1, x0, x1 = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    box = (x + int(x0), y + int(y0), x + int(x1), y + int(y1))
    return _Mask(
        np.packbits(mask[y0:y1, x0:x1]),
        box,
        int(areas[keep].sum()),
        candidate.score,
        candidate.stability,
        candidate.point_xy,
    )


class _Kept:
    """Masks kept so far, found again by their boxes."""

    def __init__(self, duplicate_iou: float) -> None:
        self.masks: list[_Mask] = []
        self._pixels: list[BoolMask] = []
        self._boxes = np.zeros((64, 4), np.int64)
        self._areas = np.zeros(64, np.int64)
        self._iou = duplicate_iou

    def add(self, mask: _Mask) -> None:
        n = len(self.masks)
        if n == len(self._boxes):
            self._boxes = np.concatenate([self._boxes, np.zeros_like(self._boxes)])
            self._areas = np.concatenate([self._areas, np.zeros_like(self._areas)])
        self._boxes[n], self._areas[n] = mask.box, mask.area
        self.masks.append(mask)
        self._pixels.append(mask.pixels())

    def has_twin(self, mask: _Mask) -> bool:
        """Whether a kept mask says the same."""
        n = len(self.masks)
        boxes, areas = self._boxes[:n], self._areas[:n]
        x0, y0, x1, y1 = mask.box
        width = np.minimum(boxes[:, 2], x1) - np.maximum(boxes[:, 0], x0)
        height = np.minimum(boxes[:, 3], y1) - np.maximum(boxes[:, 1], y0)
        common = np.maximum(width, 0) * np.maximum(height, 0)
        # The boxes' common part bounds that of the masks, and with it their IoU.
        bound = np.minimum(common, np.minimum(areas, mask.area))
        near = np.flatnonzero(bound > self._iou * (areas + mask.area - bound))
        if not len(near):
            return False
        pixels = mask.pixels()
        return any(
            _common(pixels, mask.box, self._pixels[j], self.masks[j].box)
            > self._iou / (1 + self._iou) * (mask.area + self.masks[j].area)
            for j in near
        )


def _common(
    a: BoolMask, box_a: tuple[int, int, int, int], b: BoolMask, box_b: tuple[int, int, int, int]
) -> int:
    """Pixels that two masks with boxes (x0, y0, x1, y1) share."""
    x0, y0 = max(box_a[0], box_b[0]), max(box_a[1], box_b[1])
    x1, y1 = min(box_a[2], box_b[2]), min(box_a[3], box_b[3])
    part_a = a[y0 - box_a[1] : y1 - box_a[1], x0 - box_a[0] : x1 - box_a[0]]
    part_b = b[y0 - box_b[1] : y1 - box_b[1], x0 - box_b[0] : x1 - box_b[0]]
    return int(np.count_nonzero(part_a & part_b))


def _best_first(masks: list[_Mask]) -> list[_Mask]:
    return sorted(masks, key=lambda m: (-m.quality, m.box, m.point_xy))


def _without_duplicates(masks: list[_Mask], iou: float) -> list[_Mask]:
    """The best of each group of masks that say the same."""
    kept = _Kept(iou)
    for mask in _best_first(masks):
        if not kept.has_twin(mask):
            kept.add(mask)
    return kept.masks


def _select(pool: list[_Mask], shape_hw: ShapeHW, config: FullConfig) -> list[_Mask]:
    """Good masks best first, then weaker ones where nothing good was found."""
    ordered = _best_first(pool)
    good = [m.score >= config.good_score and m.stability >= config.good_stability for m in ordered]
    kept = _Kept(config.duplicate_iou)
    covered = np.zeros(shape_hw, np.bool_)
    for wants_good in (True, False):
        for mask, is_good in zip(ordered, good, strict=True):
            if is_good is not wants_good:
                continue
            pixels = mask.pixels()
            if not wants_good:
                new = np.count_nonzero(pixels & ~covered[mask.slices])
                if new < config.new_share * mask.area:
                    continue
            if kept.has_twin(mask):
                continue
            kept.add(mask)
            covered[mask.slices] |= pixels
    return kept.masks
