"""Windows on the lattice hold what they answer for, stay on the raster, and are found again."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from samgeo_core.picking.windows import (
    LEAST_SIDE_PX,
    fitting_side,
    holds,
    lattice_sides,
    lattice_window,
    lattice_windows,
    window_around,
)
from samgeo_core.windows import Window

shapes = st.tuples(st.integers(1, 5000), st.integers(1, 5000))
shares = st.tuples(st.floats(0, 1), st.floats(0, 1))


@given(shapes, shares, st.data())
def test_a_window_lies_on_the_raster_with_the_place_in_its_middle(
    shape_hw: tuple[int, int], at: tuple[float, float], data: st.DataObject
) -> None:
    side = data.draw(st.sampled_from(lattice_sides(shape_hw)))
    x, y = at[0] * shape_hw[1], at[1] * shape_hw[0]
    window = lattice_window(shape_hw, side, (x, y))
    whole = Window.whole(shape_hw)
    assert window.intersection(whole) == window
    assert window.shape_hw == (min(side, shape_hw[0]), min(side, shape_hw[1]))
    for place, low, high, length in (
        (x, window.x, window.x + window.width, shape_hw[1]),
        (y, window.y, window.y + window.height, shape_hw[0]),
    ):
        assert low == 0 or place - low >= side / 4 - 1
        assert high == length or high - place >= side / 4 - 1


@given(shapes, shares, st.data())
def test_a_view_names_every_window_that_its_places_ask_for(
    shape_hw: tuple[int, int], at: tuple[float, float], data: st.DataObject
) -> None:
    height, width = shape_hw
    x = data.draw(st.integers(0, width - 1))
    y = data.draw(st.integers(0, height - 1))
    view = Window(x, y, data.draw(st.integers(1, width - x)), data.draw(st.integers(1, height - y)))
    side = data.draw(st.sampled_from(lattice_sides(shape_hw)[-4:]))
    place = view.x + at[0] * view.width, view.y + at[1] * view.height
    assert lattice_window(shape_hw, side, place) in lattice_windows(shape_hw, side, view)


@given(shapes, shares, shares)
def test_a_box_is_held(
    shape_hw: tuple[int, int], a: tuple[float, float], b: tuple[float, float]
) -> None:
    (x0, x1), (y0, y1) = (
        sorted((p * n, q * n)) for p, q, n in zip(a, b, reversed(shape_hw), strict=True)
    )
    window = window_around(shape_hw, LEAST_SIDE_PX, (x0, y0, x1, y1))
    assert holds(window, (x0, y0, x1, y1), shape_hw)


@pytest.mark.parametrize(
    ("size_px", "side"), [(1, 128), (32, 128), (50, 256), (128, 512), (400, 2048), (9999, 2048)]
)
def test_a_window_is_about_four_times_the_object(size_px: float, side: int) -> None:
    assert fitting_side((1200, 2000), size_px) == side
