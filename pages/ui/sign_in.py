"""The way in, where an installation asks people to sign in."""

from __future__ import annotations

import streamlit as st

from samgeo_core.web.context import get_context
from samgeo_core.words import _


def require_sign_in() -> None:
    """Go on for who has signed in, or where nobody must; everybody else sees the way in."""
    if not _is_asked_for() or st.user.is_logged_in:
        return
    st.title(_("Sign in to go on"), anchor=False)
    st.markdown(_("This installation is for people who are known to it."))
    st.button(
        _("Sign in"),
        type="primary",
        icon=":material/login:",
        on_click=st.login,
        help=_("Leads to your organisation's page, and back here."),
    )
    st.stop()


def account() -> str | None:
    """Name of the visitor's account, under which their things are kept; None where nobody signs in.

    Call it behind `require_sign_in`.
    """
    if not _is_asked_for() or not st.user.is_logged_in:
        return None
    from samgeo_core.web.accounts import KEY_FILE, account_owner
    from samgeo_core.web.keys import installation_key

    key = installation_key(get_context().settings.data_dir / KEY_FILE)
    return account_owner(st.user.to_dict(), key)


def sign_out_button() -> None:
    """A way out for who is signed in; nothing elsewhere."""
    if _is_asked_for() and st.user.is_logged_in:
        st.button(
            _("Sign out"),
            type="tertiary",
            icon=":material/logout:",
            on_click=st.logout,
            help=_("Images and results stay in your account."),
        )


def _is_asked_for() -> bool:
    """Whether Streamlit's secrets have the section auth."""
    return bool(st.secrets.load_if_toml_exists()) and "auth" in st.secrets
