"""Figures of a result: how many objects of which size, as a chart and as tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from pages.ui.text import percent
from samgeo_core.report.chart import area_text, group_name
from samgeo_core.report.figures import AreaFigures
from samgeo_core.words import _

_HECTARES_FROM = 1e4
_HEIGHT = 200


def figures_panel(figures: AreaFigures, *, key: str) -> None:
    """Draw figures of the objects that are shown, folded up until somebody asks for them.

    Args:
        figures: of the result under its rule, with corrections and classes.
        key: names the panel on its page.
    """
    if not len(figures):
        return
    with st.expander(_("Areas and classes"), icon=":material/bar_chart:", key=f"figures_{key}"):
        st.caption(_summary(figures))
        st.vega_lite_chart(_bins(figures), _chart(figures), width="stretch", height=_HEIGHT)
        if figures.has_classes:
            st.table(_classes(figures))
        with st.popover(
            _("Numbers of the chart"),
            icon=":material/table:",
            width="stretch",
            help=_("The same as a table, for reading aloud or copying."),
        ):
            st.table(_numbers(figures))
        st.caption(_("Objects inside others count in both."))


def _summary(figures: AreaFigures) -> str:
    """One sentence that says what the chart shows, for who can't see it as well."""
    parts = [
        _("Together {area}").format(area=area_text(figures.total, figures.unit)),
        _("median {area}").format(area=area_text(figures.median, figures.unit)),
        _("from {least} to {most}").format(
            least=area_text(float(figures.areas.min()), figures.unit),
            most=area_text(float(figures.areas.max()), figures.unit),
        ),
    ]
    if figures.coverage is not None:
        parts.append(_("{share} covered").format(share=percent(figures.coverage)))
    return " · ".join(parts)


def _scale(figures: AreaFigures) -> tuple[float, str]:
    """By what areas are divided on the axis, and what it is called then."""
    if figures.unit == "px":
        return 1.0, _("Area (px)")
    if figures.median >= _HECTARES_FROM:
        return _HECTARES_FROM, _("Area (ha)")
    return 1.0, _("Area (m²)")


def _bins(figures: AreaFigures) -> pd.DataFrame:
    found, (unit, _title) = figures.histogram, _scale(figures)
    edges = found.edges / unit
    below = np.cumsum(found.counts, axis=0) - found.counts  # classes stand above each other
    rows = [
        {
            "low": edges[i],
            "high": edges[i + 1],
            "from": int(base[i]),
            "to": int(base[i] + row[i]),
            "count": int(row[i]),
            "group": group_name(figures, group.name),
            "text": _range(figures, i),
        }
        for row, base, group in zip(found.counts, below, figures.groups, strict=True)
        for i in np.flatnonzero(row).tolist()
    ]
    return pd.DataFrame(rows)


def _range(figures: AreaFigures, i: int) -> str:
    low, high = figures.histogram.edges[i : i + 2].tolist()
    return _("{least} to {most}").format(
        least=area_text(low, figures.unit), most=area_text(high, figures.unit)
    )


def _chart(figures: AreaFigures) -> dict[str, Any]:
    """The specification of the chart; Streamlit gives it the colours of its theme."""
    found, (unit, title) = figures.histogram, _scale(figures)
    names = [group_name(figures, group.name) for group in figures.groups]
    color: dict[str, Any] = {"value": figures.groups[0].color}
    if figures.has_classes:
        domain = {"domain": names, "range": [group.color for group in figures.groups]}
        legend = {"title": None, "orient": "bottom", "columns": 2} if len(names) > 1 else None
        color = {"field": "group", "type": "nominal", "scale": domain, "legend": legend}
    extent = [float(edge) / unit for edge in (found.edges[0], found.edges[-1])]
    return {
        "description": _("Objects by area: {summary}").format(summary=_summary(figures)),
        # The chart's own words for each bar are English: its description and the table say more.
        "config": {"aria": False},
        "mark": {"type": "rect", "stroke": "transparent", "strokeWidth": 1, "aria": False},
        "encoding": {
            "x": {
                "field": "low",
                "type": "quantitative",
                "scale": {"type": "log", "domain": extent, "nice": False},
                "axis": {"title": title, "format": "~g", "tickCount": 5, "grid": False},
            },
            "x2": {"field": "high"},
            "y": {
                "field": "to",
                "type": "quantitative",
                "axis": {"title": _("Objects"), "tickMinStep": 1, "format": "~s"},
            },
            "y2": {"field": "from"},
            "color": color,
            "tooltip": [
                {"field": "text", "title": _("Area")},
                {"field": "count", "title": _("Objects"), "format": ","},
                *([{"field": "group", "title": _("Class")}] if figures.has_classes else []),
            ],
        },
    }


def _classes(figures: AreaFigures) -> pd.DataFrame:
    """A row for each class and one for all."""
    rows = [
        (group_name(figures, row.group.name), row.count, row.total, row.median)
        for row in figures.rows
    ]
    rows.append((_("All objects"), len(figures), figures.total, figures.median))
    table = pd.DataFrame(
        {
            _("Objects"): [f"{n:,}" for _name, n, _total, _median in rows],
            _("Area"): [area_text(total, figures.unit) for *_more, total, _median in rows],
            _("Median"): [area_text(median, figures.unit) for *_more, median in rows],
        },
        index=pd.Index([name for name, *_more in rows], name=_("Class")),
    )
    return table


def _numbers(figures: AreaFigures) -> pd.DataFrame:
    """The chart as a table: bins from the smallest to the largest."""
    found = figures.histogram
    columns = {
        group_name(figures, group.name): [f"{n:,}" for n in row.tolist()]
        for row, group in zip(found.counts, figures.groups, strict=True)
    }
    if not figures.has_classes:
        columns = {_("Objects"): next(iter(columns.values()))}
    index = [_range(figures, i) for i in range(found.counts.shape[1])]
    return pd.DataFrame(columns, index=pd.Index(index, name=_("Area")))
