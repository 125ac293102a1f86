"""The way in, where an installation asks people to sign in."""

from __future__ import annotations

import streamlit as st

from samgeo_core.words import _


def require_sign_in() -> None:
    """Go on for who has signed in, or where nobody must; everybody else sees the way in."""
    if not _is_asked_for() or st.user.is_logged_in:
        return
    st.title(_("Sign in to go on"), anchor=False)
    st.markdown(_("This installation is for people who are known to it."))
    st.button(_("Sign in"), type="primary", icon=":material/login:", on_click=st.login)
    st.stop()


def sign_out_button() -> None:
    """A way out for who is signed in; nothing elsewhere."""
    if _is_asked_for() and st.user.is_logged_in:
        st.button(_("Sign out"), type="tertiary", icon=":material/logout:", on_click=st.logout)


def _is_asked_for() -> bool:
    """Whether Streamlit's secrets have the section auth."""
    return bool(st.secrets.load_if_toml_exists()) and "auth" in st.secrets
