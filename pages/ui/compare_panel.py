"""A result beside a layer that its owner brings: figures, outlines, and better thresholds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from pages.ui.edit_panel import is_owner
from pages.ui.errors import friendly
from pages.ui.map import base_url
from pages.ui.objects_filter import OVERLAP_TITLES, show_rule
from pages.ui.text import area_m2, count, markup, plain
from samgeo_core.comparing.sizes import ADVISED_OBJECTS
from samgeo_core.web.compare import (
    MOST_BYTES,
    NOT_YET,
    Asked,
    Brought,
    bring,
    brought,
    compare_token,
    comparison_of,
    forget,
    propose,
)
from samgeo_core.web.compare_layer import COLORS, WORDS
from samgeo_core.web.records import Run
from samgeo_core.web.rules import rule_query
from samgeo_core.web.selected import Selected
from samgeo_core.web.urls import comparison_url
from samgeo_core.words import N_, _, ngettext

_TYPES = ["geojson", "json", "gpkg", "zip", "kml", "fgb"]
_SCOPES = {"image": N_("Everywhere"), "reference": N_("On the reference")}
_FILES = {"comparison.gpkg": N_("Layers (GeoPackage)"), "comparison.csv": N_("Table (CSV)"),
          "comparison.json": N_("Table (JSON)")}  # fmt: skip


def compare_panel(shown: Selected) -> Mapping[str, Any]:
    """Draw the panel, for the owner of a result; returns the arguments of `MapView`."""
    run = shown.source.run
    if not is_owner(run):
        return {}
    wanted = st.toggle(
        _("Compare with a layer"),
        key=f"compare_{run.run_id}",
        help=_(
            "Bring a layer you trust (OpenStreetMap, cadastre, your own drawing): see what "
            "matches, what is missing or extra, and let it propose thresholds. Only you see it."
        ),
        persist_state="session",
    )
    if not wanted:
        return {}
    with st.container(border=True, key="compare_panel"):
        kept = brought(run)
        if kept is None:
            _ask_for_layer(shown)
            return {}
        address = None
        with friendly():
            address = _compared(shown, kept)
        return {"comparison": address}


def compare_not_offered(run: Run) -> None:
    """Say why a result in parts has no such panel."""
    if is_owner(run):
        st.caption(_(NOT_YET))


def _ask_for_layer(shown: Selected) -> None:
    run = shown.source.run
    tries = f"reference_tries_{run.run_id}"
    file = st.file_uploader(
        _("Reference layer"),
        type=_TYPES,
        key=f"reference_{run.run_id}_{st.session_state.get(tries, 0)}",
        max_upload_size=MOST_BYTES >> 20,
        help=_("Polygons in any coordinate reference system, or in px of the image."),
    )
    st.caption(_("GeoJSON, GeoPackage, zipped Shapefile, KML or FlatGeobuf."))
    if file is None:
        return
    with friendly():
        bring(shown, file.name, file.getvalue())
        st.session_state[tries] = st.session_state.get(tries, 0) + 1
        st.rerun()


def _compared(shown: Selected, kept: Brought) -> str:
    """Everything about a layer that is there; returns the address of its outlines."""
    run = shown.source.run
    _about_layer(shown, kept)
    asked = _controls(run)
    comparison = comparison_of(shown, asked)
    whole = comparison.figures[0]
    cells = [(_("Recall"), whole.recall), (_("Precision"), whole.precision), ("F1", whole.f1),
             (_("Mean IoU"), whole.mean_iou)]  # fmt: skip
    st.html(_metrics(cells))
    st.html(_legend({k: getattr(whole, k) for k in COLORS}))
    left = {**comparison.reference.left_out, "objects": comparison.verdict.ignored}
    if told := _left_out(left):
        st.caption(told)
    if len(comparison.figures) > 2:
        _class_table(comparison.figures[1:])
    query = {**rule_query(shown.source.rule, shown.rule), **shown.query, **asked.query}
    query["key"] = compare_token(run, kept)
    links = "".join(
        f'<a class="studio-link" href="{markup(comparison_url(run, query, base_url(), name))}" '
        f"download>{markup(_(title))}</a>"
        for name, title in _FILES.items()
    )
    st.html(f'<div class="studio-downloads">{links}</div>')
    _proposal(shown, kept, asked)
    return comparison_url(run, query, base_url())


def _about_layer(shown: Selected, kept: Brought) -> None:
    run = shown.source.run
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{plain(kept.name)}**", width="stretch")
        st.button(
            _("Remove"),
            key=f"forget_{run.run_id}",
            icon=":material/close:",
            on_click=forget,
            args=(run,),
            help=_("The reference layer goes from this result; your file stays where it is."),
        )


def _controls(run: Run) -> Asked:
    iou = st.slider(
        _("A match has an IoU of at least"), 0.1, 0.95, 0.5, step=0.05,
        key=f"compare_iou_{run.run_id}",
        help=_("Intersection over union: 1 where two outlines are the same. Objects that overlap "
        "less count as changed."), persist_state="session",
    )  # fmt: skip
    scope = st.segmented_control(
        _("Extra objects count"), list(_SCOPES), default="image",
        format_func=lambda name: _(_SCOPES[name]),
        key=f"compare_scope_{run.run_id}", required=True, width="stretch",
        help=_("**Everywhere**: the layer holds all there is.  \n**On the reference**: it doesn't; "
        "an object is extra only where it shares half of the smaller area with one of the layer."),
        persist_state="session",
    )  # fmt: skip
    return Asked(round(iou, 2), scope or "image")


def _metrics(cells: list[tuple[str, float | None]]) -> str:
    inner = "".join(
        f"<div><span>{name}</span><b>{'–' if value is None else f'{value:.2f}'}</b></div>"
        for name, value in cells
    )
    return f'<div class="studio-metrics">{inner}</div>'


def _legend(counts: Mapping[str, int | None]) -> str:
    rows = "".join(
        f'<div><span class="studio-swatch" style="background:{COLORS[kind]}"></span>'
        f"<span>{markup(_(WORDS[kind]))}</span><span>{number or 0:,}</span></div>"
        for kind, number in counts.items()
    )
    return f'<div class="studio-classes">{rows}</div>'


def _left_out(left: Mapping[str, int]) -> str:
    """What doesn't count, as a sentence."""
    words = {
        "edge": _("cut by the edge of the image"),
        "outside": _("beside the image"),
        "no area": _("without an area"),
    }
    parts = [f"{left[why]:,} {text}" for why, text in words.items() if left.get(why)]
    told = (
        [_("Of the layer are left out: {parts}.").format(parts=", ".join(parts))] if parts else []
    )
    if left.get("objects"):
        judged = ngettext(
            "{n:,} object of the result not judged.",
            "{n:,} objects of the result not judged.",
            left["objects"],
        )
        told.append(judged.format(n=left["objects"]))
    return " ".join(told)


