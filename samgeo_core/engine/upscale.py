"""From image tokens to mask logits: both upscalings of SAM's decoder, for the masks asked for.

A stride-2, 2x2 transposed convolution is one matrix product per sub-pixel. The first one splits as
the image tokens do (engine/decoder.py): one product per image, and one of few rows per prompt.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from samgeo_core.models.strips import gelu_

OUTER_PIXELS = ([0, 1, 4, 5], [0, 2, 8, 10], [10, 11, 14, 15], [5, 7, 13, 15])
"""Which of a token's 16 pixels lie at its top, left, bottom and right."""


class Upscaler:
    """The upscaling layers of a `MaskDecoder`, their weights arranged once.

    Args:
        decoder: the `MaskDecoder`.
        token_bias: [256], bias of the image tokens' last norm.
    """

    def __init__(self, decoder: Any, token_bias: Tensor) -> None:
        first, self.norm, _, second, _ = decoder.output_upscaling
        weight = first.weight.permute(2, 3, 1, 0).reshape(4, -1, first.in_channels)
        bias = first.bias + weight @ token_bias
        # The norm that follows removes the mean over channels, so it is removed here.
        self.weight1 = (weight - weight.mean(1, keepdim=True)).flatten(0, 1)
        self.bias1 = (bias - bias.mean(1, keepdim=True)).flatten()
        self.weight2 = second.weight.permute(2, 3, 1, 0).reshape(-1, second.in_channels)
        self.bias2 = second.bias.repeat(4)

    def logits(
        self, shared: Tensor, mix: Tensor, coefficients: Tensor,
        scale1: Tensor, scale2: Tensor, hyper: Tensor,
    ) -> Tensor:  # fmt: skip
        """Mask logits at n image tokens.

        Args:
            shared: [256, n], the first upscaling of what all prompts share.
            mix: [B, 256, R], that of the prompts' own rows; coefficients: [B, R, n].
            scale1, scale2: [B, n], reciprocal standard deviations of the image norms.
            hyper: [B, M, 32], how each mask reads the upscaled tokens.

        Returns:
            float32 [B, M, n, 16]: the 4 x 4 pixels that a token becomes, as `as_pixels` takes them.
        """
        own = (coefficients * scale2[:, None]).transpose(1, 2)
        image = shared.t().contiguous()
        x = torch.addcmul(self.bias1, image, (scale1 * scale2)[..., None])
        x.baddbmm_(own, mix.transpose(1, 2))
        norm = self.norm
        x = x.view(len(x), -1, len(norm.weight))
        # NOTE: in place, as fresh memory costs as much as the work done in it.
        x = gelu_(F.layer_norm(x, norm.weight.shape, norm.weight, norm.bias, norm.eps))
        x = gelu_(F.linear(x, self.weight2, self.bias2)).view(len(x), -1, hyper.shape[2])
        return torch.bmm(hyper, x.transpose(1, 2)).view(*hyper.shape[:2], -1, 16)


def as_pixels(blocks: Tensor, height: int, width: int) -> Tensor:
    """Logits [M, height x width, 16] of image tokens as the pixels they become, [M, 4 h, 4 w]."""
    # The 16 are row and column of the first upscaling, then those of the second within them. The
    # last two stay together: they are moved as one number of twice the size.
    pairs = blocks.view(torch.int64).view(len(blocks), height, width, 2, 2, 2)
    rows = pairs.permute(0, 1, 3, 5, 2, 4).reshape(len(blocks), 4 * height, 2 * width)
    return rows.view(torch.float32)
