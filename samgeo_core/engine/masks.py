"""From the decoder's 256 x 256 logits to masks of the tile, touching only pixels that matter."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from samgeo_core.engine.kernels import Kernels, find_kernels
from samgeo_core.windows import ShapeHW

_FAR = 1 << 40
_CELLS_AT_ONCE = 1 << 14
_BAND_PX = 128


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
class _Cells:
    """Output positions of one axis by the first input they depend on: a cell for each input.

    Attributes:
        start, count: int64 [side], the output positions of each cell; it may have none.
        weights: float32 [reach, P, side], of the inputs from the cell's own on, for up to P
            positions; zero where it has fewer.
        lack: float32 [P, side], minus infinity where a cell has fewer than P positions, else zero.
        usual: positions that no cell exceeds but those at the two ends of the axis.
    """

    start: Tensor
    count: Tensor
    weights: Tensor
    lack: Tensor
    usual: int

    @property
    def reach(self) -> int:
        return len(self.weights)

    @property
    def as_kernels_take_it(self) -> tuple[int | Tensor, ...]:
        """How many inputs a position depends on, positions at most, and the arrays in float32."""
        arrays = (self.start.float(), self.count.float(), self.weights.contiguous())
        return self.reach, len(self.lack), *arrays

    def part(self, inputs: slice) -> _Cells:
        """The cells of some inputs."""
        arrays = (self.start, self.count, self.weights, self.lack)
        start, count, weights, lack = (array[..., inputs] for array in arrays)
        return _Cells(start, count, weights, lack, self.usual)


@dataclass(frozen=True, eq=False)
class _Axis:
    """Both resampling steps of SAM along one axis, as one matrix [n_out, side]."""

    matrix: Tensor
    first: tuple[int, ...]
    last: tuple[int, ...]
    cells: _Cells

    @classmethod
    def build(
        cls, n_out: int, n_input: int, n_padded: int, side: int, device: torch.device
    ) -> _Axis:
        to_input = _bilinear(side, n_padded)[:n_input]
        matrix = (_bilinear(n_input, n_out) @ to_input).float()
        used = matrix != 0
        first = used.int().argmax(1)
        last = side - 1 - used.flip(1).int().argmax(1)
        reach = int((last - first).max()) + 1
        count = torch.bincount(first, minlength=side)
        start = count.cumsum(0) - count
        step = torch.arange(int(count.max()))[:, None]
        place = (start + step).clamp(max=n_out - 1)
        inputs = torch.arange(side) + torch.arange(reach)[:, None]
        weights = matrix[place[None], inputs.clamp(max=side - 1)[:, None]]
        weights = weights * ((inputs < side)[:, None] & (step < count))
        lack = torch.zeros(place.shape).masked_fill_(step >= count, -torch.inf)
        usual = max(1, int(count.sort().values[-3:][0]))
        start, count, weights, lack = (t.to(device) for t in (start, count, weights, lack))
        cells = _Cells(start, count, weights, lack, usual)
        return cls(matrix.to(device), tuple(first.tolist()), tuple(last.tolist()), cells)

    def within(self, low: int, high: int) -> slice:
        """Output positions that depend on no other inputs than low to high (inclusive)."""
        start, stop = bisect_left(self.first, low), bisect_right(self.last, high)
        return slice(start, max(start, stop))


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


@dataclass(frozen=True)
class Extent:
    """What is known of a mask without forming it.

    Attributes:
        area: pixels above the threshold; inner, outer: above it plus, and less, the offset.
        box: first and last column and row (x0, y0, x1, y1), inclusive, as SAM's boxes; no meaning
            if the area is 0.
    """

    area: int
    inner: int
    outer: int
    box: tuple[int, int, int, int]

    @property
    def stability(self) -> float:
        """IoU of the masks above and below the threshold by the offset; NaN if both are empty."""
        return self.inner / self.outer if self.outer else float("nan")


class _CellGrid:
    """Cells of output pixels, one for each of h x w inputs.

    Args:
        ys, xs: the cells of h rows and w columns of inputs.
    """

    def __init__(self, ys: _Cells, xs: _Cells) -> None:
        self.ys, self.xs = ys, xs
        self.present = (ys.count > 0)[:, None] & (xs.count > 0)

    def extents(
        self, logits: Tensor, levels: tuple[float, float, float], least_stability: float
    ) -> list[Extent | None]:
        """Areas and boxes of masks [M, h, w] at a cutoff, one above it and one below."""
        ys, xs, (threshold, upper, lower) = self.ys, self.xs, levels
        lowest, highest = self._ranges(logits)
        inner, outer = self._count(torch.stack([highest > upper, lowest > lower])).unbind()
        may_reach = inner >= least_stability * outer
        left = may_reach.nonzero()[:, 0]
        logits, lowest, highest = logits[left], lowest[left], highest[left]
        every = torch.stack([lowest > level for level in levels])
        some = torch.stack([highest > level for level in levels])
        undecided = (some ^ every).any(0) & self.present
        # In cells that are decided at every level, pixels are counted without being formed.
        whole = every & ~undecided
        counts = self._count(whole).t().contiguous()
        bounds = self._bounds(whole[0] & self.present)
        for cells in torch.split(undecided.nonzero(), _CELLS_AT_ONCE):
            for at, row, column, most in self._by_size(cells):
                values = self._pixels(logits, at, row, column, most)
                for i, level in enumerate(levels):
                    counts[:, i].index_add_(0, at, (values > level).sum((0, 1)))
                self._widen(bounds, at, values.amax(1) > threshold, ys.start[row], 1)
                self._widen(bounds, at, values.amax(0) > threshold, xs.start[column], 0)
        found: list[Extent | None] = [None] * len(may_reach)
        table = torch.cat([left[:, None], counts, bounds], 1).tolist()
        for i, n, n_inner, n_outer, x0, y0, x1, y1 in table:
            found[i] = Extent(n, n_inner, n_outer, (x0, y0, x1, y1))
        return found

    def _count(self, cells: Tensor) -> Tensor:
        """Pixels int64 [K, M] of whole cells, bool [K, M, h, w]."""
        rows = torch.matmul(cells.float(), self.xs.count.float())
        return (rows.long() * self.ys.count).sum(2)

    def _ranges(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Lowest and highest of the inputs of each cell, float32 [M, h, w]."""
        lowest = highest = logits
        for axis, cells in ((1, self.ys), (2, self.xs)):
            low, high = lowest, highest
            lowest, highest = lowest.clone(), highest.clone()
            for step in range(1, min(cells.reach, low.shape[axis])):
                n = low.shape[axis] - step
                for extreme, taken, so_far in (
                    (torch.minimum, low, lowest),
                    (torch.maximum, high, highest),
                ):
                    part = so_far.narrow(axis, 0, n)
                    extreme(part, taken.narrow(axis, step, n), out=part)
        return lowest, highest

    def _bounds(self, whole: Tensor) -> Tensor:
        """Boxes int64 [M, 4] of whole cells [M, h, w]; first beyond last where there are none."""
        sides = []
        for cells, present in ((self.xs, whole.any(1)), (self.ys, whole.any(2))):
            first = torch.where(present, cells.start, _FAR).amin(1)
            last = torch.where(present, cells.start + cells.count - 1, -1).amax(1)
            sides.append((first, last))
        (x0, x1), (y0, y1) = sides
        return torch.stack([x0, y0, x1, y1], 1)

    def _by_size(self, cells: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor, ShapeHW]]:
        """Mask, row and column [C] of cells [C, 3], the usual ones and those at the ends apart.

        With them comes how many rows and columns of pixels there are at most.
        """
        ys, xs = self.ys, self.xs
        usual = (ys.count[cells[:, 1]] <= ys.usual) & (xs.count[cells[:, 2]] <= xs.usual)
        for chosen, most in (
            (cells[usual], (ys.usual, xs.usual)),
            (cells[~usual], (len(ys.lack), len(xs.lack))),
        ):
            if len(chosen):
                at, row, column = chosen.unbind(1)
                yield at, row, column, most

    def _pixels(
        self, logits: Tensor, at: Tensor, row: Tensor, column: Tensor, most: ShapeHW
    ) -> Tensor:
        """Pixels [Py, Px, C] of some cells, minus infinity where a cell has fewer."""
        ys, xs, (_, height, width), (py, px) = self.ys, self.xs, logits.shape, most
        flat, across = logits.reshape(-1), xs.weights[:, :px, column]
        columns = [(column + j).clamp_(max=width - 1) for j in range(xs.reach)]
        values = ys.lack[:py, row][:, None] + xs.lack[:px, column]
        for i, down in enumerate(ys.weights[:, :py, row]):
            start = (at * height + (row + i).clamp_(max=height - 1)) * width
            line = torch.zeros_like(across[0])
            for j, weight in enumerate(across):
                line.addcmul_(flat[start + columns[j]], weight)
            values.addcmul_(down[:, None], line)
        return values

    @staticmethod
    def _widen(bounds: Tensor, at: Tensor, present: Tensor, start: Tensor, axis: int) -> None:
        """Let boxes [M, 4] reach the places, [P, C] from ``start`` [C] on, that are present."""
        steps = torch.arange(len(present), device=present.device, dtype=torch.int32)[:, None]
        first = torch.where(present, steps, 1 << 20).amin(0)
        last = torch.where(present, steps, -(1 << 20)).amax(0)
        bounds[:, axis].scatter_reduce_(0, at, start + first, "amin")
        bounds[:, axis + 2].scatter_reduce_(0, at, start + last, "amax")


