"""Prompts to mask logits on one encoded window, and from logits to cropped masks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from rasterio.features import rasterize
from shapely.geometry import Polygon, mapping
from torch import Tensor

from samgeo_core.engine.image_terms import ImageTerms
from samgeo_core.engine.masks import Extent, MaskGrid, mask_grid
from samgeo_core.engine.predictor import decode_masks, decoder_of, to_input_frame
from samgeo_core.engine.threads import use_one_core
from samgeo_core.models.loading import LoadedModel
from samgeo_core.objects import BoolMask
from samgeo_core.picking.embeddings import WindowEmbedding
from samgeo_core.picking.masks import LOGITS_PAD_PX, PickedMask, without_specks
from samgeo_core.picking.prompts import ObjectPrompts

STABILITY_OFFSET = 1.0
_POLYGON_LOGIT = 8.0


@dataclass(frozen=True, eq=False)
class Decoded:
    """M masks of one window before they are formed.

    Attributes:
        encoded: the window.
        logits: float32 [M, 256, 256] in the encoder's frame.
        scores: float32 [M], predicted IoU.
        grid: how logits become pixels.
        masks: bool [M, r, c], which logits are above 0, of those that the window fills.
        cell_hw: height and width of one logit, px of the raster.
    """

    encoded: WindowEmbedding
    logits: Tensor
    scores: NDArray[np.float32]
    grid: MaskGrid
    masks: Tensor
    cell_hw: tuple[float, float]

    @property
    def cell_px2(self) -> float:
        """Area of a logit, px² of the raster."""
        return self.cell_hw[0] * self.cell_hw[1]

    @property
    def side_px(self) -> float:
        """Side of the window, px; of a square as large, where it is none."""
        return math.sqrt(math.prod(self.encoded.window.shape_hw))

    def roots_px(self) -> NDArray[np.float64]:
        """Roots of the masks' areas, float64 [M], px of the raster, by whole logits."""
        roots: NDArray[np.float64] = np.sqrt(self.masks.sum((1, 2)).cpu().numpy() * self.cell_px2)
        return roots

    def boxes_xyxy(self) -> NDArray[np.float64]:
        """Bounds of the masks, float64 [M, 4], px of the raster, by whole logits; 0 if empty."""
        window, (cell_h, cell_w) = self.encoded.window, self.cell_hw
        boxes = np.zeros((len(self.masks), 4))
        columns, rows = self.masks.any(1).cpu().numpy(), self.masks.any(2).cpu().numpy()
        for box, column, row in zip(boxes, columns, rows, strict=True):
            x, y = np.flatnonzero(column), np.flatnonzero(row)
            if len(x):
                box[:] = x[0], y[0], x[-1] + 1, y[-1] + 1
                box *= (cell_w, cell_h, cell_w, cell_h)
                box += (window.x, window.y, window.x, window.y)
        return boxes

    def extent(self, index: int) -> Extent:
        """Area, bounds and stability of a mask at the raster's resolution, px of the window."""
        (extent,) = self.grid.extents(self.logits[index : index + 1], 0.0, STABILITY_OFFSET)
        # NOTE: without a least stability no mask is passed over.
        return cast(Extent, extent)


@torch.no_grad()
def decode(
    model: LoadedModel,
    encoded: WindowEmbedding,
    terms: tuple[ImageTerms, ...],
    prompts: ObjectPrompts,
    *,
    multimask: bool | None = None,
) -> Decoded:
    """The masks that a model offers for prompts.

    Args:
        model: the model that encoded the window.
        encoded: the window.
        terms: the decoder's terms of it, for prompts without a polygon.
        prompts: px of the raster.
        multimask: the three masks of ambiguous prompts, or the single one; None takes all four.
    """
    use_one_core()
    decoder, embedding = decoder_of(model), encoded.embedding
    sparse, dense = _encode(model, encoded, prompts)
    if prompts.polygon_xy is not None:
        # A mask prompt changes the image tokens.
        terms = decoder.image_terms(embedding.features + dense[0], few_prompts=True)
    state = decoder.transform(terms, sparse, multimask)
    every = torch.ones_like(state.iou, dtype=torch.bool)
    logits = torch.cat(list(decode_masks(decoder, terms, state, every)))
    side, padded = logits.shape[-1], model.sam.image_encoder.img_size
    window, (input_h, input_w) = encoded.window, embedding.input_hw
    grid = mask_grid(window.shape_hw, embedding.input_hw, padded, side, model.device)
    step = padded / side
    return Decoded(
        encoded,
        logits,
        state.iou[0].cpu().numpy(),
        grid,
        logits[:, : math.ceil(input_h / step), : math.ceil(input_w / step)] > 0,
        (step * window.height / input_h, step * window.width / input_w),
    )


def obedience(decoded: Decoded, prompts: ObjectPrompts) -> NDArray[np.bool_]:
    """Whether each mask holds all foreground points and no background point, bool [M]."""
    window, (cell_h, cell_w) = decoded.encoded.window, decoded.cell_hw
    rows, columns = decoded.masks.shape[1:]
    cells = (prompts.points_xy - (window.x, window.y)) / (cell_w, cell_h)
    inside = ((cells >= 0) & (cells <= (columns, rows))).all(1)
    x, y = np.clip(cells[inside].astype(np.int64), 0, (columns - 1, rows - 1)).T
    held = decoded.masks[:, torch.from_numpy(y), torch.from_numpy(x)].cpu().numpy()
    obeys: NDArray[np.bool_] = (held == (prompts.labels[inside] == 1)).all(1)
    return obeys


