"""From what a person selects to an edit of the objects that are shown.

Objects are shown after overlaps are resolved, edits hold before that: a shown object is part of a
*source* (`overlap_rules.sources_of`), and it is the source that an edit takes away. New masks are
made of what was shown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from samgeo_core.candidates import CandidateSet, MaskCandidate
from samgeo_core.edits.apply import SAME_IOU, Edited, mask_iou, sorted_by
from samgeo_core.edits.edits import Edit
from samgeo_core.edits.shapes import as_candidate, merged, smoothed
from samgeo_core.errors import ParameterError
from samgeo_core.objects import BoolMask, ObjectSet, SegObject
from samgeo_core.overlap_rules import sources_of
from samgeo_core.results.labels import label_raster

_MOST_ROUNDS = 8
_JUST_BELOW = 1 - 1e-9
"""Too little to come between two sizes, whatever number of edits is made of one object."""


@dataclass(frozen=True, eq=False)
class Shown:
    """Objects as a person sees them, and what they were before overlaps were resolved.

    Attributes:
        before: chosen by a rule, and edited, in the order that its overlap rule needs.
        after: what its overlap rule made of them; ids are of these.
        overlap: that rule.
        resolve: the rule as a function.
    """

    before: Edited
    after: ObjectSet
    overlap: str
    resolve: Callable[[Edited], ObjectSet]

    def items(self, ids: Sequence[int]) -> list[SegObject]:
        """Objects of some ids.

        Raises:
            ParameterError: there is no such object, or none was named.
        """
        if not ids:
            raise ParameterError("No object is selected: click one on the map first.")
        if unknown := [i for i in ids if not 1 <= i <= len(self.after)]:
            raise ParameterError(f"There is no object {unknown[0]} any more: select it again.")
        return [self.after[i - 1] for i in dict.fromkeys(ids)]

    def sources(self, ids: Sequence[int]) -> list[int]:
        """Indices in ``before`` of the objects of some ids."""
        sources = sources_of(self.before.objects, self.after, self.overlap)
        return [int(sources[i - 1]) for i in dict.fromkeys(ids)]

    def level(self, ids: Sequence[int]) -> float:
        """As how large counts what is made of objects: just below the smallest of them, px."""
        return float(self.before.levels[self.sources(ids)].min()) * _JUST_BELOW

    def ungrown(self, mask: MaskCandidate) -> MaskCandidate:
        """A mask without what it only got because gaps were filled; gaps are filled anew later."""
        if self.overlap != "partition":
            return mask
        covered = label_raster(self.before.objects)[mask.slices] > 0
        made = MaskCandidate.of(
            mask.pixels() & covered, mask.box[:2], mask.score, mask.stability, mask.point_xy
        )
        return made or mask


def make_edit(
    shown: Shown,
    kind: str,
    ids: Sequence[int],
    added: Sequence[MaskCandidate],
    levels: Sequence[float] = (),
) -> Edit:
    """The edit that puts masks in the place of objects.

    What the overlap rule hid behind those objects doesn't come forth in their place: it goes as
    well, unless some of it is in sight elsewhere.

    Args:
        shown: what the person sees.
        kind: one of `edits.KINDS`.
        ids: of the objects that go.
        added: what comes.
        levels: of these, see `Edit`.

    Raises:
        ParameterError: no such object, or not as many as this kind takes.
    """
    gone = set(shown.sources(ids)) if ids else set()
    edit = Edit(kind, _sources(shown, gone), tuple(added), tuple(levels))
    if not gone or shown.overlap == "nested":
        return edit
    seen = set(sources_of(shown.before.objects, shown.after, shown.overlap).tolist())
    for _ in range(_MOST_ROUNDS):
        risen = _in_sight(shown, gone, edit) - seen
        if not risen:
            break
        gone |= risen
    return replace(edit, removed=_sources(shown, gone))


def _sources(shown: Shown, indices: set[int]) -> tuple[MaskCandidate, ...]:
    return tuple(as_candidate(shown.before.objects[i]) for i in sorted(indices))


def _in_sight(shown: Shown, gone: set[int], edit: Edit) -> set[int]:
    """Which of the objects before overlaps are resolved are seen when some go and others come."""
    before, levels = shown.before.objects, shown.before.levels
    stays = np.array(sorted(set(range(len(before))) - gone), np.int64)
    new = CandidateSet.collect(before.shape_hw, edit.added)
    # NOTE: objects are sorted anew, so their indices travel along in the place of their points.
    tags = np.concatenate([stays, np.full(len(new), -1)]).astype(np.float64)
    objects = ObjectSet(
        before.shape_hw,
        (*(before.masks[i] for i in stays.tolist()), *(mask.pixels() for mask in edit.added)),
        np.concatenate([before.offsets_xy[stays], new.boxes_xyxy[:, :2]]),
        np.concatenate([before.scores[stays], new.scores]),
        np.concatenate([before.stabilities[stays], new.stabilities]),
        np.stack([tags, tags], axis=1),
        np.concatenate([before.areas_px[stays], new.areas_px]),
    )
    sizes = objects.areas_px.astype(np.float64)
    tagged = sorted_by(sizes, objects, np.concatenate([levels[stays], edit.added_levels]))
    return {int(tag) for tag in shown.resolve(tagged).points_xy[:, 0] if tag >= 0}


def delete(shown: Shown, ids: Sequence[int]) -> Edit:
    """Take objects away."""
    shown.items(ids)
    return make_edit(shown, "delete", ids, [])


def merge(shown: Shown, ids: Sequence[int]) -> Edit:
    """Make one object of several."""
    items = shown.items(ids)
    if len(items) < 2:
        raise ParameterError("To merge takes two objects or more: select another one as well.")
    return make_edit(shown, "merge", ids, [shown.ungrown(merged(items))], [shown.level(ids)])


def smooth(shown: Shown, ids: Sequence[int], radius_px: int, valid: BoolMask) -> Edit:
    """Take narrow spikes and notches from the outlines of objects.

    Args:
        shown: what the person sees.
        ids: of the objects.
        radius_px: of the disc, see `shapes.smoothed`.
        valid: bool [H, W], where the raster carries data.
    """
    made = [
        shown.ungrown(where_data_is(smoothed(item, radius_px, shown.after.shape_hw), valid))
        for item in shown.items(ids)
    ]
    levels = [shown.level([number]) for number in dict.fromkeys(ids)]
    return make_edit(shown, "smooth", ids, made, levels)


def split(shown: Shown, object_id: int, parts: Sequence[MaskCandidate]) -> Edit:
    """Make two objects of one; see `asking.two_parts`."""
    shown.items([object_id])
    level = shown.level([object_id])
    return make_edit(
        shown, "split", [object_id], [shown.ungrown(part) for part in parts], [level] * len(parts)
    )


def redraw(shown: Shown, object_id: int, mask: MaskCandidate) -> Edit:
    """Put a mask in the place of an object."""
    shown.items([object_id])
    return make_edit(shown, "redraw", [object_id], [mask])


def add(shown: Shown, mask: MaskCandidate) -> Edit:
    """Put a mask where none was.

    Raises:
        ParameterError: an object is there already.
    """
    pixels = mask.pixels()
    boxes = shown.after.boxes_xyxy
    x0, y0, x1, y1 = mask.box
    near = (boxes[:, :2] < (x1, y1)).all(1) & (boxes[:, 2:] > (x0, y0)).all(1)
    for i in np.flatnonzero(near).tolist():
        left, top, right, bottom = boxes[i].tolist()
        box = (left, top, right, bottom)
        if mask_iou(pixels, mask.box, shown.after.masks[i], box) >= SAME_IOU:
            raise ParameterError(
                f"Object {i + 1} is there already: select it and redo it, or click elsewhere."
            )
    return make_edit(shown, "add", [], [mask])


def where_data_is(mask: MaskCandidate, valid: BoolMask) -> MaskCandidate:
    """A mask without pixels that carry no data.

    Raises:
        ParameterError: nothing is left.
    """
    pixels = mask.pixels() & valid[mask.slices]
    made = MaskCandidate.of(pixels, mask.box[:2], mask.score, mask.stability, mask.point_xy)
    if made is None:
        raise ParameterError("There is no data at this place: point at a part of the image.")
    return made
