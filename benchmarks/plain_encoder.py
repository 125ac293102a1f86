"""MobileSAM's image encoder as it is published: the peer that ours is measured against.

The steps are those of mobile_sam/modeling/tiny_vit_sam.py in ChaoningZhang/MobileSAM at 34bbbfd
(2024-11-20). What decides its speed is kept: each convolution followed by a batch norm of its own,
images in PyTorch's default memory format, tokens [B, L, C] between the blocks and copied into
[B, C, H, W] for each depthwise convolution, attention as two products with a softmax between, its
bias gathered once, as inference there does. Module names are those of the official checkpoint.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from functools import partial

import torch
from segment_anything.modeling.common import LayerNorm2d
from torch import Tensor, nn
from torch.nn import functional as F

CHANNELS = (64, 128, 160, 320)
DEPTHS = (2, 2, 6, 2)
HEADS = (2, 4, 5, 10)
WINDOWS = (7, 7, 14, 7)
SIDES = (256, 128, 64, 64)
STRIDES = (2, 2, 1)
_PREFIX = "image_encoder."


def plain_encoder(state: Mapping[str, Tensor]) -> PlainEncoder:
    """The published encoder with the weights of a checkpoint.

    Args:
        state: of the whole model, in the official layout or with batch norms folded into the
            convolutions. Folded ones get a batch norm that only adds the bias: the same numbers
            for the same work.
    """
    own = {k.removeprefix(_PREFIX): v for k, v in state.items() if k.startswith(_PREFIX)}
    for key in [k for k in own if k.endswith("c.bias")]:
        stem, bias = key.removesuffix("c.bias"), own.pop(key)
        eps = nn.BatchNorm2d(1).eps
        own[f"{stem}bn.weight"] = torch.ones_like(bias)
        own[f"{stem}bn.bias"] = bias
        own[f"{stem}bn.running_mean"] = torch.zeros_like(bias)
        own[f"{stem}bn.running_var"] = torch.full_like(bias, 1 - eps)
    encoder = PlainEncoder()
    wanted = encoder.state_dict().keys()
    # Missing are only counters of batches seen in training, unused the classifier's tensors.
    encoder.load_state_dict({k: v for k, v in own.items() if k in wanted}, strict=False)
    for module in encoder.modules():
        if isinstance(module, Attention):
            module.gather_bias()
    return encoder.eval().requires_grad_(False)


class PlainEncoder(nn.Module):
    """Normalised image [B, 3, 1024, 1024] to embedding [B, 256, 64, 64]."""

    def __init__(self) -> None:
        super().__init__()
        self.img_size = 1024
        seq = nn.Sequential(
            _conv(3, CHANNELS[0] // 2, 3, stride=2),
            nn.GELU(),
            _conv(CHANNELS[0] // 2, CHANNELS[0], 3, stride=2),
        )
        self.patch_embed = nn.Sequential(OrderedDict(seq=seq))
        self.layers = nn.Sequential(*(_stage(i) for i in range(len(CHANNELS))))
        self.neck = nn.Sequential(
            nn.Conv2d(CHANNELS[-1], 256, 1, bias=False),
            LayerNorm2d(256),
            nn.Conv2d(256, 256, 3, padding=1, bias=False),
            LayerNorm2d(256),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Encode a batch of normalised, padded images."""
        tokens = self.layers(self.patch_embed(x))
        image = tokens.view(len(tokens), SIDES[-1], SIDES[-1], -1).permute(0, 3, 1, 2)
        embedding: Tensor = self.neck(image)
        return embedding


