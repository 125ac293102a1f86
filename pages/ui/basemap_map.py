"""The map on which a box is drawn: tiles come through this server, see basemap_map.js."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import folium
from branca.element import MacroElement
from folium.template import Template
from streamlit_folium import st_folium

from pages.ui.map import base_url
from pages.ui.text import markup
from pages.ui.words import key_of_language, speaking_script
from samgeo_core.basemap.source import TileSource
from samgeo_core.geogrid import BoundsLonLat
from samgeo_core.web.basemap_routes import show_source
from samgeo_core.web.urls import asset_url, basemap_template

_WORLD: BoundsLonLat = (-170.0, -60.0, 170.0, 72.0)


class _Tool(MacroElement):
    """The button that draws, and what it needs to know."""

    _template = Template(
        """
        {% macro header(this, kwargs) %}<style>{{ this.css }}</style>{% endmacro %}
        {% macro script(this, kwargs) %}
        {{ this.code }}
        samgeoBasemap.setup({{ this._parent.get_name() }}, {{ this.tiles.get_name() }},
            {{ this.bounds|tojavascript }});
        {% endmacro %}
        """
    )

    def __init__(self, tiles: folium.TileLayer, bounds: BoundsLonLat) -> None:
        super().__init__()
        west, south, east, north = bounds
        self._name = "BasemapTool"
        self.tiles = tiles
        self.bounds = [[south, west], [north, east]]
        self.code = speaking_script("basemap_map.js")
        self.css = "\n".join(map(_own_file, ("map.css", "basemap_map.css")))


class _Shown(folium.FeatureGroup):
    """Carries the box to a map that is already drawn."""

    _template = Template(
        """
        {% macro script(this, kwargs) %}
        var {{ this.get_name() }} = L.featureGroup();
        samgeoBasemap.show({{ this.box }});
        {% endmacro %}
        """
    )

    def __init__(self, box: BoundsLonLat | None) -> None:
        super().__init__(control=False)
        self.box = json.dumps(box)


def drawn_box(
    source: TileSource, owner: str, box: BoundsLonLat | None, *, height: int = 460
) -> BoundsLonLat | None:
    """Draw the map; the box that was drawn on it last, or None.

    Args:
        source: whose tiles it shows.
        owner: token of the visitor.
        box: what it shows as the area; None shows none.
        height: px.
    """
    tiles = folium.TileLayer(
        tiles=basemap_template(show_source(source, owner), base_url()),
        # NOTE: what a service says of itself is text of strangers, and Leaflet takes HTML.
        attr=markup(source.attribution) or " ",
        max_zoom=22,
        no_wrap=True,
        bounds=[[-85.06, -180], [85.06, 180]],
    )
    # NOTE: the constructor takes zoom 0 for "not given". Below its lowest level a map stays blank,
    # as drawing that would take very many tiles.
    tiles.options["min_zoom"] = source.min_zoom
    tiles.options["max_native_zoom"] = source.max_zoom
    area_map = folium.Map(tiles=None, minZoom=1, maxZoom=22, zoom_snap=0.25)
    area_map.default_js = [("leaflet", asset_url("leaflet", "dist/leaflet.js", base_url()))]
    area_map.default_css = [("leaflet", asset_url("leaflet", "dist/leaflet.css", base_url()))]
    area_map.add_child(tiles)
    area_map.add_child(_Tool(tiles, _start(source)))
    answer = st_folium(
        area_map,
        key=key_of_language("basemap_map"),
        height=height,
        use_container_width=True,
        returned_objects=["last_active_drawing"],
        feature_group_to_add=_Shown(box),
    )
    return _box_of((answer or {}).get("last_active_drawing"))


def _start(source: TileSource) -> BoundsLonLat:
    """What the map begins with: where the source has tiles."""
    if source.bounds is None:
        return _WORLD
    west, south, east, north = source.bounds
    return max(west, -170.0), max(south, -60.0), min(east, 170.0), min(north, 72.0)


def _box_of(drawing: Mapping[str, Any] | None) -> BoundsLonLat | None:
    """The extent of a drawing in GeoJSON; None where it is none."""
    try:
        (ring,) = (drawing or {})["geometry"]["coordinates"]
        lons, lats = zip(*((float(lon), float(lat)) for lon, lat in ring), strict=True)
    except (KeyError, TypeError, ValueError):
        return None
    return min(lons), min(lats), max(lons), max(lats)


@cache
def _own_file(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")
