"""Prompts to masks on an embedding: the fast half, without any state."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import lru_cache
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from samgeo_core.engine.decoder import FactoredDecoder, ImageTerms, PromptState
from samgeo_core.engine.encoder import Embedding
from samgeo_core.engine.threads import use_all_cores
from samgeo_core.errors import ParameterError
from samgeo_core.models.loading import LoadedModel

_decoders: WeakKeyDictionary[LoadedModel, FactoredDecoder] = WeakKeyDictionary()
_decoders_lock = threading.Lock()


def decoder_of(model: LoadedModel) -> FactoredDecoder:
    """The model's decoder, its weights folded once."""
    with _decoders_lock:
        if model not in _decoders:
            sam = model.sam
            _decoders[model] = FactoredDecoder(sam.mask_decoder, sam.prompt_encoder.get_dense_pe())
        return _decoders[model]


def group_size(model: LoadedModel, n_prompts: int) -> int:
    """Prompts whose image side is worked on together: one on a CPU, all on an accelerator."""
    return 1 if model.device.type == "cpu" else n_prompts


@lru_cache(maxsize=8)
def image_terms(model: LoadedModel, embedding: Embedding) -> ImageTerms:
    """The decoder's terms of an embedding without a mask prompt, remembered for later prompts."""
    dense = model.sam.prompt_encoder.no_mask_embed.weight.detach().view(-1, 1, 1)
    return decoder_of(model).image_terms(embedding.features + dense)


def decode_masks(
    decoder: FactoredDecoder, terms: ImageTerms, state: PromptState, heads: Tensor, group: int
) -> list[Tensor]:
    """Logits [M, 256, 256] of the wanted heads [B, 4], one tensor per group of prompts."""
    hyper = decoder.hyper(state)
    return [
        decoder.masks(terms, state.select(i), hyper[i], heads[i])
        for i in torch.split(heads.any(1).nonzero()[:, 0], group)
    ]


@dataclass(frozen=True, eq=False)
class MaskBatch:
    """Masks of N prompts, M candidates each, in the frame of the tile [H, W].

    Attributes:
        masks: bool [N, M, H, W].
        scores: float32 [N, M], predicted IoU.
        logits: float32 [N, M, 256, 256] in the encoder's frame, fit to be `mask_logits`.
    """

    masks: NDArray[np.bool_]
    scores: NDArray[np.float32]
    logits: NDArray[np.float32]


def to_input_frame(embedding: Embedding, xy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Tile px [..., 2] to px of the encoder's input."""
    (h, w), (input_h, input_w) = embedding.shape_hw, embedding.input_hw
    scaled: NDArray[np.float64] = xy * np.array([input_w / w, input_h / h])
    return scaled


@torch.no_grad()
def predict(
    model: LoadedModel,
    embedding: Embedding,
    *,
    points_xy: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    boxes_xyxy: ArrayLike | None = None,
    mask_logits: ArrayLike | None = None,
    multimask: bool = True,
) -> MaskBatch:
    """Masks for N prompts, equal to `SamPredictor.predict_torch` of segment-anything-py.

    Args:
        model: the model that made the embedding.
        embedding: of the tile.
        points_xy: [N, K, 2], tile px, x right and y down.
        labels: [N, K], 1 object, 0 background; needed with points.
        boxes_xyxy: [N, 4], tile px.
        mask_logits: [N, 1, 256, 256], logits of an earlier call.
        multimask: three candidates per prompt rather than one.

    Raises:
        ParameterError: no prompt, or shapes that don't fit each other.
    """
    use_all_cores()
    sparse, dense = _encode_prompts(model, embedding, points_xy, labels, boxes_xyxy, mask_logits)
    decoder, n = decoder_of(model), len(sparse)
    heads = torch.zeros(n, 4, dtype=torch.bool, device=model.device)
    columns = slice(1, 4) if multimask else slice(0, 1)
    heads[:, columns] = True
    logits: list[Tensor] = []
    ious: list[Tensor] = []
    if dense is None:
        terms, group = image_terms(model, embedding), group_size(model, n)
        state = decoder.transform(terms, sparse, group)
        logits.extend(decode_masks(decoder, terms, state, heads, group))
        ious.append(state.iou)
    else:
        for i in range(n):
            terms = decoder.image_terms(embedding.features + dense[i])
            state = decoder.transform(terms, sparse[i : i + 1])
            logits.extend(decode_masks(decoder, terms, state, heads[i : i + 1], 1))
            ious.append(state.iou)
    low = torch.cat(logits).view(n, -1, *logits[0].shape[-2:])
    sam = model.sam
    full = sam.postprocess_masks(low, embedding.input_hw, embedding.shape_hw)
    return MaskBatch(
        (full > sam.mask_threshold).cpu().numpy(),
        torch.cat(ious)[:, columns].cpu().numpy(),
        low.cpu().numpy(),
    )


def _encode_prompts(
    model: LoadedModel,
    embedding: Embedding,
    points_xy: ArrayLike | None,
    labels: ArrayLike | None,
    boxes_xyxy: ArrayLike | None,
    mask_logits: ArrayLike | None,
) -> tuple[Tensor, Tensor | None]:
    """Sparse embeddings [N, K, 256] and, with mask prompts, dense ones [N, 256, 64, 64]."""
    if points_xy is None and boxes_xyxy is None and mask_logits is None:
        raise ParameterError("A prediction needs points, boxes or a mask, got none of them.")
    if (points_xy is None) != (labels is None):
        raise ParameterError("Points and labels go together: give both or neither.")

    def as_tensor(values: ArrayLike) -> Tensor:
        return torch.as_tensor(values, dtype=torch.float32, device=model.device)

    points = boxes = masks = None
    counts: set[int] = set()
    if points_xy is not None and labels is not None:
        xy, label_array = np.asarray(points_xy, np.float64), np.asarray(labels)
        if xy.ndim != 3 or xy.shape[2] != 2 or label_array.shape != xy.shape[:2]:
            raise ParameterError(
                "Points must be [N, K, 2] with labels [N, K], "
                f"got {list(xy.shape)} and {list(label_array.shape)}."
            )
        points = as_tensor(to_input_frame(embedding, xy)), as_tensor(label_array)
        counts.add(len(xy))
    if boxes_xyxy is not None:
        box_array = np.asarray(boxes_xyxy, np.float64)
        if box_array.ndim != 2 or box_array.shape[1] != 4:
            raise ParameterError(f"Boxes must be [N, 4], got {list(box_array.shape)}.")
        corners = to_input_frame(embedding, box_array.reshape(-1, 2, 2))
        boxes = as_tensor(corners.reshape(-1, 4))
        counts.add(len(box_array))
    if mask_logits is not None:
        masks = as_tensor(mask_logits)
        side = 4 * embedding.features.shape[-1]
        if masks.ndim != 4 or masks.shape[1] != 1 or masks.shape[-2:] != (side, side):
            raise ParameterError(
                f"Mask prompts must be [N, 1, {side}, {side}], got {list(masks.shape)}."
            )
        counts.add(len(masks))
    if len(counts) != 1 or 0 in counts:
        raise ParameterError(f"All prompts need the same number of rows, got {sorted(counts)}.")
    sparse, dense = model.sam.prompt_encoder(points=points, boxes=boxes, masks=masks)
    return sparse, (dense if masks is not None else None)
