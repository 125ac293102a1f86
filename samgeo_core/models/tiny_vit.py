"""MobileSAM's image encoder: TinyViT with SAM's neck, for inference.

Layout after Wu et al., "TinyViT" (https://arxiv.org/abs/2207.10666) and Zhang et al., "Faster
Segment Anything" (https://arxiv.org/abs/2306.14289). Modules carry the names of the official
checkpoint, but for batch norms: `fuse_batch_norms` folds each into the convolution before it, so
``X.c.weight`` and ``X.bn.*`` become ``X.c.weight`` and ``X.c.bias``, and only those exist here.

The order of the work is not the official one: strips and windows few enough for a CPU's cache (see
`samgeo_core.models.strips`), and no work on the zeros that fill the last windows. Results differ
from the official ones by rounding only.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from samgeo_core.models.strips import (
    Conv,
    at_once,
    bands,
    bottleneck,
    convolve,
    for_each,
    gelu_,
    halve_twice,
    pointwise,
)
from samgeo_core.models.window_attention import Attention, attend

IMAGE_SIZE_PX = 1024
EMBED_DIMS = (64, 128, 160, 320)
DEPTHS = (2, 2, 6, 2)
HEADS = (2, 4, 5, 10)
WINDOWS = (7, 7, 14, 7)
DOWNSAMPLE_STRIDES = (2, 2, 1)
EXPANSION = 4
OUT_CHANNELS = 256
NECK_EPS = 1e-6
BATCH_NORM_EPS = 1e-5
BATCH_NORM_TENSORS = ("weight", "bias", "running_mean", "running_var")


class PatchEmbed(nn.Module):
    """Two strided convolutions: [B, 3, H, W] to [B, H/4, W/4, C]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        first, second = Conv(3, half, 3, stride=2), Conv(half, channels, 3, stride=2)
        self.seq = nn.Sequential(first, nn.GELU(), second)
        self._layers = (first.c, second.c)

    def forward(self, x: Tensor) -> Tensor:
        """Embed an image."""
        height, width = x.shape[2] // 4, x.shape[3] // 4
        out = x.new_empty((len(x), height, width, self._layers[1].out_channels))

        def fill(band: range) -> None:
            for rows, strip in halve_twice(x, self._layers, band):
                out[:, rows] = strip

        for_each(fill, bands(height, x.device), x.device)
        return out


class MBConv(nn.Module):
    """Inverted bottleneck with a residual path, [B, H, W, C] to the same shape."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = channels * EXPANSION
        self.conv1 = Conv(channels, hidden)
        self.conv2 = Conv(hidden, hidden, 3, groups=hidden)
        self.conv3 = Conv(hidden, channels)
        self._layers = (self.conv1.c, self.conv2.c, self.conv3.c)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        out = torch.empty_like(x)

        def fill(band: range) -> None:
            for rows, strip in bottleneck(x, self._layers, band):
                gelu_(torch.add(x[:, rows], strip, out=out[:, rows]))

        for_each(fill, bands(x.shape[1], x.device), x.device)
        return out


class PatchMerging(nn.Module):
    """Between two stages: new channel count, and half the size where the stride is 2."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.conv1 = Conv(in_channels, out_channels)
        self.conv2 = Conv(out_channels, out_channels, 3, stride, groups=out_channels)
        self.conv3 = Conv(out_channels, out_channels)
        self._layers = (self.conv1.c, self.conv2.c, self.conv3.c)

    def forward(self, x: Tensor) -> Tensor:
        """Merge [B, H, W, C] to [B, H/stride, W/stride, C']."""
        height, width = x.shape[1] // self.stride, x.shape[2] // self.stride
        out = x.new_empty((len(x), height, width, self._layers[2].out_channels))

        def fill(band: range) -> None:
            for rows, strip in bottleneck(x, self._layers, band):
                out[:, rows] = strip

        for_each(fill, bands(height, x.device), x.device)
        return out


class Mlp(nn.Module):
    """Norm, linear, GELU, linear over the last axis."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.fc1 = nn.Linear(channels, channels * EXPANSION)
        self.fc2 = nn.Linear(channels * EXPANSION, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block to [..., C]."""
        out: Tensor = self.fc2(gelu_(self.fc1(self.norm(x))))
        return out


