"""MobileSAM's image encoder: TinyViT with SAM's neck, for inference.

Layout after Wu et al., "TinyViT" (https://arxiv.org/abs/2207.10666) and Zhang et al., "Faster
Segment Anything" (https://arxiv.org/abs/2306.14289). Modules carry the names of the official
checkpoint, but for batch norms: `fuse_batch_norms` folds each into the convolution before it, so
``X.c.weight`` and ``X.bn.*`` become ``X.c.weight`` and ``X.c.bias``, and only those exist here.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

import torch
from segment_anything.modeling.common import LayerNorm2d
from torch import Tensor, nn
from torch.nn import functional as F

IMAGE_SIZE_PX = 1024
EMBED_DIMS = (64, 128, 160, 320)
DEPTHS = (2, 2, 6, 2)
HEADS = (2, 4, 5, 10)
WINDOWS = (7, 7, 14, 7)
DOWNSAMPLE_STRIDES = (2, 2, 1)
EXPANSION = 4
OUT_CHANNELS = 256
BATCH_NORM_EPS = 1e-5
BATCH_NORM_TENSORS = ("weight", "bias", "running_mean", "running_var")


def conv(
    in_channels: int, out_channels: int, kernel: int = 1, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    """A convolution with its batch norm folded in, under the official name ``c``."""
    layer = nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, groups=groups)
    return nn.Sequential(OrderedDict(c=layer))


class PatchEmbed(nn.Module):
    """Two strided convolutions: [B, 3, H, W] to [B, C, H/4, W/4]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.seq = nn.Sequential(
            conv(3, half, 3, stride=2), nn.GELU(), conv(half, channels, 3, stride=2)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Embed an image."""
        embedded: Tensor = self.seq(x)
        return embedded


class MBConv(nn.Module):
    """Inverted bottleneck with a residual path, [B, C, H, W] to the same shape."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = channels * EXPANSION
        self.conv1 = conv(channels, hidden)
        self.conv2 = conv(hidden, hidden, 3, groups=hidden)
        self.conv3 = conv(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        hidden = F.gelu(self.conv2(F.gelu(self.conv1(x))))
        return F.gelu(x + self.conv3(hidden))


class PatchMerging(nn.Module):
    """Between two stages: new channel count, and half the size where the stride is 2."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = conv(in_channels, out_channels)
        self.conv2 = conv(out_channels, out_channels, 3, stride, groups=out_channels)
        self.conv3 = conv(out_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Merge [B, C, H, W] to [B, C', H/stride, W/stride]."""
        merged: Tensor = self.conv3(F.gelu(self.conv2(F.gelu(self.conv1(x)))))
        return merged


def bias_index(window: int) -> Tensor:
    """Which learned bias holds between two places of a window.

    Returns:
        int64 [N, N] with N = window²: ``|dy| * window + |dx|``, the order in which the official
        code meets the distances.
    """
    y, x = torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")
    y, x = y.flatten(), x.flatten()
    return (y[:, None] - y).abs() * window + (x[:, None] - x).abs()


class Attention(nn.Module):
    """Multi-head attention within windows, with a learned bias per head and distance."""

    bias: Tensor | None

    def __init__(self, channels: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads = heads
        self.window = window
        self.norm = nn.LayerNorm(channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)
        self.attention_biases = nn.Parameter(torch.zeros(heads, window * window))
        self.register_buffer("bias", None, persistent=False)
        self.register_load_state_dict_post_hook(_refresh_bias)  # type: ignore[no-untyped-call]

    def train(self, mode: bool = True) -> Attention:
        """Switch between training and inference; inference keeps the bias gathered."""
        super().train(mode)
        _refresh_bias(self)
        return self

    def gathered_bias(self) -> Tensor:
        """The bias between any two places of a window, float32 [1, heads, N, N]."""
        index = bias_index(self.window).to(self.attention_biases.device)
        return self.attention_biases[None, :, index]

    def forward(self, x: Tensor) -> Tensor:
        """Attend within windows: x and the result are [windows, N, C]."""
        n_windows, n_tokens, channels = x.shape
        # NOTE: query, key and value of one head stand together, unlike in SAM's own ViT.
        qkv = self.qkv(self.norm(x)).view(n_windows, n_tokens, self.heads, 3, -1)
        query, key, value = qkv.permute(3, 0, 2, 1, 4)
        bias = self.gathered_bias() if self.bias is None else self.bias
        out = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        mixed: Tensor = self.proj(out.transpose(1, 2).reshape(n_windows, n_tokens, channels))
        return mixed


def _refresh_bias(attention: Attention, _keys: object = None) -> None:
    """Gather the bias anew after new weights or a change of mode."""
    with torch.no_grad():
        attention.bias = None if attention.training else attention.gathered_bias().contiguous()


class Mlp(nn.Module):
    """Norm, linear, GELU, linear over the last axis."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.fc1 = nn.Linear(channels, channels * EXPANSION)
        self.fc2 = nn.Linear(channels * EXPANSION, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block to [..., C]."""
        out: Tensor = self.fc2(F.gelu(self.fc1(self.norm(x))))
        return out


class TinyViTBlock(nn.Module):
    """Window attention, a depthwise convolution, and an MLP, [B, C, H, W] to the same shape."""

    def __init__(self, channels: int, heads: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.attn = Attention(channels, heads, window)
        self.local_conv = conv(channels, channels, 3, groups=channels)
        self.mlp = Mlp(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        tokens = x.permute(0, 2, 3, 1)
        tokens = tokens + self._attend(tokens)
        tokens = self.local_conv(tokens.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        out: Tensor = (tokens + self.mlp(tokens)).permute(0, 3, 1, 2)
        return out

    def _attend(self, tokens: Tensor) -> Tensor:
        """Attention in windows over [B, H, W, C]; zeros pad the last windows, as in training."""
        batch, height, width, channels = tokens.shape
        side = self.window
        tokens = F.pad(tokens, (0, 0, 0, -width % side, 0, -height % side))
        rows, cols = tokens.shape[1] // side, tokens.shape[2] // side
        tokens = tokens.view(batch, rows, side, cols, side, channels).transpose(2, 3)
        attended = self.attn(tokens.reshape(-1, side * side, channels))
        attended = attended.view(batch, rows, cols, side, side, channels).transpose(2, 3)
        out: Tensor = attended.reshape(batch, rows * side, cols * side, channels)
        return out[:, :height, :width]


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
        """Apply the stage to [B, C, H, W]."""
        out: Tensor = self.downsample(self.blocks(x))
        return out


class TinyViT(nn.Module):
    """The encoder: normalised image [B, 3, 1024, 1024] to embedding [B, 256, 64, 64]."""

    def __init__(self) -> None:
        super().__init__()
        self.img_size = IMAGE_SIZE_PX
        self.patch_embed = PatchEmbed(EMBED_DIMS[0])
        self.layers = nn.Sequential(*(Stage(i) for i in range(len(EMBED_DIMS))))
        self.neck = nn.Sequential(
            nn.Conv2d(EMBED_DIMS[-1], OUT_CHANNELS, 1, bias=False),
            LayerNorm2d(OUT_CHANNELS),
            nn.Conv2d(OUT_CHANNELS, OUT_CHANNELS, 3, padding=1, bias=False),
            LayerNorm2d(OUT_CHANNELS),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Encode a batch of normalised, padded images."""
        # Channels last is what attention and linear layers want anyway, so that their permutes
        # cost nothing; and convolutions on a CPU are faster in it.
        x = x.contiguous(memory_format=torch.channels_last)
        embedding: Tensor = self.neck(self.layers(self.patch_embed(x)))
        return embedding.contiguous()


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
