"""The objects of a result as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from samgeo_core.web.classes import frame_with_classes
from samgeo_core.web.selected import Selected
from samgeo_core.words import _

if TYPE_CHECKING:
    import pandas as pd

TABLE_HEIGHT = 360


def table_of(chosen: Selected) -> pd.DataFrame:
    """Attributes of the objects, without their polygons."""
    frame = frame_with_classes(chosen)
    table: pd.DataFrame = frame.drop(columns=frame.geometry.name)
    return table


def object_table(table: pd.DataFrame, area_column: str, key: str) -> int | None:
    """Draw the table; returns the object_id of the chosen row, if any."""
    unit = "m²" if area_column == "area_m2" else "px"
    columns: dict[str, Any] = {
        "object_id": st.column_config.NumberColumn(_("Object"), format="%d", width="small"),
        area_column: st.column_config.NumberColumn(
            _("Area, {unit}").format(unit=unit), format="%,.1f"
        ),
        "perimeter_m": st.column_config.NumberColumn(_("Perimeter, m"), format="%,.1f"),
        "class_name": st.column_config.TextColumn(_("Class")),
        "confidence": st.column_config.NumberColumn(_("Sure"), format="percent"),
        "score": st.column_config.NumberColumn(_("Quality"), format="%.3f"),
        "stability": st.column_config.NumberColumn(_("Stability"), format="%.3f"),
        "parent_id": st.column_config.NumberColumn(
            _("Inside object"), format="%d", help=_("The smallest object that holds this one.")
        ),
    }
    shown = [name for name in columns if name in table and table[name].notna().any()]
    shown_table = table[shown].sort_values(area_column, ascending=False)
    shown_table["parent_id"] = shown_table["parent_id"].where(shown_table["parent_id"] > 0)
    event = st.dataframe(
        shown_table,
        column_config=columns,
        hide_index=True,
        height=TABLE_HEIGHT,
        placeholder="",
        on_select="rerun",
        selection_mode="single-row",
        key=key,
    )
    rows = event["selection"]["rows"]
    if not rows or rows[0] >= len(shown_table):
        return None
    return int(shown_table["object_id"].iloc[rows[0]])
