"""From image tokens to mask logits: both upscalings of SAM's decoder, for the masks asked for.

A stride-2, 2x2 transposed convolution is one matrix product per sub-pixel. The first one splits as
the image tokens do (engine/decoder.py): one product per image, and one of few rows per prompt.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


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
        self.bias1 = (bias - bias.mean(1, keepdim=True)).reshape(-1, 1)
        self.weight2 = second.weight.permute(2, 3, 1, 0).reshape(-1, second.in_channels)
        self.bias2 = second.bias.repeat(4).view(-1, 1)

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
            float32 [B, M, 16, n]: rows and columns of the 4 x 4 pixels that a token becomes.
        """
        b, m, _ = hyper.shape
        n = shared.shape[-1]
        x = torch.mul(shared, scale1[:, None]).baddbmm_(mix, coefficients)
        x = x.mul_(scale2[:, None]).add_(self.bias1).view(b, 4, -1, n)
        scale = torch.mul(x, x).mean(2, keepdim=True).add_(self.norm.eps).rsqrt_()
        x = x.mul_(scale).mul_(self.norm.weight[:, None]).add_(self.norm.bias[:, None])
        x = F.gelu(x)
        pixels = []
        for i in range(4):
            fine = F.gelu(torch.matmul(self.weight2, x[:, i]).add_(self.bias2))
            pixels.append(torch.matmul(hyper[:, None], fine.view(b, 4, -1, n)))
        # From sub-pixels of the second upscaling within those of the first to rows and columns.
        ordered = torch.stack(pixels, 1).view(b, 2, 2, 2, 2, m, n).permute(0, 5, 1, 3, 2, 4, 6)
        return ordered.reshape(b, m, 16, n)
