"""Classes: marks, names and colours, and what to mark next."""

from __future__ import annotations

import streamlit as st

from pages.ui.errors import friendly
from pages.ui.selection import Selection
from pages.ui.state import get_state
from pages.ui.text import count, markup, plain
from samgeo_core.teaching.lesson import COLORS, MOST_CLASSES, NAME_LENGTH, ObjectClass, mark_step
from samgeo_core.web.classes import NOT_THIS, Classified, classified, features_of, lesson_of
from samgeo_core.web.context import get_context
from samgeo_core.web.selected import Selected
from samgeo_core.words import _


def class_tools(
    shown: Selected, known: Classified, selection: Selection, *, may_change: bool
) -> None:
    """Draw the classes with their numbers, and for the owner what changes them."""
    run_id = shown.source.run.run_id
    if not known.lesson.classes:
        if may_change:
            st.caption(_("Name the first class, then mark a few objects that are one."))
            _new_class(run_id, known)
        else:
            st.caption(_("This result has no classes."))
        return
    _legend(known)
    if not may_change:
        return
    _mark_buttons(shown, known, selection)
    _next_button(shown, known, selection)
    _advice(known)
    with st.container(horizontal=True, key="teach_more"):
        if len(known.lesson.classes) < MOST_CLASSES:
            with st.popover(
                _("New"),
                icon=":material/add:",
                help=_("A class of your own, such as roof or road."),
            ):
                _new_class(run_id, known)
        with st.popover(
            _("Change"), icon=":material/edit:", help=_("Rename, recolour or remove a class.")
        ):
            _change_class(run_id, known)
        _undo_buttons(shown)


def _legend(known: Classified) -> None:
    rows = [_row(c.color, c.name, len(known.members(c.number))) for c in known.lesson.classes]
    if known.is_taught:
        rows.append(_row("transparent", _("None of them"), len(known.members(NOT_THIS))))
    st.html(f'<div class="studio-classes">{"".join(rows)}</div>')


def _row(color: str, name: str, number: int) -> str:
    swatch = f'<span class="studio-swatch" style="background:{markup(color)}"></span>'
    return f"<div>{swatch}<span>{markup(name)}</span><span>{number:,}</span></div>"


def _mark_buttons(shown: Selected, known: Classified, selection: Selection) -> None:
    """One button a class, one for none of them, one to take a mark back."""
    run_id = shown.source.run.run_id
    rows = known.rows[[i - 1 for i in selection.ids]] if selection.ids else known.rows[:0]
    idle = not (rows >= 0).any()
    st.html(_button_style(run_id, known.lesson.classes))
    with st.container(horizontal=True, key="teach_marks"):
        for item in known.lesson.classes:
            st.button(
                plain(item.name),
                key=f"mark_{run_id}_{item.number}",
                on_click=_mark,
                args=(shown, selection, item.number),
                disabled=idle,
                help=_("Marks the selected objects as examples of this class."),
            )
        st.button(
            _("Not this"),
            icon=":material/block:",
            key=f"mark_{run_id}_not",
            help=_("None of the classes"),
            on_click=_mark,
            args=(shown, selection, NOT_THIS),
            disabled=idle,
        )
        is_marked = any(known.marks[i - 1] >= 0 for i in selection.ids)
        if is_marked:
            st.button(
                _("No mark"),
                icon=":material/close:",
                key=f"unmark_{run_id}",
                on_click=_mark,
                args=(shown, selection, None),
                help=_("Selected objects are no examples any more."),
            )


def _button_style(run_id: str, classes: tuple[ObjectClass, ...]) -> str:
    """Each button has the colour of its class."""
    rules = [
        f".st-key-mark_{run_id}_{c.number} button{{border-left:.5rem solid {c.color}!important}}"
        for c in classes
    ]
    return f"<style>{''.join(rules)}</style>"


def _next_button(shown: Selected, known: Classified, selection: Selection) -> None:
    if len(known.doubtful):
        st.button(
            _("Most doubtful next"),
            icon=":material/contact_support:",
            key=f"doubtful_{shown.source.run.run_id}",
            on_click=_to_doubtful,
            args=(shown, selection),
            type="primary",
            width="stretch",
            help=_(
                "Goes to the object of which the class is least certain; to mark it helps most. "
                "After its mark comes the next."
            ),
        )


