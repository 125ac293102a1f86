"""Similar objects and classes of a result: what is taught here is saved with the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from pages.ui.edit_panel import is_owner
from pages.ui.errors import friendly, show_error
from pages.ui.run_panel import POLL_S, overall
from pages.ui.selection import Selection
from pages.ui.state import get_state
from pages.ui.teach_classes import class_tools
from pages.ui.teach_similar import similar_tools
from pages.ui.text import count, percent, plain
from samgeo_core.web.classes import Classified, classified, features_of, lesson_of
from samgeo_core.web.context import get_context
from samgeo_core.web.jobs import JobState
from samgeo_core.web.records import Run
from samgeo_core.web.selected import Selected
from samgeo_core.web.teach_desk import NOT_YET, is_unknown
from samgeo_core.words import N_, _

SIMILAR, CLASSES = N_("Similar"), N_("Classes")

Groups = list[dict[str, Any]]
"""Objects in a colour of their own, as `MapView.groups` takes them."""


def teach_panel(shown: Selected, selection: Selection) -> Mapping[str, Any]:
    """Draw the panel; returns the arguments of `MapView` that follow from it.

    Everybody sees the classes of a result; only who made it can change them.
    """
    run = shown.source.run
    has_classes = bool(lesson_of(run).lesson.classes)
    wanted = st.toggle(
        _("Similar objects, classes"),
        key=f"teach_{run.run_id}",
        help=_(
            "Find objects that are like those you select, or mark a few of each class and let all "
            "others follow. Classes are saved with the result and are in every file you download."
        ),
        persist_state="session",
    )
    groups: Groups = class_groups(classified(shown)) if has_classes else []
    if not wanted:
        return {"groups": groups}
    get_context().teaching.warm()
    with st.container(border=True, key="teach_panel"):
        if not _ready(shown):
            return {"groups": groups}
        known = classified(shown)
        mode = st.segmented_control(
            _("What to do"),
            [SIMILAR, CLASSES],
            format_func=_,
            default=CLASSES if has_classes else SIMILAR,
            key=f"teach_mode_{run.run_id}",
            label_visibility="collapsed",
            required=True,
            width="stretch",
            persist_state="session",
            help=_("Similar objects follow one example; classes sort all objects by a few marks."),
        )
        _at_hand(known, selection)
        if mode == SIMILAR:
            groups = similar_tools(shown, known, selection) or groups
        else:
            class_tools(shown, known, selection, may_change=is_owner(run))
            groups = class_groups(known)
    return {"groups": groups, "teaching": selection.for_map()}


def not_offered(run: Run) -> None:
    """Say why a result in parts has no such panel."""
    if is_owner(run):
        st.caption(_(NOT_YET))


def class_groups(known: Classified) -> Groups:
    """The objects of each class in its colour."""
    return [
        {
            "title": _("Class"),
            "name": item.name,
            "color": item.color,
            "ids": (known.members(item.number) + 1).tolist(),
        }
        for item in known.lesson.classes
    ]


def _at_hand(known: Classified, selection: Selection) -> None:
    """One line on what is selected."""
    ids = selection.ids
    if not ids:
        st.caption(
            _("Select objects on the map (several with Shift or Ctrl), or a row of the table.")
        )
    elif len(ids) > 1:
        st.caption(_("**{objects}** selected").format(objects=count(len(ids), "object")))
    else:
        index = ids[0] - 1
        text = _("**Object {number}** selected").format(number=ids[0])
        number, confidence = int(known.numbers[index]), float(known.confidence[index])
        if number >= 0:
            named = {item.number: plain(item.name) for item in known.lesson.classes}
            marked = known.marks[index] >= 0
            sure = _("{share} sure").format(share=percent(confidence))
            sure = _("marked") if marked else sure
            text += f" · {named.get(number, _('none of the classes'))}, {sure}"
        st.caption(text)


def _ready(shown: Selected) -> bool:
    """Whether enough is known of the objects; sees to it where it isn't."""
    run, desk = shown.source.run, get_context().teaching
    if not is_unknown(shown).any():
        return True
    has_some = features_of(run) is not None
    if not is_owner(run):
        if not has_some:
            st.caption(_("Only who made this result can begin to look for similar objects in it."))
        return has_some
    job = desk.job(run.run_id)
    if job is not None and job.state in (JobState.FAILED, JobState.CANCELLED):
        if job.error:
            show_error(job.error)
        if not st.button(
            _("Look at the objects again"),
            key=f"look_{run.run_id}",
            help=_("The model computes the features by which objects are compared."),
        ):
            return has_some
    with friendly():
        desk.prepare(run.run_id, get_state().owner, shown)
        st.fragment(_progress, run_every=POLL_S)(run.run_id)
    return has_some


def _progress(run_id: str) -> None:
    """Follow the look at the objects; the page has something new to show at its end."""
    job = get_context().teaching.job(run_id)
    if job is None or job.state.finished:
        st.rerun()
        return
    share, text = (0.0, _("Waiting")) if job.state is JobState.QUEUED else overall(job)
    st.progress(share, text=f"{text}…")
    if st.button(
        _("Cancel"),
        key=f"stop_looking_{run_id}",
        disabled=job.cancelling,
        help=_("Features that were computed are kept for the next time."),
    ):
        get_context().teaching.cancel(run_id)
