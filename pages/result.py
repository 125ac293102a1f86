"""Result: look at the objects, filter them, take them along."""

import pandas as pd
import streamlit as st

from pages.ui.downloads import download_links
from pages.ui.layout import OPEN, SEGMENT, empty
from pages.ui.map import MapView, base_url, build_map, satellite_at_start, show_map, window_bounds
from pages.ui.objects_filter import area_column, area_text, as_ranges, filter_controls
from pages.ui.objects_style import style_controls
from pages.ui.objects_table import covered, load_table, object_table
from pages.ui.run_panel import is_active, run_panel
from pages.ui.state import current_run
from pages.ui.text import count
from samgeo_core.web.context import get_context
from samgeo_core.web.filters import ObjectFilter
from samgeo_core.web.records import Run
from samgeo_core.web.urls import label_template, objects_url, tile_template


@st.fragment
def _explore(run: Run, table: pd.DataFrame) -> None:
    left, right = st.columns([5, 3], gap="medium")
    below = st.container()
    with right:
        summary = st.container()
        st.markdown("**Filter**")
        limits = filter_controls(table, run.run_id)
        kept = table[limits.keeps(table)]
        with summary:
            _summary(run, table, kept)
        with st.popover("Style", icon=":material/palette:", width="stretch"):
            style, opacity = style_controls()
        has_place = area_column(table) == "area_m2"
        download_links(run, limits, has_place=has_place)
    with below:
        selected = _table(run, kept)
    with left:
        view = MapView(
            source=objects_url(run, base_url()),
            style=style,
            filter=as_ranges(limits),
            opacity=opacity,
            selected=selected,
        )
        _map(run, view)


def _summary(run: Run, table: pd.DataFrame, kept: pd.DataFrame) -> None:
    column = area_column(table)
    where = "Whole image" if run.area is None else "Try-out area"
    st.title(count(len(kept), "object"), anchor=False)
    hidden = len(table) - len(kept)
    parts = [where, f"{area_text(column, covered(table, kept, column))} covered"]
    if hidden:
        parts.append(f"{hidden:,} filtered out")
    st.caption(" · ".join(parts))
    if run.area is not None:
        st.page_link(SEGMENT, label="Run on the whole image", icon=":material/arrow_back:")


def _table(run: Run, kept: pd.DataFrame) -> int | None:
    if kept.empty:
        st.info("No object passes the filter; widen it to see some.", icon=":material/filter_alt:")
        return None
    st.caption("Choose a row to find its object on the map.")
    return object_table(kept, area_column(kept), key=f"table_{run.run_id}")


def _map(run: Run, view: MapView) -> None:
    scene = get_context().store.scene(run.scene_id)
    result_map = build_map(
        scene.frame,
        tile_template(scene, base_url()),
        masks_url=label_template(run, base_url()),
        basemap=satellite_at_start(),
        focus=None if run.area is None else window_bounds(scene.frame, run.area),
    )
    show_map(result_map, view, key=f"result_{run.run_id}", height=560)


def _nothing_found(run: Run) -> None:
    empty(
        "No objects were found.",
        "Lower *Least quality* and *Least stability*, or make the grid denser, and run again. "
        "The layers are there all the same, empty.",
    )
    st.page_link(SEGMENT, label="Change the settings", icon=":material/arrow_back:")
    scene = get_context().store.scene(run.scene_id)
    has_place = scene.raster.grid.crs is not None
    download_links(run, ObjectFilter(), has_place=has_place)
    _map(run, MapView())


def _page() -> None:
    run = current_run()
    if run is None:
        empty("There is no result yet.", "Open an image and run the segmentation first.")
        st.page_link(OPEN, label="Open an image", icon=":material/arrow_back:")
        return
    if run.state != "done" or is_active(run):
        run_panel(run)
        st.page_link(SEGMENT, label="Back to Segment", icon=":material/arrow_back:")
        return
    table = load_table(run)
    if table.empty:
        _nothing_found(run)
    else:
        _explore(run, table)


_page()
