from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samgeo_core.config import OVERLAPS, SelectionRule
from samgeo_core.errors import ParameterError
from samgeo_core.web.rules import rule_from_query, rule_query

ratios = st.floats(0, 1)
lows = st.one_of(st.none(), st.floats(0, 10))
highs = st.one_of(st.none(), st.floats(10, 1e9))
rules = st.builds(
    SelectionRule,
    *[ratios] * 7, lows, highs, lows, highs,
    st.sampled_from(OVERLAPS),
)  # fmt: skip


@given(rules, rules)
def test_a_rule_survives_an_address(own: SelectionRule, rule: SelectionRule) -> None:
    query = dict(parse_qsl(urlencode(rule_query(own, rule))))
    assert rule_from_query(own, query) == rule


@given(rules)
def test_the_runs_own_rule_needs_no_words(own: SelectionRule) -> None:
    assert rule_query(own, own) == {}
    assert rule_from_query(own, {"v": "1", "least_score": ""}) == own


def test_only_differences_are_told() -> None:
    own = SelectionRule(min_area_px=4)
    rule = replace(own, least_score=0.9, min_area_px=None, overlap="flatten")
    expected = {"least_score": "0.9", "min_area_px": "none", "overlap": "flatten"}
    assert rule_query(own, rule) == expected


@pytest.mark.parametrize(
    "query",
    [
        {"least_score": "high"},
        {"least_score": "nan"},
        {"least_score": "none"},
        {"min_area_m2": "inf"},
        {"max_area_m2": "-1"},
        {"min_area_m2": "2", "max_area_m2": "1"},
        {"overlap": "some"},
        {"good_stability": "0.9; DROP TABLE objects"},
    ],
)
def test_what_is_no_rule_is_refused(query: dict[str, Any]) -> None:
    with pytest.raises(ParameterError, match=next(iter(query))):
        rule_from_query(SelectionRule(), query)
