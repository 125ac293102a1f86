"""Figures of areas: the table and the histogram tell of the same objects."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samgeo_core.errors import ParameterError
from samgeo_core.report.figures import AreaFigures, Group

AREAS = st.lists(st.floats(1e-3, 1e9), min_size=1, max_size=60)


@given(AREAS, st.data())
def test_histogram_and_table_count_every_object_once(
    areas: list[float], data: st.DataObject
) -> None:
    names = data.draw(
        st.lists(st.sampled_from(["", "Roof", "甘蔗"]), min_size=len(areas), max_size=len(areas))
    )
    colors = [{"": "", "Roof": "#aa0000", "甘蔗": "#00aa00"}[name] for name in names]
    figures = AreaFigures.of(areas, np.ones(len(areas)), (names, colors))
    found = figures.histogram
    assert found.counts.sum(1).tolist() == [row.count for row in figures.rows]
    assert sum(row.count for row in figures.rows) == len(areas)
    assert sum(row.total for row in figures.rows) == pytest.approx(figures.total)
    assert figures.total == pytest.approx(sum(areas))
    assert (np.diff(found.edges) > 0).all()
    assert len(found.edges) <= 30
    assert found.edges[0] <= min(areas) <= max(areas) <= found.edges[-1]


def test_classes_come_by_name_with_their_colours_and_the_rest_last() -> None:
    figures = AreaFigures.of(
        [1, 2, 3, 40], [1, 1, 1, 1], (["b", "", "a", "b"], ["#0000ff", "", "#ff0000", "#0000ff"])
    )
    assert [(r.group.name, r.count, r.total) for r in figures.rows] == [
        ("a", 1, 3), ("b", 2, 41), ("", 1, 2),
    ]  # fmt: skip
    assert figures.groups[1].color == "#0000ff"
    assert figures.has_classes


def test_areas_are_in_px_where_the_ground_is_unknown() -> None:
    figures = AreaFigures.of([np.nan, np.nan], [10, 30])
    assert (figures.unit, figures.median, figures.has_classes) == ("px", 20, False)


def test_nothing_found_has_figures_too() -> None:
    figures = AreaFigures.of([], [])
    assert (len(figures), figures.total, figures.histogram.counts.sum()) == (0, 0, 0)


def test_a_group_that_is_not_there_is_told() -> None:
    with pytest.raises(ParameterError, match="group 1"):
        AreaFigures(np.ones(2), "px", np.array([0, 1]), (Group("", "#000000"),))
