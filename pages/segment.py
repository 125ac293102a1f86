"""Segment: choose model and parameters, try them on a small area, run them on the whole image."""

import numpy as np
import streamlit as st

from pages.ui.area import inside
from pages.ui.area_controls import area_controls
from pages.ui.errors import friendly
from pages.ui.ladder_panel import ladder_panel, with_scale
from pages.ui.layout import require_scene
from pages.ui.map import (
    MapView,
    base_url,
    build_map,
    objects_source,
    outline,
    satellite_at_start,
    show_map,
)
from pages.ui.preflight_panel import preflight_panel, take_remedies
from pages.ui.run_panel import is_active, run_panel
from pages.ui.segment_form import Choice, segment_form
from pages.ui.settings_link import copy_settings, take_settings
from pages.ui.state import current_run, get_state
from pages.ui.text import duration_s
from samgeo_core.streaming.options import StreamOptions
from samgeo_core.web.context import get_context
from samgeo_core.web.records import Run, Scene
from samgeo_core.web.urls import tile_template
from samgeo_core.web.work import start_segmentation
from samgeo_core.windows import Window
from samgeo_core.words import _


def _start(scene: Scene, choice: Choice, area: Window | None) -> None:
    state = get_state()
    with friendly():
        run = start_segmentation(get_context(), scene, choice.config, state.owner, area=area)
        state.follow_run(run)
        state.watching = run.run_id
        st.rerun()


def _actions(scene: Scene, choice: Choice, busy: bool, part: Window | None) -> Window | None:
    """The buttons that start a run; returns the try-out area, None for a small image.

    Args:
        scene: the image.
        choice: what the form says.
        busy: whether a run is under way.
        part: what is segmented instead of the whole image; None is the whole.
    """
    blocked = busy or not choice.usable
    regions = StreamOptions.of_region(get_context().settings.region_px)
    estimates = get_context().estimates
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        area = area_controls(scene)
        if area is not None:
            about = duration_s(
                estimates.seconds(area.shape_hw, choice.config, regions, scene.scene_id)
            )
            if st.button(
                _("Try out · about {about}").format(about=about), key="try_out", disabled=blocked
            ):
                _start(scene, choice, area)
        shape_hw = scene.raster.shape_hw if part is None else part.shape_hw
        about = duration_s(estimates.seconds(shape_hw, choice.config, regions, scene.scene_id))
        label = (
            _("Run on whole image · about {about}")
            if part is None
            else _("Run on this part · about {about}")
        )
        if st.button(label.format(about=about), key="run", type="primary", disabled=blocked):
            _start(scene, choice, part)
    return area


def _map(scene: Scene, run: Run | None, area: Window | None) -> None:
    frame = scene.frame
    image_map = build_map(
        frame,
        tile_template(scene, base_url()),
        basemap=satellite_at_start(),
        credit=scene.raster.attribution,
    )
    source = objects_source(run) if run is not None and run.state == "done" else {}
    view = MapView(**source, area=None if area is None else outline(frame, area))
    clicked = show_map(image_map, view, key=f"segment_{scene.scene_id}", height=560, clicks=True)
    state = get_state()
    if area is None or clicked is None or clicked == state.last_click:
        return
    state.last_click = clicked
    ((x, y),) = frame.from_lnglat(np.array([[clicked[1], clicked[0]]])).tolist()
    if inside(scene.raster.shape_hw, (x, y)):
        state.center_px = (x, y)
        st.rerun()


def _page() -> None:
    take_settings()
    scene = require_scene()
    run = current_run()
    if run is not None and run.scene_id != scene.scene_id:
        run = None
    left, right = st.columns([3, 5], gap="medium")
    take_remedies()
    with left:
        choice = segment_form(scene)
        choice = Choice(with_scale(scene, choice.config), choice.usable)
        copy_settings()
        part = preflight_panel(scene, choice.config, choice.usable)
    with right:
        area = _actions(scene, choice, is_active(run), part)
        if run is not None:
            run_panel(run)
        elif area is not None:
            st.caption(_("Click the map to move the dashed try-out area."))
        _map(scene, run, area)
        ladder_panel(scene, choice.config, area, choice.usable)


_page()
