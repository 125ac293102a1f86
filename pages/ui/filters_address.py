"""The limits of the page Result in its address: a reload or a link shows the same objects."""

from __future__ import annotations

from dataclasses import fields

import streamlit as st

from pages.ui.objects_filter import show_rule
from samgeo_core.config import SelectionRule
from samgeo_core.errors import ParameterError
from samgeo_core.web.rules import rule_from_query, rule_query
from samgeo_core.web.selected import RunSource

_NAMES = frozenset(item.name for item in fields(SelectionRule))


def read_filters(source: RunSource) -> None:
    """Set the controls to what the address says, once a visit and run: then they lead."""
    key = f"filters_read_{source.run.run_id}"
    if st.session_state.get(key):
        return
    st.session_state[key] = True
    given = {name: value for name, value in st.query_params.items() if name in _NAMES}
    if not given:
        return
    try:
        rule = rule_from_query(source.rule, given)
    except ParameterError:
        # Anybody can write such an address: then the run's own limits hold, and the address
        # follows them.
        return
    show_rule(source, rule)


def write_filters(source: RunSource, rule: SelectionRule) -> None:
    """Put what differs from the run's own rule into the address."""
    wanted = rule_query(source.rule, rule)
    for name in _NAMES:
        if name not in wanted:
            st.query_params.pop(name, None)
        elif st.query_params.get(name) != wanted[name]:
            st.query_params[name] = wanted[name]
