"""Corrections of a result: a switch for the tools on the map, and a way back to what was found."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pages.ui.errors import friendly
from pages.ui.map import base_url
from pages.ui.state import get_state
from samgeo_core.edits.history import EDITS_FILE, EditLog
from samgeo_core.web.edit_changes import map_state
from samgeo_core.web.records import Run
from samgeo_core.web.rules import rule_query
from samgeo_core.web.selected import Selected, edits_of
from samgeo_core.web.urls import edits_url
from samgeo_core.web.visitors import edit_token
from samgeo_core.words import _, ngettext


def is_owner(run: Run) -> bool:
    """Whether the visitor made a run, and not only got its address."""
    return run.owner == get_state().owner


def edit_panel(shown: Selected) -> dict[str, Any] | None:
    """Draw the switch; returns `MapView.editing`, None where there is nothing to correct with."""
    run, edits = shown.source.run, shown.edits
    if not is_owner(run):
        return None
    with st.container(horizontal=True, vertical_alignment="center", key="edit_panel"):
        wanted = st.toggle(
            _("Correct objects"),
            key=f"correct_{run.run_id}",
            help=_(
                "Tools above the map delete, merge, split, redraw, smooth and add objects. Each "
                "change is saved at once, can be undone, and is in every file you download."
            ),
        )
        if edits.done:
            st.button(
                ngettext("Undo {n:,} correction", "Undo all {n:,} corrections", edits.done).format(
                    n=edits.done
                ),
                icon=":material/undo:",
                key=f"undo_all_{run.run_id}",
                on_click=_undo_all,
                args=(run, edits.revision, edits.done),
                help=_(
                    "Shows the objects as the run found them; Redo on the map brings "
                    "corrections back."
                ),
            )
    if not wanted:
        return None
    address = edits_url(run, base_url(), rule_query(shown.source.rule, shown.rule))
    state = map_state(shown, edits_of(run), base_url())
    return {**state, "address": address, "token": edit_token(run)}


def _undo_all(run: Run, revision: str, steps: int) -> None:
    with friendly():
        EditLog(run.folder / EDITS_FILE).undo(revision, steps)
