"""Attention in the windows of an image, as TinyViT has it, without work on what fills them up.

An image whose sides are no multiples of the window's is padded with zeros in training. Here the
last windows are cut short instead, and a single token stands for all zeros: the result is the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from samgeo_core.models.strips import at_once, for_each
from samgeo_core.windows import ShapeHW


def attend(attention: Attention, x: Tensor) -> Tensor:
    """An image [B, H, W, C] plus its attention in windows; the last windows may be cut short."""
    batch, height, width, channels = x.shape
    side = attention.window
    n_rows = at_once(3 * batch * side * width * channels, -(-height // side), x.device)
    out = torch.empty_like(x)

    def fill(part: tuple[slice, slice]) -> None:
        old, new = (by_window(image[:, part[0], part[1]], side) for image in (x, out))
        shape_hw = (old.shape[3], old.shape[4])
        tokens = old.reshape(-1, shape_hw[0] * shape_hw[1], channels)
        torch.add(old, attention(tokens, shape_hw).view(old.shape), out=new)

    parts = product(spans(height, side, n_rows), spans(width, side, width))
    for_each(fill, list(parts), x.device)
    return out


def spans(length: int, window: int, n_windows: int) -> Iterator[slice]:
    """Cut a length into spans of up to `n_windows` whole windows; what is left is the last span."""
    whole = length // window * window
    for start in range(0, whole, n_windows * window):
        yield slice(start, min(start + n_windows * window, whole))
    if whole < length:
        yield slice(whole, length)


def by_window(x: Tensor, window: int) -> Tensor:
    """View [B, H, W, C] as [B, rows, columns, h, w, C], windows of h × w each.

    H and W are each a multiple of the window's side, or less than it.
    """
    batch, height, width, channels = x.shape
    h, w = min(window, height), min(window, width)
    return x.view(batch, height // h, h, width // w, w, channels).transpose(2, 3)


class Attention(nn.Module):
    """Multi-head attention within windows, with a learned bias per head and distance."""

    def __init__(self, channels: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads = heads
        self.window = window
        self.norm = nn.LayerNorm(channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)
        self.attention_biases = nn.Parameter(torch.zeros(heads, window * window))
        self._biases: dict[tuple[object, ...], Tensor] = {}
        self.register_load_state_dict_post_hook(_forget_biases)  # type: ignore[no-untyped-call]

    def forward(self, x: Tensor, shape_hw: ShapeHW) -> Tensor:
        """Attend within windows.

        Args:
            x: [windows, h * w, C], row by row.
            shape_hw: h and w; where the image ends before the window does, they are less than its
                side, and zeros are taken to fill it, as in training.

        Returns:
            [windows, h * w, C]
        """
        n_windows, n_tokens, channels = x.shape
        if n_tokens < self.window**2:
            x = F.pad(x, (0, 0, 0, 1))  # one for all that fills the window, see `window_bias`
        # NOTE: query, key and value of one head stand together, unlike in SAM's own ViT.
        qkv = self.qkv(self.norm(x)).view(n_windows, x.shape[1], self.heads, 3, -1)
        query, key, value = qkv.permute(3, 0, 2, 1, 4)
        out = F.scaled_dot_product_attention(
            query[:, :, :n_tokens], key, value, attn_mask=self._bias_for(shape_hw)
        )
        mixed: Tensor = self.proj(out.transpose(1, 2).reshape(n_windows, n_tokens, channels))
        return mixed

    def _bias_for(self, shape_hw: ShapeHW) -> Tensor:
        """`window_bias`, computed once for weights that are loaded and then stay as they are."""
        weights = self.attention_biases
        key = (*shape_hw, weights.device, weights.dtype)
        if key not in self._biases:
            self._biases[key] = window_bias(weights, self.window, shape_hw)
        return self._biases[key]


def _forget_biases(attention: Attention, _keys: object) -> None:
    """New weights have come."""
    attention._biases = {}


def window_bias(weights: Tensor, window: int, shape_hw: ShapeHW) -> Tensor:
    """The bias between the places of a window that lie in the image.

    The zeros that fill the rest all have the same key and value, so that a single one can stand
    for them: its weight must be the sum of theirs, and its bias therefore the logarithm of the sum
    of the exponentials of theirs.

    Args:
        weights: [heads, window²], the learned biases.
        window: side of a window.
        shape_hw: the part of the window that lies in the image.

    Returns:
        [1, heads, N, N] for the N = h * w places, or [1, heads, N, N + 1] if zeros fill the window.
    """
    inside = torch.zeros((window, window), dtype=torch.bool)
    inside[: shape_hw[0], : shape_hw[1]] = True
    inside = inside.flatten().to(weights.device)
    bias = weights[None, :, bias_index(window).to(weights.device)[inside]]
    if inside.all():
        return bias
    filling = bias[..., ~inside].logsumexp(-1, keepdim=True)
    return torch.cat([bias[..., inside], filling], -1)


def bias_index(window: int) -> Tensor:
    """Which learned bias holds between two places of a window.

    Returns:
        int64 [N, N] with N = window²: ``|dy| * window + |dx|``, the order in which the official
        code meets the distances.
    """
    y, x = torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")
    y, x = y.flatten(), x.flatten()
    return (y[:, None] - y).abs() * window + (x[:, None] - x).abs()
