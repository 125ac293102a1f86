from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from pages.ui.state import StudioState
from samgeo_core.basemap.cache import TileCache
from samgeo_core.net.addresses import Allowance
from samgeo_core.net.client import GuardedClient
from samgeo_core.web import basemap_routes
from samgeo_core.web.context import AppContext
from tests.http_servers import answer
from tests.pages.conftest import NAVIGATION, OWNER
from tests.tile_server import TileServer, tile_server

AREA = "-104.9912, 39.7391, -104.9875, 39.7412"


@pytest.fixture
def tiles(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[TileServer]:
    """A tile server that the app may ask."""
    from pages.ui import basemap_source
    from samgeo_core.basemap import area

    client = GuardedClient(Allowance.parse(("127.0.0.1",)))
    for module in (basemap_source, basemap_routes, area):
        monkeypatch.setattr(module, "shared_client", lambda: client)
    cache = TileCache(tmp_path / "tiles", 10**8)
    monkeypatch.setattr(area, "shared_cache", lambda: cache)
    with tile_server() as server:
        yield server
    client.close()


def opened(area: str = AREA, address: str = "") -> AppTest:
    app = AppTest.from_file(str(NAVIGATION), default_timeout=60)
    app.session_state["studio"] = StudioState(OWNER)
    app.session_state["basemap_panel"] = True
    app.session_state["basemap_choice"] = "own" if address else "USGS.USImagery"
    app.session_state["basemap_address"] = address
    app.session_state["basemap_area"] = area
    app.run()
    assert not app.exception
    return app


def facts(app: AppTest) -> str:
    return " ".join(element.proto.body for element in app.get("html"))


def test_zooms_and_sizes_of_an_area(context: AppContext, tiles: TileServer) -> None:
    app = opened()
    (zoom,) = app.select_slider
    assert zoom.value == 19 and zoom.options[-1].startswith("20 ·")
    assert "<dd>30</dd>" in facts(app) and "23 cm" in facts(app)
    assert "U.S. Geological Survey" in facts(app)
    zoom.set_value(17).run()
    assert "346 × 255" in facts(app)
    # Another box has a zoom of its own where this one would be too much.
    app.text_input(key="basemap_area").set_value("-105.5, 39.5, -104.5, 40.2").run()
    assert not app.exception
    assert app.select_slider[0].value < 14
    for area, says in [
        ("1, 2, 3", "four numbers"),
        ("1, 2, 0, 3", "west the smaller"),
        ("0, 0, 1, 89", "south the smaller"),
    ]:
        app.text_input(key="basemap_area").set_value(area).run()
        assert says in app.error[0].value


def test_services_are_asked_for_their_layers(context: AppContext, tiles: TileServer) -> None:
    app = opened(address=f"{tiles.url}/wmts")
    assert next(box for box in app.selectbox if box.label == "Layer").options == ["Photos 2026"]
    named = next(f for f in app.text_input if f.label == "To be named for the images")
    assert named.value == "Survey of Tests"
    assert "Survey of Tests" in facts(app)
    assert "leave of the server" in opened(address="http://127.0.0.2/wms").error[0].value


def test_an_area_is_fetched_and_a_failure_told(context: AppContext, tiles: TileServer) -> None:
    def trouble(handler: BaseHTTPRequestHandler, times: int) -> bool:
        answer(handler, b"", 403)
        return True

    tiles.trouble = trouble
    app = opened(address=tiles.xyz)
    next(b for b in app.button if b.label == "Get this area").click().run()
    assert not app.exception
    (order,) = context.basemaps.orders(OWNER)
    assert context.basemaps.wait(order.order_id, 30).state == "failed"
    app.run()
    assert any("could not be fetched" in text.value for text in app.markdown)
    assert any("want a key" in text.value for text in app.markdown)
    tiles.trouble = None
    next(b for b in app.button if b.label == "Go on").click().run()
    assert context.basemaps.wait(order.order_id, 30).state == "done"
    app.run()
    next(b for b in app.button if b.label == "Open this area").click().run()
    assert not app.exception
    assert app.query_params["scene"] == order.order_id
    context.basemaps.close()
