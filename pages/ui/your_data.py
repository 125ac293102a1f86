"""What the server holds of a visitor, and the way to have it deleted."""

from __future__ import annotations

import streamlit as st

from pages.ui.sign_in import account
from pages.ui.state import get_state
from pages.ui.text import count
from samgeo_core.web.context import get_context
from samgeo_core.words import _


def your_data() -> None:
    """Say what is kept, and offer to delete all of it; nothing for who has nothing here."""
    state, context = get_state(), get_context()
    scenes, runs = context.store.scenes(state.owner), context.store.runs(state.owner)
    if not scenes and not runs:
        return
    days = context.settings.keep_days
    told = (
        _("{images} and {results}, kept until you delete them.")
        if days is None
        else _("{images} and {results}, kept for {days:g} days without use.")
    )
    with st.expander(_("Your data on this server"), icon=":material/shield_person:"):
        st.markdown(
            told.format(
                images=count(len(scenes), "image"), results=count(len(runs), "result"), days=days
            )
            + " "
            + _whose()
        )
        with st.popover(
            _("Delete everything"),
            icon=":material/delete:",
            help=_("Asks once more before anything goes."),
        ):
            st.markdown(_("Images, results, picked objects and shared links go for good."))
            if st.button(
                _("Delete now"), type="primary", key="delete_all", help=_("This can't be undone.")
            ):
                context.delete_all_of(state.owner)
                state.forget()
                st.rerun()


def _whose() -> str:
    if account() is not None:
        return _(
            "They belong to your account: whoever has the address of a result can look at it, "
            "nobody else can change it."
        )
    return _(
        "They belong to this browser: whoever has the address of a result can look at it, "
        "nobody else can change it."
    )
