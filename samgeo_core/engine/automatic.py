"""SAM's automatic mask generation with its own parameters: the same masks, found faster.

The steps and thresholds are those of `SamAutomaticMaskGenerator` (segment_anything, Apache-2.0).
What differs is the work not done: masks whose predicted IoU fails are never upscaled, stability
and boxes are computed on the crop that decides them, and full masks are made of survivors only.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from segment_anything.utils.amg import (
    build_all_layer_point_grids,
    generate_crop_boxes,
    is_box_near_crop_edge,
    remove_small_regions,
)
from torchvision.ops import nms

from samgeo_core.config import AutomaticConfig
from samgeo_core.engine.decoder import ImageTerms
from samgeo_core.engine.encoder import Embedding, encode
from samgeo_core.engine.masks import LogitCrop, MaskGrid, box_of, mask_grid, stability
from samgeo_core.engine.predictor import (
    decode_masks,
    decoder_of,
    group_size,
    image_terms,
    to_input_frame,
)
from samgeo_core.engine.threads import side_by_side
from samgeo_core.models.loading import LoadedModel
from samgeo_core.objects import BoolMask, ObjectSet
from samgeo_core.progress import SILENT, Monitor
from samgeo_core.tile import TileImage
from samgeo_core.windows import ShapeHW, Window

__all__ = ["AutomaticConfig", "generate"]

# On a CPU a larger batch would only push the prompts' state out of the caches.
_CPU_BATCH = 16


@dataclass(frozen=True, eq=False)
class _Candidate:
    """One mask that passed the thresholds; box in px of the whole tile, all edges inclusive."""

    crop: LogitCrop
    grid: MaskGrid
    window: Window
    box: tuple[int, int, int, int]
    point_xy: tuple[float, float]
    score: float
    stability: float


def generate(
    model: LoadedModel,
    tile: TileImage,
    config: AutomaticConfig | None = None,
    monitor: Monitor = SILENT,
) -> ObjectSet:
    """Masks of everything in a tile.

    The same masks as ``SamAutomaticMaskGenerator(model.sam, ...).generate(tile.rgb)``, but for
    pixels without data: prompts on them are not asked, and masks leave them out.

    Args:
        model: the model.
        tile: the pixels.
        config: SAM's parameters; None takes its defaults.
        monitor: told of every batch of prompts; raises `CancelledError` between them.
    """
    config = config or AutomaticConfig()
    crops = _plan(tile, config)
    total = sum(len(points) for _, points in crops)
    candidates: list[_Candidate] = []
    done = 0
    for window, points in crops:
        found = _of_crop(model, tile, window, points, config, monitor, done, total)
        candidates.extend(_without_duplicates(found, config.box_nms_thresh))
        done += len(points)
    if len(crops) > 1:
        smaller_first = [1 / (c.window.width * c.window.height) for c in candidates]
        candidates = _without_duplicates(candidates, config.crop_nms_thresh, smaller_first)
    return _to_objects(tile, candidates, model.sam.mask_threshold, config)


def _plan(tile: TileImage, config: AutomaticConfig) -> list[tuple[Window, NDArray[np.float64]]]:
    """The crops to look at and the prompt points [K, 2] in each, px of the crop."""
    if config.point_grids is None:
        grids = build_all_layer_point_grids(
            config.points_per_side, config.crop_n_layers, config.crop_n_points_downscale_factor
        )
    else:
        grids = [np.asarray(grid, np.float64) for grid in config.point_grids]
    boxes, layers = generate_crop_boxes(
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


def _of_crop(
    model: LoadedModel, tile: TileImage, window: Window, points: NDArray[np.float64],
    config: AutomaticConfig, monitor: Monitor, done: int, total: int,
) -> list[_Candidate]:  # fmt: skip
    """Candidates of one crop that pass quality, stability and the crop-edge rule."""
    monitor.step("encode", done, total)
    part = TileImage(np.ascontiguousarray(tile.rgb[window.slices]), tile.valid[window.slices])
    embedding = encode(model, part)
    side = model.sam.image_encoder.img_size
    decoder = decoder_of(model)
    asked = _Asked(
        model=model,
        embedding=embedding,
        terms=image_terms(model, embedding),
        grid=mask_grid(window.shape_hw, embedding.input_hw, side, 4 * decoder.side, model.device),
        window=window,
        shape_hw=tile.shape_hw,
        config=config,
    )
    size = config.points_per_batch
    if model.device.type == "cpu":
        size = min(size, _CPU_BATCH)
    batches = [points[i : i + size] for i in range(0, len(points), size)]
    found: list[_Candidate] = []
    monitor.step("decode", done, total)
    with closing(side_by_side(asked.candidates, batches, model.device)) as results:
        for batch, candidates in zip(batches, results, strict=True):
            found.extend(candidates)
            done += len(batch)
            monitor.step("decode", done, total)
    return found


@dataclass(frozen=True, eq=False)
class _Asked:
    """One crop that is asked for masks, and all that judging them needs."""

    model: LoadedModel
    embedding: Embedding
    terms: ImageTerms
    grid: MaskGrid
    window: Window
    shape_hw: ShapeHW
    config: AutomaticConfig

    def candidates(self, xy: NDArray[np.float64]) -> list[_Candidate]:
        """Masks of points [K, 2], px of the crop, that pass quality, stability and edge rule."""
        decoder, device = decoder_of(self.model), self.model.device
        coords = torch.as_tensor(to_input_frame(self.embedding, xy), dtype=torch.float32)
        prompts = coords.to(device)[:, None], torch.ones(len(xy), 1, device=device)
        sparse, _ = self.model.sam.prompt_encoder(points=prompts, boxes=None, masks=None)
        group = group_size(self.model, len(xy))
        state = decoder.transform(self.terms, sparse, group)
        heads = state.iou > self.config.pred_iou_thresh
        heads[:, 0] = False
        where = heads.nonzero().tolist()
        masks = (
            mask
            for masks in decode_masks(decoder, self.terms, state, heads, group)
            for mask in masks
        )
        found = []
        for (prompt, head), logits in zip(where, masks, strict=True):
            point = (float(xy[prompt, 0]) + self.window.x, float(xy[prompt, 1]) + self.window.y)
            if candidate := self._examine(logits, point, float(state.iou[prompt, head])):
                found.append(candidate)
        return found

    def _examine(
        self, logits: torch.Tensor, point_xy: tuple[float, float], score: float
    ) -> _Candidate | None:
        """Stability, box and crop-edge rule of one mask; None if it fails."""
        grid, window, config = self.grid, self.window, self.config
        threshold, offset = self.model.sam.mask_threshold, config.stability_score_offset
        wide = grid.crop(logits, min(threshold - offset, threshold))
        if wide is None:
            return None
        full, (x, y) = grid.resample(wide)
        stable = stability(full, threshold, offset)
        if config.stability_score_thresh > 0 and not stable >= config.stability_score_thresh:
            return None
        inner = box_of(full > threshold)
        if inner is None:
            return None
        box = (inner[0] + x, inner[1] + y, inner[2] + x, inner[3] + y)
        whole = [0, 0, self.shape_hw[1], self.shape_hw[0]]
        if is_box_near_crop_edge(torch.tensor([box]), list(window.box_xyxy), whole)[0]:
            return None
        placed = (box[0] + window.x, box[1] + window.y, box[2] + window.x, box[3] + window.y)
        crop = grid.crop(logits, threshold) or wide
        return _Candidate(crop, grid, window, placed, point_xy, score, stable)


def _without_duplicates(
    candidates: list[_Candidate], threshold: float, scores: list[float] | None = None
) -> list[_Candidate]:
    """Box non-maximum suppression, best first."""
    if not candidates:
        return []
    boxes = torch.tensor([c.box for c in candidates], dtype=torch.float32)
    ranks = torch.tensor([c.score for c in candidates] if scores is None else scores)
    return [candidates[i] for i in nms(boxes, ranks.float(), threshold).tolist()]


def _to_objects(
    tile: TileImage, candidates: list[_Candidate], threshold: float, config: AutomaticConfig
) -> ObjectSet:
    """Full-resolution masks of the survivors, cropped, without pixels that carry no data."""
    masks: list[BoolMask] = []
    offsets: list[tuple[int, int]] = []
    for candidate in candidates:
        full, (x, y) = candidate.grid.resample(candidate.crop)
        masks.append((full > threshold).cpu().numpy())
        offsets.append((x + candidate.window.x, y + candidate.window.y))
    if config.min_mask_region_area > 0:
        masks, offsets, candidates = _without_small_regions(
            tile.shape_hw, masks, offsets, candidates, config
        )
    for i, (x, y) in enumerate(offsets):
        h, w = masks[i].shape
        masks[i] = masks[i] & tile.valid[y : y + h, x : x + w]
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
    candidates: list[_Candidate], config: AutomaticConfig,
) -> tuple[list[BoolMask], list[tuple[int, int]], list[_Candidate]]:  # fmt: skip
    """Drop specks and fill holes below the least area, then duplicates, untouched masks first."""
    changed: list[_Candidate] = []
    unchanged: list[float] = []
    for i, (mask, (x, y)) in enumerate(zip(masks, offsets, strict=True)):
        # NOTE: holes are judged in the whole image, where the outside is one large region.
        full = np.zeros(shape_hw, np.bool_)
        full[y : y + mask.shape[0], x : x + mask.shape[1]] = mask
        full, filled = remove_small_regions(full, config.min_mask_region_area, mode="holes")
        full, dropped = remove_small_regions(full, config.min_mask_region_area, mode="islands")
        x0, y0, x1, y1 = box_of(torch.from_numpy(full)) or (0, 0, 0, 0)
        masks[i] = np.ascontiguousarray(full[y0 : y1 + 1, x0 : x1 + 1])
        offsets[i] = (x0, y0)
        changed.append(replace(candidates[i], box=(x0, y0, x1, y1)))
        unchanged.append(float(not (filled or dropped)))
    threshold = max(config.box_nms_thresh, config.crop_nms_thresh)
    kept = _without_duplicates(changed, threshold, unchanged)
    index = [changed.index(c) for c in kept]
    return [masks[i] for i in index], [offsets[i] for i in index], kept
