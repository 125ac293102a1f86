"""How objects and layers are drawn on the page Result."""

from __future__ import annotations

import streamlit as st

from pages.ui.map import PolygonStyle
from samgeo_core.words import _

DEFAULT = PolygonStyle()
MASKS_OPACITY = 0.6


def style_controls() -> tuple[PolygonStyle, dict[str, float]]:
    """Draw colours, widths and opacities; returns the polygons' style and the layers' opacity."""
    outline, fill = st.columns(2)
    color = outline.color_picker(
        _("Outline"),
        DEFAULT.color,
        key="style_color",
        persist_state="session",
        help=_("Colour of borders on the map."),
    )
    fill_color = fill.color_picker(
        _("Fill"),
        DEFAULT.fillColor,
        key="style_fill",
        persist_state="session",
        help=_("Colour inside the borders on the map."),
    )
    weight = st.slider(
        _("Outline width, px"),
        0,
        8,
        DEFAULT.weight,
        key="style_weight",
        persist_state="session",
        help=_("0 draws no borders."),
    )
    fill_opacity = _opacity(_("Fill opacity"), DEFAULT.fillOpacity, "style_fill_opacity")
    opacity = {
        "image": _opacity(_("Image opacity"), 1.0, "style_image"),
        "masks": _opacity(_("Masks opacity"), MASKS_OPACITY, "style_masks"),
    }
    return PolygonStyle(color, weight, fill_color, fill_opacity), opacity


def _opacity(label: str, start: float, key: str) -> float:
    return st.slider(
        label,
        0.0,
        1.0,
        start,
        step=0.05,
        key=key,
        persist_state="session",
        help=_("0 lets all of the image through, 1 hides it."),
    )
