"""Rasters at addresses: what is fetched, what is refused, what is noticed."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from samgeo_core.config import SegmentConfig
from samgeo_core.errors import AddressError, FetchError, RasterError, UnsupportedFormatError
from samgeo_core.net import client
from samgeo_core.net.addresses import Allowance
from samgeo_core.reading.raster import Raster
from samgeo_core.reading.remote import (
    JsonAnswer,
    NoRangesError,
    fetch_whole,
    look_at,
    remote_file,
)
from samgeo_core.reading.remote_blocks import shared_blocks
from samgeo_core.reading.source import from_json, to_json, traffic_of
from samgeo_core.reading.stac import StacItem
from samgeo_core.settings import get_settings
from samgeo_core.streaming.region_work import ModelFinder, RasterWork, block_hw
from samgeo_core.streaming.regions import RegionPlan
from samgeo_core.streaming.run_folder import RunFolder
from samgeo_core.windows import Window
from tests.core.reading.remote_server import range_server, write_huge_cog
from tests.factories import MakeRaster
from tests.http_servers import answer, serving


@pytest.fixture(autouse=True)
def allow_loopback(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SAMGEO_ALLOWED_HOSTS", "127.0.0.1")
    for cache in (get_settings, client.shared_client, shared_blocks):
        cache.cache_clear()
    yield
    monkeypatch.undo()
    for cache in (get_settings, client.shared_client, shared_blocks):
        cache.cache_clear()


@pytest.fixture(scope="module")
def huge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("huge") / "huge.tif"
    write_huge_cog(path)
    return path


def test_ten_gigabytes_preview_by_a_few_megabytes(huge: Path) -> None:
    assert huge.stat().st_size > 10e9
    with range_server(huge, bytes_per_s=4e6) as server:
        raster = Raster.open(server.url, max_pixels=10**10)
        stretch = raster.stretch()
        preview = raster.preview(1024, stretch=stretch)

        assert raster.shape_hw == (56_320, 56_320)
        assert raster.name == "huge.tif"
        assert preview.rgb.mean() > 20
        assert server.sent < 6e6
        traffic = traffic_of(raster.source)
        assert traffic is not None
        assert traffic.received_bytes == server.sent
        assert traffic.requests == server.requests

        before, asked = server.sent, server.requests
        raster.read(Window(20_480, 30_720, 1024, 1024), stretch=stretch)
        # Four tiles of 786,432 bytes, and the part of the index that says where they are.
        assert server.sent - before < 4 * 786_432 * 1.1
        assert server.requests - asked < 10

        before = server.sent
        raster.read(Window(20_480, 30_720, 1024, 1024), stretch=stretch)
        assert server.sent == before


def test_pixels_are_those_of_the_file(make_raster: MakeRaster) -> None:
    path = make_raster(shape_hw=(700, 900), tiled=True, blockxsize=256, blockysize=256, nodata=7)
    with range_server(path) as server:
        there, here = Raster.open(server.url), Raster.open(path)
        assert there.grid == here.grid
        window = Window(100, 200, 400, 300)
        np.testing.assert_array_equal(there.read(window).rgb, here.read(window).rgb)
        np.testing.assert_array_equal(there.read(window).valid, here.read(window).valid)
        assert from_json(to_json(there.source), path.parent) == there.source


def test_changed_file_is_noticed_and_errors_of_a_moment_are_not(make_raster: MakeRaster) -> None:
    path = make_raster(shape_hw=(600, 600), bands=3, tiled=True, blockxsize=256, blockysize=256)
    with range_server(path) as server:
        raster = Raster.open(server.url)
        shared_blocks.cache_clear()
        server.broken = 1
        assert raster.read().rgb.any()
        shared_blocks.cache_clear()
        server.etag = '"second"'
        with pytest.raises(RasterError, match="has changed"):
            raster.read()
        assert remote_file(server.url).sha256 != raster.sha256


def test_server_without_ranges_is_named_and_small_files_come_whole(
    make_raster: MakeRaster,
) -> None:
    path = make_raster()
    with range_server(path, ranges=False) as server:
        with pytest.raises(NoRangesError, match="whole files only"):
            Raster.open(server.url)
        assert fetch_whole(server.url) == path.read_bytes()


def test_large_file_without_overviews_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "flat.tif"
    write_huge_cog(path, 10_240, levels=0)
    with (
        range_server(path) as server,
        pytest.raises(RasterError, match="no overviews"),
    ):
        Raster.open(server.url)


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("http://169.254.169.254/latest/image.tif", AddressError),
        ("http://10.0.0.1/image.tif", AddressError),
        ("https://user:word@example.org/image.tif", AddressError),
        ("file:///etc/passwd", UnsupportedFormatError),
        ("/vsicurl/http://127.0.0.1/image.tif", RasterError),
        ("ftp://127.0.0.1/image.tif", UnsupportedFormatError),
    ],
)
def test_addresses_that_are_refused(url: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        Raster.open(url)


@pytest.mark.parametrize(
    ("status", "headers", "body", "error"),
    [
        (302, {"Location": "http://192.168.0.1/a.tif"}, b"", AddressError),
        (404, {}, b"", FetchError),
        (403, {}, b"", FetchError),
        (200, {"Content_Type": "text/html"}, b"<html>", UnsupportedFormatError),
        (206, {"Content_Range": "bytes 0-7/8"}, b"\x89PNG\r\n\x1a\n", UnsupportedFormatError),
        (206, {"Content_Range": "bytes 0-7/*"}, b"II*\0\0\0\0\0", NoRangesError),
        (206, {"Content_Range": "bytes 0-7/8"}, b"<VRTData", UnsupportedFormatError),
        (200, {"Content_Type": "application/json"}, b'{"type": "Catalog"}', UnsupportedFormatError),
    ],
)
def test_answers_that_are_refused(
    status: int, headers: dict[str, str], body: bytes, error: type[Exception]
) -> None:
    with (
        serving(lambda handler: answer(handler, body, status, **headers)) as port,
        pytest.raises(error),
    ):
        Raster.open(f"http://127.0.0.1:{port}/image.tif")


def test_stac_item_opens_its_picture_or_bands(make_raster: MakeRaster) -> None:
    options = {"bands": 1, "shape_hw": (300, 300), "tiled": True, "blockxsize": 256,
               "blockysize": 256}  # fmt: skip
    files = {name: make_raster(f"{name}.tif", **options) for name in ("red", "green", "blue")}
    with (
        range_server(files["red"]) as red,
        range_server(files["green"]) as green,
        range_server(files["blue"]) as blue,
    ):
        tiff = "image/tiff; application=geotiff; profile=cloud-optimized"
        assets = {
            f"B{i}": {"href": server.url, "type": tiff, "eo:bands": [{"common_name": name}]}
            for i, (name, server) in enumerate([("blue", blue), ("green", green), ("red", red)])
        }
        assets["meta"] = {"href": "./meta.xml", "type": "application/xml"}
        import json

        item = json.dumps({"type": "Feature", "id": "scene-7", "assets": assets}).encode()
        respond = lambda h: answer(h, item, Content_Type="application/geo+json")  # noqa: E731
        with serving(respond) as port:
            raster = Raster.open(f"http://127.0.0.1:{port}/item.json")
    assert raster.name == "scene-7"
    assert raster.band_names == ("red", "green", "blue")
    assert raster.band_count == 3
    assert raster.default_bands() == (1, 2, 3)


TIFF = "image/tiff; application=geotiff; profile=cloud-optimized"


def _item(assets: dict[str, dict[str, object]]) -> StacItem:
    values = {"type": "Feature", "id": "scene-8", "assets": assets}
    return StacItem.parse(JsonAnswer("https://example.org/items/8.json", values))


@pytest.mark.parametrize(
    ("href", "told"),
    [
        ("http://169.254.169.254/latest/a.tif", "public internet"),
        ("http://[::ffff:10.0.0.1]/a.tif", "public internet"),
        ("//192.168.0.1/a.tif", "public internet"),
        ("https://user:word@example.org/a.tif", "name or password"),
        ("http://example.org:25/a.tif", "Port 25"),
    ],
)
def test_an_item_leads_no_further_than_an_address(href: str, told: str) -> None:
    item = _item({"inside": {"href": href, "type": TIFF}})
    with pytest.raises(AddressError, match=told):
        item.open(["inside"])


@pytest.mark.parametrize(
    "href",
    ["file:///etc/passwd.tif", "/vsicurl/http://10.0.0.1/a.tif", "s3://bucket/a.tif", "http://[x/"],
)
def test_what_is_no_web_address_is_no_image_of_an_item(href: str) -> None:
    asset = {"href": href, "type": TIFF}
    try:
        item = _item({"odd": asset})
    except UnsupportedFormatError:
        return
    # A path is one of the item's own server, whatever it looks like.
    assert item.assets[0].url.startswith("https://example.org/")


@pytest.mark.parametrize(
    ("bands", "chosen"),
    [
        ({"a": ["red", "green", "blue", "nir"], "b": ["nir"]}, ("a",)),
        ({"B8": ["nir"], "B4": ["red"], "B3": ["green"], "B2": ["blue"]}, ("B4", "B3", "B2")),
        ({"B8": ["nir"], "B4": ["red"], "B3": ["green"]}, ("B8", "B4", "B3")),
        ({"red": [], "green": [], "nir": [], "scl": []}, ("nir", "red", "green")),
        ({"b": [], "data": []}, ("data",)),
    ],
)
def test_what_an_item_proposes(bands: dict[str, list[str]], chosen: tuple[str, ...]) -> None:
    assets = {
        key: {
            "href": f"{key}.tif", "type": TIFF, "eo:bands": [{"common_name": n} for n in names]
        }
        for key, names in bands.items()
    }  # fmt: skip
    assert _item(assets).default == chosen


def test_a_name_that_leads_inside_the_next_time_is_noticed(
    make_raster: MakeRaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_raster(shape_hw=(600, 600), tiled=True, blockxsize=256, blockysize=256)
    answers = ["127.0.0.1", "192.168.0.1"]
    guarded = client.GuardedClient(
        Allowance.parse(("127.0.0.1",)), resolver=lambda host, port: (answers[0],)
    )
    for module in ("remote", "remote_blocks"):
        monkeypatch.setattr(f"samgeo_core.reading.{module}.shared_client", lambda: guarded)
    with range_server(path) as server:
        raster = Raster.open(server.url.replace("127.0.0.1", "rebinding.example"))
        shared_blocks.cache_clear()
        guarded.close()
        answers.pop(0)
        with pytest.raises(RasterError, match="no host that this server can find"):
            raster.read()


def test_a_line_that_breaks_is_tried_again_and_in_the_end_told(make_raster: MakeRaster) -> None:
    path = make_raster(shape_hw=(600, 600), tiled=True, blockxsize=256, blockysize=256)
    with range_server(path) as server:
        raster = Raster.open(server.url)
        shared_blocks.cache_clear()
        server.cut = 2
        np.testing.assert_array_equal(raster.read().rgb, Raster.open(path).read().rgb)
        shared_blocks.cache_clear()
        server.cut = 10**6
        with pytest.raises(RasterError, match="connection") as told:
            raster.read()
        assert "secret" not in str(told.value)


def test_first_look_needs_one_request(huge: Path) -> None:
    with range_server(huge) as server:
        look_at(server.url)
        assert server.requests == 1
        assert server.sent == 65_536


def test_regions_are_read_by_workers_from_the_address(
    make_raster: MakeRaster, tmp_path: Path
) -> None:
    path = make_raster(shape_hw=(600, 700), tiled=True, blockxsize=256, blockysize=256)
    with range_server(path) as server:
        raster = Raster.open(server.url)
        plan = RegionPlan(raster.shape_hw, 512, 64, None, block_hw(raster))
        folder = RunFolder.begin(tmp_path / "run", {}, {})
        finder = ModelFinder(SegmentConfig(), "0" * 64)
        work = RasterWork(
            raster.source, raster.size_bytes, (1, 2, 3), raster.stretch(), finder, plan, folder
        )
        sent = pickle.loads(pickle.dumps(work))
        region = next(iter(plan))
        np.testing.assert_array_equal(
            sent.read(region).rgb, Raster.open(path).read(region.window).rgb
        )
