"""New masks from clicks, with a model's help; all in px of the result."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from samgeo_core.candidates import MaskCandidate
from samgeo_core.edits.shapes import deepest_point, divided, nearest_pixel
from samgeo_core.errors import ParameterError
from samgeo_core.objects import BoolMask, SegObject
from samgeo_core.picking.masks import Pick
from samgeo_core.picking.prompts import ObjectPrompts
from samgeo_core.windows import Window

Points = NDArray[np.float64]

REACH_PX = 3.0
"""How far beside an object a point that is meant to lie on it may be."""

_VIEW_OF_PART = 2
_VIEW_OF_OBJECT = 4
"""How many times as large as an object a view is that shows a half of it, or it, at the scale in
which the model sees it best: see `Picker`, which takes a quarter of a view for what is meant."""


class Picks(Protocol):
    """What is needed of a `picking.picker.Picker`; its px are those of the scene."""

    def pick(self, prompts: ObjectPrompts, *, view: Window | None = None) -> Pick:
        """Masks of the object that prompts point at."""
        ...


@dataclass(frozen=True, eq=False)
class Eye:
    """A model's look at the scene of a result.

    Attributes:
        picker: of the scene.
        window: the part of the scene that the result is of.
        valid: bool [H, W] of the result, where the scene carries data.
    """

    picker: Picks
    window: Window
    valid: BoolMask

    def look(self, points: Points, view_px: float | None = None) -> MaskCandidate:
        """The mask that the model chooses at points.

        Args:
            points: float64 [K, 3]: x, y in px of the result, and 1 on the object or 0 beside it.
            view_px: side of what the person sees; None leaves it open.

        Raises:
            ParameterError: the points say too little, lie outside, or nothing is found there.
        """
        x, y = self.window.x, self.window.y
        in_scene = points + np.array([x, y, 0.0])
        view = None
        if view_px is not None:
            side = max(round(view_px), 1)
            view = Window(x, y, side, side)
        pick = self.picker.pick(ObjectPrompts.of(points=in_scene), view=view)
        best = pick.candidates[pick.chosen]
        left, top = int(best.offset_xy[0]) - x, int(best.offset_xy[1]) - y
        inside = best.mask[max(-top, 0) :, max(-left, 0) :]
        left, top = max(left, 0), max(top, 0)
        under = self.valid[top : top + inside.shape[0], left : left + inside.shape[1]]
        inside = inside[: under.shape[0], : under.shape[1]] & under
        at_x, at_y = points[points[:, 2] == 1][0, :2].tolist()
        mask = MaskCandidate.of(inside, (left, top), best.score, best.stability, (at_x, at_y))
        if mask is None:
            raise ParameterError("Nothing was found there: click the object itself.")
        return mask


def two_parts(item: SegObject, points_xy: Points, eye: Eye) -> list[MaskCandidate]:
    """An object in two parts, each with one of two points; every pixel belongs to exactly one.

    Each part is what the model finds at its point with the other as background; where that doesn't
    tell them apart, they part where the object is narrow, or half way.

    Args:
        item: the object.
        points_xy: float64 [2, 2].
        eye: looks at its scene.

    Raises:
        ParameterError: not two points on the object.
    """
    if points_xy.shape != (2, 2):
        raise ParameterError(f"To split takes two points, got {len(points_xy)}: place two.")
    offset = np.array(item.offset_xy, np.float64)
    pixels = [nearest_pixel(item.mask, (x, y), REACH_PX) for x, y in (points_xy - offset).tolist()]
    first, second = pixels
    centres = np.array(pixels) + 0.5 + offset
    found = (
        _found_within(item, centres, eye) if first != second else None,
        _found_within(item, centres[::-1], eye) if first != second else None,
    )
    made = []
    for part, (x, y) in zip(divided(item.mask, first, second, found), centres, strict=True):
        point = (float(x), float(y))
        mask = MaskCandidate.of(part, item.offset_xy, item.score, item.stability, point)
        made.extend([mask] if mask is not None else [])
    return made


def clicked_mask(
    points: Points, eye: Eye, *, item: SegObject | None = None, view_px: float | None = None
) -> MaskCandidate:
    """What the model finds at clicks.

    A click on an object that is drawn again says where it is. Where all of them lie beside it (what
    was missing of it, or doesn't belong to it), a point deep inside of it speaks for what it was.

    Args:
        points: as in `Eye.look`.
        eye: looks at the scene.
        item: the object that is drawn again; None where one is missing.
        view_px: side of what the person sees, for a missing one.

    Raises:
        ParameterError: the points say too little, lie outside, or nothing is found there.
    """
    if item is not None:
        view_px = _VIEW_OF_OBJECT * math.sqrt(item.mask.size)
        return eye.look(_with_point_on(item, points), view_px)
    if not (points[:, 2] == 1).any():
        raise ParameterError("Click the object itself first, then what doesn't belong to it.")
    return eye.look(points, view_px)


def _with_point_on(item: SegObject, points: Points) -> Points:
    """Points, and one on an object where none that says "object" lies on it."""
    inside = _are_on(item, points[:, :2])
    if (inside & (points[:, 2] == 1)).any():
        return points
    offset = np.array(item.offset_xy, np.float64)
    beside = points[points[:, 2] == 0, :2] - offset
    x, y = np.array(deepest_point(item.mask, beside)) + offset
    return np.concatenate([[[x, y, 1.0]], points])


def _found_within(item: SegObject, on_and_beside_xy: Points, eye: Eye) -> BoolMask | None:
    """What the model finds of an object [h, w] at the first of two points; None if no use."""
    points = np.column_stack([on_and_beside_xy, [1.0, 0.0]])
    try:
        mask = eye.look(points, _VIEW_OF_PART * max(item.mask.shape))
    except ParameterError:
        return None
    height, width = eye.valid.shape
    whole = np.zeros((height, width), np.bool_)
    whole[mask.slices] = mask.pixels()
    (first_x, first_y), (second_x, second_y) = np.floor(on_and_beside_xy).astype(int).tolist()
    if not whole[first_y, first_x] or whole[second_y, second_x]:
        return None
    found: BoolMask = whole[item.slices] & item.mask
    return found


def _are_on(item: SegObject, points_xy: Points) -> NDArray[np.bool_]:
    """Which of points [K, 2] lie on an object."""
    columns, rows = np.floor(points_xy - np.array(item.offset_xy)).astype(np.int64).T
    height, width = item.mask.shape
    on = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    on[on] = item.mask[rows[on], columns[on]]
    result: NDArray[np.bool_] = on
    return result