def _class_table(rows: Any) -> None:
    table = [
        {_("Class"): r.name, _("Layer"): r.reference, _("Matched"): r.matched,
         _("Recall"): r.recall, _("Precision"): r.precision, "IoU": r.mean_iou}
        for r in rows
    ]  # fmt: skip
    shares = st.column_config.NumberColumn(format="%.2f")
    st.dataframe(
        table, hide_index=True, height=min(35 * len(table) + 38, 220),
        column_config=dict.fromkeys((_("Recall"), _("Precision"), "IoU"), shares),
    )  # fmt: skip


def _proposal(shown: Selected, kept: Brought, asked: Asked) -> None:
    run = shown.source.run
    key = f"proposal_{run.run_id}"
    st.button(
        _("Propose thresholds"),
        key=f"propose_{run.run_id}",
        icon=":material/auto_fix_high:",
        width="stretch",
        on_click=st.session_state.__setitem__,
        args=(key, (kept.stamp, asked.iou, None)),
        help=_(
            "Tries limits of quality, stability and size and the ways to resolve overlaps, "
            "on what the run has found already. Some {advised_objects} objects of the "
            "layer are enough."
        ).format(advised_objects=ADVISED_OBJECTS),
    )
    known = st.session_state.get(key)
    if known is None or known[:2] != (kept.stamp, asked.iou):
        return
    found = known[2]
    if found is None:
        with st.spinner(_("Trying thresholds…")):
            found = shown.rule, propose(shown, asked)
        st.session_state[key] = (*known[:2], found)
    began, proposal = found
    changes = proposal.changes(began)
    if not changes:
        st.caption(_("No other thresholds fit this layer better."))
        return
    before, after = proposal.before, proposal.after
    f1, recall, precision = (
        f"{getattr(before, name) or 0:.2f} → {getattr(after, name) or 0:.2f}"
        for name in ("f1", "recall", "precision")
    )
    told = count(proposal.n_reference, "object")
    st.markdown(
        _("**F1 {f1}** where the layer is: {told}, recall {recall}, precision {precision}").format(
            f1=f1, told=told, recall=recall, precision=precision
        )
    )
    st.caption(" · ".join(_change(name, value) for name, value in changes.items()))
    if proposal.n_reference < ADVISED_OBJECTS:
        st.caption(
            _("From fewer than {advised_objects} objects this is a guess.").format(
                advised_objects=ADVISED_OBJECTS
            )
        )
    if shown.rule == proposal.rule:
        st.caption(_("These thresholds are set."))
        return
    st.button(
        _("Set these thresholds"),
        key=f"apply_{run.run_id}",
        type="primary",
        width="stretch",
        on_click=show_rule,
        args=(shown.source, proposal.rule),
        help=_("Puts the limits above to these values, and shows what remains."),
    )


def _change(name: str, value: Any) -> str:
    """A field of a rule as people read it."""
    if name == "overlap":
        return _("Overlap: {rule}").format(rule=_(OVERLAP_TITLES[value]))
    kind, _sep, what = name.partition("_")
    if what.startswith("area"):
        size = area_m2(value) if name.endswith("m2") else f"{value:,.0f} px"
        told = _("Size at least {size}") if kind == "min" else _("Size at most {size}")
        return told.format(size=size)
    told = {
        ("least", "score"): _("Quality at least {n:.2f}"),
        ("good", "score"): _("Quality good from {n:.2f}"),
        ("least", "stability"): _("Stability at least {n:.2f}"),
        ("good", "stability"): _("Stability good from {n:.2f}"),
    }[kind, what]
    return told.format(n=value)
