"""Filter sliders of the page Result: size, score and stability."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import streamlit as st

from pages.ui.text import area_m2
from samgeo_core.web.filters import ObjectFilter

if TYPE_CHECKING:
    import pandas as pd

_STEPS = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)


def area_column(table: pd.DataFrame) -> str:
    """The attribute that sizes are given in: m² where they are known, else px."""
    return "area_m2" if table["area_m2"].notna().any() else "area_px"


def area_text(column: str, value: float) -> str:
    """A size in the unit of its attribute."""
    return area_m2(value) if column == "area_m2" else f"{value:,.0f} px"


def area_steps(low: float, high: float) -> list[float]:
    """Round sizes, evenly spread on a logarithmic scale, from at most low to at least high."""
    low = max(low, 1e-6)
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(max(high, low))) + 1)
    values = [step * 10.0**decade for decade in decades for step in _STEPS]
    first = max((i for i, value in enumerate(values) if value <= low), default=0)
    last = min((i for i, value in enumerate(values) if value >= high), default=len(values) - 1)
    return values[first : max(last, first + 1) + 1]


def filter_controls(table: pd.DataFrame, run_id: str) -> ObjectFilter:
    """Draw the sliders and return what they say; a slider at its end sets no limit."""
    column = area_column(table)
    steps = area_steps(float(table[column].min()), float(table[column].max()))
    low, high = st.select_slider(
        "Size",
        steps,
        value=(steps[0], steps[-1]),
        format_func=lambda value: area_text(column, value),
        key=f"size_{run_id}",
        persist_state="session",
    )
    min_score = _least("Least quality", table["score"], f"score_{run_id}", "As the model rates it.")
    min_stability = _least(
        "Least stability", table["stability"], f"stability_{run_id}", "How firm the outline is."
    )
    limits = {
        f"min_{column}": low if low > steps[0] else None,
        f"max_{column}": high if high < steps[-1] else None,
        "min_score": min_score,
        "min_stability": min_stability,
    }
    return ObjectFilter(**{name: value for name, value in limits.items() if value is not None})


def as_ranges(limits: ObjectFilter) -> dict[str, tuple[float | None, float | None]]:
    """Least and largest value per attribute, as the map takes them."""
    ranges: dict[str, tuple[float | None, float | None]] = {}
    for name, value in limits.limits.items():
        side, column = name.split("_", 1)
        low, high = ranges.get(column, (None, None))
        ranges[column] = (value, high) if side == "min" else (low, value)
    return ranges


def _least(label: str, values: pd.Series, key: str, text: str) -> float | None:
    start = math.floor(float(values.min()) * 100) / 100
    end = math.ceil(float(values.max()) * 100) / 100
    if start >= end:
        return None
    chosen = st.slider(
        label, start, end, start, step=0.01, key=key, help=text, persist_state="session"
    )
    return chosen if chosen > start else None
