from __future__ import annotations

import math

import morecantile
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samgeo_core.basemap.lattice import HALF_M, MAX_LATITUDE, MapBox, Tile
from samgeo_core.errors import ParameterError

WEB = morecantile.tms.get("WebMercatorQuad")


@given(
    st.floats(-180, 179.9),
    st.floats(-85, 84.9),
    st.floats(1e-6, 0.1),
    st.integers(0, 22),
    st.sampled_from([256, 512]),
)
def test_a_box_holds_its_area_and_hardly_more(
    west: float, south: float, side: float, zoom: int, tile_px: int
) -> None:
    area = (west, south, west + side, south + side)
    box = MapBox.around(area, zoom, tile_px)
    left, top = box.grid.transform @ (0, 0)
    right, bottom = box.grid.transform @ (box.shape_hw[1], box.shape_hw[0])
    x0, x1 = (lon / 180 * HALF_M for lon in (area[0], area[2]))
    y0, y1 = (
        math.asinh(math.tan(math.radians(lat))) / math.pi * HALF_M for lat in (area[1], area[3])
    )
    slack = box.pixel_m + 1e-5
    assert left - 1e-5 - 1e-6 * box.pixel_m <= x0 < left + slack
    assert right - slack < x1 <= right + 1e-5 + 1e-6 * box.pixel_m
    assert bottom - 1e-5 - 1e-6 * box.pixel_m <= y0 < bottom + slack
    assert top - slack < y1 <= top + 1e-5 + 1e-6 * box.pixel_m
    assert 1e-9 < box.ground_m <= box.pixel_m


@given(st.integers(0, 20), st.data())
def test_tiles_are_where_other_libraries_have_them(zoom: int, data: st.DataObject) -> None:
    x, y = (data.draw(st.integers(0, 2**zoom - 1)) for _ in range(2))
    theirs = WEB.xy_bounds(morecantile.Tile(x, y, zoom))
    assert Tile(zoom, x, y).bounds_m == pytest.approx(tuple(theirs), abs=1e-6)
    bounds = WEB.bounds(morecantile.Tile(x, y, zoom))
    west, south, east, north = bounds
    box = MapBox.around((west, max(south, -MAX_LATITUDE), east, min(north, MAX_LATITUDE)), zoom)
    assert list(box.tiles()) == [Tile(zoom, x, y)]
    assert (box.shape_hw, box.n_tiles, box.middle) == ((256, 256), 1, Tile(zoom, x, y))


def test_sizes_on_the_ground() -> None:
    # https://wiki.openstreetmap.org/wiki/Zoom_levels: 0.597 m at zoom 18 at the equator.
    assert MapBox.around((0, -0.001, 0.001, 0.001), 18).ground_m == pytest.approx(0.597, abs=5e-4)
    assert MapBox.around((0, 59.999, 0.001, 60.001), 18).ground_m == pytest.approx(0.2986, abs=5e-4)


@pytest.mark.parametrize(
    ("bounds", "zoom", "says"),
    [
        ((1, 0, 0, 1), 3, "west the smaller"),
        ((170, 0, 190, 1), 3, "date line"),
        ((0, 1, 1, 0), 3, "south the smaller"),
        ((0, 0, 1, 89), 3, "85.05"),
        ((0, 0, math.nan, 1), 3, "degrees"),
        ((0, 0, math.inf, 1), 3, "degrees"),
        ((0, 0, 1, 1), -1, "Zoom must"),
        ((0, 0, 1, 1), 25, "Zoom must"),
    ],
)
def test_what_is_no_area(bounds: tuple[float, ...], zoom: int, says: str) -> None:
    with pytest.raises(ParameterError, match=says):
        MapBox.around(bounds, zoom)  # type: ignore[arg-type]
