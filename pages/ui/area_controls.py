"""Size and place of the try-out area, for those who don't click on the map."""

from __future__ import annotations

import streamlit as st

from pages.ui.area import area_window, sides_for
from pages.ui.state import get_state
from samgeo_core.web.records import Scene
from samgeo_core.windows import ShapeHW, Window
from samgeo_core.words import _

_X, _Y = "area_center_x", "area_center_y"


def area_controls(scene: Scene) -> Window | None:
    """Draw the controls and return the area; None for a small image, which needs no try-out."""
    shape_hw = scene.raster.shape_hw
    sides = sides_for(shape_hw)
    if not sides:
        return None
    side = st.selectbox(
        _("Try-out area"),
        sides,
        index=min(1, len(sides) - 1),
        format_func=lambda px: f"{px:,} × {px:,} px",
        key=f"area_{scene.scene_id}",
        width=170,
        persist_state="session",
        help=_("Side of the square that a try-out segments, in pixels of the image."),
    )
    with st.popover(
        _("Place"),
        icon=":material/my_location:",
        help=_("Type where the square lies, instead of clicking the map."),
    ):
        st.caption(_("Click the map, or give the centre of the area in pixels."))
        _center_inputs(shape_hw)
    return area_window(shape_hw, side, get_state().center_px)


def _center_inputs(shape_hw: ShapeHW) -> None:
    height, width = shape_hw
    x, y = get_state().center_px or (width / 2, height / 2)
    # The map moves the area too, so the numbers follow the state and not the other way round.
    st.session_state[_X], st.session_state[_Y] = int(x), int(y)
    across, down = st.columns(2)
    across.number_input(
        _("From the left"),
        0,
        width - 1,
        key=_X,
        on_change=_move,
        help=_("Column of the square's middle, px; a click on the map sets it, too."),
    )
    down.number_input(
        _("From the top"),
        0,
        height - 1,
        key=_Y,
        on_change=_move,
        help=_("Row of the square's middle, px; a click on the map sets it, too."),
    )


def _move() -> None:
    get_state().center_px = (float(st.session_state[_X]), float(st.session_state[_Y]))
