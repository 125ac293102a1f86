"""Objects that may be larger than anything that fits into memory: in pieces."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np

from samgeo_core.objects import BoolMask

Piece = tuple[tuple[int, int], BoolMask]
"""Column and row in the raster where a mask begins, and the mask, bool [h, w]."""


@dataclass(frozen=True, eq=False)
class WholeObject:
    """One object of a raster.

    Attributes:
        object_id: unique within the raster and the same whoever worked on it, from 1.
        parent_id: the smallest larger object that holds it (`nesting.parent_ids`), 0 if none.
        pieces: crops that share no pixel; together they are the object.
        score: predicted IoU.
        stability: stability score.
        point_xy: the prompt, px of the raster; NaN where none.
        area_px: number of pixels.
        box_xyxy: left, top, right, bottom, px of the raster; right and bottom exclusive.
    """

    object_id: int
    parent_id: int
    pieces: Sequence[Piece]
    score: float
    stability: float
    point_xy: tuple[float, float]
    area_px: int
    box_xyxy: tuple[int, int, int, int]


@dataclass(frozen=True, eq=False, slots=True)
class PackedMask:
    """A mask that waits: eight pixels a byte, deflated.

    Attributes:
        data: the mask.
        box: left, top, right, bottom, px of the raster; right and bottom exclusive.
    """

    data: bytes
    box: tuple[int, int, int, int]

    @classmethod
    def of(cls, mask: BoolMask, offset_xy: tuple[int, int]) -> PackedMask:
        """Pack a mask [h, w] that begins at a column and row of the raster."""
        (x, y), (h, w) = offset_xy, mask.shape
        return cls(zlib.compress(np.packbits(mask).tobytes(), 1), (x, y, x + w, y + h))

    def pixels(self) -> BoolMask:
        """The mask, bool [h, w]."""
        x0, y0, x1, y1 = self.box
        bits = np.frombuffer(zlib.decompress(self.data), np.uint8)
        n_px = (y1 - y0) * (x1 - x0)
        return np.unpackbits(bits, count=n_px).view(np.bool_).reshape(y1 - y0, x1 - x0)


@dataclass(frozen=True, eq=False)
class PackedPieces(Sequence[Piece]):
    """Pieces that are unpacked one at a time, as they are asked for."""

    packed: tuple[PackedMask, ...]

    def __len__(self) -> int:
        return len(self.packed)

    @overload
    def __getitem__(self, index: int) -> Piece: ...

    @overload
    def __getitem__(self, index: slice) -> PackedPieces: ...

    def __getitem__(self, index: int | slice) -> Piece | PackedPieces:
        if isinstance(index, slice):
            return PackedPieces(self.packed[index])
        mask = self.packed[index]
        return mask.box[:2], mask.pixels()
