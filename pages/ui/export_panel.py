"""Export: how outlines are drawn in files, what that changes, and the files."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from pages.ui.downloads import layer_links
from pages.ui.errors import friendly
from pages.ui.text import percent
from samgeo_core.errors import NotFoundError
from samgeo_core.purposes import PURPOSES
from samgeo_core.web.context import get_context
from samgeo_core.web.export_preview import Preview, preview
from samgeo_core.web.finished import ExportChoice
from samgeo_core.web.records import Scene
from samgeo_core.web.selected import Selected
from samgeo_core.words import N_, _

_PRODUCTS = {"objects": N_("Objects"), "partition": N_("Partition without gaps")}
_OUTLINES = {
    "smooth": N_("Smooth"),
    "regular": N_("Right angles"),
    "circles": N_("Circles"),
    "pixels": N_("Pixel edges"),
}
_SMOOTHINGS = {2: N_("A little"), 5: N_("Normal"), 15: N_("Much")}
_HELP = {
    "product": N_(
        "Objects have outlines of their own and may lie in each other. A partition gives "
        "every pixel with data to exactly one polygon, and neighbours share their edges."
    ),
    "outline": N_(
        "Right angles suit roofs, circles tanks and crowns; an object that neither fits "
        "keeps its smooth outline."
    ),
    "tolerance": N_("How far simplification may move an outline. More gives fewer corners."),
    "fill": N_(
        "Pixels without an object join the nearest one up to this far; the rest is background."
    ),
    "bands": N_("Mean and deviation of each band over every object's pixels."),
}


def export_panel(chosen: Selected, picked: int | None) -> None:
    """Choices, pictures before and after, links.

    Args:
        chosen: the objects as shown.
        picked: id of the object to look at; None takes one of middle size.
    """
    panel = st.expander(
        _("Outlines and formats"), icon=":material/polyline:", key="export", on_change="rerun"
    )
    if not panel.open:
        return
    with panel:
        choice = _controls(chosen)
        with friendly():
            _pictures(preview(chosen, choice, _scene_of(chosen), picked))
        has_place = chosen.source.place.grid.crs is not None
        layer_links(chosen.source.run, {**chosen.query, **choice.query}, has_place=has_place)


def _controls(chosen: Selected) -> ExportChoice:
    product = st.segmented_control(
        _("Layer"),
        list(_PRODUCTS),
        format_func=lambda name: _(_PRODUCTS[name]),
        default="objects",
        required=True,
        key="export_product",
        help=_(_HELP["product"]),
    )
    outlines = ["smooth", "pixels"] if product == "partition" else list(_OUTLINES)
    usual = _usual_outline(chosen) if product == "objects" else "smooth"
    outline = st.segmented_control(
        _("Outlines"),
        outlines,
        format_func=lambda name: _(_OUTLINES[name]),
        default=usual,
        required=True,
        key=f"export_outline_{product}_{usual}",
        help=_(_HELP["outline"]),
    )
    choice = ExportChoice(product=str(product), bands=_bands(chosen))
    if product == "partition":
        fill = st.number_input(
            _("Fill gaps up to (px)"),
            0.0,
            100.0,
            5.0,
            1.0,
            key="export_fill",
            help=_(_HELP["fill"]),
        )
        choice = replace(choice, fill=float(fill))
    if outline == "pixels":
        return replace(choice, smoothing=0, tolerance=0.0)
    choice = _smoothness(chosen, choice)
    return replace(choice, regular=outline == "regular", circles=outline == "circles")


def _usual_outline(chosen: Selected) -> str:
    """How outlines are drawn at first: as suits what the run looked for."""
    purpose = PURPOSES.get(str(chosen.source.run.config.get("purpose")))
    return "smooth" if purpose is None else purpose.outline


def _smoothness(chosen: Selected, choice: ExportChoice) -> ExportChoice:
    left, middle, right = st.columns([2, 2, 1])
    smoothing = left.selectbox(
        _("Smoothing"),
        list(_SMOOTHINGS),
        1,
        format_func=lambda name: _(_SMOOTHINGS[name]),
        key="export_smooth",
        help=_("How outlines lose the steps of pixels; shared borders stay shared."),
    )
    units = ["px", "m"] if chosen.source.place.grid.gsd_m is not None else ["px"]
    unit = right.selectbox(
        _("Unit"),
        units,
        key="export_unit",
        help=_("In which the limits beside are given: on the ground, or in pixels."),
    )
    tolerance = middle.number_input(
        _("Tolerance"),
        0.0,
        100.0,
        0.5,
        0.1,
        key=f"export_tolerance_{unit}",
        help=_(_HELP["tolerance"]),
    )
    return replace(choice, smoothing=int(smoothing), tolerance=float(tolerance), unit=str(unit))


def _bands(chosen: Selected) -> bool:
    """Bands of the whole image only: those of a part lie on another grid."""
    if chosen.source.run.area is not None or _scene_of(chosen) is None:
        return False
    return bool(
        st.checkbox(_("Figures of the image's bands"), key="export_bands", help=_(_HELP["bands"]))
    )


def _pictures(shown: Preview | None) -> None:
    if shown is None:
        st.caption(_("There is no object to draw."))
        return
    left, right = st.columns(2, gap="small")
    left.image(
        shown.before,
        caption=_("Pixel edges: {corners:,} corners").format(corners=shown.corners[0]),
        alt=_("Outlines along the edges of pixels"),
        width="stretch",
    )
    right.image(
        shown.after,
        caption=_("In the file: {corners:,} corners").format(corners=shown.corners[1]),
        alt=_("The same outlines as they are in files"),
        width="stretch",
    )
    told = []
    if shown.area_change == shown.area_change:  # not for partitions, whose rows are others
        told.append(
            _("Areas differ by {area_change}.").format(area_change=percent(shown.area_change))
        )
    if shown.is_coverage is not None:
        told.append(
            _("Neighbours share their edges, without gaps or overlaps.")
            if shown.is_coverage
            else _("This part is no valid coverage: choose less tolerance.")
        )
    st.caption(" ".join([*told, _("Select an object in the table to see it here.")]))


def _scene_of(chosen: Selected) -> Scene | None:
    try:
        return get_context().store.scene(chosen.source.run.scene_id)
    except NotFoundError:
        return None
