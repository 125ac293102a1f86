from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from pages.ui.objects_filter import OVERLAP_HELP, OVERLAP_TITLES, area_steps
from samgeo_core.config import OVERLAPS


@given(low=st.floats(0.01, 1e7), factor=st.floats(1, 1e5))
def test_steps_cover_all_sizes_and_rise(low: float, factor: float) -> None:
    steps = area_steps(low, low * factor)
    assert steps[0] <= low * (1 + 1e-9)
    assert steps[-1] >= low * factor * (1 - 1e-9)
    assert len(steps) >= 2
    assert all(a < b for a, b in itertools.pairwise(steps))


def test_steps_are_few_and_round() -> None:
    assert area_steps(12, 480) == [10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500]


def test_every_overlap_rule_has_a_name_and_a_line_of_help() -> None:
    assert tuple(OVERLAP_TITLES) == OVERLAPS
    assert all(f"**{title}**" in OVERLAP_HELP for title in OVERLAP_TITLES.values())
