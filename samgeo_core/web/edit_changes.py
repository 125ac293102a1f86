"""What an edit changed on the map: only what came, what went, and what got another number."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samgeo_core.candidates import MaskCandidate
from samgeo_core.edits.apply import mask_iou
from samgeo_core.edits.history import EditHistory
from samgeo_core.objects import ObjectSet
from samgeo_core.web.classes import frame_with_classes
from samgeo_core.web.layers import drawn_outlines, features_of
from samgeo_core.web.selected import Selected, mask_keys
from samgeo_core.web.urls import label_template, objects_url

_HALF = 0.5

Index = NDArray[np.int64]


def map_state(shown: Selected, edits: EditHistory, base: str = "") -> dict[str, Any]:
    """What a map must know of a result to show and edit it.

    Args:
        shown: the result.
        edits: of its run; what was undone, too. Where they have changed since the result was made,
            ``step`` is 0: any map that shows it already knows better.
        base: streamlit's ``server.baseUrlPath``.
    """
    run, is_latest = shown.source.run, edits.revision == shown.edits.revision
    return {
        "revision": shown.edits.revision,
        "step": edits.steps if is_latest else 0,
        "source": objects_url(run, base, shown.query),
        "masks": label_template(run, base, shown.query),
        "can_undo": edits.can_undo,
        "can_redo": edits.can_redo,
    }


def told_change(before: Selected, after: Selected, more: dict[str, Any]) -> str:
    """The difference of two results of a run under one rule, as JSON.

    Objects that are in both keep their order, so that whoever has the former result finds their new
    numbers: those that ``added`` leaves free, in that order.

    Args:
        before: the result that the map shows.
        after: the result now.
        more: other values to tell.

    Returns:
        An object with ``removed``, ids of before; ``added``, GeoJSON features; ``parents``, the
        parent_id of objects (new id) where it isn't what follows from the new numbers; ``total``.
        Where objects have changed their order, ``added`` is null: ask for all of them.
    """
    old, new = _common(before.objects, after.objects)
    values = {**more, "total": len(after.objects)}
    if (np.diff(new) < 0).any():
        return json.dumps({**values, "removed": [], "added": None, "parents": {}})
    removed = np.setdiff1d(np.arange(len(before.objects)), old)
    added = np.setdiff1d(np.arange(len(after.objects)), new)
    values["removed"] = (removed + 1).tolist()
    values["parents"] = _changed_parents(before, after, old, new)
    outlines = drawn_outlines(after)
    # As in the layer: largest first, so that small ones lie on top.
    order = added[::-1]
    frame = frame_with_classes(after).iloc[order]
    features = features_of(frame, [outlines[i] for i in order.tolist()])
    return f'{json.dumps(values)[:-1]},"added":[{",".join(features)}]}}'


def places_of(masks: Sequence[MaskCandidate], objects: ObjectSet) -> list[int]:
    """For each mask the id of the object that it became, overlaps resolved; 0 where none did."""
    boxes = objects.boxes_xyxy
    ids = []
    for mask in masks:
        x0, y0, x1, y1 = mask.box
        near = (boxes[:, :2] < (x1, y1)).all(1) & (boxes[:, 2:] > (x0, y0)).all(1)
        pixels, best, most = mask.pixels(), 0, _HALF
        for i in np.flatnonzero(near).tolist():
            left, top, right, bottom = boxes[i].tolist()
            iou = mask_iou(pixels, mask.box, objects.masks[i], (left, top, right, bottom))
            if iou >= most:
                best, most = i + 1, iou
        ids.append(best)
    return ids


def _common(before: ObjectSet, after: ObjectSet) -> tuple[Index, Index]:
    """Indices of the objects that are in both sets, in the order of the first."""
    place = {key: i for i, key in enumerate(_unique(mask_keys(after)))}
    pairs = [(i, place[key]) for i, key in enumerate(_unique(mask_keys(before))) if key in place]
    old, new = np.array(pairs, np.int64).reshape(-1, 2).T
    return old, new


def _unique(keys: list[bytes]) -> list[tuple[bytes, int]]:
    """Keys with a number for those that occur more than once."""
    seen: Counter[bytes] = Counter()
    numbered = []
    for key in keys:
        numbered.append((key, seen[key]))
        seen[key] += 1
    return numbered


def _changed_parents(before: Selected, after: Selected, old: Index, new: Index) -> dict[int, int]:
    numbers = np.zeros(len(before.objects) + 1, np.int64)
    numbers[old + 1] = new + 1
    expected = numbers[before.frame["parent_id"].to_numpy()[old]]
    actual = after.frame["parent_id"].to_numpy()[new]
    differs = np.flatnonzero(expected != actual)
    return {int(new[i]) + 1: int(actual[i]) for i in differs.tolist()}
