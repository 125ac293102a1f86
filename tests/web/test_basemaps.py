from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import numpy as np
import pytest
import requests
from starlette.applications import Starlette

from samgeo_core.basemap.area import BasemapArea, BasemapFile, fetch_basemap
from samgeo_core.basemap.cache import TileCache
from samgeo_core.basemap.fetching import Patience
from samgeo_core.basemap.services import ask_service, template_source
from samgeo_core.errors import NotFoundError, ParameterError
from samgeo_core.net.addresses import Allowance
from samgeo_core.net.client import GuardedClient
from samgeo_core.progress import Monitor
from samgeo_core.settings import get_settings
from samgeo_core.web import basemap_routes
from samgeo_core.web.basemap_routes import show_source
from samgeo_core.web.basemaps import MOST_UNFINISHED, BasemapDesk
from samgeo_core.web.ids import new_id
from samgeo_core.web.records import Scene
from samgeo_core.web.routes import build_routes
from samgeo_core.web.store import Store
from tests.http_servers import answer
from tests.tile_server import TileServer, tile_server, world
from tests.web.serving import serve

DENVER = (-104.9912, 39.7391, -104.9875, 39.7412)
ME, OTHER = "visitor-one", "visitor-two"


@pytest.fixture
def tiles() -> Iterator[TileServer]:
    with tile_server() as server:
        yield server


@pytest.fixture
def client() -> Iterator[GuardedClient]:
    made = GuardedClient(Allowance.parse(("127.0.0.1",)))
    yield made
    made.close()


class Bench:
    """Desks over one store, as of one server after the other."""

    def __init__(self, store: Store, cache: TileCache, client: GuardedClient) -> None:
        self.store, self.scenes = store, list[Scene]()
        self._cache, self._client = cache, client
        self._desks = list[BasemapDesk]()

    def desk(self, **settings: int) -> BasemapDesk:
        def fetch(path: Path, area: BasemapArea, monitor: Monitor) -> BasemapFile:
            patience = Patience(2, 0.01, 1.0)
            return fetch_basemap(
                path, area, monitor=monitor, client=self._client, cache=self._cache,
                patience=patience,
            )  # fmt: skip

        chosen = replace(get_settings(), free_disk_bytes=0, **settings)
        self._desks.append(BasemapDesk(self.store, chosen, self.scenes.append, fetch))
        return self._desks[-1]

    def close(self) -> None:
        for desk in self._desks:
            desk.close()


@pytest.fixture
def bench(store: Store, tmp_path: Path, client: GuardedClient) -> Iterator[Bench]:
    made = Bench(store, TileCache(tmp_path / "tiles", 10**8), client)
    yield made
    made.close()


def test_an_area_becomes_a_scene_of_the_visitor(bench: Bench, tiles: TileServer) -> None:
    desk = bench.desk()
    area = BasemapArea(template_source(tiles.xyz, "© Survey of Tests"), DENVER, 17)
    order = desk.order(ME, area, "Denver")
    assert desk.wait(order.order_id, 30).state == "done"
    scene = bench.store.scene(order.order_id, ME)
    assert bench.scenes == [scene]
    assert (scene.name, scene.kind) == ("Denver", "upload")
    assert scene.raster.attribution == "© Survey of Tests"
    box = area.box
    expected = world(box.left, box.top, box.right - box.left, box.bottom - box.top, 17)
    np.testing.assert_array_equal(scene.raster.read().rgb, expected)
    with pytest.raises(NotFoundError):
        bench.store.scene(order.order_id, OTHER)
    # Nothing of it is left but the scene's own files.
    assert sorted(path.name for path in scene.folder.iterdir()) == ["scene.json", "source"]
    assert list((bench.store.root / "basemaps").iterdir()) == []
    desk.put_away(order.order_id, ME)
    assert desk.orders(ME) == [] and bench.store.scene(order.order_id)


def test_orders_of_others_are_unknown(bench: Bench, tiles: TileServer) -> None:
    desk = bench.desk()
    order = desk.order(ME, BasemapArea(template_source(tiles.xyz), DENVER, 16), "a")
    assert desk.orders(OTHER) == []
    for act in (desk.find, desk.cancel, desk.again, desk.put_away):
        with pytest.raises(NotFoundError):
            act(order.order_id, OTHER)
        with pytest.raises(NotFoundError):
            act("../../etc", ME)
    assert desk.wait(order.order_id, 30).state == "done"


