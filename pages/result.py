"""Result: look at the objects, choose among them again, take them along."""

from collections.abc import Iterable

import pandas as pd
import streamlit as st

from pages.ui.choose_again import choose_again_form
from pages.ui.compare_panel import compare_not_offered, compare_panel
from pages.ui.downloads import download_links
from pages.ui.edit_panel import edit_panel, is_owner
from pages.ui.export_panel import export_panel
from pages.ui.figures_panel import figures_panel
from pages.ui.filters_address import read_filters, write_filters
from pages.ui.layout import PICK, SEGMENT, empty, lead_to, no_scene
from pages.ui.map import (
    MapView,
    base_url,
    build_map,
    objects_source,
    satellite_at_start,
    show_map,
    window_bounds,
)
from pages.ui.objects_filter import area_column, reset_button, rule_controls
from pages.ui.objects_style import style_controls
from pages.ui.objects_table import object_table, table_of
from pages.ui.run_panel import is_active, run_panel
from pages.ui.selection import map_key, selection_of
from pages.ui.share_panel import share_panel
from pages.ui.state import current_run, current_scene
from pages.ui.teach_panel import not_offered, teach_panel
from pages.ui.text import count, percent
from samgeo_core.edits.history import EditHistory
from samgeo_core.web.context import get_context
from samgeo_core.web.edit_desk import NOT_YET
from samgeo_core.web.records import Run
from samgeo_core.web.reports import figures_of, stored_figures
from samgeo_core.web.results import result_place
from samgeo_core.web.rules import rule_query
from samgeo_core.web.selected import Selected, edits_of, run_source, selected
from samgeo_core.web.stored import extent_of, largest_objects
from samgeo_core.web.urls import label_template, tile_template
from samgeo_core.words import _


@st.fragment
def _explore(run: Run) -> None:
    left, right = st.columns([5, 3], gap="medium")
    below = st.container()
    source = run_source(run)
    with right:
        summary = st.container()
        tools = st.container()
        has_limits = len(source.pool.candidates) > 0
        if has_limits:
            read_filters(source)
        rule = rule_controls(source) if has_limits else source.rule
        write_filters(source, rule)
        chosen = selected(run, rule)
        if rule_query(source.rule, rule):
            reset_button(source)
        with summary:
            _summary(chosen)
            figures_panel(figures_of(chosen), key=run.run_id)
        place = objects_source(run, chosen.query)
        at_hand = selection_of(run, place["source"], len(chosen.objects))
        with tools:
            editing = edit_panel(chosen)
            taught = teach_panel(chosen, at_hand)
            compared = compare_panel(chosen)
        with st.popover(
            _("Style"),
            icon=":material/palette:",
            width="stretch",
            help=_("Colours, width and opacity of what lies on the map; files don't change."),
        ):
            style, opacity = style_controls()
        has_place = area_column(source) == "area_m2"
        download_links(run, chosen.query, has_place=has_place)
        outlines = st.container()
        share_panel(run, rule_query(source.rule, rule), has_place=source.place.grid.crs is not None)
    with below:
        # NOTE: numbers of objects change with rule and edits: a choice of one doesn't outlive them.
        key = f"table_{run.run_id}_{'_'.join(map('='.join, sorted(chosen.query.items())))}"
        picked = _table(table_of(chosen), area_column(source), key)
        if not len(chosen.objects) and rule_query(source.rule, rule):
            reset_button(source, "empty", _("Show all as segmented"))
        if "teaching" in taught and at_hand.follow_table(picked):
            st.rerun()
    with outlines:
        export_panel(chosen, picked)
    with left:
        view = MapView(
            **place,
            masks=label_template(run, base_url(), chosen.query),
            style=style,
            opacity=opacity,
            selected=picked,
            editing=editing,
            **taught,
            **compared,
        )
        _map(run, view)


@st.fragment
def _look_through(run: Run) -> None:
    """A result that went region by region: its objects stay on the disk, chosen once."""
    left, right = st.columns([5, 3], gap="medium")
    below = st.container()
    found = int(run.record["n_objects"])
    has_place = result_place(run).grid.crs is not None
    with right:
        _heading(run, found, run.record.get("coverage"))
        figures_panel(stored_figures(run), key=run.run_id)
        _choose_again(run)
        not_offered(run)
        compare_not_offered(run)
        with st.popover(
            _("Style"),
            icon=":material/palette:",
            width="stretch",
            help=_("Colours, width and opacity of what lies on the map; files don't change."),
        ):
            style, opacity = style_controls()
        download_links(run, {}, has_place=has_place)
        share_panel(run, {}, has_place=has_place)
    with below:
        table = largest_objects(run)
        key, column = f"table_{run.run_id}", "area_m2" if has_place else "area_px"
        some = (
            _("The {shown:,} largest of {found:,} objects.").format(shown=len(table), found=found)
            if found > len(table)
            else ""
        )
        picked = _table(table, column, key, some)
    with left:
        view = MapView(
            **objects_source(run),
            masks=label_template(run, base_url()),
            style=style,
            opacity=opacity,
            selected=picked,
            selected_at=None if picked is None else extent_of(run, picked),
        )
        _map(run, view)


