"""From pixels to an image embedding: the slow half, done once per window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional as F

from samgeo_core.engine.threads import use_all_cores
from samgeo_core.models.loading import LoadedModel
from samgeo_core.tile import TileImage
from samgeo_core.windows import ShapeHW

if TYPE_CHECKING:
    from segment_anything.modeling import Sam

# What torch.cpu.get_capabilities calls the instructions that multiply bfloat16 matrices.
_BFLOAT16_INSTRUCTIONS = ("amx_bf16", "avx512_bf16")


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


def fast_dtype(device: torch.device) -> torch.dtype:
    """The type to encode in where speed counts more than the last digits.

    Returns:
        bfloat16 where the device computes in it natively, so that it pays; float32 elsewhere.
    """
    if device.type == "cuda":
        with torch.cuda.device(device):
            native = torch.cuda.is_bf16_supported(including_emulation=False)
    elif device.type == "cpu":
        # NOTE: older versions of torch can't tell.
        capabilities: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
        native = any(capabilities.get(name) for name in _BFLOAT16_INSTRUCTIONS)
    else:
        native = False
    return torch.bfloat16 if native else torch.float32


@torch.no_grad()
def encode(model: LoadedModel, tile: TileImage, dtype: torch.dtype = torch.float32) -> Embedding:
    """Resize a tile to the model's input, as segment-anything-py does, and encode it.

    Args:
        model: what encodes.
        tile: what is encoded.
        dtype: of the matrix products; float32 for the results of segment-anything-py,
            `fast_dtype` for speed.
    """
    use_all_cores()
    sam = model.sam
    resized = with_longest_side(tile.rgb, sam.image_encoder.img_size)
    pixels = torch.as_tensor(resized, device=model.device).permute(2, 0, 1)[None]
    with torch.autocast(model.device.type, dtype, enabled=dtype != torch.float32):
        features = sam.image_encoder(network_input(sam, pixels))[0]
    return Embedding(features.float(), tile.shape_hw, (resized.shape[0], resized.shape[1]))


def with_longest_side(rgb: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Resize pixels as SAM does, to the bit (`ResizeLongestSide.apply_image`).

    Args:
        rgb: uint8 [H, W, 3].
        side: of the longer side, px.

    Returns:
        uint8 [h, w, 3]
    """
    height, width = rgb.shape[:2]
    scale = side / max(height, width)
    size = int(width * scale + 0.5), int(height * scale + 0.5)
    if size == (width, height):
        return rgb
    return np.array(Image.fromarray(rgb).resize(size, Image.Resampling.BILINEAR))


def network_input(sam: Sam, pixels: torch.Tensor) -> torch.Tensor:
    """Normalise and pad pixels, to the bit as `Sam.preprocess` does, but with one copy less.

    Args:
        sam: the network.
        pixels: uint8 [B, 3, H, W].

    Returns:
        float32 [B, 3, side, side]
    """
    side = sam.image_encoder.img_size
    height, width = pixels.shape[-2:]
    normal = torch.sub(pixels, sam.pixel_mean).div_(sam.pixel_std)
    return (
        F.pad(normal, (0, side - width, 0, side - height)) if min(height, width) < side else normal
    )
