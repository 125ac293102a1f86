"""Which objects the page Result shows: controls that make a rule of selection."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from pages.ui.text import area_m2
from samgeo_core.comparing.sizes import area_steps
from samgeo_core.config import OVERLAPS, SelectionRule
from samgeo_core.web.selected import RunSource
from samgeo_core.words import N_, _

OVERLAP_TITLES = {
    "nested": N_("Nested"),
    "flatten": N_("Flat"),
    "largest": N_("Largest"),
    "partition": N_("Gap-free"),
}
OVERLAP_HELP = N_(
    "**Nested** keeps every object, parts within wholes; *Inside object* says which.  \n"
    "**Flat** gives each pixel to the smallest object on it.  \n"
    "**Largest** leaves out objects that lie inside others.  \n"
    "**Gap-free** is flat, and what lies between objects goes to the nearest; nothing is put where "
    "the image has no data."
)
MARKS_HELP = N_(
    "Masks above the right mark are kept wherever they show something new, those between the marks "
    "only where nothing better lies; below the left mark none."
)


def area_column(source: RunSource) -> str:
    """The attribute that sizes are given in: m² where they are known, else px."""
    if not len(source.pool.candidates):
        return "area_m2" if source.place.grid.crs is not None else "area_px"
    return "area_m2" if np.isfinite(source.pool.areas_m2).any() else "area_px"


def area_text(column: str, value: float) -> str:
    """A size in the unit of its attribute."""
    return area_m2(value) if column == "area_m2" else f"{value:,.0f} px"


def rule_controls(source: RunSource) -> SelectionRule:
    """Draw the controls of a run with candidates and return the rule that they say."""
    candidates = source.pool.candidates
    start: SelectionRule = st.session_state.get(_start(source), source.rule)
    key = _key(source)
    overlap = _overlap(start, f"overlap_{key}")
    limits = _size(source, start, f"size_{key}")
    scores = _quality(
        _("Quality (predicted IoU)"), "score", candidates.scores, source.rule, start,
        f"score_{key}",
        _("How well the model itself expects the outline to fit."),
    )  # fmt: skip
    stabilities = _quality(
        _("Stability"), "stability", candidates.stabilities, source.rule, start, f"stability_{key}",
        _("How little the outline moves when the model's cutoff shifts."),
    )  # fmt: skip
    return replace(start, overlap=overlap, **limits, **scores, **stabilities)


def show_rule(source: RunSource, rule: SelectionRule) -> None:
    """Set the controls to a rule; for callbacks, which run before the controls are drawn."""
    st.session_state[_start(source)] = rule
    _draw_anew(source)


def reset_button(source: RunSource, key: str = "reset", label: str = "") -> None:
    """Draw the button that brings back the run's own rule.

    Args:
        source: the run.
        key: names the button on its page.
        label: what it says; short by default.
    """

    def forget() -> None:
        st.session_state.pop(_start(source), None)
        _draw_anew(source)

    st.button(
        label or _("As segmented"), on_click=forget, key=f"{key}_{source.run.run_id}",
        icon=":material/undo:", help=_("Back to the limits with which this image was segmented."),
    )  # fmt: skip


def _start(source: RunSource) -> str:
    """Where the rule is kept that the controls show at first; the run's own where there is none."""
    return f"rule_{source.run.run_id}"


def _draw_anew(source: RunSource) -> None:
    st.session_state[_resets(source)] = st.session_state.get(_resets(source), 0) + 1


def _key(source: RunSource) -> str:
    """What is drawn under new keys stands where the controls begin."""
    return f"{source.run.run_id}_{st.session_state.get(_resets(source), 0)}"


def _resets(source: RunSource) -> str:
    return f"resets_{source.run.run_id}"


def _overlap(start: SelectionRule, key: str) -> str:
    chosen = st.segmented_control(
        _("Overlap"),
        OVERLAPS,
        default=start.overlap,
        format_func=lambda name: _(OVERLAP_TITLES[name]),
        key=key,
        help=_(OVERLAP_HELP),
        required=True,
        width="stretch",
        wrap=True,
        persist_state="session",
    )
    return str(chosen or start.overlap)


def _size(source: RunSource, start: SelectionRule, key: str) -> dict[str, float | None]:
    """Limits of the size; a mark at its end sets none."""
    column = area_column(source)
    unit = column.removeprefix("area_")
    pool = source.pool
    areas = pool.areas_m2 if unit == "m2" else pool.candidates.areas_px
    steps = area_steps(float(np.nanmin(areas)), float(np.nanmax(areas)))
    low, high = (getattr(start, f"{side}_area_{unit}") for side in ("min", "max"))
    steps = sorted({*steps, *(value for value in (low, high) if value is not None)})
    before = low or steps[0], high or steps[-1]
    chosen: tuple[float, float] = st.select_slider(
        _("Size"),
        steps,
        value=before,
        format_func=lambda value: area_text(column, value),
        key=key,
        help=_("Of each mask as the model found it, before overlaps are resolved."),
        persist_state="session",
    )
    limits = {}
    for side, now, start, end, limit in zip(
        ("min", "max"), chosen, before, (steps[0], steps[-1]), (low, high), strict=True
    ):
        open_end = None if now == end else now
        limits[f"{side}_area_{unit}"] = limit if now == start else open_end
    return limits


def _quality(
    label: str,
    name: str,
    values: NDArray[np.float32],
    own: SelectionRule,
    start: SelectionRule,
    key: str,
    text: str,
) -> dict[str, float]:
    """Limits of a score: one mark, or two where the run kept weaker masks in empty places."""
    least, good = getattr(start, f"least_{name}"), getattr(start, f"good_{name}")
    has_two = getattr(own, f"good_{name}") > getattr(own, f"least_{name}")
    floor = math.floor(float(values.min()) * 100) / 100
    ceiling = math.ceil(float(values.max()) * 100) / 100
    ceiling = max(ceiling, good) if has_two else ceiling
    if floor >= ceiling:
        return {}
    kept = _("The run kept no masks below {floor:.2f}; segment again to get weaker ones.")
    text = f"{text} {kept.format(floor=floor)}"
    slider: Callable[..., Any] = st.slider
    begin = min(max(least, floor), ceiling)
    if not has_two:
        chosen = slider(
            label, floor, ceiling, begin, step=0.01, key=key,
            help=f"{text} {_('Masks below the mark are left out.')}", persist_state="session",
        )  # fmt: skip
        return {f"least_{name}": chosen} if chosen != begin else {}
    weak, sure = slider(
        label, floor, ceiling, (begin, max(good, begin)), step=0.01, key=key,
        help=f"{text} {_(MARKS_HELP)}",
        persist_state="session",
    )  # fmt: skip
    changed = {f"least_{name}": (weak, begin), f"good_{name}": (sure, max(good, begin))}
    return {field: now for field, (now, before) in changed.items() if now != before}
