"""Objects that are like those selected."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st

from pages.ui.edit_panel import is_owner
from pages.ui.errors import friendly
from pages.ui.selection import Selection
from pages.ui.state import get_state
from pages.ui.text import count
from samgeo_core.edits.history import EDITS_FILE, EditLog
from samgeo_core.edits.making import delete
from samgeo_core.teaching.similar import similarities
from samgeo_core.web.classes import NOT_THIS, Classified, features_of
from samgeo_core.web.context import get_context
from samgeo_core.web.edit_desk import shown_of
from samgeo_core.web.selected import Selected
from samgeo_core.words import _

COLOR = "#00a5c8"
START = 0.5


def similar_tools(
    shown: Selected, known: Classified, selection: Selection
) -> list[dict[str, Any]] | None:
    """Draw slider and buttons; returns the similar objects as a group, None without an example."""
    run = shown.source.run
    examples = _examples(run.run_id, selection)
    found_at = _similarities(shown, known, examples)
    if found_at is None:
        return None
    least = st.slider(
        _("Least similarity"),
        0.0,
        1.0,
        START,
        step=0.01,
        key=f"similar_{run.run_id}",
        help=_(
            "1 is just like what you selected, 0 no more like it than most objects. Those marked "
            "as *Not this* push away what is like them."
        ),
        persist_state="session",
    )
    found = (np.flatnonzero(found_at >= least) + 1).tolist()
    ids = sorted({*found, *examples})
    st.caption(_("**{objects}** like this").format(objects=count(len(ids), "object")))
    left, right = st.columns(2)
    left.button(
        _("Select them"),
        icon=":material/select_all:",
        key=f"select_similar_{run.run_id}",
        on_click=_select,
        args=(run.run_id, selection, examples, ids),
        width="stretch",
        help=_("Then delete, mark or export them together."),
    )
    if is_owner(run):
        right.button(
            _("Keep only them"),
            icon=":material/filter_alt:",
            key=f"keep_similar_{run.run_id}",
            on_click=_keep_only,
            args=(shown, ids),
            help=_("Deletes all others, as one correction that can be undone."),
            width="stretch",
            disabled=len(ids) == len(shown.objects),
        )
    return [{"title": _("Found as"), "name": _("Similar"), "color": COLOR, "ids": ids}]


def _similarities(shown: Selected, known: Classified, examples: Sequence[int]) -> Any:
    """How much each object is like the examples, float64 [N]; None where none of them is known."""
    table = features_of(shown.source.run)
    rows = known.rows[np.array(examples, np.int64) - 1] if len(examples) else known.rows[:0]
    rows = rows[rows >= 0]
    if table is None or not len(rows):
        return None
    against = [key for key, number in known.lesson.marks.items() if number == NOT_THIS]
    counter = table.rows(against)
    counter = np.setdiff1d(counter[counter >= 0], rows)
    seen = similarities(table.points[known.rows], table.points[rows], table.points[counter])
    return np.where(known.rows >= 0, seen, -1.0)


def _examples(run_id: str, selection: Selection) -> list[int]:
    """What is selected; or what was, while all that is like it is selected."""
    kept = st.session_state.get(f"examples_{run_id}")
    if kept is not None and kept[0] == (selection.source, tuple(selection.ids)):
        return list(kept[1])
    return list(selection.ids)


def _select(run_id: str, selection: Selection, examples: list[int], ids: list[int]) -> None:
    selection.set(ids)
    at = selection.source, tuple(selection.ids)
    st.session_state[f"examples_{run_id}"] = (at, examples)


def _keep_only(shown: Selected, ids: list[int]) -> None:
    others = np.setdiff1d(np.arange(1, len(shown.objects) + 1), ids).tolist()
    with friendly():
        run = get_context().store.run(shown.source.run.run_id, get_state().owner)
        edit = delete(shown_of(shown), others)
        EditLog(run.folder / EDITS_FILE).add(edit, shown.edits.revision)