def test_stopping_and_starting_again_keeps_tiles(bench: Bench, tiles: TileServer) -> None:
    going, held = threading.Event(), threading.Event()

    def trouble(handler: BaseHTTPRequestHandler, times: int) -> bool:
        if len(tiles.asked) > 4:
            going.set()
            held.wait(20)
        return False

    tiles.trouble = trouble
    desk = bench.desk()
    source = replace(template_source(tiles.xyz), tile_px=256)
    order = desk.order(ME, BasemapArea(source, DENVER, 18), "a")
    assert going.wait(20)
    assert desk.find(order.order_id, ME).total == 12
    desk.cancel(order.order_id, ME)
    held.set()
    assert desk.wait(order.order_id, 30).state == "cancelled"
    assert list((bench.store.root / "basemaps").iterdir()) == []
    desk.again(order.order_id, ME)
    assert desk.wait(order.order_id, 30).state == "done"
    # At most those that were under way were asked for twice.
    assert len(tiles.asked) <= 12 + 4


def test_a_new_server_goes_on_with_what_the_old_one_had(bench: Bench, tiles: TileServer) -> None:
    going, held = threading.Event(), threading.Event()

    def trouble(handler: BaseHTTPRequestHandler, times: int) -> bool:
        if len(tiles.asked) > 3:
            going.set()
            held.wait(20)
        return False

    tiles.trouble = trouble
    desk = bench.desk()
    source = ask_service(f"{tiles.url}/wmts", GuardedClient(Allowance.parse(("127.0.0.1",))))
    area = BasemapArea(source.layer(None), DENVER, 18)
    orders = [desk.order(ME, area, name) for name in ("a", "b", "c")]
    assert going.wait(20)
    desk.close(0)
    held.set()
    assert not bench.scenes
    after = bench.desk()
    after.resume()
    for order in orders:
        assert after.wait(order.order_id, 30).state == "done"
        assert bench.store.scene(order.order_id, ME).name == order.name


def test_failures_are_sentences(bench: Bench, tiles: TileServer) -> None:
    tiles.trouble = lambda handler, times: answer(handler, b"", 403) or True  # type: ignore[func-returns-value]
    desk = bench.desk()
    order = desk.order(ME, BasemapArea(template_source(tiles.xyz), DENVER, 17), "a")
    ended = desk.wait(order.order_id, 30)
    assert ended.state == "failed" and "key" in (ended.error or "")
    tiles.trouble = None
    desk.again(order.order_id, ME)
    assert desk.wait(order.order_id, 30).state == "done"


def test_limits_of_a_visitor(bench: Bench, tiles: TileServer) -> None:
    held = threading.Event()
    tiles.trouble = lambda handler, times: held.wait(20) and False
    desk = bench.desk(max_basemap_tiles=20, max_visitor_bytes=5_000_000)
    source = template_source(tiles.xyz)
    with pytest.raises(ParameterError, match="more than the 20"):
        desk.order(ME, BasemapArea(source, DENVER, 20), "a")
    wide = BasemapArea(source, (-104.9912, 39.7391, -104.9712, 39.7491), 18)
    with pytest.raises(ParameterError, match="MB"):
        bench.desk(max_visitor_bytes=5_000_000).order(ME, wide, "a")
    small = BasemapArea(source, DENVER, 16)
    for _ in range(MOST_UNFINISHED):
        desk.order(ME, small, "a")
    with pytest.raises(ParameterError, match="cancel"):
        desk.order(ME, small, "a")
    desk.order(OTHER, small, "a")
    held.set()
    assert desk.cancel_all_of(ME) == MOST_UNFINISHED
    assert desk.orders(ME) == [] and len(desk.orders(OTHER)) == 1


def test_maps_get_tiles_through_this_server(
    tmp_path: Path, tiles: TileServer, client: GuardedClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(basemap_routes, "shared_client", lambda: client)
    cache = TileCache(tmp_path / "tiles", 10**8)
    monkeypatch.setattr(basemap_routes, "shared_cache", lambda: cache)
    source = template_source(tiles.xyz)
    map_id = show_source(source, ME)
    assert show_source(source, ME) == map_id != show_source(source, OTHER)
    inner = show_source(template_source("http://127.0.0.2:1/{z}/{x}/{y}.png"), ME)
    from samgeo_core.web.context import AppContext

    context = AppContext.create(replace(get_settings(), data_dir=tmp_path / "data"))
    with serve(Starlette(routes=build_routes(context))) as url:

        def status(path: str) -> int:
            return requests.get(f"{url}/basemaps/{path}", timeout=20).status_code

        found = requests.get(f"{url}/basemaps/{map_id}/3/1/2", timeout=20)
        assert found.headers["content-type"] == "image/png"
        assert found.headers["x-content-type-options"] == "nosniff"
        assert found.content == requests.get(f"{tiles.url}/tiles/3/1/2.png", timeout=20).content
        assert status(f"{map_id}/3/8/2") == 404
        assert status(f"{map_id}/99/0/0") == 404
        assert status(f"{map_id}/3/-1/2") == 404
        assert status(f"{new_id()}/3/1/2") == 404
        assert status(f"{inner}/3/1/2") == 403
        tiles.trouble = lambda handler, times: answer(handler, b"<svg/>") or True  # type: ignore[func-returns-value]
        assert status(f"{map_id}/4/1/2") == 502
    context.jobs.close()
