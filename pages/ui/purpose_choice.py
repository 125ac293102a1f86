"""What is looked for: the first choice of the page Segment, with what was measured of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import mean
from typing import Any

import streamlit as st

from pages.ui.text import percent
from samgeo_core.config import SegmentConfig
from samgeo_core.purposes import EVERYTHING, PURPOSES, Purpose, measured_scores
from samgeo_core.web.records import Scene
from samgeo_core.words import _

PURPOSE_KEY = "purpose"


@dataclass(frozen=True)
class Wanted:
    """What a visitor looks for.

    Attributes:
        purpose: the purpose.
        gsd_m: ground sample distance, m per px; None where nobody knows.
        on_ground: whether the raster itself says it.
    """

    purpose: Purpose
    gsd_m: float | None
    on_ground: bool

    def applied(self, config: SegmentConfig) -> SegmentConfig:
        """A configuration with what follows from this."""
        return self.purpose.applied(config, self.gsd_m, on_ground=self.on_ground)


def purpose_control(scene: Scene) -> Wanted:
    """Draw the choice, what it means, and where needed what a pixel measures."""
    if PURPOSE_KEY not in st.session_state:
        st.session_state[PURPOSE_KEY] = EVERYTHING
    name = st.selectbox(
        _("What to look for"),
        list(PURPOSES),
        format_func=lambda name: _(PURPOSES[name].title),
        key=PURPOSE_KEY,
        persist_state="session",
        help=_(
            "Sizes on the ground decide through which windows the model looks and which of its "
            "masks are kept. The page Result can relax all limits without asking the model again."
        ),
    )
    purpose = PURPOSES[name]
    st.caption(_(purpose.says))
    gsd_m = scene.raster.grid.gsd_m
    on_ground = gsd_m is not None
    if purpose.name != EVERYTHING:
        if not on_ground:
            gsd_m = _resolution(scene)
        if purpose.advice is not None and scene.raster.band_count > 3:
            st.caption(_(purpose.advice))
    st.caption(scores_line(purpose))
    return Wanted(purpose, gsd_m, on_ground)


def size_controls(wanted: Wanted, config: SegmentConfig) -> SegmentConfig:
    """Draw the limits of size that a purpose sets, and return a configuration with them."""
    if wanted.purpose.name == EVERYTHING or wanted.gsd_m is None:
        return config
    unit, field = ("m²", "m2") if wanted.on_ground else ("px", "px")
    rule, limits = config.rule, {}
    labels = {"min": _("Least size ({unit})"), "max": _("Greatest size ({unit})")}
    for side, column in zip(labels, st.columns(2), strict=True):
        name = f"{side}_area_{field}"
        limits[name] = column.number_input(
            labels[side].format(unit=unit),
            min_value=0.0,
            value=getattr(rule, name),
            placeholder=_("no limit"),
            key=f"{name}_{wanted.purpose.name}_{wanted.gsd_m:g}",
            persist_state="session",
            help=_("Masks of other sizes are left out; the page Result can bring them back."),
        )
    low, high = limits.values()
    if low is not None and high is not None and low > high:
        st.warning(_("The least size is above the greatest: the purpose's own limits hold."))
        return config
    return replace(config, selection=replace(rule, **limits))


def scores_line(purpose: Purpose) -> str:
    """What was measured of a purpose on labelled scenes, in one sentence."""
    rows = measured_scores().get(purpose.name, [])
    if not rows:
        return _("Chosen by principle; not measured on a labelled scene.")
    values = {
        "n": sum(row["labelled"] for row in rows),
        "scenes": ", ".join(row["scene"] for row in rows),
        "found": percent(_mean(rows, "purpose", "recall50")),
        "kept": f"{_total(rows, 'purpose'):,}",
        "plain": percent(_mean(rows, "full", "recall50")),
        "all": f"{_total(rows, 'full'):,}",
    }
    if purpose.name == EVERYTHING:
        text = _("Measured on {n} labelled objects ({scenes}): {found} found.")
    else:
        text = _(
            "Measured on {n} labelled objects ({scenes}): {found} found among {kept} that it "
            "keeps; Everything finds {plain} among {all}."
        )
    return text.format(**values).replace("_", "\\_")


def _resolution(scene: Scene) -> float | None:
    centimetres = st.number_input(
        _("Ground resolution (cm per pixel)"),
        min_value=0.1,
        max_value=100_000.0,
        value=None,
        placeholder=_("unknown"),
        key=f"gsd_{scene.scene_id}",
        persist_state="session",
        help=_(
            "The image doesn't say how large its pixels are on the ground. Without it, nothing is "
            "left out by size."
        ),
    )
    return None if centimetres is None else centimetres / 100


def _mean(rows: list[dict[str, Any]], side: str, name: str) -> float:
    return mean(float(row[side][name]) for row in rows)


def _total(rows: list[dict[str, Any]], side: str) -> int:
    return sum(int(row[side]["objects"]) for row in rows)
