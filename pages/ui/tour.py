"""The tour of three steps: by itself on the very first visit, later by a button of the bar."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import streamlit as st
from streamlit.components.v2.types import ComponentRenderer

from pages.ui.words import script, script_words

_HTML = """
<button type="button" class="opener" aria-haspopup="dialog" aria-expanded="false">?</button>
<div class="card" popover="manual" role="dialog" tabindex="-1" aria-labelledby="title"
  aria-describedby="text">
  <div class="head">
    <h2 class="title" id="title"></h2><button type="button" class="close">×</button>
  </div>
  <p class="text" id="text" aria-live="polite"></p>
  <div class="foot">
    <span class="dots" aria-hidden="true"><i></i><i></i><i></i></span><span class="skip"></span>
    <button type="button" class="back"></button><button type="button" class="next"></button>
  </div>
</div>
"""


def tour(*, fresh: bool, step: int) -> None:
    """The button that opens it; on a first visit at the front door it opens by itself.

    Args:
        fresh: whether the visitor has nothing open, so that it would be in nobody's way.
        step: where it begins when the visitor asks for it, from 0: that of the page.
    """
    _renderer()(
        data={"words": script_words("tour.js"), "fresh": fresh, "step": step},
        key="tour",
        width="content",
    )


@cache
def _renderer() -> ComponentRenderer:
    css = Path(__file__).with_name("tour.css").read_text(encoding="utf-8")
    return st.components.v2.component("studio_tour", html=_HTML, css=css, js=script("tour.js"))