class MaskGrid:
    """SAM's resampling of logits to a tile (`Sam.postprocess_masks`), only where it matters.

    Bilinear interpolation never exceeds the values it interpolates: where all logits that a cell of
    output pixels depends on lie on one side of a level, so do the pixels. Only the other cells,
    those along outlines, are resampled to count and bound a mask.

    Args:
        shape_hw: the tile, px.
        input_hw: the part of the encoder's input the tile fills, px.
        padded: side of the encoder's square input, px.
        side: side of the logits.
        device: where the logits are.
        kernels: compiled functions for a CPU; None does without.
    """

    def __init__(
        self, shape_hw: ShapeHW, input_hw: ShapeHW, padded: int, side: int, device: torch.device,
        kernels: Kernels | None = None,
    ) -> None:  # fmt: skip
        self.shape_hw = shape_hw
        self.kernels = kernels if kernels and side % kernels.chunk == 0 else None
        self.side = side
        self._y, self._x = (
            _Axis.build(n, m, padded, side, device) for n, m in zip(shape_hw, input_hw, strict=True)
        )
        self._taken = [axis.cells.as_kernels_take_it for axis in (self._y, self._x)]

    def extents(
        self, logits: Tensor, threshold: float, offset: float, least_stability: float = 0.0
    ) -> list[Extent | None]:
        """Areas and boxes of masks [M, 256, 256] at the tile's resolution.

        Args:
            logits: of the masks.
            threshold: cutoff of a mask.
            offset: shift of the cutoff by which stability is measured.
            least_stability: masks that can't reach it are None.
        """
        levels = (threshold, threshold + offset, threshold - offset)
        if self.kernels:
            return self._by_kernels(self.kernels, logits, levels, least_stability)
        above = (logits > levels[2]).any(0)
        rows, columns = (
            self._reached(present, axis.cells.reach)
            for present, axis in ((above.any(1), self._y), (above.any(0), self._x))
        )
        cells = _CellGrid(self._y.cells.part(rows), self._x.cells.part(columns))
        return cells.extents(logits[:, rows, columns], levels, least_stability)

    def _by_kernels(
        self, kernels: Kernels, logits: Tensor, levels: tuple[float, float, float], least: float
    ) -> list[Extent | None]:
        """The same as `_CellGrid.extents`, mask by mask."""
        (reach_y, most_y, *ys), (reach_x, most_x, *xs) = self._taken
        found = torch.empty(len(logits), 8, dtype=torch.int64)
        kernels.call(
            "extents", len(logits), self.side, reach_y, most_y, reach_x, most_x, least,
            logits.contiguous(), torch.tensor(levels), *ys, *xs, found,
        )  # fmt: skip
        return [
            Extent(area, inner, outer, (x0, y0, x1, y1)) if may_reach else None
            for may_reach, area, inner, outer, x0, y0, x1, y1 in found.tolist()
        ]

    @staticmethod
    def _reached(present: Tensor, reach: int) -> slice:
        """Inputs that can matter where only some, bool [side], are above the lowest level."""
        if present.device.type != "cpu":
            return slice(0, len(present))  # to ask where would make the device wait
        found = present.nonzero()[:, 0]
        if not len(found):
            return slice(0, 1)
        return slice(max(int(found[0]) - reach, 0), int(found[-1]) + reach + 1)

    def crop(self, logits: Tensor, box: tuple[int, int, int, int]) -> LogitCrop:
        """The part of logits [256, 256] on which the pixels of a box (inclusive) depend."""
        x0, y0, x1, y1 = box
        rows = slice(self._y.first[y0], self._y.last[y1] + 1)
        columns = slice(self._x.first[x0], self._x.last[x1] + 1)
        return LogitCrop(logits[rows, columns].clone(), rows.start, columns.start)

    def resample(self, crop: LogitCrop) -> tuple[Tensor, tuple[int, int]]:
        """Logits at the tile's resolution, [h, w], and the tile column and row they start at.

        Pixels that also depend on logits outside the crop are left out.
        """
        r1, c1 = crop.row + crop.logits.shape[0], crop.column + crop.logits.shape[1]
        ys, xs = self._y.within(crop.row, r1 - 1), self._x.within(crop.column, c1 - 1)
        rows = self._y.matrix[ys, crop.row : r1] @ crop.logits
        out = rows.new_empty(len(rows), xs.stop - xs.start)
        # A band of pixels depends on few logits: the matrix is worked on along its diagonal.
        for x in range(xs.start, xs.stop, _BAND_PX):
            band = slice(x, min(x + _BAND_PX, xs.stop))
            used = slice(self._x.first[band.start], self._x.last[band.stop - 1] + 1)
            left = rows[:, used.start - crop.column : used.stop - crop.column]
            part = out[:, band.start - xs.start : band.stop - xs.start]
            torch.matmul(left, self._x.matrix[band, used].t(), out=part)
        return out, (xs.start, ys.start)


@lru_cache(maxsize=16)
def mask_grid(
    shape_hw: ShapeHW, input_hw: ShapeHW, padded: int, side: int, device: torch.device
) -> MaskGrid:
    """The `MaskGrid` of a tile, remembered, since most tiles share one shape."""
    kernels = find_kernels() if device.type == "cpu" else None
    return MaskGrid(shape_hw, input_hw, padded, side, device, kernels)


def box_of(mask: Tensor) -> tuple[int, int, int, int] | None:
    """First and last column and row (x0, y0, x1, y1, inclusive, as SAM's boxes); None if empty."""
    rows = mask.any(1).nonzero()[:, 0]
    columns = mask.any(0).nonzero()[:, 0]
    if not len(rows):
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]), int(rows[-1])
