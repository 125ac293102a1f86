"""Cutting a raster of any size into regions that are read and segmented one at a time."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from samgeo_core.errors import ParameterError
from samgeo_core.windows import ShapeHW, Window

_LEAST_ALIGNED_SHARE = 0.75
"""Cores are made to fit the file's blocks unless that took more than a quarter of their side."""


@dataclass(frozen=True, order=True)
class Region:
    """What is read and segmented in one go.

    Attributes:
        index: place in the plan, row by row.
        window: what is read: the core and the margin around it, px of the raster.
        core: the part of it that this region answers for, px of the raster.
    """

    index: int
    window: Window
    core: Window


@dataclass(frozen=True)
class _Axis:
    """The cores along one axis: they begin at the area's edge and at every stride after that.

    Attributes:
        low, high: the area, px.
        first: where the second core begins, px.
        stride: from one core to the next, px.
        margin: by which windows are larger than cores, on both sides, px.
    """

    low: int
    high: int
    first: int
    stride: int
    margin: int

    def __len__(self) -> int:
        # What is left at the end goes to the last core while its window stays within its size.
        return 1 + max(0, -(-(self.high - self.margin - self.first) // self.stride))

    def core(self, i: int) -> tuple[int, int]:
        """Begin and end of a core, px."""
        start = self.low if i == 0 else self.first + (i - 1) * self.stride
        return start, self.high if i == len(self) - 1 else self.first + i * self.stride

    def window(self, i: int) -> tuple[int, int]:
        """Begin and end of a window, px."""
        start, stop = self.core(i)
        return max(start - self.margin, self.low), min(stop + self.margin, self.high)

    def meeting(self, start: int, stop: int) -> range:
        """The windows that share pixels with an interval."""
        every = range(len(self))
        first = bisect_right(every, start, key=lambda i: self.window(i)[1])
        return range(first, bisect_left(every, stop, key=lambda i: self.window(i)[0]))


@dataclass(frozen=True)
class RegionPlan:
    """Regions whose cores tile a raster, or an area of it, exactly once. Never a list of them all.

    Attributes:
        shape_hw: height and width of the raster, px.
        region_px: greatest side of a window: with it grows what a worker needs of memory.
        margin_px: by how much a window is larger than its core on each side, px.
        area: the part of the raster that is wanted; None takes all.
        block_hw: height and width of the file's blocks, px: cores begin where blocks do, unless
            that would make them much smaller.
        shift_xy: moves the borders of cores right and down, px.

    Raises:
        ParameterError: the margins leave no core, or the area isn't within the raster.
    """

    shape_hw: ShapeHW
    region_px: int
    margin_px: int
    area: Window | None = None
    block_hw: ShapeHW | None = None
    shift_xy: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        if self.margin_px < 0 or self.region_px <= 2 * self.margin_px:
            raise ParameterError(
                "A region must be larger than the margins on both its sides, got "
                f"{self.region_px} px with margins of {self.margin_px} px."
            )
        whole = Window.whole(self.shape_hw)
        if self.area is not None and self.area.intersection(whole) != self.area:
            raise ParameterError(
                f"The area must lie within the raster of {whole.width} x {whole.height} px, "
                f"got {self.area.box_xyxy}."
            )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RegionPlan:
        """The plan that `dataclasses.asdict` described, also by way of JSON."""
        area, block = values["area"], values["block_hw"]
        (height, width), (dx, dy) = values["shape_hw"], values["shift_xy"]
        return cls(
            (height, width),
            values["region_px"],
            values["margin_px"],
            None if area is None else Window(**area),
            None if block is None else (block[0], block[1]),
            (dx, dy),
        )

    @property
    def extent(self) -> Window:
        """What the regions cover."""
        return self.area or Window.whole(self.shape_hw)

    def __len__(self) -> int:
        return len(self._columns) * len(self._rows)

    def __iter__(self) -> Iterator[Region]:
        return (self.region(i) for i in range(len(self)))

    def region(self, index: int) -> Region:
        """One region.

        Raises:
            IndexError: there are fewer.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"The plan has {len(self)} regions, got index {index}.")
        row, column = divmod(index, len(self._columns))
        (x0, x1), (y0, y1) = self._columns.core(column), self._rows.core(row)
        (u0, u1), (v0, v1) = self._columns.window(column), self._rows.window(row)
        return Region(index, Window(u0, v0, u1 - u0, v1 - v0), Window(x0, y0, x1 - x0, y1 - y0))

    def neighbours(self, index: int) -> tuple[int, ...]:
        """The other regions whose windows share pixels with that of one, in ascending order."""
        return tuple(i for i in self.meeting(self.region(index).window) if i != index)

    def meeting(self, window: Window) -> Iterator[int]:
        """The regions whose windows share pixels with a window, in ascending order."""
        x0, y0, x1, y1 = window.box_xyxy
        columns = self._columns.meeting(x0, x1)
        n = len(self._columns)
        return (row * n + column for row in self._rows.meeting(y0, y1) for column in columns)

    def last_meeting(self, box_xyxy: tuple[int, int, int, int]) -> int:
        """The last region whose window shares pixels with a box of the area."""
        x0, y0, x1, y1 = box_xyxy
        row = self._rows.meeting(y0, y1)[-1]
        return row * len(self._columns) + self._columns.meeting(x0, x1)[-1]

    def is_cut(self, region: Region, box_xyxy: tuple[int, int, int, int]) -> bool:
        """Whether a box within a region's window reaches an edge behind which the raster goes on.

        Args:
            region: of this plan.
            box_xyxy: left, top, right, bottom, px of the raster; right and bottom exclusive.
        """
        left, top, right, bottom = region.window.box_xyxy
        low_x, low_y, high_x, high_y = self.extent.box_xyxy
        x0, y0, x1, y1 = box_xyxy
        return (
            (x0 <= left > low_x)
            or (y0 <= top > low_y)
            or (x1 >= right < high_x)
            or (y1 >= bottom < high_y)
        )

    @cached_property
    def _columns(self) -> _Axis:
        return self._axis(self.extent.x, self.extent.width, self.shift_xy[0], 1)

    @cached_property
    def _rows(self) -> _Axis:
        return self._axis(self.extent.y, self.extent.height, self.shift_xy[1], 0)

    def _axis(self, low: int, length: int, shift: int, axis: int) -> _Axis:
        stride = self.region_px - 2 * self.margin_px
        block = self.block_hw[axis] if self.block_hw else 1
        aligned = stride // block * block
        if aligned >= _LEAST_ALIGNED_SHARE * stride:
            stride, origin = aligned, low // block * block
        else:
            origin = low
        high = low + length
        if length <= self.region_px and not shift:
            return _Axis(low, high, high, stride, self.margin_px)
        first = origin + shift % stride
        return _Axis(low, high, first if first > low else first + stride, stride, self.margin_px)
