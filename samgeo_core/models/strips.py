"""Convolutions in strips of rows, so that what lies between two layers stays in a CPU's cache.

Large tensors cost a CPU more than the arithmetic on them: each is written to memory, read back by
the next operation, and given back to the system and asked for anew. A strip goes through all layers
of a block before the next one begins, and every core has strips of its own; the numbers are the
same. Here and in `tiny_vit` images are [B, H, W, C], a 1×1 convolution is the matrix product that
it amounts to, and nothing computes gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from samgeo_core.engine.threads import side_by_side

A = TypeVar("A")

# Measured best on a processor with 512 kB of second-level and 32 MB of third-level cache; half
# and twice as many cost up to a tenth more.
NUMBERS_AT_ONCE = 1 << 19

gelu_ = torch.ops.aten.gelu_  # torch.nn.functional has no GELU that works in place


class Conv(nn.Module):
    """A convolution with its batch norm folded in, under the official name ``c``."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int = 1, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        self.c = nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, groups=groups)


def at_once(numbers_each: int, total: int, device: torch.device) -> int:
    """How many of `total` rows or tokens to take together; all where it is no CPU.

    Args:
        numbers_each: float32 numbers that the widest step makes of one of them.
        total: how many there are.
        device: where the work is done.
    """
    return min(total, max(2, NUMBERS_AT_ONCE // numbers_each)) if device.type == "cpu" else total


def for_each(work: Callable[[A], None], pieces: list[A], device: torch.device) -> None:
    """Do independent pieces of work, on a CPU one per core."""
    if device.type != "cpu" or torch.get_num_threads() == 1 or len(pieces) == 1:
        for piece in pieces:
            work(piece)
        return
    # Modes hold for one thread; the others have to be told.
    inference = torch.is_inference_mode_enabled()
    narrow, dtype = torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")

    def as_here(piece: A) -> None:
        with torch.inference_mode(inference), torch.no_grad(), torch.autocast("cpu", dtype, narrow):
            work(piece)

    for _ in side_by_side(as_here, pieces, device):
        pass


def bands(height: int, device: torch.device) -> list[range]:
    """Rows for each core; all in one where it is no CPU."""
    count = min(height, torch.get_num_threads()) if device.type == "cpu" else 1
    edges = [height * i // count for i in range(count + 1)]
    return [range(first, last) for first, last in pairwise(edges)]


def pointwise(layer: nn.Conv2d, x: Tensor) -> Tensor:
    """A 1×1 convolution of [..., C]."""
    return F.linear(x, layer.weight.flatten(1), layer.bias)


def convolve(layer: nn.Conv2d, x: Tensor, pad_rows: int = 0) -> Tensor:
    """A convolution of [B, H, W, C], padded to the left and right by half the kernel.

    Args:
        layer: the convolution; its own padding is not heeded.
        x: its input.
        pad_rows: rows of zeros above and below.
    """
    padding = (pad_rows, layer.kernel_size[1] // 2)
    image = x.permute(0, 3, 1, 2)
    out = F.conv2d(image, layer.weight, layer.bias, layer.stride, padding, groups=layer.groups)
    return out.permute(0, 2, 3, 1)


def bottleneck(
    x: Tensor, layers: tuple[nn.Conv2d, nn.Conv2d, nn.Conv2d], band: range
) -> Iterator[tuple[slice, Tensor]]:
    """1×1, GELU, depthwise 3×3, GELU, 1×1 of [B, H, W, C].

    Args:
        x: the image.
        layers: the three convolutions; the second may have a stride of 2 if H and W are even.
        band: which rows of the result are wanted.

    Yields:
        Rows of the result, from the band's first on, and what they hold, [B, rows, W', C'].
    """
    widen, mix, narrow = layers
    batch, height, width, _ = x.shape
    stride = int(mix.stride[0])
    start, stop = max(0, (band.start - 1) * stride), min(height, (band.stop - 1) * stride + 2)
    # The 3×3 needs the last rows of the strip before: two, or one where it skips every second row.
    # Strips of an even number of rows keep it in step.
    n_kept = 3 - stride
    n_rows = -(-at_once(batch * width * widen.out_channels, height, x.device) // 2) * 2
    hidden: Tensor | None = None
    first = n_kept + stride - 1 if band.start else n_kept - 1  # above the image is a row of zeros
    done = band.start
    for top in range(start, stop, n_rows):
        wide = pointwise(widen, x[:, top : min(top + n_rows, stop)])
        end = n_kept + wide.shape[1]
        if hidden is None:
            hidden = wide.new_zeros((batch, n_kept + n_rows + 1, *wide.shape[2:]))
        hidden[:, n_kept:end] = gelu_(wide)
        if top + n_rows >= height and stop == height:
            hidden[:, end] = 0  # and so is below it
            end += 1
        if end - first >= 3:
            strip = pointwise(narrow, gelu_(convolve(mix, hidden[:, first:end])))
            rows = slice(done, min(done + strip.shape[1], band.stop))
            yield rows, strip[:, : rows.stop - rows.start]
            done = rows.stop
        if top + n_rows < stop:
            hidden[:, :n_kept] = hidden[:, end - n_kept : end].clone()
        first = 0


def halve_twice(
    x: Tensor, layers: tuple[nn.Conv2d, nn.Conv2d], band: range
) -> Iterator[tuple[slice, Tensor]]:
    """Strided 3×3, GELU, strided 3×3 of an image [B, C, H, W], H and W multiples of 4.

    Args:
        x: the image.
        layers: the two convolutions.
        band: which rows of the result are wanted.

    Yields:
        Rows of the result, from the band's first on, and what they hold, [B, rows, W / 4, C'].
    """
    n_rows = at_once(len(x) * x.shape[3] * layers[0].out_channels, len(band), x.device)
    for top in range(band.start, band.stop, n_rows):
        stop = min(top + n_rows, band.stop)
        # One row of the first convolution above the strip, and one of pixels above that; at the
        # top of the image both are padding.
        above, missing = (3, 0) if top else (0, 1)
        pixels = x[:, :, 4 * top - above : 4 * stop].permute(0, 2, 3, 1).contiguous()
        half = convolve(layers[0], F.pad(pixels, (0, 0, 0, 0, missing, 0)))
        half = F.pad(gelu_(half), (0, 0, 0, 0, missing, 0))
        yield slice(top, stop), convolve(layers[1], half)
