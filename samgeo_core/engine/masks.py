"""From the decoder's 256 x 256 logits to masks of the tile, touching only pixels that matter."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from samgeo_core.windows import ShapeHW


def _bilinear(n_in: int, n_out: int) -> Tensor:
    """Bilinear resampling of one axis as a matrix [n_out, n_in], half-pixel centres.

    The same weights as ``torch.nn.functional.interpolate(mode="bilinear", align_corners=False)``.
    """
    position = (torch.arange(n_out, dtype=torch.float64) + 0.5) * (n_in / n_out) - 0.5
    position = position.clamp(0, n_in - 1)
    low = position.floor().long()
    high = (low + 1).clamp(max=n_in - 1)
    weight = position - low
    rows = torch.arange(n_out)
    matrix = torch.zeros(n_out, n_in, dtype=torch.float64)
    matrix[rows, low] += 1 - weight
    matrix[rows, high] += weight
    return matrix


@dataclass(frozen=True, eq=False)
class _Axis:
    """Both resampling steps of SAM along one axis, as one matrix [n_out, side]."""

    matrix: Tensor
    first: Tensor
    last: Tensor

    @classmethod
    def build(cls, n_out: int, n_input: int, n_padded: int, side: int) -> _Axis:
        to_input = _bilinear(side, n_padded)[:n_input]
        matrix = (_bilinear(n_input, n_out) @ to_input).float()
        used = matrix != 0
        return cls(matrix, used.int().argmax(1), side - 1 - used.flip(1).int().argmax(1))

    def within(self, low: int, high: int) -> slice:
        """Output positions that depend on no other inputs than low to high (inclusive)."""
        hit = ((self.first >= low) & (self.last <= high)).nonzero()
        return slice(int(hit[0, 0]), int(hit[-1, 0]) + 1) if len(hit) else slice(0, 0)


@dataclass(frozen=True, eq=False)
class LogitCrop:
    """Low-resolution logits around one mask.

    Attributes:
        logits: float32 [r, c], cropped from [256, 256].
        row, column: where the crop starts.
    """

    logits: Tensor
    row: int
    column: int


class MaskGrid:
    """SAM's resampling of logits to a tile (`Sam.postprocess_masks`), restricted to a crop.

    Bilinear interpolation never exceeds the values it interpolates, so outside the output pixels
    that depend on a logit above a level nothing is above that level: computing only there is exact.

    Args:
        shape_hw: the tile, px.
        input_hw: the part of the encoder's input the tile fills, px.
        padded: side of the encoder's square input, px.
        side: side of the logits.
        device: where the logits are.
    """

    def __init__(
        self, shape_hw: ShapeHW, input_hw: ShapeHW, padded: int, side: int, device: torch.device
    ) -> None:
        self.shape_hw = shape_hw
        self.side = side
        self._y, self._x = (
            _Axis.build(n, m, padded, side) for n, m in zip(shape_hw, input_hw, strict=True)
        )
        self._matrix_y = self._y.matrix.to(device)
        self._matrix_x = self._x.matrix.to(device)

    def crop(self, logits: Tensor, level: float) -> LogitCrop | None:
        """The part of logits [256, 256] that decides where the tile is above a level."""
        above = logits > level
        rows = above.any(1).nonzero()[:, 0].tolist()
        columns = above.any(0).nonzero()[:, 0].tolist()
        if not rows:
            return None
        # Two more on each side: an output pixel depends on at most three neighbouring logits.
        r0, r1 = max(rows[0] - 2, 0), min(rows[-1] + 3, self.side)
        c0, c1 = max(columns[0] - 2, 0), min(columns[-1] + 3, self.side)
        return LogitCrop(logits[r0:r1, c0:c1].clone(), r0, c0)

    def resample(self, crop: LogitCrop) -> tuple[Tensor, tuple[int, int]]:
        """Logits at the tile's resolution, [h, w], and the tile column and row they start at.

        Pixels that also depend on logits outside the crop are left out.
        """
        r1, c1 = crop.row + crop.logits.shape[0], crop.column + crop.logits.shape[1]
        ys, xs = self._y.within(crop.row, r1 - 1), self._x.within(crop.column, c1 - 1)
        left = self._matrix_y[ys, crop.row : r1]
        right = self._matrix_x[xs, crop.column : c1]
        return left @ crop.logits @ right.t(), (xs.start, ys.start)


@lru_cache(maxsize=16)
def mask_grid(
    shape_hw: ShapeHW, input_hw: ShapeHW, padded: int, side: int, device: torch.device
) -> MaskGrid:
    """The `MaskGrid` of a tile, remembered, since most tiles share one shape."""
    return MaskGrid(shape_hw, input_hw, padded, side, device)


def stability(logits: Tensor, threshold: float, offset: float) -> float:
    """IoU of the masks above ``threshold + offset`` and ``threshold - offset``; NaN if none."""
    inner = int((logits > threshold + offset).sum())
    outer = int((logits > threshold - offset).sum())
    return inner / outer if outer else float("nan")


def box_of(mask: Tensor) -> tuple[int, int, int, int] | None:
    """First and last column and row (x0, y0, x1, y1, inclusive, as SAM's boxes); None if empty."""
    rows = mask.any(1).nonzero()[:, 0]
    columns = mask.any(0).nonzero()[:, 0]
    if not len(rows):
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]), int(rows[-1])
