"""Prompts to masks on an embedding: the fast half, without any state."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from weakref import WeakKeyDictionary

import cv2
import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from samgeo_core.engine.decoder import FactoredDecoder, PromptState
from samgeo_core.engine.encoder import Embedding
from samgeo_core.engine.image_terms import ImageTerms
from samgeo_core.engine.threads import side_by_side, use_one_core
from samgeo_core.errors import ParameterError
from samgeo_core.models.loading import LoadedModel

_decoders: WeakKeyDictionary[LoadedModel, FactoredDecoder] = WeakKeyDictionary()
_decoders_lock = threading.Lock()


def decoder_of(model: LoadedModel) -> FactoredDecoder:
    """The model's decoder, its weights folded once."""
    with _decoders_lock:
        if model not in _decoders:
            _decoders[model] = FactoredDecoder.of(model.sam)
        return _decoders[model]


@lru_cache(maxsize=4)
def image_terms(model: LoadedModel, embedding: Embedding) -> tuple[ImageTerms, ...]:
    """The decoder's terms for single prompts, remembered for later ones; about 40 MB each."""
    return compute_image_terms(model, embedding, few_prompts=True)


def compute_image_terms(
    model: LoadedModel, embedding: Embedding, few_prompts: bool = False
) -> tuple[ImageTerms, ...]:
    """The decoder's terms of an embedding without a mask prompt."""
    dense = model.sam.prompt_encoder.no_mask_embed.weight.detach().view(-1, 1, 1)
    return decoder_of(model).image_terms(embedding.features + dense, few_prompts)


def decode_masks(
    decoder: FactoredDecoder, terms: tuple[ImageTerms, ...], state: PromptState, wanted: Tensor
) -> Iterator[Tensor]:
    """Logits [W, 256, 256] of the wanted masks, bool [B, M], prompt by prompt on a CPU."""
    hyper = decoder.hyper(state)
    prompts = wanted.any(1).nonzero()[:, 0]
    places: list[Tensor | slice] = [prompts]
    if hyper.device.type == "cpu":
        places = [slice(i, i + 1) for i in prompts.tolist()]
    for at in places if len(prompts) else []:
        yield decoder.masks(terms, state.take(at), hyper[at], wanted[at])


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
    use_one_core()
    sparse, dense = _encode_prompts(model, embedding, points_xy, labels, boxes_xyxy, mask_logits)
    decoder, n = decoder_of(model), len(sparse)
    logits: list[Tensor] = []
    ious: list[Tensor] = []
    for i in range(1 if dense is None else n):
        # A mask prompt changes the image tokens: such prompts share nothing.
        terms = (
            image_terms(model, embedding)
            if dense is None
            else decoder.image_terms(embedding.features + dense[i], few_prompts=True)
        )
        part = sparse if dense is None else sparse[i : i + 1]
        state = decoder.transform(terms, part, multimask)
        every = torch.ones_like(state.iou, dtype=torch.bool)
        logits.extend(decode_masks(decoder, terms, state, every))
        ious.append(state.iou)
    low = torch.cat(logits).view(n, -1, *logits[0].shape[-2:])
    return MaskBatch(
        _at_tile_resolution(model, embedding, low),
        torch.cat(ious).cpu().numpy(),
        low.cpu().numpy(),
    )


def _at_tile_resolution(
    model: LoadedModel, embedding: Embedding, logits: Tensor
) -> NDArray[np.bool_]:
    """Masks [N, M, H, W] of logits [N, M, 256, 256] (`Sam.postprocess_masks`)."""
    sam, (h, w), (input_h, input_w) = model.sam, embedding.shape_hw, embedding.input_hw
    if logits.device.type != "cpu":
        full: Tensor = sam.postprocess_masks(logits, (input_h, input_w), (h, w))
        above: NDArray[np.bool_] = (full > sam.mask_threshold).cpu().numpy()
        return above
    padded = sam.image_encoder.img_size
    masks = np.empty((*logits.shape[:2], h, w), np.bool_)

    def resample(item: tuple[NDArray[np.float32], NDArray[np.bool_]]) -> None:
        # NOTE: the same weights as torch's bilinear mode, in a tenth of its time.
        low, out = item
        shown = cv2.resize(low, (padded, padded))[:input_h, :input_w]
        np.greater(cv2.resize(shown, (w, h)), sam.mask_threshold, out=out)

    items = zip(logits.flatten(0, 1).numpy(), masks.reshape(-1, h, w), strict=True)
    for _ in side_by_side(resample, items, logits.device):
        pass
    return masks


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
