"""The map: folium drawn from our own origin, changed in place through one small element."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import folium
import numpy as np
import streamlit as st
from branca.element import MacroElement
from folium.map import Layer
from folium.template import Template
from streamlit_folium import st_folium

from pages.ui.text import markup
from pages.ui.words import key_of_language, speaking_script
from samgeo_core.web.context import get_context
from samgeo_core.web.frame import MapFrame
from samgeo_core.web.records import Run
from samgeo_core.web.urls import asset_url, objects_url, view_url
from samgeo_core.windows import Window
from samgeo_core.words import _

LatLng = tuple[float, float]
Bounds = tuple[LatLng, LatLng]
"""South-west and north-east corner."""

ESRI_IMAGERY = (
    "https://server.arcgisonline.com/ArcGIS/rest/services/World_Imagery/MapServer/tile/{z}/{y}/{x}"
)
ESRI_ATTRIBUTION = "Satellite map: Esri, Maxar, Earthstar Geographics"


def base_url() -> str:
    """The prefix the app is served under, as the functions of `samgeo_core.web.urls` take it."""
    return str(st.get_option("server.baseUrlPath") or "")


def satellite_at_start() -> bool:
    """Whether maps begin with the satellite map: not where the installation is offline."""
    return not get_context().settings.offline


def outline(frame: MapFrame, window: Window) -> list[LatLng]:
    """Corners of a window of the raster on its map, round from its first pixel."""
    left, top, right, bottom = window.box_xyxy
    corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float64)
    return [(lat, lng) for lng, lat in frame.to_lnglat(corners).tolist()]


def window_bounds(frame: MapFrame, window: Window) -> Bounds:
    """The extent of a window of the raster on its map."""
    lats, lngs = zip(*outline(frame, window), strict=True)
    return (min(lats), min(lngs)), (max(lats), max(lngs))


@dataclass(frozen=True)
class PolygonStyle:
    """How objects are drawn; names are Leaflet's path options."""

    color: str = "#3388ff"
    weight: int = 2
    fillColor: str = "#7c4185"  # noqa: N815
    fillOpacity: float = 0.5  # noqa: N815


@dataclass(frozen=True)
class MapView:
    """All that can change on a map without building it anew.

    Attributes:
        source: address of the objects' GeoJSON, fetched by the browser; None shows none.
        by_view: whether the address is asked for what is in sight, again whenever that changes.
        style: how objects are drawn.
        masks: address template of the mask tiles; None leaves those the map was built with.
        opacity: 0 to 1 per layer, "image" and "masks".
        selected: object_id of the object to highlight and zoom to.
        selected_at: its extent, where it may not be among what is drawn.
        area: corners of a dashed outline.
        inside: rings of the polygons that limit a run; None where nothing does.
        editing: what tools for corrections need, see `edit_panel`; None shows no tools.
        teaching: what selecting objects for the page needs, see `Selection.for_map`; None tells the
            page nothing.
        groups: objects in colours of their own: title (what it is), name, color, ids of each group.
        comparison: address of outlines that lie above the objects, see `compare`; None shows none.
    """

    source: str | None = None
    by_view: bool = False
    style: PolygonStyle = field(default_factory=PolygonStyle)
    masks: str | None = None
    opacity: Mapping[str, float] = field(default_factory=dict)
    selected: int | None = None
    selected_at: Bounds | None = None
    area: list[LatLng] | None = None
    inside: Sequence[Sequence[LatLng]] | None = None
    editing: Mapping[str, Any] | None = None
    teaching: Mapping[str, Any] | None = None
    groups: Sequence[Mapping[str, Any]] = ()
    comparison: str | None = None


