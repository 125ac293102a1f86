"""Segment: choose model and parameters, try them on a small area, run them on the whole image."""

import numpy as np
import streamlit as st

from pages.ui.area import inside
from pages.ui.area_controls import area_controls
from pages.ui.errors import friendly
from pages.ui.inside_panel import add_corner, inside_panel, outlines, takes_clicks
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
from pages.ui.settings_bands import apply_bands
from pages.ui.settings_link import copy_settings, take_settings
from pages.ui.state import current_run, get_state
from pages.ui.text import duration_s
from samgeo_core.area import AreaOfInterest
from samgeo_core.streaming.options import StreamOptions
from samgeo_core.web.context import get_context
from samgeo_core.web.records import Run, Scene
from samgeo_core.web.urls import tile_template
from samgeo_core.web.work import start_segmentation
from samgeo_core.windows import ShapeHW, Window
from samgeo_core.words import _


def _start(scene: Scene, choice: Choice, area: Window | AreaOfInterest | None) -> None:
    state = get_state()
    with friendly():
        run = start_segmentation(get_context(), scene, choice.config, state.owner, area=area)
        state.follow_run(run)
        state.watching = run.run_id
        st.rerun()


def _actions(
    scene: Scene, choice: Choice, busy: bool, part: Window | AreaOfInterest | None
) -> Window | None:
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
                _("Try out · about {about}").format(about=about),
                key="try_out",
                disabled=blocked,
                help=_(
                    "Segments only the dashed square, to see quickly whether the settings suit."
                ),
            ):
                _start(scene, choice, area)
        shape_hw = _shape_hw(scene, part)
        about = duration_s(estimates.seconds(shape_hw, choice.config, regions, scene.scene_id))
        label = _("Run on whole image · about {about}")
        if part is not None:
            label = _("Run on this part · about {about}")
        if isinstance(part, AreaOfInterest):
            label = _("Run inside the area · about {about}")
        if st.button(
            label.format(about=about),
            key="run",
            type="primary",
            disabled=blocked,
            help=_("The run goes on when you close this page; its address finds it again."),
        ):
            _start(scene, choice, part)
    return area


def _shape_hw(scene: Scene, part: Window | AreaOfInterest | None) -> ShapeHW:
    """Height and width of what a run reads, px."""
    if part is None:
        return scene.raster.shape_hw
    window = part.window(scene.raster.shape_hw) if isinstance(part, AreaOfInterest) else part
    return window.shape_hw


def _limited(part: Window | None, area: AreaOfInterest | None) -> Window | AreaOfInterest | None:
    """The part of the image that both the card and the area leave."""
    if part is None or area is None:
        return area or part
    inside = area.within(part)
    if inside is None:
        st.warning(_("The area lies beside the part that the card proposes; the area counts."))
    return inside or area


def _map(
    scene: Scene, run: Run | None, area: Window | None, inside_area: AreaOfInterest | None
) -> None:
    frame = scene.frame
    image_map = build_map(
        frame,
        tile_template(scene, base_url()),
        basemap=satellite_at_start(),
        credit=scene.raster.attribution,
    )
    source = objects_source(run) if run is not None and run.state == "done" else {}
    view = MapView(
        **source,
        area=None if area is None else outline(frame, area),
        inside=outlines(scene, frame, inside_area),
    )
    clicked = show_map(image_map, view, key=f"segment_{scene.scene_id}", height=560, clicks=True)
    state = get_state()
    drawing = takes_clicks(scene)
    if (area is None and not drawing) or clicked is None or clicked == state.last_click:
        return
    state.last_click = clicked
    ((x, y),) = frame.from_lnglat(np.array([[clicked[1], clicked[0]]])).tolist()
    if drawing:
        add_corner(scene, (x, y))
        st.rerun()
    if inside(scene.raster.shape_hw, (x, y)):
        state.center_px = (x, y)
        st.rerun()


def _page() -> None:
    take_settings()
    scene = apply_bands(require_scene())
    run = current_run()
    if run is not None and run.scene_id != scene.scene_id:
        run = None
    left, right = st.columns([3, 5], gap="medium")
    take_remedies()
    with left:
        choice = segment_form(scene)
        choice = Choice(with_scale(scene, choice.config), choice.usable)
        copy_settings(scene)
        inside_area = inside_panel(scene)
        part = _limited(preflight_panel(scene, choice.config, choice.usable), inside_area)
    with right:
        area = _actions(scene, choice, is_active(run), part)
        if run is not None:
            run_panel(run)
        elif area is not None and not takes_clicks(scene):
            st.caption(_("Click the map to move the dashed try-out area."))
        _map(scene, run, area, inside_area)
        ladder_panel(scene, choice.config, area, choice.usable)


_page()
