"""A button that puts a text into the clipboard."""

from __future__ import annotations

from functools import cache

import streamlit as st
from streamlit.components.v2.types import ComponentRenderer

from pages.ui.words import script, script_words

_HTML = '<button type="button"></button>'
_CSS = """
button { font: inherit; color: var(--st-text-color); background: transparent; cursor: pointer;
  border: 1px solid var(--st-border-color); border-radius: var(--st-button-radius, .375rem);
  padding: .375rem .75rem; min-height: 2.5rem; }
button:hover, button:focus-visible { border-color: var(--st-primary-color);
  color: var(--st-primary-color); }
"""


def copy_button(label: str, text: str, key: str) -> None:
    """Draw it.

    Args:
        label: what stands on it.
        text: what it copies.
        key: names it on its page.
    """
    _renderer()(
        data={"label": label, "text": text, "words": script_words("share_copy.js")}, key=key
    )


@cache
def _renderer() -> ComponentRenderer:
    code = script("share_copy.js")
    return st.components.v2.component("studio_copy", html=_HTML, css=_CSS, js=code)
