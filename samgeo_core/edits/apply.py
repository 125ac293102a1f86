"""What edits make of chosen objects: a pure function, before overlaps are resolved.

    candidates → chosen by a rule → edited → overlaps resolved → numbered

What an edit takes away is found by its mask, not by a number: of the objects there are, the one
that is most alike, if at all more alike than two masks of the same thing are (`SAME_IOU`). So it
finds its object under any rule that chose it, or chose a twin in its place, and does nothing where
a rule had left it out already. What an edit has added stands whatever scores a rule asks for, since
a person has vouched for it; a rule's limits of size hold for it as for any other object. Since
overlaps are resolved afterwards, results laid flat stay flat and those without gaps have none; what
was made of an object (a part, a merger) lies as far on top there as the object did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from samgeo_core.candidates import Box, CandidateSet, MaskCandidate
from samgeo_core.edits.edits import Edit
from samgeo_core.objects import BoolMask, ObjectSet
from samgeo_core.windows import ShapeHW

SAME_IOU = 0.8
"""Two masks more alike than this are of the same thing: no less than `SelectionRule.duplicate_iou`,
as what a rule shows side by side are two things."""

FLAT = ("flatten", "partition")
"""The overlap rules by which a pixel belongs to one object only, the smallest."""

Allowed = Callable[[CandidateSet], NDArray[np.bool_]]


@dataclass(frozen=True, eq=False)
class Edited:
    """Objects as edits leave them, overlaps as they are.

    Attributes:
        objects: N objects, by size.
        levels: float64 [N], as how large each counts where the smallest is on top, px.
    """

    objects: ObjectSet
    levels: NDArray[np.float64]

    @classmethod
    def untouched(cls, objects: ObjectSet) -> Edited:
        """Objects without edits."""
        return cls(objects, objects.areas_px.astype(np.float64))

    @cached_property
    def by_level(self) -> Edited:
        """The same in the order in which they lie on top of each other."""
        if (np.diff(self.levels) >= 0).all():
            return self
        return sorted_by(self.levels, self.objects, self.levels)

    def for_rule(self, overlap: str) -> Edited:
        """The same in the order that an overlap rule needs."""
        return self.by_level if overlap in FLAT else self


def sorted_by(keys: NDArray[np.float64], objects: ObjectSet, levels: NDArray[np.float64]) -> Edited:
    """Objects in the order of some numbers; places decide between equal ones."""
    order = np.lexsort((objects.offsets_xy[:, 0], objects.offsets_xy[:, 1], keys))
    arranged = ObjectSet(
        objects.shape_hw,
        tuple(objects.masks[i] for i in order.tolist()),
        objects.offsets_xy[order],
        objects.scores[order],
        objects.stabilities[order],
        objects.points_xy[order],
        objects.areas_px[order],
    )
    return Edited(arranged, levels[order])


def apply_edits(chosen: ObjectSet, edits: Iterable[Edit], allowed: Allowed | None = None) -> Edited:
    """Objects as edits leave them.

    Args:
        chosen: what a rule chose, overlaps as they are.
        edits: in the order in which they were made.
        allowed: which of the masks that edits have put there may be objects; None lets all.
    """
    edited = _Editing(chosen)
    for edit in edits:
        for mask in edit.removed:
            edited.remove(mask)
        edited.add(edit.added, edit.added_levels)
    return edited.result(allowed)


class _Editing:
    """Objects of which some are gone, and masks that came instead."""

    def __init__(self, chosen: ObjectSet) -> None:
        self._chosen = chosen
        self._boxes = chosen.boxes_xyxy
        self._areas = chosen.areas_px
        self._levels = chosen.areas_px.astype(np.float64)
        self._stands = np.ones(len(chosen), np.bool_)
        self._added: list[MaskCandidate] = []

    def remove(self, mask: MaskCandidate) -> None:
        """Take away the object that is most like a mask, if any is the same."""
        x0, y0, x1, y1 = mask.box
        # What is so different in size, or lies elsewhere, need not be looked at.
        smaller = np.minimum(self._areas, mask.area_px)
        near = self._stands & (smaller >= SAME_IOU * np.maximum(self._areas, mask.area_px))
        near &= (self._boxes[:, :2] < (x1, y1)).all(1) & (self._boxes[:, 2:] > (x0, y0)).all(1)
        pixels = mask.pixels()
        best, most = -1, SAME_IOU
        for i in np.flatnonzero(near).tolist():
            iou = mask_iou(pixels, mask.box, self._pixels(i), self._box(i))
            if iou > most or (iou == most and best < 0):
                best, most = i, iou
        if best >= 0:
            self._stands[best] = False

    def add(self, masks: Iterable[MaskCandidate], levels: Iterable[float]) -> None:
        """Put masks there; those that reach beyond the raster are cut."""
        cut = [
            (_cut(mask, self._chosen.shape_hw), level)
            for mask, level in zip(masks, levels, strict=True)
        ]
        inside = [mask for mask, _ in cut if mask is not None]
        self._added.extend(inside)
        new_levels = np.array([level for mask, level in cut if mask is not None], np.float64)
        self._levels = np.concatenate([self._levels, new_levels])
        boxes = np.array([mask.box for mask in inside], np.int64).reshape(-1, 4)
        areas = np.array([mask.area_px for mask in inside], np.int64)
        self._boxes = np.concatenate([self._boxes, boxes])
        self._areas = np.concatenate([self._areas, areas])
        self._stands = np.concatenate([self._stands, np.ones(len(inside), np.bool_)])

    def result(self, allowed: Allowed | None) -> Edited:
        """What stands now."""
        chosen, n = self._chosen, len(self._chosen)
        new = CandidateSet.collect(chosen.shape_hw, self._added)
        stands = self._stands
        if allowed is not None and len(new):
            stands = np.concatenate([stands[:n], stands[n:] & allowed(new)])
        index = np.flatnonzero(stands)
        objects = ObjectSet(
            chosen.shape_hw,
            tuple(self._pixels(i) for i in index.tolist()),
            self._boxes[index, :2],
            np.concatenate([chosen.scores, new.scores])[index],
            np.concatenate([chosen.stabilities, new.stabilities])[index],
            np.concatenate([chosen.points_xy, new.points_xy])[index],
            self._areas[index],
        )
        return sorted_by(objects.areas_px.astype(np.float64), objects, self._levels[index])

    def _pixels(self, index: int) -> BoolMask:
        n = len(self._chosen)
        return self._chosen.masks[index] if index < n else self._added[index - n].pixels()

    def _box(self, index: int) -> Box:
        x0, y0, x1, y1 = self._boxes[index].tolist()
        return x0, y0, x1, y1


def mask_iou(a: BoolMask, a_box: Box, b: BoolMask, b_box: Box) -> float:
    """Intersection over union of two masks [h, w] that fill their boxes, px of one raster."""
    x0, y0 = max(a_box[0], b_box[0]), max(a_box[1], b_box[1])
    x1, y1 = min(a_box[2], b_box[2]), min(a_box[3], b_box[3])
    if x0 >= x1 or y0 >= y1:
        return 0.0
    of_a = a[y0 - a_box[1] : y1 - a_box[1], x0 - a_box[0] : x1 - a_box[0]]
    of_b = b[y0 - b_box[1] : y1 - b_box[1], x0 - b_box[0] : x1 - b_box[0]]
    common = int(np.count_nonzero(of_a & of_b))
    union = int(np.count_nonzero(a)) + int(np.count_nonzero(b)) - common
    return common / union if union else 0.0


def _cut(mask: MaskCandidate, shape_hw: ShapeHW) -> MaskCandidate | None:
    """A mask without what lies beyond the raster; None if nothing of it lies inside."""
    x0, y0, x1, y1 = mask.box
    height, width = shape_hw
    if x1 <= width and y1 <= height:
        return mask
    inside = mask.pixels()[: max(height - y0, 0), : max(width - x0, 0)]
    return MaskCandidate.of(inside, (x0, y0), mask.score, mask.stability, mask.point_xy)