def _choose_again(run: Run) -> None:
    if is_owner(run) and "picked" not in run.record:
        st.caption(_(NOT_YET))
        has_place = result_place(run).grid.crs is not None
        choose_again_form(run, "area_m2" if has_place else "area_px")


def _summary(chosen: Selected) -> None:
    run, more = chosen.source.run, []
    if not chosen.is_own:
        more.append(
            _("{n:,} as segmented").format(n=len(selected(run, edits=EditHistory()).objects))
        )
    if chosen.edits.done:
        more.append(count(chosen.edits.done, "correction"))
    _heading(run, len(chosen.objects), chosen.coverage, more)


def _heading(run: Run, found: int, coverage: float | None, more: Iterable[str] = ()) -> None:
    st.title(count(found, "object"), anchor=False)
    picked = "picked" in run.record
    where = _("Whole image") if run.area is None else _("Try-out area")
    where = _("Inside the area") if run.is_limited else where
    parts = [_("Picked objects") if picked else where]
    if coverage is not None:
        parts.append(_("{share} covered").format(share=percent(coverage)))
    parts.extend(more)
    st.caption(" · ".join(parts))
    if picked:
        st.page_link(PICK, label=_("Pick more"), icon=":material/arrow_back:")
    elif run.area is not None and not run.is_limited:
        st.page_link(SEGMENT, label=_("Run on the whole image"), icon=":material/arrow_back:")


def _table(table: pd.DataFrame, column: str, key: str, some: str = "") -> int | None:
    if table.empty:
        st.info(_("No object is left; widen the limits to see some."), icon=":material/filter_alt:")
        return None
    st.caption(f"{some} {_('Choose a row to find its object on the map.')}")
    return object_table(table, column, key=key)


def _map(run: Run, view: MapView) -> None:
    scene = get_context().store.scene(run.scene_id)
    result_map = build_map(
        scene.frame,
        tile_template(scene, base_url()),
        masks_url=label_template(run, base_url()),
        basemap=satellite_at_start(),
        focus=None if run.area is None else window_bounds(scene.frame, run.area),
        editing=is_owner(run) and not run.is_streamed,
        keep_view=True,
        swipe=True,
        credit=scene.raster.attribution,
    )
    show_map(result_map, view, key=map_key(run), height=560)


def _nothing_found(run: Run) -> None:
    empty(
        _("No objects were found."),
        _(
            "Lower *Least quality* and *Least stability*, or make the grid denser, and run again. "
            "The layers are there all the same, empty."
        ),
    )
    if run.is_streamed and run.record.get("n_candidates"):
        _choose_again(run)
    lead_to(
        SEGMENT,
        _("Change the settings"),
        _("There the thresholds are lowered and the grid is made denser."),
    )
    scene = get_context().store.scene(run.scene_id)
    has_place = scene.raster.grid.crs is not None
    download_links(run, {}, has_place=has_place)
    editing = None if run.is_streamed else edit_panel(selected(run))
    _map(run, MapView(**objects_source(run), editing=editing) if editing else MapView())


def _no_result() -> None:
    if current_scene() is None:
        no_scene(_("There is no result yet."))
        return
    empty(_("There is no result yet."), _("Run the segmentation, or pick single objects."))
    lead_to(SEGMENT, _("Go to Segment"), _("Choose what to look for, and run."))
    st.page_link(PICK, label=_("Or pick single objects"), icon=":material/ads_click:")


def _page() -> None:
    run = current_run()
    if run is None:
        _no_result()
        return
    if run.state != "done" or is_active(run):
        run_panel(run)
        st.page_link(SEGMENT, label=_("Back to Segment"), icon=":material/arrow_back:")
        return
    if run.is_streamed and run.record.get("n_objects"):
        _look_through(run)
    elif not run.is_streamed and (len(run_source(run).pool.candidates) or edits_of(run).done):
        _explore(run)
    else:
        _nothing_found(run)


_page()
