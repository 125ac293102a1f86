"""Objects at hand: those selected on the map of a result, or those that the page selects there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from pages.ui.words import key_of_language
from samgeo_core.web.records import Run

MOST_SELECTED = 2_000


@dataclass
class Selection:
    """What is selected in one result.

    Attributes:
        source: address of the objects that the numbers belong to.
        ids: object ids.
        order: how often the page selected something itself; the map follows each order once.
        zoom: whether the map goes there.
        picked: the row of the table that was picked last.
    """

    source: str = ""
    ids: list[int] = field(default_factory=list)
    order: int = 0
    zoom: bool = False
    picked: int | None = None

    def follow_table(self, picked: int | None) -> bool:
        """Select what was picked in the table; tells whether that is new."""
        before, self.picked = self.picked, picked
        if picked is None or picked == before:
            return False
        self.set([picked])
        return True

    def set(self, ids: Iterable[int], *, zoom: bool = False) -> None:
        """Select objects from the page."""
        self.ids = list(ids)[:MOST_SELECTED]
        self.order += 1
        self.zoom = zoom

    def for_map(self) -> dict[str, Any]:
        """What `MapView.teaching` takes."""
        return {"source": self.source, "order": self.order, "ids": self.ids, "zoom": self.zoom}


def map_key(run: Run) -> str:
    """Name of a run's map on the page, under which the session keeps what it told last."""
    return f"result_{run.run_id}"


def selection_of(run: Run, source: str, count: int) -> Selection:
    """What is selected now.

    Args:
        run: the run.
        source: address of the objects that are shown; a selection doesn't outlive them.
        count: how many objects there are.
    """
    key = f"selection_{run.run_id}"
    selection: Selection = st.session_state.setdefault(key, Selection(source))
    if selection.source != source:
        # NOTE: orders go on counting, so that the map doesn't take a new one for an old one.
        selection.source = source
        selection.ids = []
    told = st.session_state.get(key_of_language(map_key(run)))
    # What the map told before it followed the last order is out of date.
    if isinstance(told, dict) and (told.get("source"), told.get("order")) == (
        source,
        selection.order,
    ):
        selection.ids = _ids(told.get("selected"), count)
    return selection


def _ids(values: Any, count: int) -> list[int]:
    """Numbers of objects that there are."""
    if not isinstance(values, Sequence) or isinstance(values, str):
        return []
    return [v for v in values[:MOST_SELECTED] if type(v) is int and 1 <= v <= count]
