"""Objects in pieces, as joining regions across their borders gives them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from samgeo_core.objects import BoolMask, ObjectSet
from samgeo_core.wholes import Piece, WholeObject


def in_pieces(
    objects: ObjectSet, random: np.random.Generator, parents: NDArray[np.int64] | None = None
) -> list[WholeObject]:
    """The objects of a set in any order, each in disjoint crops."""
    wholes = []
    for index, item in enumerate(objects):
        pieces = _pieces(item.mask, item.offset_xy, random)
        height, width = item.mask.shape
        x, y = item.offset_xy
        wholes.append(
            WholeObject(
                item.object_id,
                0 if parents is None else int(parents[index]),
                tuple(pieces),
                item.score,
                item.stability,
                (float("nan"), float("nan")),
                item.area_px,
                (x, y, x + width, y + height),
            )
        )
    return [wholes[i] for i in random.permutation(len(wholes))]


def _pieces(mask: BoolMask, offset_xy: tuple[int, int], random: np.random.Generator) -> list[Piece]:
    """Cut a mask into a patchwork: some pieces are rectangles, some reach into each other."""
    if random.random() < 0.3:
        return [(offset_xy, mask)]
    height, width = mask.shape
    rows = np.searchsorted(np.sort(random.integers(0, height + 1, 2)), np.arange(height), "right")
    columns = np.searchsorted(np.sort(random.integers(0, width + 1, 2)), np.arange(width), "right")
    owner = rows[:, None] * 3 + columns
    if random.random() < 0.5:
        owner = np.where(random.random(mask.shape) < 0.2, 9, owner)
    pieces = []
    for i in random.permutation(10):
        at_rows, at_columns = ((mask & (owner == i)).any(axis) for axis in (1, 0))
        if not at_rows.any():
            continue
        (y0, *_, y1), (x0, *_, x1) = (2 * [*np.flatnonzero(at)] for at in (at_rows, at_columns))
        crop = (mask & (owner == i))[y0 : y1 + 1, x0 : x1 + 1]
        pieces.append(((offset_xy[0] + int(x0), offset_xy[1] + int(y0)), crop))
    return pieces
