"""The map on which objects are picked: it asks our own routes directly, see pick_map.js."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import folium
import numpy as np
import streamlit as st
from branca.element import MacroElement
from folium.template import Template
from streamlit_folium import st_folium

from pages.ui.words import key_of_language, speaking_script
from samgeo_core.web.frame import MapFrame

_SCRIPTS = ("pick_panel.js", "pick_tools.js", "pick_draw.js", "pick_map.js")


class PickElement(MacroElement):
    """Tools, panel and overlays of picking on a map that `build_map` made.

    Args:
        frame: where the raster lies.
        address: of the session's routes.
    """

    _template = Template(
        """
        {% macro header(this, kwargs) %}<style>{{ this.css }}</style>{% endmacro %}
        {% macro script(this, kwargs) %}
        {{ this.code }}
        samgeoPick.setup({{ this._parent.get_name() }}, {{ this.options|tojavascript }});
        {% endmacro %}
        """
    )

    def __init__(self, frame: MapFrame, address: str) -> None:
        super().__init__()
        self._name = "PickElement"
        self.options = {"address": address, "axes": _axes(frame)}
        self.code = speaking_script(*_SCRIPTS)
        self.css = _own_file("pick.css")


def show_pick_map(pick_map: folium.Map, *, key: str, height: int = 620) -> None:
    """Draw the map; it stays as it is while its address does.

    What was picked is on the server; a new number of objects reruns the fragment round the map.
    """
    with st.container(key=f"map_{key}"):
        st_folium(
            pick_map,
            key=key_of_language(key),
            height=height,
            use_container_width=True,
            returned_objects=[],
        )


def _axes(frame: MapFrame) -> list[list[float]]:
    """The middle of the raster on the map, and a place to its right and below it in the raster."""
    height, width = frame.grid.shape_hw
    x, y, step = width / 2, height / 2, max(height, width) / 20
    places: list[list[float]] = frame.to_lnglat(
        np.array([(x, y), (x + step, y), (x, y + step)])
    ).tolist()
    return places


@cache
def _own_file(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")
