"""Objects met in several windows become one, by what the windows say of the pixels they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from samgeo_core.objects import BoolMask, ObjectSet
from samgeo_core.windows import ShapeHW, Window

AGREEMENT = 0.5
"""Two pieces are one object where, within the pixels both windows saw, their IoU is above this."""


@dataclass(frozen=True, eq=False)
class Piece:
    """What one window saw of an object, in the frame of the raster.

    Attributes:
        window: the window it was found in.
        mask: bool [h, w].
        box: left, top, right, bottom of the mask, px; right and bottom exclusive.
        cut: whether it reaches an edge of its window that is no edge of the raster.
    """

    window: Window
    mask: BoolMask
    box: tuple[int, int, int, int]
    cut: bool
    score: float
    stability: float
    point_xy: tuple[float, float]

    def within(self, box: tuple[int, int, int, int]) -> BoolMask:
        """The piece's pixels inside a box of the raster, [box height, box width]."""
        x0, y0, x1, y1 = box
        out = np.zeros((y1 - y0, x1 - x0), np.bool_)
        a0, b0 = max(x0, self.box[0]), max(y0, self.box[1])
        a1, b1 = min(x1, self.box[2]), min(y1, self.box[3])
        if a1 > a0 and b1 > b0:
            out[b0 - y0 : b1 - y0, a0 - x0 : a1 - x0] = self.mask[
                b0 - self.box[1] : b1 - self.box[1], a0 - self.box[0] : a1 - self.box[0]
            ]
        return out


def merge_windows(shape_hw: ShapeHW, found: Sequence[tuple[Window, ObjectSet]]) -> ObjectSet:
    """Join the objects of overlapping windows.

    Pieces of different windows that agree on the pixels both windows saw are one object. If one of
    its windows saw it whole, that piece stands for it; otherwise it is the union of its pieces.

    Args:
        shape_hw: of the raster, px.
        found: windows with their objects, in the frame of the window.
    """
    pieces = [piece for window, objects in found for piece in _pieces(shape_hw, window, objects)]
    if not pieces:
        return ObjectSet.empty(shape_hw)
    links = _links(pieces)
    n = len(pieces)
    graph = coo_array((np.ones(len(links)), np.array(links).reshape(-1, 2).T), shape=(n, n))
    _, group = connected_components(graph, directed=False)
    members = np.split(np.argsort(group, kind="stable"), np.cumsum(np.bincount(group))[:-1])
    joined = [_join([pieces[i] for i in index]) for index in members]
    return ObjectSet.build(
        shape_hw,
        [p.mask for p in joined],
        [p.box[:2] for p in joined],
        [p.score for p in joined],
        [p.stability for p in joined],
        [p.point_xy for p in joined],
    )


def _pieces(shape_hw: ShapeHW, window: Window, objects: ObjectSet) -> list[Piece]:
    height, width = shape_hw
    left, top, right, bottom = window.box_xyxy
    pieces = []
    for i, item in enumerate(objects):
        x, y = item.offset_xy[0] + left, item.offset_xy[1] + top
        h, w = item.mask.shape
        cut = (
            (x == left > 0)
            or (y == top > 0)
            or (x + w == right < width)
            or (y + h == bottom < height)
        )
        point = objects.points_xy[i] + (left, top)
        pieces.append(
            Piece(
                window, item.mask, (x, y, x + w, y + h), cut, item.score, item.stability,
                (float(point[0]), float(point[1])),
            )
        )  # fmt: skip
    return pieces


def _links(pieces: Sequence[Piece]) -> list[tuple[int, int]]:
    """Pairs of pieces of different windows that agree on the pixels both windows saw."""
    boxes = np.array([p.box for p in pieces])
    links = []
    for i, piece in enumerate(pieces):
        x0, y0, x1, y1 = piece.box
        later = boxes[i + 1 :]
        near = (later[:, 0] < x1) & (later[:, 2] > x0) & (later[:, 1] < y1) & (later[:, 3] > y0)
        for j in (np.flatnonzero(near) + i + 1).tolist():
            other = pieces[j]
            shared = piece.window.intersection(other.window)
            if piece.window != other.window and shared and _agree(piece, other, shared):
                links.append((i, j))
    return links


def _agree(a: Piece, b: Piece, shared: Window) -> bool:
    left, top, right, bottom = shared.box_xyxy
    box = (
        max(left, min(a.box[0], b.box[0])),
        max(top, min(a.box[1], b.box[1])),
        min(right, max(a.box[2], b.box[2])),
        min(bottom, max(a.box[3], b.box[3])),
    )
    if box[0] >= box[2] or box[1] >= box[3]:
        return False
    in_a, in_b = a.within(box), b.within(box)
    return float((in_a & in_b).sum()) > AGREEMENT * float((in_a | in_b).sum())


def _join(pieces: Sequence[Piece]) -> Piece:
    whole = [p for p in pieces if not p.cut]
    if whole or len(pieces) == 1:
        return max(whole or pieces, key=lambda p: (p.score, p.box))
    boxes = np.array([p.box for p in pieces])
    x0, y0 = (int(v) for v in boxes[:, :2].min(0))
    x1, y1 = (int(v) for v in boxes[:, 2:].max(0))
    mask = np.zeros((y1 - y0, x1 - x0), np.bool_)
    for piece in pieces:
        mask |= piece.within((x0, y0, x1, y1))
    areas = np.array([p.mask.sum() for p in pieces], float)
    largest = pieces[int(areas.argmax())]
    return Piece(
        largest.window,
        mask,
        (x0, y0, x1, y1),
        True,
        float(np.average([p.score for p in pieces], weights=areas)),
        float(np.average([p.stability for p in pieces], weights=areas)),
        largest.point_xy,
    )