def objects_source(run: Run, rule: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Where a map gets the objects of a finished run, as arguments of `MapView`."""
    if run.is_streamed:
        return {"source": view_url(run, base_url()), "by_view": True}
    return {"source": objects_url(run, base_url(), rule)}


class _ObjectsLayer(Layer):
    """Polygons on a canvas, filled by `_Update`."""

    _template = Template(
        """
        {% macro script(this, kwargs) %}
        var {{ this.get_name() }} = samgeo.objects();
        {% endmacro %}
        """
    )

    def __init__(self, name: str) -> None:
        super().__init__(name=name, overlay=True)
        self._name = "ObjectsLayer"


class _Script(MacroElement):
    """Our JavaScript, before any layer that calls it."""

    _template = Template("{% macro script(this, kwargs) %}{{ this.code }}{% endmacro %}")

    def __init__(self, *files: str) -> None:
        super().__init__()
        self._name = "StudioScript"
        self.code = speaking_script(*files)


class _Setup(MacroElement):
    """Tells our JavaScript which layer is which, and draws the legend."""

    _template = Template(
        """
        {% macro header(this, kwargs) %}<style>{{ this.css }}</style>{% endmacro %}
        {% macro script(this, kwargs) %}
        samgeo.setup({{ this._parent.get_name() }}, {
            {%- for name, layer in this.layers.items() %}
            {{ name }}: {{ layer.get_name() }},
            {%- endfor %}
        }, {{ this.options|tojavascript }});
        {% endmacro %}
        """
    )

    def __init__(
        self, layers: Mapping[str, Layer], styles: Iterable[str], *, scale: bool, bounds: Bounds
    ) -> None:
        super().__init__()
        self._name = "StudioSetup"
        self.options = {"scale": scale, "bounds": [list(corner) for corner in bounds]}
        self.layers = dict(layers)
        self.css = "\n".join(map(_own_file, styles))


class _Update(folium.FeatureGroup):
    """An empty layer whose only purpose is to carry a `MapView` to a map that is already drawn."""

    _template = Template(
        """
        {% macro script(this, kwargs) %}
        var {{ this.get_name() }} = L.featureGroup();
        samgeo.update({{ this.view_json }});
        {% endmacro %}
        """
    )

    def __init__(self, view: MapView) -> None:
        super().__init__(control=False)
        # NOTE: folium's own filter would turn attribute names into camelCase.
        self.view_json = json.dumps(asdict(view)).replace("<", "\\u003c")


@cache
def _own_file(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def _tiles(
    url: str, name: str, frame: MapFrame, *, show: bool = True, credit: str = ""
) -> folium.TileLayer:
    layer = folium.TileLayer(
        tiles=url,
        # NOTE: this is text of whoever made the file, and Leaflet takes it as HTML.
        attr=markup(credit) or " ",
        name=name,
        overlay=True,
        show=show,
        max_zoom=frame.max_zoom,
        no_wrap=True,
        bounds=[list(corner) for corner in frame.bounds_latlng],
    )
    # NOTE: the constructor takes zoom 0 for "not given".
    layer.options["max_native_zoom"] = frame.native_zoom
    return layer


def _basemap(frame: MapFrame, show: bool) -> folium.TileLayer:
    return folium.TileLayer(
        tiles=ESRI_IMAGERY,
        attr=ESRI_ATTRIBUTION,
        name=_("Satellite map"),
        overlay=True,
        show=show,
        max_native_zoom=19,
        max_zoom=frame.max_zoom,
    )


def build_map(
    frame: MapFrame,
    image_url: str,
    *,
    masks_url: str | None = None,
    objects: bool = True,
    basemap: bool = True,
    focus: Bounds | None = None,
    editing: bool = False,
    keep_view: bool = False,
    swipe: bool = False,
    credit: str | None = None,
) -> folium.Map:
    """A map of one raster with its layers, all but the basemap from our own origin.

    Args:
        frame: where the raster lies.
        image_url: address template of the raster's tiles.
        masks_url: address template of the tiles of a run's masks.
        objects: whether there is a layer of objects; `MapView.source` fills it.
        basemap: whether the satellite map is switched on at the start; it is only there for
            rasters that lie on a web map.
        focus: what fills the map at the start; None takes the whole raster.
        editing: whether `MapView.editing` may show tools for corrections.
        keep_view: whether the page's address holds what is in sight.
        swipe: whether a line between before and after can be laid over it.
        credit: whom to name for the raster.
    """
    studio_map = folium.Map(
        tiles=None,
        crs=frame.leaflet_crs,
        # NOTE: folium keeps arguments named min_zoom and max_zoom for its own tile layer.
        minZoom=0,
        maxZoom=frame.max_zoom,
        zoom_snap=0.25,
    )
    studio_map.default_js = [("leaflet", asset_url("leaflet", "dist/leaflet.js", base_url()))]
    studio_map.default_css = [("leaflet", asset_url("leaflet", "dist/leaflet.css", base_url()))]
    tools = ["edit_bar", "edit_map"] if editing else []
    scripts = ["map_layers", *tools, "teach_map", "compare_map"]
    # A page with a map of its own address comes back to what was in sight.
    scripts += ["view_address"] if keep_view else []
    scripts += ["swipe_map"] if swipe else []
    studio_map.add_child(_Script(*(f"{name}.js" for name in scripts)))
    layers: dict[str, Layer] = {}
    if frame.is_geographic:
        layers["basemap"] = _basemap(frame, basemap)
    layers["image"] = _tiles(image_url, _("Image"), frame, credit=credit or "")
    if masks_url is not None:
        layers["masks"] = _tiles(masks_url, _("Masks"), frame, show=False)
    if objects:
        layers["objects"] = _ObjectsLayer(_("Objects"))
    for layer in layers.values():
        studio_map.add_child(layer)
    studio_map.add_child(folium.LayerControl(collapsed=True))
    bounds = focus or frame.bounds_latlng
    styles = ["map.css", *(["edit_map.css"] if editing else [])]
    styles += ["swipe_map.css"] if swipe else []
    studio_map.add_child(_Setup(layers, styles, scale=frame.is_geographic, bounds=bounds))
    return studio_map


def show_map(
    studio_map: folium.Map,
    view: MapView,
    *,
    key: str,
    height: int = 520,
    clicks: bool = False,
) -> LatLng | None:
    """Draw a map, or change the one that is already there.

    Args:
        studio_map: what `build_map` made; the same layers keep the drawn map.
        view: what changes in place.
        key: names the map on its page.
        height: px.
        clicks: whether a click on the map reruns the page.

    Returns:
        Where the map was clicked last, (lat, lng), or None.
    """
    with st.container(key=f"map_{key}"):
        answer = st_folium(
            studio_map,
            key=key_of_language(key),
            height=height,
            use_container_width=True,
            returned_objects=["last_clicked"] if clicks else [],
            feature_group_to_add=_Update(view),
        )
    clicked = (answer or {}).get("last_clicked")
    return (float(clicked["lat"]), float(clicked["lng"])) if clicked else None
