"""From pixels to an image embedding: the slow half, done once per window."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from segment_anything.utils.transforms import ResizeLongestSide

from samgeo_core.engine.threads import use_all_cores
from samgeo_core.models.loading import LoadedModel
from samgeo_core.tile import TileImage
from samgeo_core.windows import ShapeHW


@dataclass(frozen=True, eq=False)
class Embedding:
    """What the encoder made of a tile.

    Attributes:
        features: float32 [256, 64, 64] on the model's device.
        shape_hw: height and width of the tile, px.
        input_hw: the part of the encoder's square input that the resized tile fills, px.
    """

    features: torch.Tensor
    shape_hw: ShapeHW
    input_hw: ShapeHW


@torch.no_grad()
def encode(model: LoadedModel, tile: TileImage) -> Embedding:
    """Resize a tile to the model's input, as segment-anything-py does, and encode it."""
    use_all_cores()
    sam = model.sam
    side = sam.image_encoder.img_size
    resized = ResizeLongestSide(side).apply_image(tile.rgb)
    pixels = torch.as_tensor(resized, device=model.device).permute(2, 0, 1)[None]
    features = sam.image_encoder(sam.preprocess(pixels.contiguous()))[0]
    return Embedding(features.float(), tile.shape_hw, (resized.shape[0], resized.shape[1]))
