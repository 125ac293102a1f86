"""Page Open: an address, a STAC item, several images as one."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator

import pytest
from affine import Affine
from streamlit.testing.v1 import AppTest

from samgeo_core.net import client
from samgeo_core.reading.remote_blocks import shared_blocks
from samgeo_core.settings import get_settings
from samgeo_core.web.context import AppContext
from samgeo_core.web.records import Scene
from tests.core.reading.remote_server import range_server
from tests.factories import UTM_33N, MakeRaster
from tests.http_servers import answer, serving
from tests.pages.conftest import OWNER, OpenPage


@pytest.fixture(autouse=True)
def allow_loopback(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SAMGEO_ALLOWED_HOSTS", "127.0.0.1")
    for cache in (get_settings, client.shared_client, shared_blocks):
        cache.cache_clear()
    yield
    monkeypatch.undo()
    for cache in (get_settings, client.shared_client, shared_blocks):
        cache.cache_clear()


def _type(app: AppTest, text: str) -> AppTest:
    app.text_area(key="address_text").set_value(text)
    next(b for b in app.button if b.label == "Open the address").click()
    return app.run()


def test_an_address_opens_survives_a_restart_and_says_what_was_read(
    open_page: OpenPage, context: AppContext, make_raster: MakeRaster
) -> None:
    path = make_raster("town.tif", shape_hw=(300, 300))
    with range_server(path) as server:
        app = _type(open_page(owner=OWNER), server.url)
        assert not app.exception
        (scene,) = context.store.scenes(OWNER)
        assert (scene.name, scene.kind) == ("town.tif", "address")
        assert app.query_params["scene"] == scene.scene_id
        html = "\n".join(str(part.proto.body) for part in app.get("html"))
        assert "Fetched so far" in html
        # What is kept says what was opened; a new process reads on from there.
        shared_blocks.cache_clear()
        before = server.requests
        assert context.store.scene(scene.scene_id).raster.read().rgb.any()
        assert context.tiles.scene_tile(scene, 18, *_tile_of(scene, 18)).startswith(b"\x89PNG")
        assert server.requests > before


def _tile_of(scene: Scene, zoom: int) -> tuple[int, int]:
    """The tile that holds a scene's middle."""
    west, south, east, north = scene.raster.grid.bounds_lonlat or (0, 0, 0, 0)
    y = math.asinh(math.tan(math.radians((south + north) / 2)))
    x = ((west + east) / 2 + 180) / 360
    return int(x * 2**zoom), int((1 - y / math.pi) / 2 * 2**zoom)


def test_what_cannot_be_opened_is_a_sentence(
    open_page: OpenPage, context: AppContext, make_raster: MakeRaster
) -> None:
    app = open_page(owner=OWNER)
    assert "1 to 50" in _type(app, " ").error[0].value
    assert "public internet" in _type(app, "http://10.0.0.1/a.tif").error[0].value
    with range_server(make_raster(), ranges=False) as server:
        app = _type(app, server.url)
        assert "whole files only" in app.error[0].value
        app.button(key="fetch_whole").click().run()
    (scene,) = context.store.scenes(OWNER)
    assert scene.kind == "upload"


def test_assets_of_a_stac_item_are_chosen(
    open_page: OpenPage, context: AppContext, make_raster: MakeRaster
) -> None:
    with range_server(make_raster()) as server:
        asset = {"href": server.url, "type": "image/tiff; application=geotiff"}
        item = {"type": "Feature", "id": "item-1", "assets": {"a": asset, "visual": asset}}
        body = json.dumps(item).encode()
        with serving(lambda h: answer(h, body, Content_Type="application/json")) as port:
            app = _type(open_page(owner=OWNER), f"http://127.0.0.1:{port}/item")
        assert app.multiselect(key="address_assets").value == ["visual"]
        app.button(key="open_item").click().run()
    (scene,) = context.store.scenes(OWNER)
    assert scene.name == "item-1"


def test_several_images_become_one_that_outlives_them(
    open_page: OpenPage, context: AppContext, make_raster: MakeRaster
) -> None:
    paths = [
        make_raster(f"{x}.tif", transform=UTM_33N @ Affine.translation(60 * x, 0)) for x in (0, 1)
    ]
    scenes = [context.store.add_scene(path, path.name, OWNER) for path in paths]
    app = open_page(owner=OWNER)
    app.multiselect(key="mosaic_scenes").set_value([s.scene_id for s in scenes]).run()
    app.button(key="open_mosaic").click().run()
    assert not app.exception
    (mosaic,) = [s for s in context.store.scenes(OWNER) if s.kind == "mosaic"]
    for scene in scenes:
        context.delete_scene(scene.scene_id)
    assert context.store.scene(mosaic.scene_id).raster.shape_hw == (40, 120)
    assert mosaic.raster.read().valid.all()
