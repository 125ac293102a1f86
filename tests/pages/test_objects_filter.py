from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from pages.ui.objects_filter import area_steps, as_ranges
from samgeo_core.web.filters import ObjectFilter


@given(low=st.floats(0.01, 1e7), factor=st.floats(1, 1e5))
def test_steps_cover_all_sizes_and_rise(low: float, factor: float) -> None:
    steps = area_steps(low, low * factor)
    assert steps[0] <= low * (1 + 1e-9)
    assert steps[-1] >= low * factor * (1 - 1e-9)
    assert len(steps) >= 2
    assert all(a < b for a, b in itertools.pairwise(steps))


def test_steps_are_few_and_round() -> None:
    assert area_steps(12, 480) == [10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500]


def test_ranges_hold_both_ends() -> None:
    limits = ObjectFilter(min_area_m2=10, max_area_m2=50, min_score=0.9)
    assert as_ranges(limits) == {"area_m2": (10, 50), "score": (0.9, None)}
    assert as_ranges(ObjectFilter()) == {}
