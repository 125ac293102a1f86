from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pages.ui.area import area_window, inside, sides_for
from samgeo_core.windows import Window

LENGTHS = st.integers(1, 5000)
PLACES = st.none() | st.tuples(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4))


@given(height=LENGTHS, width=LENGTHS, side=st.integers(1, 2048), center=PLACES)
def test_the_area_always_lies_on_the_raster(
    height: int, width: int, side: int, center: tuple[float, float] | None
) -> None:
    window = area_window((height, width), side, center)
    assert window.intersection(Window.whole((height, width))) == window
    assert window.shape_hw == (min(side, height), min(side, width))


def test_the_area_surrounds_its_centre() -> None:
    assert area_window((1000, 2000), 256, (500, 300)) == Window(372, 172, 256, 256)
    assert area_window((1000, 2000), 256) == Window(872, 372, 256, 256)


@pytest.mark.parametrize(
    ("shape_hw", "sides"),
    [
        ((300, 300), []),
        ((512, 512), [256]),
        ((1024, 1024), [256, 512]),
        ((4000, 4000), [256, 512, 1024]),
    ],
)
def test_a_small_raster_needs_no_try_out(shape_hw: tuple[int, int], sides: list[int]) -> None:
    assert sides_for(shape_hw) == sides


def test_inside() -> None:
    assert inside((10, 20), (19.5, 9.5))
    assert not inside((10, 20), (20.0, 5.0))
    assert not inside((10, 20), (-0.1, 5.0))