def _conv(
    in_channels: int, out_channels: int, kernel: int = 1, *, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    """A convolution without bias, then a batch norm."""
    layer = nn.Conv2d(
        in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=False
    )
    return nn.Sequential(OrderedDict(c=layer, bn=nn.BatchNorm2d(out_channels)))


def _stage(index: int) -> nn.Sequential:
    """Blocks of one size and, but for the last stage, the merging behind them."""
    block = partial(Block, index) if index else Bottleneck
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    parts["blocks"] = nn.Sequential(*(block() for _ in range(DEPTHS[index])))
    if index < len(STRIDES):
        parts["downsample"] = Merging(index)
    return nn.Sequential(parts)


class Bottleneck(nn.Module):
    """Inverted bottleneck with a residual path on [B, C, H, W]."""

    def __init__(self) -> None:
        super().__init__()
        channels, hidden = CHANNELS[0], 4 * CHANNELS[0]
        self.conv1 = _conv(channels, hidden)
        self.conv2 = _conv(hidden, hidden, 3, groups=hidden)
        self.conv3 = _conv(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        hidden = self.conv3(F.gelu(self.conv2(F.gelu(self.conv1(x)))))
        hidden += x
        return F.gelu(hidden)


class Merging(nn.Module):
    """[B, C, H, W], or tokens of it, to the next stage's tokens."""

    def __init__(self, index: int) -> None:
        super().__init__()
        self.side = SIDES[index]
        channels, out = CHANNELS[index], CHANNELS[index + 1]
        self.conv1 = _conv(channels, out)
        self.conv2 = _conv(out, out, 3, stride=STRIDES[index], groups=out)
        self.conv3 = _conv(out, out)

    def forward(self, x: Tensor) -> Tensor:
        """Merge."""
        if x.ndim == 3:
            x = x.view(len(x), self.side, self.side, -1).permute(0, 3, 1, 2)
        merged: Tensor = self.conv3(F.gelu(self.conv2(F.gelu(self.conv1(x)))))
        return merged.flatten(2).transpose(1, 2)


class Attention(nn.Module):
    """Multi-head attention within windows, with a learned bias per head and distance."""

    bias: Tensor

    def __init__(self, channels: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        self.scale = (channels // heads) ** -0.5
        self.norm = nn.LayerNorm(channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)
        self.attention_biases = nn.Parameter(torch.zeros(heads, window * window))
        self.register_buffer("bias", torch.zeros(0), persistent=False)

    def gather_bias(self) -> None:
        """Look up the bias between any two places of a window, [heads, N, N]."""
        place = torch.arange(self.window * self.window)
        row, column = place // self.window, place % self.window
        distance = (row[:, None] - row).abs() * self.window + (column[:, None] - column).abs()
        self.bias = self.attention_biases.detach()[:, distance]

    def forward(self, x: Tensor) -> Tensor:
        """Attend within windows: x and the result are [windows, N, C]."""
        windows, n, channels = x.shape
        qkv = self.qkv(self.norm(x)).view(windows, n, self.heads, -1)
        query, key, value = (part.permute(0, 2, 1, 3) for part in qkv.chunk(3, dim=3))
        weights = ((query @ key.transpose(-2, -1)) * self.scale + self.bias).softmax(dim=-1)
        out: Tensor = self.proj((weights @ value).transpose(1, 2).reshape(windows, n, channels))
        return out


class Block(nn.Module):
    """Window attention, a depthwise convolution and an MLP on tokens [B, L, C]."""

    def __init__(self, index: int) -> None:
        super().__init__()
        channels = CHANNELS[index]
        self.side, self.window = SIDES[index], WINDOWS[index]
        self.attn = Attention(channels, HEADS[index], self.window)
        self.local_conv = _conv(channels, channels, 3, groups=channels)
        self.mlp = nn.Sequential(
            OrderedDict(
                norm=nn.LayerNorm(channels),
                fc1=nn.Linear(channels, 4 * channels),
                act=nn.GELU(),
                fc2=nn.Linear(4 * channels, channels),
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        batch, length, channels = x.shape
        x = x + self._attend(x.view(batch, self.side, self.side, channels)).view_as(x)
        image = x.transpose(1, 2).reshape(batch, channels, self.side, self.side)
        x = self.local_conv(image).view(batch, channels, length).transpose(1, 2)
        out: Tensor = x + self.mlp(x)
        return out

    def _attend(self, x: Tensor) -> Tensor:
        """Attention in windows over [B, H, W, C], the last ones padded with zeros."""
        batch, side, _, channels = x.shape
        missing, w = -side % self.window, self.window
        x = F.pad(x, (0, 0, 0, missing, 0, missing))
        n = (side + missing) // w
        parts = x.view(batch, n, w, n, w, channels).transpose(2, 3)
        parts = self.attn(parts.reshape(batch * n * n, w * w, channels))
        whole = parts.view(batch, n, n, w, w, channels).transpose(2, 3)
        out: Tensor = whole.reshape(batch, n * w, n * w, channels)
        return out[:, :side, :side].contiguous()
