from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from pages.ui import map as studio_map
from pages.ui.map import MapView, PolygonStyle, build_map, show_map
from samgeo_core.reading.raster import Raster
from samgeo_core.web.frame import map_frame
from tests.factories import MakeRaster

TILES = "/tiles/abc/{z}/{x}/{y}.png"


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What streamlit-folium would send to the browser, one entry for each map shown."""
    calls: list[dict[str, Any]] = []

    def component(**arguments: Any) -> dict[str, Any]:
        calls.append(arguments)
        return dict(arguments["default"])

    monkeypatch.setattr("streamlit_folium._component_func", component)
    return calls


def _show(path: Path, view: MapView, *, basemap: bool = False, masks: str | None = None) -> None:
    frame = map_frame(Raster.open(path).grid)
    show_map(build_map(frame, TILES, masks_url=masks, basemap=basemap), view, key="map")


def test_nothing_is_loaded_from_elsewhere(
    make_raster: MakeRaster, sent: list[dict[str, Any]]
) -> None:
    _show(make_raster(), MapView(source="/runs/x/objects.geojson"), masks="/m/{z}/{x}/{y}.png")
    (call,) = sent
    assert call["js_links"] == ["/assets/leaflet/dist/leaflet.js"]
    assert call["css_links"] == ["/assets/leaflet/dist/leaflet.css"]
    assert call["returned_objects"] == []
    foreign = set(re.findall(r"https?://[\w.]+", "".join(map(str, call.values()))))
    assert foreign == {"https://server.arcgisonline.com"}  # the satellite map, switched off
    assert not re.search(r"server\.arcgisonline.*?addTo", call["script"].split("Image")[0], re.S)


def test_addresses_honour_the_base_path(
    make_raster: MakeRaster, sent: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(studio_map.st, "get_option", lambda name: "/studio/")
    _show(make_raster(), MapView())
    assert sent[0]["js_links"] == ["/studio/assets/leaflet/dist/leaflet.js"]


def test_a_changed_view_keeps_the_drawn_map(
    make_raster: MakeRaster, sent: list[dict[str, Any]]
) -> None:
    path = make_raster()
    _show(path, MapView())
    masks = "/runs/1/labels/{z}/{x}/{y}.png?overlap=flatten"
    _show(path, MapView(masks=masks, style=PolygonStyle(weight=5)))
    first, second = sent
    assert first["key"] == second["key"]
    assert first["script"] == second["script"]
    assert first["feature_group"] != second["feature_group"]
    assert "labels/{z}/{x}/{y}.png?overlap=flatten" in second["feature_group"]
    assert '"weight": 5' in second["feature_group"]


def test_text_cannot_end_the_script(make_raster: MakeRaster, sent: list[dict[str, Any]]) -> None:
    _show(make_raster(), MapView(source="</script><script>alert(1)</script>"))
    assert "</script>" not in sent[0]["feature_group"]


def test_a_raster_without_crs_lies_on_a_plane(
    make_raster: MakeRaster, sent: list[dict[str, Any]]
) -> None:
    _show(make_raster("image.png", shape_hw=(200, 500), crs=None, transform=None), MapView())
    script = sent[0]["script"]
    assert "L.CRS.Simple" in script
    assert "arcgisonline" not in script


def test_default_style_is_the_documented_one() -> None:
    assert json.loads(json.dumps(PolygonStyle().__dict__)) == {
        "color": "#3388ff",
        "weight": 2,
        "fillColor": "#7c4185",
        "fillOpacity": 0.5,
    }
