"""An area of a basemap as an image: which map, which box, which zoom."""

from __future__ import annotations

import streamlit as st

from pages.ui.basemap_map import drawn_box
from pages.ui.basemap_orders import basemap_orders
from pages.ui.basemap_source import chosen_source
from pages.ui.errors import friendly, show_error
from pages.ui.facts import Fact
from pages.ui.layout import fact_list
from pages.ui.state import get_state
from pages.ui.text import length_m, size_bytes
from samgeo_core.basemap.area import BasemapArea
from samgeo_core.basemap.choosing import parse_bbox
from samgeo_core.basemap.lattice import MapBox, check_bounds
from samgeo_core.basemap.source import TileSource
from samgeo_core.errors import ParameterError, SamGeoError
from samgeo_core.geogrid import BoundsLonLat
from samgeo_core.web.context import get_context
from samgeo_core.words import _

_AREA, _ZOOM, _HEARD = "basemap_area", "basemap_zoom", "basemap_heard"
_OPEN, _REFUSAL = "basemap_panel", "basemap_refusal"
_USUAL_TILES = 256
"""The zoom that is proposed has no more tiles than this."""


def basemap_panel() -> None:
    """Draw the panel, and what came of areas that were asked for."""
    panel = st.expander(
        _("Draw a box on a basemap"),
        icon=":material/crop_free:",
        key=_OPEN,
        on_change="rerun",
    )
    if panel.open:
        with panel:
            _panel()
    else:
        basemap_orders()


@st.fragment
def _panel() -> None:
    st.caption(
        _(
            "Aerial and satellite images of a tiled map become an image of your own. The terms of "
            "the map's owner hold for what you make of them."
        )
    )
    with friendly():
        source = chosen_source()
        if source is not None:
            left, right = st.columns([5, 3], gap="medium")
            with left, st.container(key="map_basemap"):
                _hear(drawn_box(source, get_state().owner, _typed_box()))
            with right:
                _area(source)
                # Right below the button that was just pressed, on phones too.
                basemap_orders()
            return
    basemap_orders()


def _hear(box: BoundsLonLat | None) -> None:
    """Put a box that was just drawn where coordinates are typed."""
    if box is not None and st.session_state.get(_HEARD) != box:
        st.session_state[_HEARD] = box
        st.session_state[_AREA] = ", ".join(f"{value:.6f}" for value in box)


def _typed_box() -> BoundsLonLat | None:
    try:
        return check_bounds(parse_bbox(st.session_state.get(_AREA, "")))
    except ParameterError:
        return None


def _area(source: TileSource) -> None:
    text = st.text_input(
        _("Area: west, south, east, north"),
        key=_AREA,
        placeholder="-104.992, 39.737, -104.984, 39.743",
        help=_("Degrees. A box that is drawn on the map fills this in."),
        persist_state="session",
    )
    if not text.strip():
        st.markdown(_("Press *Draw a box* on the map and drag, or type the corners of the area."))
        return
    bounds = check_bounds(parse_bbox(text))
    zoom = _zoom(source, bounds)
    area = BasemapArea(source, bounds, zoom)
    settings = get_context().settings
    fact_list(_facts(area))
    with friendly():
        area.check(settings.max_basemap_tiles, settings.max_pixels)
        st.button(
            _("Get this area"),
            type="primary",
            icon=":material/download:",
            width="stretch",
            on_click=_order,
            args=(area,),
            help=_("Fetches the tiles and makes a GeoTIFF of them, while you go on elsewhere."),
        )
    if refusal := st.session_state.pop(_REFUSAL, None):
        show_error(refusal)


def _order(area: BasemapArea) -> None:
    """Have an area fetched."""
    name = _("{basemap}, zoom {zoom}").format(basemap=area.source.name, zoom=area.zoom)
    try:
        get_context().basemaps.order(get_state().owner, area, name)
    except SamGeoError as error:
        st.session_state[_REFUSAL] = str(error)


def _zoom(source: TileSource, bounds: BoundsLonLat) -> int:
    """Choose a zoom level among those that aren't too much."""
    most = get_context().settings.max_basemap_tiles
    zooms = range(source.min_zoom, source.max_zoom + 1)
    fitting = [z for z in zooms if _tiles(source, bounds, z) <= most]
    if not fitting:
        raise ParameterError(
            f"This area has more than {most:,} tiles at every zoom of this map: draw a smaller box."
        )
    usual = [z for z in fitting if _tiles(source, bounds, z) <= _USUAL_TILES] or fitting[:1]
    if st.session_state.get(_ZOOM) not in usual:
        # What was chosen for another box may be far too much, or nothing, for this one.
        st.session_state[_ZOOM] = min(usual[-1], _useful(source, bounds, usual))
    return int(
        st.select_slider(
            _("Zoom"),
            fitting,
            key=_ZOOM,
            format_func=lambda z: f"{z} · {length_m(_box(source, bounds, z).ground_m)}",
            help=_("Each level halves the size of a pixel, and makes four times as many."),
        )
    )


def _useful(source: TileSource, bounds: BoundsLonLat, zooms: list[int]) -> int:
    """The zoom beyond which maps seldom hold more: pixels of 15 cm."""
    fine = [z for z in zooms if _box(source, bounds, z).ground_m >= 0.13]
    return max(fine, default=zooms[0])


def _tiles(source: TileSource, bounds: BoundsLonLat, zoom: int) -> int:
    return _box(source, bounds, zoom).n_tiles


def _box(source: TileSource, bounds: BoundsLonLat, zoom: int) -> MapBox:
    return MapBox.around(bounds, zoom, source.tile_px or 256)


def _facts(area: BasemapArea) -> list[Fact]:
    box = area.box
    height, width = box.shape_hw
    metres = length_m(width * box.ground_m), length_m(height * box.ground_m)
    return [
        Fact(_("On the ground"), f"{metres[0]} × {metres[1]}"),
        Fact(_("A pixel"), length_m(box.ground_m)),
        Fact(_("Tiles"), f"{box.n_tiles:,}"),
        Fact(_("Pixels"), f"{width:,} × {height:,}"),
        Fact(_("To fetch, about"), size_bytes(area.expected_download_bytes)),
        Fact(_("On the disk, about"), size_bytes(area.expected_file_bytes)),
        Fact(_("To be named"), area.source.attribution or "–"),
    ]