def form_masks(
    decoded: Decoded, which: Sequence[int], tidy_for: ObjectPrompts | None = None
) -> list[PickedMask]:
    """Some of the masks, each at the raster's resolution where it lies; empty ones are left out.

    Args:
        decoded: what a window shows.
        which: indices of its masks.
        tidy_for: take specks and pinholes away, but for those that these prompts point at; None
            leaves masks as the model drew them.
    """
    masks = []
    for index in which:
        extent = decoded.extent(index)
        if not extent.area:
            continue
        mask = _form(decoded, index, extent, tidy_for)
        if mask is not None:
            masks.append(mask)
    return masks


def _form(
    decoded: Decoded, index: int, extent: Extent, tidy_for: ObjectPrompts | None
) -> PickedMask | None:
    """One mask with its logits; None if nothing is left of it where there is data."""
    grid, window = decoded.grid, decoded.encoded.window
    x0, y0, x1, y1 = extent.box
    height, width = window.shape_hw
    pad = LOGITS_PAD_PX
    padded = max(x0 - pad, 0), max(y0 - pad, 0), min(x1 + pad, width - 1), min(y1 + pad, height - 1)
    pixels, (left, top) = grid.resample(grid.crop(decoded.logits[index], padded))
    u0, v0, u1, v1 = padded
    logits = pixels[v0 - top : v1 + 1 - top, u0 - left : u1 + 1 - left].cpu().numpy()
    there = _valid(decoded.encoded, padded)
    logits = np.where(there, logits, -np.abs(logits))
    if tidy_for is not None:
        xy = tidy_for.points_xy - (window.x + u0, window.y + v0)
        logits = without_specks(logits, xy, tidy_for.labels)
    mask = logits > 0
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return None
    cut = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    around = _with_margin(logits, cut, pad)
    return PickedMask(
        mask=mask[cut],
        offset_xy=(window.x + u0 + int(columns[0]), window.y + v0 + int(rows[0])),
        score=float(decoded.scores[index]),
        stability=float(extent.stability),
        area_px=int(np.count_nonzero(mask)),
        logits=around,
    )


def _with_margin(
    logits: NDArray[np.float32], cut: tuple[slice, slice], pad: int
) -> NDArray[np.float32]:
    """A part of logits and its margin; beyond the array the next value counts, as not in the mask.

    So the zero line between the two runs along the array's edge.
    """
    wide = np.pad(logits, pad, mode="edge")
    outside = np.ones(wide.shape, np.bool_)
    outside[pad:-pad, pad:-pad] = False
    wide[outside] = -np.abs(wide[outside])
    rows, columns = cut
    part = wide[rows.start : rows.stop + 2 * pad, columns.start : columns.stop + 2 * pad]
    return np.ascontiguousarray(part, np.float32)


def _valid(encoded: WindowEmbedding, box: tuple[int, int, int, int]) -> BoolMask:
    """Where a box (inclusive, px of the window) has data; the nearest encoded pixel tells."""
    x0, y0, x1, y1 = box
    if encoded.valid.all():
        return np.ones((y1 - y0 + 1, x1 - x0 + 1), np.bool_)
    (height, width), (h, w) = encoded.window.shape_hw, encoded.valid.shape
    rows = (np.arange(y0, y1 + 1) * 2 + 1) * h // (2 * height)
    columns = (np.arange(x0, x1 + 1) * 2 + 1) * w // (2 * width)
    there: BoolMask = encoded.valid[np.ix_(rows, columns)]
    return there


def _encode(
    model: LoadedModel, encoded: WindowEmbedding, prompts: ObjectPrompts
) -> tuple[Tensor, Tensor]:
    """Sparse [1, K, 256] and dense [1, 256, 64, 64] embeddings of prompts in px of the raster."""

    def place(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        (h, w), (tile_h, tile_w) = encoded.window.shape_hw, encoded.embedding.shape_hw
        in_window = xy - (encoded.window.x, encoded.window.y)
        return to_input_frame(encoded.embedding, in_window * (tile_w / w, tile_h / h))

    def tensor(values: NDArray[np.float64]) -> Tensor:
        return torch.as_tensor(values, dtype=torch.float32, device=model.device)

    points = boxes = masks = None
    if len(prompts.points_xy):
        labels = torch.as_tensor(prompts.labels, device=model.device)
        points = tensor(place(prompts.points_xy))[None], labels[None]
    if prompts.box_xyxy is not None:
        boxes = tensor(place(np.reshape(prompts.box_xyxy, (2, 2))).reshape(1, 4))
    if prompts.polygon_xy is not None:
        ring = place(prompts.polygon_xy)
        if boxes is None:
            boxes = tensor(np.concatenate([ring.min(0), ring.max(0)])[None])
        masks = tensor(_drawn(ring, model))[None, None]
    sparse, dense = model.sam.prompt_encoder(points=points, boxes=boxes, masks=masks)
    return sparse, dense


def _drawn(ring_xy: NDArray[np.float64], model: LoadedModel) -> NDArray[np.float64]:
    """A polygon in px of the encoder's input as mask logits [256, 256]."""
    side_h, side_w = model.sam.prompt_encoder.mask_input_size
    shape = Polygon(ring_xy * side_w / model.sam.image_encoder.img_size)
    inside = rasterize([mapping(shape)], out_shape=(side_h, side_w), all_touched=True)
    drawn: NDArray[np.float64] = np.where(inside, _POLYGON_LOGIT, -_POLYGON_LOGIT)
    return drawn
