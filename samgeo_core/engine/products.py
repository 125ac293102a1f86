"""Attention between a few tokens per prompt and the image tokens that all prompts share.

Shapes: h heads of d channels, B prompts of T tokens, n image tokens (all N of them or a stretch).
Image-side arrays are [h, d, n], so that image tokens are contiguous.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


def split_heads(tokens: Tensor, n_heads: int) -> Tensor:
    """[B, T, h d] to [B, h, T, d]."""
    b, t, c = tokens.shape
    return tokens.view(b, t, n_heads, c // n_heads).transpose(1, 2)


def project_heads(weight: Tensor, image: Tensor, n_heads: int) -> Tensor:
    """A projection [h d, 256] of an image [256, N], as [h, d, N]."""
    return (weight @ image).view(n_heads, -1, image.shape[1])


def by_head(tokens: Tensor) -> Tensor:
    """[B, h, T, d] to [h, B T, d]: the prompts of a head as one matrix."""
    b, h, t, d = tokens.shape
    return tokens.transpose(0, 1).reshape(h, b * t, d)


def scores(tokens: Tensor, image: Tensor, n_prompts: int) -> Tensor:
    """Products of tokens [h, B T, d] with image tokens [h, d, n], as a view [B, h, T, n]."""
    out = torch.bmm(tokens, image)
    return out.view(len(out), n_prompts, -1, image.shape[-1]).transpose(0, 1)


def softmax_over_tokens(values: Tensor, out: Tensor | None = None) -> Tensor:
    """Softmax of [B, h, T, n] over T, contiguous, or written to ``out`` [B, h T, n]."""
    b, h, t, n = values.shape
    if out is None:
        out = values.new_empty(b, h * t, n)
    weights = out.view(b, h, t, n)
    torch.sub(values, values.amax(2, keepdim=True), out=weights)
    weights.exp_().div_(weights.sum(2, keepdim=True))
    return weights


@dataclass(frozen=True, eq=False)
class Stretch:
    """A softmax over image tokens, seen on a stretch of them only.

    Attributes:
        weights: [..., n], exponentials of scores less their maximum.
        maximum: [..., 1], greatest score of the stretch.
        total: [..., 1], sum of the weights.
    """

    weights: Tensor
    maximum: Tensor
    total: Tensor

    @classmethod
    def of(cls, values: Tensor) -> Stretch:
        """Exponentiate scores in place."""
        maximum = values.amax(-1, keepdim=True)
        weights = values.sub_(maximum).exp_()
        return cls(weights, maximum, weights.sum(-1, keepdim=True))


def join(maxima: list[Tensor], totals: list[Tensor], sums: list[list[Tensor]]) -> list[Tensor]:
    """Weighted sums over all image tokens from those over stretches of them.

    Args:
        maxima, totals: [..., 1] of each stretch.
        sums: for each kind of value, its sums [..., C] weighted by `Stretch.weights`, by stretch.
    """
    shares = torch.stack(maxima)
    shares = (shares - shares.amax(0)).exp_()
    whole = (shares * torch.stack(totals)).sum(0)
    return [(shares * torch.stack(parts)).sum(0) / whole for parts in sums]
