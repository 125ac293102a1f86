"""Prompts are checked once, when they are built."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from samgeo_core.errors import ParameterError
from samgeo_core.picking.prompts import MOST_POINTS, ObjectPrompts

RING = [(1, 1), (9, 2), (4, 8)]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, "point on it"),
        ({"points": []}, "point on it"),
        ({"points": [(5, 5, 0)]}, "background points alone"),
        ({"points": [(5, 5, 2)]}, "label"),
        ({"points": [(5, 5)]}, "Points must be"),
        ({"points": [("a", 5, 1)]}, "Points must be numbers"),
        ({"points": [(5, np.nan, 1)]}, "finite"),
        ({"points": [(5, 5, 1)] * (MOST_POINTS + 1)}, "at most"),
        ({"box": (1, 2, 3)}, "A box must be"),
        ({"box": (1, 2, np.inf, 4)}, "finite"),
        ({"box": (1, 2, 1, 4)}, "width and a height"),
        ({"polygon": RING[:2]}, "three corners"),
        ({"polygon": [(0, 0), (1, 1), (2, 2)]}, "three corners"),
    ],
)
def test_what_points_at_nothing_is_refused(given: Any, sentence: str) -> None:
    with pytest.raises(ParameterError, match=sentence):
        ObjectPrompts.of(**given)


def test_bounds_tell_the_object_from_all_that_was_clicked() -> None:
    prompts = ObjectPrompts.of([(5, 6, 1), (7, 3, 1), (50, 60, 0)], box=(8, 9, 2, 4))
    assert prompts.box_xyxy == (2, 4, 8, 9)
    assert prompts.extent_xyxy == (2, 3, 8, 9)
    assert prompts.reach_xyxy == (2, 3, 50, 60)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"points": [(5, 5, 1), (101, 5, 0)]}, r"point \(101.0, 5.0\) lies outside"),
        ({"points": [(5, -1, 1)]}, "lies outside"),
        ({"box": (100, 0, 120, 20)}, "box lies outside"),
        ({"polygon": np.array(RING) - (0, 50)}, "polygon lies outside"),
    ],
)
def test_prompts_beside_the_raster_are_refused(given: Any, sentence: str) -> None:
    with pytest.raises(ParameterError, match=sentence):
        ObjectPrompts.of(**given).check_inside((80, 100))


def test_prompts_that_reach_over_the_edge_are_taken() -> None:
    ObjectPrompts.of([(100, 80, 1)], box=(-5, -5, 10, 10), polygon=RING).check_inside((80, 100))
