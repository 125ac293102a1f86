"""Where a model's logits change their sign along the outline of a mask, kept in a byte an edge.

A mask alone says between which pixels its outline passes; the logits say where between their
centres. The edges of a mask come in an order that follows from the mask: upright ones row by row,
then lying ones row by row.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samgeo_core.objects import BoolMask

Crossings = NDArray[np.uint8]
"""One byte for each edge of a mask: 0 where the logits don't say, else 1 to 15, 8 in the middle."""

UNKNOWN = 0
_MIDDLE, _STEPS = 8, 14


def measure_crossings(
    mask: BoolMask,
    offset_xy: tuple[int, int],
    logits: NDArray[np.float32],
    logits_xy: tuple[int, int],
) -> Crossings:
    """See where logits cross zero along the outline of a mask.

    Args:
        mask: bool [h, w].
        offset_xy: column and row where it begins.
        logits: [H, W], above 0 inside the mask. Beyond them nothing is known.
        logits_xy: column and row where they begin.
    """
    h, w = mask.shape
    around = np.full((h + 2, w + 2), np.nan, np.float32)
    x, y = offset_xy[0] - 1 - logits_xy[0], offset_xy[1] - 1 - logits_xy[1]
    top, left = max(-y, 0), max(-x, 0)
    part = logits[max(y, 0) : y + h + 2, max(x, 0) : x + w + 2]
    around[top : top + part.shape[0], left : left + part.shape[1]] = part
    padded = np.pad(mask, 1)
    # Where a mask was cleaned or cut, its logits tell of another one.
    around[(around > 0) != padded] = np.nan
    found = []
    for (first, second), (a, b) in zip(_pairs(around), _pairs(padded), strict=True):
        ends = a != b
        inner = first[ends].astype(np.float64)
        found.append(inner / (inner - second[ends]))
    levels = np.rint(np.concatenate(found) * _STEPS) + (_MIDDLE - _STEPS // 2)
    return np.where(np.isfinite(levels), levels, UNKNOWN).astype(np.uint8)


def _pairs(padded: NDArray[Any]) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """Neighbours of a mask with a pixel around it: beside, then below each other."""
    inner, middle = padded[1:-1], padded[:, 1:-1]
    return [(inner[:, :-1], inner[:, 1:]), (middle[:-1], middle[1:])]


def places_of_edges(mask: BoolMask) -> NDArray[np.int64]:
    """Where the edges of a mask are, in their order: twice the middle of each, int64 [E, 2].

    Args:
        mask: bool [h, w].

    Returns:
        x and y in half px from the corner of the mask.
    """
    padded = np.pad(mask, 1)
    (left, right), (upper, lower) = _pairs(padded)
    rows, columns = np.nonzero(left != right)
    upright = np.stack([2 * columns, 2 * rows + 1], axis=1)
    rows, columns = np.nonzero(upper != lower)
    lying = np.stack([2 * columns + 1, 2 * rows], axis=1)
    return np.concatenate([upright, lying]).astype(np.int64)


def shifts_of(crossings: Crossings) -> NDArray[np.float64]:
    """How far right of, or below, the middle of its edge each crossing is, px; NaN: unknown."""
    shifts = (crossings.astype(np.float64) - _MIDDLE) / _STEPS
    return np.where(crossings == UNKNOWN, np.nan, shifts)


class CrossingBook:
    """Crossings of masks, found again by the pixels and the place of these."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int, int, int, bytes], Crossings] = {}

    def __len__(self) -> int:
        return len(self._known)

    def note(
        self,
        mask: BoolMask,
        offset_xy: tuple[int, int],
        logits: NDArray[np.float32],
        logits_xy: tuple[int, int],
    ) -> None:
        """Measure and keep those of a mask; arguments as in `measure_crossings`."""
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        if len(rows):
            mask = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            offset_xy = offset_xy[0] + int(columns[0]), offset_xy[1] + int(rows[0])
            found = measure_crossings(mask, offset_xy, logits, logits_xy)
            self._known[_name(mask, offset_xy)] = found

    def add(self, mask: BoolMask, offset_xy: tuple[int, int], crossings: Crossings) -> None:
        """Keep those of a mask that has no empty rows or columns at its sides."""
        self._known[_name(mask, offset_xy)] = crossings

    def get(self, mask: BoolMask, offset_xy: tuple[int, int]) -> Crossings | None:
        """Those of a mask, None if it isn't known."""
        return self._known.get(_name(mask, offset_xy))

    def take(self, other: CrossingBook, x: int, y: int) -> None:
        """Take those of another book, whose first pixel is column x and row y here."""
        for (left, top, height, width, bits), crossings in other._known.items():
            self._known[left + x, top + y, height, width, bits] = crossings


def _name(mask: BoolMask, offset_xy: tuple[int, int]) -> tuple[int, int, int, int, bytes]:
    digest = hashlib.blake2b(np.packbits(mask).tobytes(), digest_size=16).digest()
    return int(offset_xy[0]), int(offset_xy[1]), mask.shape[0], mask.shape[1], digest
