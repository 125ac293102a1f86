"""Where visitors drop their images; see upload_queue.js for how they get to the server."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import streamlit as st
from streamlit.components.v2.types import ComponentRenderer

from pages.ui.errors import friendly
from pages.ui.map import base_url
from pages.ui.state import get_state
from pages.ui.text import size_bytes
from pages.ui.words import script, script_words
from samgeo_core.web.context import get_context
from samgeo_core.web.ids import ID_PATTERN
from samgeo_core.web.urls import base_path
from samgeo_core.web.visitors import visitor_of
from samgeo_core.words import _

UPLOAD_TYPES = ["tif", "tiff", "png", "jpg", "jpeg", "jp2", "j2k"]
_SCRIPTS = ("upload_queue.js", "upload_box.js")

_HTML = """
<div class="zone">
  <div class="drop"><div class="title"></div><div class="hint"></div></div>
  <button type="button" class="choose"></button>
  <input type="file" multiple hidden>
</div>
<ul class="items"></ul>
"""


def upload_box() -> None:
    """Take files from the visitor, and open the last of them once it has arrived."""
    result = _renderer()(data=_data(), key="upload_box", on_finished_change=_nothing)
    if (scene_id := result.finished) and ID_PATTERN.fullmatch(str(scene_id)):
        state = get_state()
        with friendly():
            state.open_scene(get_context().store.scene(str(scene_id), state.owner))
            st.rerun()


def _data() -> dict[str, object]:
    """What the script needs to know."""
    state, context = get_state(), get_context()
    most = size_bytes(context.settings.max_upload_bytes)
    unfinished = [
        {"id": u.upload_id, "name": u.name, "size": u.size_bytes, "offset": u.offset}
        for u in context.uploads.unfinished(state.owner)
    ]
    return {
        "words": script_words(*_SCRIPTS),
        "address": f"{base_path(base_url())}/uploads",
        "accept": ",".join(f".{kind}" for kind in UPLOAD_TYPES),
        "hint": _("GeoTIFF (also COG), PNG, JPEG or JPEG 2000, up to {most} each.").format(
            most=most
        ),
        "unfinished": unfinished,
        # Browsers that keep no cookie can't say by themselves whose files they send.
        "visitor": None if visitor_of(st.context.cookies) else state.owner,
    }


def _nothing() -> None:
    """A trigger needs somebody to call."""


@cache
def _renderer() -> ComponentRenderer:
    folder = Path(__file__).parent
    code = script(*_SCRIPTS)
    css = (folder / "upload_box.css").read_text(encoding="utf-8")
    return st.components.v2.component("studio_upload", html=_HTML, css=css, js=code)
