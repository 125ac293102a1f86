"""Scenes at addresses, by way of the app's routes and runs: what is fetched, and what is kept."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import rasterio
from rasterio.windows import Window as FileWindow
from starlette.applications import Starlette

from samgeo_core.config import SegmentConfig
from samgeo_core.net import client
from samgeo_core.reading.remote import remote_file
from samgeo_core.reading.remote_blocks import shared_blocks
from samgeo_core.settings import get_settings
from samgeo_core.streaming.region_work import ModelFinder
from samgeo_core.web.context import AppContext
from samgeo_core.web.records import Run, Scene
from samgeo_core.web.routes import build_routes
from samgeo_core.web.store import Store
from samgeo_core.web.urls import tile_template
from samgeo_core.web.work import start_segmentation
from samgeo_core.windows import Window
from tests.core.reading.remote_server import RangeServer, range_server, write_huge_cog
from tests.factories import write_raster
from tests.stand_in import BrightPartsFinder, bright_scene
from tests.web.conftest import OWNER
from tests.web.serving import serve

WAIT_S = 120
SLOW_BYTES_PER_S = 4e6
PLACE = Window(20_600, 30_900, 300, 260)


@pytest.fixture(autouse=True)
def allow_loopback(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SAMGEO_ALLOWED_HOSTS", "127.0.0.1")
    caches = (get_settings, client.shared_client, shared_blocks)
    for cache in caches:
        cache.cache_clear()
    yield
    monkeypatch.undo()
    for cache in caches:
        cache.cache_clear()


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AppContext]:
    """An app whose runs look for bright parts, region by region."""
    monkeypatch.setattr(ModelFinder, "of", classmethod(lambda cls, *args: BrightPartsFinder()))
    settings = dataclasses.replace(
        get_settings(), data_dir=tmp_path / "data", region_px=128, max_pixels=10**10
    )
    made = AppContext.create(settings)
    yield made
    made.jobs.close(WAIT_S)


@pytest.fixture(scope="module")
def huge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """More than 10 GB, with two bright squares in the place that is looked at."""
    path = tmp_path_factory.mktemp("huge") / "huge.tif"
    write_huge_cog(path)
    with rasterio.open(path, "r+") as file:
        for x, y in ((20_700, 31_000), (20_800, 31_090)):
            file.write(np.full((3, 40, 40), 220, np.uint8), window=FileWindow(x, y, 40, 40))
    return path


def open_scene(context: AppContext, server: RangeServer) -> Scene:
    return context.store.add_scene(remote_file(server.url), "huge.tif", OWNER, kind="address")


def finished(context: AppContext, scene: Scene, area: Window) -> Run:
    run = start_segmentation(context, scene, SegmentConfig(), OWNER, area=area)
    context.jobs.wait(run.run_id, WAIT_S)
    return context.store.run(run.run_id)


def tile_at(scene: Scene, zoom: int, x: float, y: float) -> tuple[int, int]:
    """Column and row of the map's tile that shows a pixel."""
    ((lon, lat),) = scene.raster.grid.to_lonlat([(x, y)])
    row = (1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2
    return int((lon + 180) / 360 * 2**zoom), int(row * 2**zoom)


def test_ten_gigabytes_are_shown_and_segmented_by_a_few_megabytes(
    context: AppContext, huge: Path
) -> None:
    assert huge.stat().st_size > 10e9
    with range_server(huge, bytes_per_s=SLOW_BYTES_PER_S) as server:
        scene = open_scene(context, server)
        assert server.sent < 500e3, "the header, its tables, and a probe"
        with serve(Starlette(routes=build_routes(context))) as address:
            template = f"{address}{tile_template(scene, '')}"

            def tile(zoom: int) -> httpx.Response:
                x, y = tile_at(scene, zoom, 20_720, 31_020)
                return httpx.get(template.format(z=zoom, x=x, y=y), timeout=60)

            assert tile(12).content.startswith(b"\x89PNG")
            overview = server.sent
            assert overview < 3e6
            near = tile(scene.frame.native_zoom)
            assert near.content.startswith(b"\x89PNG")
            assert server.sent - overview < 4e6
        before = server.sent
        run = finished(context, scene, PLACE)
        assert (run.state, run.error) == ("done", None)
        assert run.record["n_objects"] == 2
        assert run.record["area_px"] == list(PLACE.box_xyxy)
        # Four of the file's tiles at most, each 786,432 bytes.
        assert server.sent - before < 4 * 786_432 * 1.1
        assert server.sent < 10e6


def test_what_may_be_secret_in_an_address_stays_in_the_scene(
    context: AppContext, tmp_path: Path
) -> None:
    path = bright_scene(tmp_path / "bright.tif")
    with range_server(path) as server:
        assert "token=secret" in server.url
        run = finished(context, open_scene(context, server), Window(0, 0, 300, 300))
    assert run.state == "done"
    for file in run.folder.rglob("*"):
        if file.is_file():
            assert b"token=secret" not in file.read_bytes(), file.name


def test_a_line_that_breaks_is_tried_again_and_in_the_end_told(
    context: AppContext, tmp_path: Path
) -> None:
    path = bright_scene(tmp_path / "bright.tif", size=1024)
    with range_server(path) as server:
        scene = open_scene(context, server)
        shared_blocks.cache_clear()
        server.cut = 2
        run = finished(context, scene, Window(0, 0, 300, 300))
        assert (run.state, server.cut) == ("done", 0)
        server.cut = 10**6
        shared_blocks.cache_clear()
        lost = finished(context, scene, Window(500, 500, 300, 300))
        assert lost.state == "failed"
        assert lost.error is not None and "connection" in lost.error.lower()
        assert "secret" not in lost.error
        # What was there before is, and the same run goes on when the line is back.
        server.cut = 0
        assert finished(context, scene, Window(500, 500, 300, 300)).state == "done"


def test_an_index_is_what_a_run_sees_from_page_to_files(
    store: Store, context: AppContext, tmp_path: Path
) -> None:
    """NDVI of a file at an address, shown, segmented in regions and told in run.json."""
    nir = np.random.default_rng(5).integers(400, 3000, (300, 300))
    red = nir + 300
    meadows = np.zeros((300, 300), bool)
    meadows[60:120, 50:140] = meadows[180:260, 160:270] = True
    red[meadows] = nir[meadows] // 2
    data = np.stack([nir, red]).astype(np.uint16)
    path = write_raster(
        tmp_path / "s2.tif", data=data, descriptions=("B08", "B04"), tiled=True, blockxsize=64,
        blockysize=64,
    )  # fmt: skip
    with range_server(path) as server:
        scene = open_scene(context, server)
        scene = context.store.set_display(scene.scene_id, ("ndvi",), "signed")
        config = SegmentConfig(bands=scene.stretch.bands, stretch="signed")
        run = start_segmentation(context, scene, config, OWNER)
        context.jobs.wait(run.run_id, WAIT_S)
        run = context.store.run(run.run_id)
    assert (run.state, run.error, run.is_streamed) == ("done", None, True)
    record = json.loads((run.folder / "run.json").read_text())
    ndvi = "(b1 - b2) / (b1 + b2)"
    assert record["parameters"]["bands"] == [ndvi] * 3
    assert record["stretch"]["bands"] == [ndvi] * 3
    assert record["stretch"]["lows"] == [-1, -1, -1]
    with rasterio.open(run.labels_path) as file:
        labels = file.read(1)
    np.testing.assert_array_equal(labels > 0, meadows)
    assert record["n_objects"] == 2
