"""Correcting a result in the app: what a map asks for becomes an edit of the run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samgeo_core.candidates import MaskCandidate
from samgeo_core.config import SelectionRule
from samgeo_core.edits import making
from samgeo_core.edits.asking import Eye, clicked_mask, two_parts
from samgeo_core.edits.edits import Edit
from samgeo_core.edits.history import EDITS_FILE, EditLog
from samgeo_core.edits.making import Shown
from samgeo_core.errors import ConflictError, NotFoundError, ParameterError
from samgeo_core.web.edit_changes import map_state, places_of, told_change
from samgeo_core.web.pick_answers import outline
from samgeo_core.web.pick_desk import PickDesk
from samgeo_core.web.pick_objects import KeptMask
from samgeo_core.web.records import Run, Scene
from samgeo_core.web.requests import number_in, places_inside, table_in, view_in
from samgeo_core.web.selected import Selected, edits_of, selected
from samgeo_core.web.store import Store
from samgeo_core.wholes import PackedMask
from samgeo_core.words import N_, _

MOST_SELECTED = 500
MOST_POINTS = 64

NOT_YET = N_(
    "The objects of an image that is segmented in parts can't be corrected one by one here yet; "
    "correct the GeoPackage in a GIS, or segment a smaller area."
)
_HIDDEN = N_(
    "What you made is not in sight: the limits, or the way overlaps are resolved, leave it out."
)

Values = Mapping[str, Any]


class EditDesk:
    """The one place that page and routes ask.

    Args:
        store: scenes and runs.
        picks: finds masks at clicks.
        base: streamlit's ``server.baseUrlPath``, for the addresses that maps are told.
    """

    def __init__(self, store: Store, picks: PickDesk, base: str = "") -> None:
        self._store, self._picks, self._base = store, picks, base

    def act(self, run: Run, rule: SelectionRule, action: str, values: Values) -> str:
        """Change a result and tell what that changed on the map, as JSON.

        Args:
            run: a finished run.
            rule: by which the map shows it.
            action: one of `edits.KINDS`, "undo" or "redo".
            values: ``base``, the revision that the map shows; ``objects``, ids that are selected;
                ``points`` [[lng, lat, label], …], ``view`` (its corners) and ``radius_px`` where
                the action needs them.

        Raises:
            ConflictError: the map shows another revision.
            NotFoundError: unknown action, or the image is gone.
            ParameterError: the values are not what they should be, or nothing comes of them.
        """
        before = self._shown(run, rule, values)
        log, base = EditLog(run.folder / EDITS_FILE), before.edits.revision
        made: tuple[MaskCandidate, ...] = ()
        if action == "undo":
            history = log.undo(base)
        elif action == "redo":
            history = log.redo(base)
        else:
            edit = self._edit(before, action, values)
            history, made = log.add(edit, base), edit.added
        after = selected(run, rule, history)
        ids = places_of(made, after.objects)
        more = {
            **map_state(after, history, self._base),
            "select": [i for i in dict.fromkeys(ids) if i],
            "note": _(_HIDDEN) if 0 in ids else None,
        }
        return told_change(before, after, more)

    def preview(self, run: Run, rule: SelectionRule, values: Values) -> str:
        """What clicks would give, as JSON with an outline; changes nothing. Raises as `act`."""
        shown = self._shown(run, rule, values)
        with self._eye(shown) as (eye, scene):
            mask = self._clicked(shown, _ids_in(values), values, eye, scene)
        box, window = mask.box, eye.window
        packed = PackedMask.of(mask.pixels(), (box[0] + window.x, box[1] + window.y))
        kept = KeptMask(packed, mask.score, mask.stability, mask.area_px)
        told = json.dumps({"score": round(mask.score, 4), "area_px": mask.area_px})
        return f'{told[:-1]},"outline":{outline(scene, kept)}}}'

    def look(self, run: Run, values: Values) -> None:
        """Begin to encode what clicks in a view will need."""
        scene = self._store.scene(run.scene_id)
        view = view_in(values, scene.frame, scene.raster.shape_hw)
        if view is not None:
            self._picks.prepare(run.run_id, scene, view)

    def _shown(self, run: Run, rule: SelectionRule, values: Values) -> Selected:
        if run.is_streamed:
            raise ParameterError(NOT_YET)
        edits = edits_of(run)
        if values.get("base") != edits.revision:
            raise ConflictError(
                "This result was changed in another window meanwhile; it is shown anew."
            )
        return selected(run, rule, edits)

    def _edit(self, shown: Selected, action: str, values: Values) -> Edit:
        ids, seen = _ids_in(values), shown_of(shown)
        valid = shown.source.pool.valid
        if action == "delete":
            return making.delete(seen, ids)
        if action == "merge":
            return making.merge(seen, ids)
        if action == "smooth":
            return making.smooth(seen, ids, number_in(values, "radius_px"), valid)
        if action not in ("split", "redraw", "add"):
            raise NotFoundError(f"There is no such edit: {action[:40]!r}.")
        with self._eye(shown) as (eye, scene):
            if action == "split":
                item = _single(seen, ids)
                points = self._points(shown, values, scene)
                return making.split(
                    seen, item, two_parts(seen.items([item])[0], points[:, :2], eye)
                )
            if action == "add":
                return making.add(seen, self._clicked(shown, [], values, eye, scene))
            item = _single(seen, ids)
            return making.redraw(seen, item, self._clicked(shown, ids, values, eye, scene))

    def _clicked(
        self, shown: Selected, ids: list[int], values: Values, eye: Eye, scene: Scene
    ) -> MaskCandidate:
        """The mask at clicks: of an object that is drawn again, or of one that is missing."""
        points = self._points(shown, values, scene)
        seen = shown_of(shown)
        item = seen.items([_single(seen, ids)])[0] if ids else None
        view = view_in(values, scene.frame, scene.raster.shape_hw)
        view_px = None if view is None else float(max(view.shape_hw))
        return clicked_mask(points, eye, item=item, view_px=view_px)

    def _points(self, shown: Selected, values: Values, scene: Scene) -> NDArray[np.float64]:
        """Clicks in px of the result, float64 [K, 3]."""
        table = table_in(values.get("points"), 3, "points", MOST_POINTS)
        if not np.isin(table[:, 2], (0, 1)).all():
            raise ParameterError("The label of a point must be 1 (object) or 0 (background).")
        place = shown.source.place
        in_scene = scene.frame.from_lnglat(table[:, :2])
        inside = np.array(places_inside(in_scene, scene.raster.shape_hw), np.float64)
        return np.column_stack([inside - (place.window.x, place.window.y), table[:, 2]])

    @contextmanager
    def _eye(self, shown: Selected) -> Iterator[tuple[Eye, Scene]]:
        """The model's look at a result, and its scene."""
        source = shown.source
        scene = self._store.scene(source.run.scene_id)
        with self._picks.answering(scene) as picker:
            yield Eye(picker, source.place.window, source.pool.valid), scene


def shown_of(result: Selected) -> Shown:
    """A result as edits are made of it."""
    source, rule = result.source, result.rule
    return Shown(
        result.edited,
        result.objects,
        rule.overlap,
        lambda edited: source.pool.laid_out(edited, rule),
    )


def _ids_in(values: Values) -> list[int]:
    """The ids of objects that are selected."""
    ids = values.get("objects", [])
    if not isinstance(ids, list) or not all(type(i) is int and 0 < i < 2**31 for i in ids):
        raise ParameterError("objects must be a list of object ids.")
    if len(ids) > MOST_SELECTED:
        raise ParameterError(f"{MOST_SELECTED} objects at a time, got {len(ids)}: select fewer.")
    return ids


def _single(shown: Shown, ids: list[int]) -> int:
    if len(ids) != 1:
        raise ParameterError(f"This takes one object, {len(ids)} are selected: select only one.")
    shown.items(ids)
    return ids[0]