def _advice(known: Classified) -> None:
    marks = known.lesson.marks
    text = count(len(marks), "mark")
    if not known.is_taught:
        kinds = set(marks.values())
        if not kinds:
            text = _("Select an object and say what it is.")
        elif NOT_THIS in kinds or len(known.lesson.classes) > 1:
            text = f"{text} · {_('mark one of another class, too')}"
        else:
            text = f"{text} · {_('mark one that is *Not this*, too')}"
    st.caption(text)


def _new_class(run_id: str, known: Classified) -> None:
    with st.form(f"new_class_{run_id}", border=False, clear_on_submit=True):
        name = st.text_input(
            _("Name"),
            max_chars=NAME_LENGTH,
            placeholder=_("Roof"),
            help=_("Stands in tables, in the legend, and in files."),
        )
        color = st.color_picker(
            _("Colour"),
            COLORS[known.lesson.used % len(COLORS)],
            help=_("Of the class's objects on the map and in files that keep styles."),
        )
        if st.form_submit_button(
            _("Add class"), help=_("Then select objects on the map and mark a few as examples.")
        ) and _step(run_id, {"do": "class", "name": name, "color": color}):
            st.rerun()


def _change_class(run_id: str, known: Classified) -> None:
    classes = {item.number: item for item in known.lesson.classes}
    number = st.selectbox(
        _("Class"),
        list(classes),
        format_func=lambda n: classes[n].name,
        key=f"change_{run_id}",
        help=_("Which of your classes to rename, recolour or remove."),
    )
    if number not in classes:
        return
    item = classes[number]
    with st.form(f"change_class_{run_id}_{number}_{item.name}_{item.color}", border=False):
        name = st.text_input(
            _("Name"),
            item.name,
            max_chars=NAME_LENGTH,
            help=_("Stands in tables, in the legend, and in files."),
        )
        color = st.color_picker(
            _("Colour"),
            item.color,
            help=_("Of the class's objects on the map and in files that keep styles."),
        )
        save, remove = st.columns(2)
        if save.form_submit_button(
            _("Save"), width="stretch", help=_("Marks of the class stay as they are.")
        ) and _step(run_id, {"do": "change", "number": number, "name": name, "color": color}):
            st.rerun()
        if remove.form_submit_button(
            _("Remove"), width="stretch", help=_("Its marks go, too; objects stay.")
        ) and _step(run_id, {"do": "remove", "number": number}):
            st.rerun()


def _undo_buttons(shown: Selected) -> None:
    run_id = shown.source.run.run_id
    history = lesson_of(shown.source.run)
    st.button(
        _("Undo"), icon=":material/undo:", help=_("Takes back your last mark or class."),
        key=f"undo_mark_{run_id}",
        disabled=not history.can_undo, on_click=_undo, args=(run_id, False),
    )  # fmt: skip
    st.button(
        _("Redo"), icon=":material/redo:", help=_("Brings back what you took back."),
        key=f"redo_mark_{run_id}",
        disabled=not history.can_redo, on_click=_undo, args=(run_id, True),
    )  # fmt: skip


def _mark(shown: Selected, selection: Selection, number: int | None) -> None:
    """Mark what is selected; where it was the doubtful one at hand, go on to the next."""
    run = shown.source.run
    known, table = classified(shown), features_of(run)
    if table is None:
        return
    rows = [int(known.rows[i - 1]) for i in selection.ids]
    keys = [table.features.keys[row] for row in rows if row >= 0]
    goes_on = st.session_state.get(_queue(run.run_id)) == selection.ids
    if _step(run.run_id, mark_step(keys, number)) and goes_on:
        _to_doubtful(shown, selection)


def _to_doubtful(shown: Selected, selection: Selection) -> None:
    found = classified(shown).doubtful
    if len(found):
        selection.set([int(found[0]) + 1], zoom=True)
        st.session_state[_queue(shown.source.run.run_id)] = list(selection.ids)


def _queue(run_id: str) -> str:
    return f"doubtful_at_hand_{run_id}"


def _undo(run_id: str, again: bool) -> None:
    desk = get_context().teaching
    with friendly():
        (desk.redo if again else desk.undo)(run_id, get_state().owner)


def _step(run_id: str, step: dict[str, object]) -> bool:
    """Make a step; tells whether it could be made."""
    with friendly():
        get_context().teaching.step(run_id, get_state().owner, step)
        return True
    return False
