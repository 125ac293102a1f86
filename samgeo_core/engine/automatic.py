"""SAM's automatic mask generation with its own parameters: the same masks, found faster.

The steps and thresholds are those of `SamAutomaticMaskGenerator` (segment_anything, Apache-2.0).
What differs is the work not done: masks whose predicted IoU fails are never upscaled, stability
and boxes are computed on the crop that decides them, and full masks are made of survivors only.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from samgeo_core.config import AutomaticConfig
from samgeo_core.crossings import CrossingBook
from samgeo_core.engine.candidates import Candidate, EncodedWindow, Floor
from samgeo_core.engine.masks import box_of
from samgeo_core.models.loading import LoadedModel
from samgeo_core.models.sam_package import sam_module
from samgeo_core.objects import BoolMask, ObjectSet
from samgeo_core.progress import SILENT, Monitor
from samgeo_core.tile import TileImage
from samgeo_core.windows import ShapeHW, Window

__all__ = ["AutomaticConfig", "generate"]

amg = sam_module("utils.amg")

# SAM drops masks this near an edge of a crop that is no edge of the image, px.
_CROP_EDGE_PX = 20.0


def generate(
    model: LoadedModel,
    tile: TileImage,
    config: AutomaticConfig | None = None,
    monitor: Monitor = SILENT,
    book: CrossingBook | None = None,
) -> ObjectSet:
    """Masks of everything in a tile.

    The same masks as ``SamAutomaticMaskGenerator(model.sam, ...).generate(tile.rgb)``, but for
    pixels without data: prompts on them are not asked, and masks leave them out.

    Args:
        model: the model.
        tile: the pixels.
        config: SAM's parameters; None takes its defaults.
        monitor: told of every batch of prompts; raises `CancelledError` between them.
        book: takes where the logits of each mask pass between its pixels.
    """
    config = config or AutomaticConfig()
    crops = _plan(tile, config)
    total = sum(len(points) for _, points in crops)
    floor = Floor(
        config.pred_iou_thresh or float("-inf"),
        config.stability_score_thresh,
        config.stability_score_offset,
        _CROP_EDGE_PX,
    )
    candidates: list[Candidate] = []
    done = 0
    for window, points in crops:
        monitor.step("encode", done, total)
        seen = EncodedWindow.encode(model, tile, window, floor)
        found = list(
            seen.ask(points, config.points_per_batch, lambda found: found, monitor, done, total)
        )
        candidates.extend(_without_duplicates(found, config.box_nms_thresh))
        done += len(points)
    if len(crops) > 1:
        smaller_first = [1 / (c.window.width * c.window.height) for c in candidates]
        candidates = _without_duplicates(candidates, config.crop_nms_thresh, smaller_first)
    return _to_objects(tile, candidates, config, book)


def _plan(tile: TileImage, config: AutomaticConfig) -> list[tuple[Window, NDArray[np.float64]]]:
    """The crops to look at and the prompt points [K, 2] in each, px of the crop."""
    if config.point_grids is None:
        grids = amg.build_all_layer_point_grids(
            config.points_per_side, config.crop_n_layers, config.crop_n_points_downscale_factor
        )
    else:
        grids = [np.asarray(grid, np.float64) for grid in config.point_grids]
    boxes, layers = amg.generate_crop_boxes(
        tile.shape_hw, config.crop_n_layers, config.crop_overlap_ratio
    )
    crops = []
    for (x0, y0, x1, y1), layer in zip(boxes, layers, strict=True):
        window = Window(x0, y0, x1 - x0, y1 - y0)
        points = grids[layer] * np.array([window.width, window.height])
        column, row = np.floor(points).astype(int).T
        on_data = tile.valid[window.slices][
            row.clip(0, window.height - 1), column.clip(0, window.width - 1)
        ]
        if on_data.any():
            crops.append((window, points[on_data]))
    return crops


def _without_duplicates(
    candidates: list[Candidate], threshold: float, scores: list[float] | None = None
) -> list[Candidate]:
    """Box non-maximum suppression, best first."""
    boxes = np.array([c.box for c in candidates], np.float32).reshape(-1, 4)
    ranks = np.array([c.score for c in candidates] if scores is None else scores, np.float32)
    return [candidates[i] for i in suppressed(boxes, ranks, threshold)]


def suppressed(
    boxes_xyxy: NDArray[np.float32], scores: NDArray[np.float32], threshold: float
) -> list[int]:
    """Which boxes no better one of a larger IoU stands for, best first (`torchvision.ops.nms`).

    Args:
        boxes_xyxy: float32 [N, 4].
        scores: float32 [N].
        threshold: IoU above which the weaker of two boxes goes.
    """
    low, high = boxes_xyxy[:, :2], boxes_xyxy[:, 2:]
    areas = (high - low).prod(1)
    left = np.argsort(-scores, kind="stable")
    kept = []
    while len(left):
        best, left = left[0], left[1:]
        kept.append(int(best))
        sides = np.minimum(high[best], high[left]) - np.maximum(low[best], low[left])
        common = sides.clip(0).prod(1)
        # NOTE: boxes without an area have an IoU of 0 / 0, which is not above anything.
        with np.errstate(invalid="ignore"):
            iou = common / (areas[best] + areas[left] - common)
        left = left[~(iou.astype(np.float64) > threshold)]
    return kept


def _to_objects(
    tile: TileImage,
    candidates: list[Candidate],
    config: AutomaticConfig,
    book: CrossingBook | None,
) -> ObjectSet:
    """Full-resolution masks of the survivors, cropped, without pixels that carry no data."""
    masks: list[BoolMask] = []
    offsets: list[tuple[int, int]] = []
    for candidate in candidates:
        mask, offset = candidate.mask()
        masks.append(mask)
        offsets.append(offset)
    if config.min_mask_region_area > 0:
        masks, offsets, candidates = _without_small_regions(
            tile.shape_hw, masks, offsets, candidates, config
        )
    for i, (x, y) in enumerate(offsets):
        h, w = masks[i].shape
        masks[i] = masks[i] & tile.valid[y : y + h, x : x + w]
        if book is not None:
            book.note(masks[i], (x, y), *candidates[i].logits())
    return ObjectSet.build(
        tile.shape_hw,
        masks,
        offsets,
        [c.score for c in candidates],
        [c.stability for c in candidates],
        [c.point_xy for c in candidates],
    )


def _without_small_regions(
    shape_hw: ShapeHW, masks: list[BoolMask], offsets: list[tuple[int, int]],
    candidates: list[Candidate], config: AutomaticConfig,
) -> tuple[list[BoolMask], list[tuple[int, int]], list[Candidate]]:  # fmt: skip
    """Drop specks and fill holes below the least area, then duplicates, untouched masks first."""
    changed: list[Candidate] = []
    unchanged: list[float] = []
    for i, (mask, (x, y)) in enumerate(zip(masks, offsets, strict=True)):
        # NOTE: holes are judged in the whole image, where the outside is one large region.
        full = np.zeros(shape_hw, np.bool_)
        full[y : y + mask.shape[0], x : x + mask.shape[1]] = mask
        full, filled = amg.remove_small_regions(full, config.min_mask_region_area, mode="holes")
        full, dropped = amg.remove_small_regions(full, config.min_mask_region_area, mode="islands")
        x0, y0, x1, y1 = box_of(torch.from_numpy(full)) or (0, 0, 0, 0)
        masks[i] = np.ascontiguousarray(full[y0 : y1 + 1, x0 : x1 + 1])
        offsets[i] = (x0, y0)
        changed.append(replace(candidates[i], box=(x0, y0, x1, y1)))
        unchanged.append(float(not (filled or dropped)))
    threshold = max(config.box_nms_thresh, config.crop_nms_thresh)
    kept = _without_duplicates(changed, threshold, unchanged)
    index = [changed.index(c) for c in kept]
    return [masks[i] for i in index], [offsets[i] for i in index], kept
