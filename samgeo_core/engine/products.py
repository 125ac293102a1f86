"""Attention between a few tokens per prompt and the image tokens that all prompts share.

Shapes: h heads of d channels, B prompts of T tokens, n image tokens (all N of them or a stretch).
Image-side arrays are [h, d, n], so that image tokens are contiguous. Scores are scaled so that the
weights are their powers of two, which take half the time of powers of e.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass

import torch
from torch import Tensor


class Scratch(threading.local):
    """Memory that each thread uses again: fresh memory is cold, and takes longer than the work."""

    def __init__(self) -> None:
        self._buffers: dict[str, Tensor] = {}

    def take(self, name: str, like: Tensor, *shape: int) -> Tensor:
        """A tensor of a shape, with anything in it, that is good until its name is taken again."""
        if like.device.type != "cpu":
            return like.new_empty(shape)  # work goes on beside us, and has an allocator of its own
        size = math.prod(shape)
        if name not in self._buffers or len(self._buffers[name]) < size:
            self._buffers[name] = like.new_empty(size)
        return self._buffers[name][:size].view(shape)


scratch = Scratch()


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


def pooled(weights: Tensor, values: Tensor) -> Tensor:
    """Values [h, d, n] of image tokens, summed with weights [B, h, T, n], as [h, B T, d]."""
    b, h, t, n = weights.shape
    rows = scratch.take("products", weights, h, b, t, n)
    rows.copy_(weights.transpose(0, 1))
    return torch.bmm(rows.view(h, b * t, n), values.transpose(1, 2))


def scores(tokens: Tensor, image: Tensor) -> Tensor:
    """Products [h, B T, n] of tokens and image tokens [h, d, n], good until the next are made."""
    size = *tokens.shape[:2], image.shape[-1]
    return torch.bmm(tokens, image, out=scratch.take("products", tokens, *size))


def by_prompt(rows: Tensor, n_prompts: int) -> Tensor:
    """[h, B T, n] as a view [B, h, T, n]."""
    return rows.view(len(rows), n_prompts, -1, rows.shape[2]).transpose(0, 1)


def softmax_over_tokens(values: Tensor, out: Tensor) -> Tensor:
    """Softmax of [B, h, T, n] over T, written to ``out`` [B, h T, n]; as a view [B, h, T, n]."""
    weights = out.view(values.shape)
    torch.sub(values, values.amax(2, keepdim=True), out=weights)
    weights.exp2_().div_(weights.sum(2, keepdim=True))
    return weights


@dataclass(frozen=True, eq=False)
class Stretch:
    """A softmax over image tokens, seen on a stretch of them only.

    Attributes:
        maximum: [..., 1], greatest score of the stretch.
        total: [..., 1], sum of two to the power of scores less their maximum.
    """

    maximum: Tensor
    total: Tensor

    @classmethod
    def of(cls, scores: Tensor) -> Stretch:
        """Turn scores [..., n] into powers of two, which are the weights of the stretch."""
        maximum = scores.amax(-1, keepdim=True)
        scores.sub_(maximum).exp2_()
        return cls(maximum, scores.sum(-1, keepdim=True))


def join(maxima: list[Tensor], totals: list[Tensor], sums: list[list[Tensor]]) -> list[Tensor]:
    """Weighted sums over all image tokens from those over stretches of them.

    Args:
        maxima, totals: [..., 1] of each stretch.
        sums: for each kind of value, its sums [..., C] weighted by those powers, by stretch.
    """
    shares = torch.stack(maxima)
    shares = (shares - shares.amax(0)).exp2_()
    whole = (shares * torch.stack(totals)).sum(0)
    return [(shares * torch.stack(parts)).sum(0) / whole for parts in sums]