class TinyViTBlock(nn.Module):
    """Window attention, a depthwise convolution, and an MLP, [B, H, W, C] to the same shape."""

    def __init__(self, channels: int, heads: int, window: int) -> None:
        super().__init__()
        self.attn = Attention(channels, heads, window)
        self.local_conv = Conv(channels, channels, 3, groups=channels)
        self.mlp = Mlp(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        out = convolve(self.local_conv.c, attend(self.attn, x), pad_rows=1).contiguous()
        tokens = out.view(-1, out.shape[-1])
        n_tokens = at_once(self.mlp.fc1.out_features, len(tokens), x.device)

        def add(part: Tensor) -> None:
            part += self.mlp(part)

        for_each(add, list(torch.split(tokens, n_tokens)), x.device)
        return out


class Stage(nn.Module):
    """Blocks of one size, and the merging that leads to the next stage."""

    def __init__(self, index: int) -> None:
        super().__init__()
        channels = EMBED_DIMS[index]
        self.blocks = nn.Sequential(
            *(
                TinyViTBlock(channels, HEADS[index], WINDOWS[index]) if index else MBConv(channels)
                for _ in range(DEPTHS[index])
            )
        )
        self.downsample = (
            PatchMerging(channels, EMBED_DIMS[index + 1], DOWNSAMPLE_STRIDES[index])
            if index < len(DOWNSAMPLE_STRIDES)
            else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        """Apply the stage to [B, H, W, C]."""
        out: Tensor = self.downsample(self.blocks(x))
        return out


class Neck(nn.Sequential):
    """SAM's neck: [B, H, W, C] to [B, H, W, 256]."""

    def __init__(self, channels: int) -> None:
        narrow = nn.Conv2d(channels, OUT_CHANNELS, 1, bias=False)
        mix = nn.Conv2d(OUT_CHANNELS, OUT_CHANNELS, 3, padding=1, bias=False)
        norms = nn.LayerNorm(OUT_CHANNELS, NECK_EPS), nn.LayerNorm(OUT_CHANNELS, NECK_EPS)
        super().__init__(narrow, norms[0], mix, norms[1])
        self._convs, self._norms = (narrow, mix), norms

    def forward(self, x: Tensor) -> Tensor:
        """Apply the neck."""
        x = self._norms[0](pointwise(self._convs[0], x))
        out: Tensor = self._norms[1](convolve(self._convs[1], x, pad_rows=1))
        return out


class TinyViT(nn.Module):
    """The encoder: normalised image [B, 3, 1024, 1024] to embedding [B, 256, 64, 64]."""

    def __init__(self) -> None:
        super().__init__()
        self.img_size = IMAGE_SIZE_PX
        self.patch_embed = PatchEmbed(EMBED_DIMS[0])
        self.layers = nn.Sequential(*(Stage(i) for i in range(len(EMBED_DIMS))))
        self.neck = Neck(EMBED_DIMS[-1])

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """Encode a batch of normalised, padded images."""
        if x.device.type == "cpu" and len(x) > 1:
            # The cache holds strips of one image, not of many.
            return torch.cat([self(image[None]) for image in x])
        embedding: Tensor = self.neck(self.layers(self.patch_embed(x)))
        return embedding.permute(0, 3, 1, 2).contiguous()


def fuse_batch_norms(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Fold every ``X.bn`` into ``X.c``; a state without batch norms comes back as it is.

    In inference a batch norm is ``(y - mean) / sqrt(var + eps) * gamma + beta``: a scale per
    output channel of the convolution, and a bias. Computed in float64. A batch norm that is
    incomplete or doesn't go with its convolution stays, for the network to refuse.
    """
    fused = dict(state)
    for key in state:
        stem = key.removesuffix("bn.weight")
        kernel = state.get(f"{stem}c.weight")
        norm = [state.get(f"{stem}bn.{part}") for part in BATCH_NORM_TENSORS]
        if stem == key or kernel is None or kernel.ndim != 4:
            continue
        if any(part is None or part.shape != kernel.shape[:1] for part in norm):
            continue
        gamma, beta, mean, var = (part.double() for part in norm if part is not None)
        scale = gamma / (var + BATCH_NORM_EPS).sqrt()
        fused[f"{stem}c.weight"] = (kernel.double() * scale.view(-1, 1, 1, 1)).to(kernel.dtype)
        fused[f"{stem}c.bias"] = (beta - mean * scale).to(kernel.dtype)
        for part in BATCH_NORM_TENSORS:
            del fused[f"{stem}bn.{part}"]
    return fused
