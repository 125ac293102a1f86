"""What a model predicts for prompts, kept as cropped masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from samgeo_core.api.prompts import Prompts
from samgeo_core.errors import ParameterError
from samgeo_core.objects import BoolMask, ObjectSet
from samgeo_core.progress import SILENT, Monitor
from samgeo_core.windows import ShapeHW

if TYPE_CHECKING:
    from samgeo_core.engine.encoder import Embedding
    from samgeo_core.engine.predictor import MaskBatch
    from samgeo_core.models.loading import LoadedModel

Crop = tuple[BoolMask, tuple[int, int]]

# Full-size float32 masks that are in memory at a time while prompts are decoded.
_GROUP_BYTES = 256 * 2**20


@dataclass(frozen=True, eq=False)
class Prediction:
    """Masks of N prompts, M candidates each.

    Attributes:
        shape_hw: height and width of the image, px.
        crops: N rows of M cropped masks, each with the column and row of its first pixel.
        scores: float32 [N, M], predicted IoU.
        logits: float32 [N, M, 256, 256], fit for the mask input of a next prediction.
    """

    shape_hw: ShapeHW
    crops: tuple[tuple[Crop, ...], ...]
    scores: NDArray[np.float32]
    logits: NDArray[np.float32]

    def masks(self) -> BoolMask:
        """All masks in full, bool [N, M, H, W]."""
        full = np.zeros((*self.scores.shape, *self.shape_hw), np.bool_)
        for row, masks in zip(self.crops, full, strict=True):
            for (crop, (x, y)), mask in zip(row, masks, strict=True):
                mask[y : y + crop.shape[0], x : x + crop.shape[1]] = crop
        return full

    def choose(self, index: int | None = None) -> ObjectSet:
        """One object a prompt: the candidate of this index, by default the one of best score.

        Raises:
            ParameterError: there is no candidate of this index.
        """
        n_candidates = self.scores.shape[1]
        if index is not None and not 0 <= index < n_candidates:
            raise ParameterError(f"index must be 0 to {n_candidates - 1}, got {index}.")
        best = self.scores.argmax(1) if index is None else np.full(len(self.scores), index)
        chosen = [row[i] for row, i in zip(self.crops, best, strict=True)]
        return ObjectSet.build(
            self.shape_hw,
            [crop for crop, _ in chosen],
            [offset for _, offset in chosen],
            self.scores[np.arange(len(best)), best],
            np.full(len(best), np.nan, np.float32),
        )


def predict_prompts(
    model: LoadedModel,
    embedding: Embedding,
    prompts: Prompts,
    *,
    valid: BoolMask,
    mask_logits: NDArray[np.float32] | None = None,
    multimask: bool = True,
    monitor: Monitor = SILENT,
) -> Prediction:
    """Predict masks of any number of prompts, a group at a time.

    Args:
        model: the model that made the embedding.
        embedding: of the image.
        prompts: in px of the image.
        valid: bool [H, W]; pixels without data belong to no mask.
        mask_logits: float32 [N, 1, 256, 256] of an earlier prediction.
        multimask: three candidates a prompt rather than one.
        monitor: hears of the stage "decode" and may cancel.

    Raises:
        ParameterError: no prompts, or their numbers differ.
    """
    from samgeo_core.engine.predictor import predict

    given = (prompts.points_xy, prompts.labels, prompts.boxes_xyxy, mask_logits)
    lengths = {len(array) for array in given if array is not None}
    if not lengths:
        raise ParameterError("A prediction needs points, boxes or a mask, got none of them.")
    if len(lengths) > 1:
        raise ParameterError("A prediction needs as many mask inputs as it has other prompts.")
    (n,) = lengths
    group = max(1, _GROUP_BYTES // (12 * valid.size))
    crops: list[tuple[Crop, ...]] = []
    batches: list[MaskBatch] = []
    for start in range(0, n, group):
        monitor.step("decode", start, n)
        rows = slice(start, start + group)
        points, labels, boxes, masks = (None if a is None else a[rows] for a in given)
        batch = predict(
            model,
            embedding,
            points_xy=points,
            labels=labels,
            boxes_xyxy=boxes,
            mask_logits=masks,
            multimask=multimask,
        )
        crops += [tuple(_crop(mask & valid) for mask in row) for row in batch.masks]
        batches.append(batch)
    monitor.step("decode", n, n)
    return Prediction(
        valid.shape,
        tuple(crops),
        np.concatenate([batch.scores for batch in batches]),
        np.concatenate([batch.logits for batch in batches]),
    )


def _crop(mask: BoolMask) -> Crop:
    """A mask [H, W] cut to its extent."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not rows.size:
        return np.zeros((0, 0), np.bool_), (0, 0)
    y, x = int(rows[0]), int(columns[0])
    return mask[y : rows[-1] + 1, x : columns[-1] + 1].copy(), (x, y)


def full_logits(
    model: LoadedModel, embedding: Embedding, logits: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Logits [N, M, 256, 256] at the size of the image, float32 [N, M, H, W]."""
    import torch

    low = torch.as_tensor(logits, device=model.device)
    full = model.sam.postprocess_masks(low, embedding.input_hw, embedding.shape_hw)
    array: NDArray[np.float32] = full.cpu().numpy()
    return array
