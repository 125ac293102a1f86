from __future__ import annotations

import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import numpy as np
import pytest
import rasterio
from pyproj import Transformer

from samgeo_core.basemap.area import BasemapArea, fetch_basemap
from samgeo_core.basemap.cache import TileCache
from samgeo_core.basemap.fetching import Patience
from samgeo_core.basemap.lattice import MapBox
from samgeo_core.basemap.services import ask_service, template_source
from samgeo_core.errors import AddressError, CancelledError, FetchError, ParameterError
from samgeo_core.net.client import GuardedClient
from samgeo_core.progress import CancelToken, Monitor, Progress
from samgeo_core.reading.raster import Raster
from tests.http_servers import answer
from tests.tile_server import TileServer, world

DENVER = (-104.9912, 39.7391, -104.9875, 39.7412)
QUICK = Patience(first_s=0.01, most_s=2.0)


def expected(box: MapBox) -> np.ndarray:
    height, width = box.shape_hw
    return np.moveaxis(world(box.left, box.top, width, height, box.zoom), -1, 0)


def fetched(
    tmp_path: Path, area: BasemapArea, client: GuardedClient, cache: TileCache
) -> np.ndarray:
    fetch_basemap(tmp_path / "a.tif", area, client=client, cache=cache, patience=QUICK)
    with rasterio.open(tmp_path / "a.tif") as dataset:
        assert dataset.bounds == pytest.approx(
            (
                *(area.box.grid.transform @ (0, area.box.shape_hw[0])),
                *(area.box.grid.transform @ (area.box.shape_hw[1], 0)),
            )
        )
        return dataset.read()


def test_an_area_is_the_tiles_pixels_in_their_place(
    tmp_path: Path, tiles: TileServer, client: GuardedClient, cache: TileCache
) -> None:
    area = BasemapArea(template_source(tiles.xyz, "© Survey of Tests"), DENVER, 18)
    made = fetch_basemap(tmp_path / "a.tif", area, client=client, cache=cache)
    box = area.box
    with rasterio.open(tmp_path / "a.tif") as dataset:
        assert dataset.crs.to_epsg() == 3857
        assert (dataset.profile["tiled"], dataset.profile["compress"]) == (True, "deflate")
        assert dataset.overviews(1) == [2]
        assert dataset.tags()["TIFFTAG_COPYRIGHT"] == "© Survey of Tests"
        assert (dataset.read() == expected(box)).all()
        assert (dataset.dataset_mask() == 255).all()
        # Whole pixels round the box that was asked for, and no more.
        to_degrees = Transformer.from_crs(3857, 4326, always_xy=True).transform
        west, north = to_degrees(dataset.bounds.left, dataset.bounds.top)
        east, south = to_degrees(dataset.bounds.right, dataset.bounds.bottom)
        degree = 360 / (256 * 2**18)
        assert west <= DENVER[0] < west + degree and east - degree < DENVER[2] <= east
        assert south <= DENVER[1] < south + degree and north - degree < DENVER[3] <= north
        assert abs(dataset.transform.a - 156543.03392804097 / 2**18) < 1e-9
    assert (made.missing, made.sentence) == (0, None)
    assert made.received_bytes > 0
    assert len(tiles.asked) == len(set(tiles.asked)) == box.n_tiles
    assert 1 < tiles.open_most <= 4
    assert all("SamGeo" in agent for agent in tiles.agents)
    assert Raster.open(tmp_path / "a.tif").attribution == "© Survey of Tests"
    assert abs(Raster.open(tmp_path / "a.tif").grid.gsd_m - box.ground_m) < 0.005 * box.ground_m


def test_what_was_fetched_isnt_fetched_again(
    tmp_path: Path, tiles: TileServer, client: GuardedClient, cache: TileCache
) -> None:
    """An area that was stopped goes on where it was."""
    area = BasemapArea(replace(template_source(tiles.xyz), tile_px=256), DENVER, 18)
    cancel = CancelToken()

    def stop(progress: Progress) -> None:
        if progress.done >= 5:
            cancel.cancel()

    with pytest.raises(CancelledError):
        fetch_basemap(
            tmp_path / "a.tif", area, client=client, cache=cache, monitor=Monitor(stop, cancel)
        )
    assert list(tmp_path.glob("*.tif")) == []
    for thread in threading.enumerate():
        if thread.name.startswith("tiles"):
            thread.join()
    before = len(tiles.asked)
    assert 5 <= before < area.box.n_tiles
    steps = []
    made = fetch_basemap(
        tmp_path / "a.tif", area, client=client, cache=cache, monitor=Monitor(steps.append)
    )
    assert len(tiles.asked) == len(set(tiles.asked)) == area.box.n_tiles
    assert steps[-1].fraction == 1
    made = fetch_basemap(tmp_path / "a.tif", area, client=client, cache=cache)
    assert (made.received_bytes, len(tiles.asked)) == (0, area.box.n_tiles)


@pytest.mark.parametrize("side", [256, 512])
def test_sides_of_tiles_are_found_out(
    tmp_path: Path, tiles: TileServer, client: GuardedClient, cache: TileCache, side: int
) -> None:
    tiles.side_px = side
    area = BasemapArea(template_source(tiles.xyz), DENVER, 16)
    found = fetch_basemap(tmp_path / "a.tif", area, client=client, cache=cache).area
    assert found.source.tile_px == side
    with rasterio.open(tmp_path / "a.tif") as dataset:
        assert (dataset.read() == expected(found.box)).all()
        assert abs(dataset.transform.a - 156543.03392804097 / 2**16 * 256 / side) < 1e-9


def test_rows_counted_from_the_south(
    tmp_path: Path, tiles: TileServer, client: GuardedClient, cache: TileCache
) -> None:
    area = BasemapArea(template_source(f"{tiles.url}/tms/{{z}}/{{x}}/{{-y}}.png"), DENVER, 17)
    assert (fetched(tmp_path, area, client, cache) == expected(area.box)).all()


@pytest.mark.parametrize(
    "path", ["/wmts", "/wmts/kvp", "/wmts?service=WMTS&request=GetCapabilities"]
)
def test_wmts(
    tmp_path: Path, tiles: TileServer, client: GuardedClient, cache: TileCache, path: str
) -> None:
    service = ask_service(tiles.url + path, client)
    source = service.layer(None)
    assert (service.title, source.name, list(service.layers)) == (
        "Test WMTS",
        "Photos 2026",
        ["photos"],
    )
    assert (source.attribution, source.min_zoom, source.max_zoom) == ("Survey of Tests", 4, 19)
    assert source.bounds == (-180, -80, 180, 80)
    area = BasemapArea(source, DENVER, 17)
    assert (fetched(tmp_path, area, client, cache) == expected(area.box)).all()
    assert any(("GetTile" in asked) == (path == "/wmts/kvp") for asked in tiles.asked)


@pytest.mark.parametrize("version", ["1.1.1", "1.3.0"])
@pytest.mark.parametrize("crs", ["EPSG:3857", "EPSG:900913", "EPSG:4326", "CRS:84"])
def test_wms_in_either_order_of_axes(
    tmp_path: Path,
    tiles: TileServer,
    client: GuardedClient,
    cache: TileCache,
    version: str,
    crs: str,
) -> None:
    address = f"{tiles.url}/wms/{version}/{crs.replace(':', '_')}?version={version}"
    source = ask_service(address, client).layer("photos")
    assert (source.attribution, source.wms.version, source.wms.crs) == (
        "Survey of Tests",
        version,
        crs,
    )  # type: ignore[union-attr]
    area = BasemapArea(source, DENVER, 17)
    pixels = fetched(tmp_path, area, client, cache)
    assert all("map=a+b" in asked for asked in tiles.asked if "GetMap" in asked)
    if crs in ("EPSG:4326", "CRS:84"):
        # Rows of equal latitudes aren't those of the map: the nearest may be the next.
        assert (pixels[0] == expected(area.box)[0]).all()
        off = (pixels[1].astype(int) - expected(area.box)[1] + 128) % 256 - 128
        assert abs(off).max() <= 1 and (off == 0).mean() > 0.9
    else:
        assert (pixels == expected(area.box)).all()


def test_missing_tiles_are_nodata_with_a_sentence(
    tmp_path: Path, tiles: TileServer, client: GuardedClient, cache: TileCache
) -> None:
    area = BasemapArea(template_source(tiles.xyz), DENVER, 18)
    box = area.box
    gone = list(box.tiles())[1]
    tiles.missing.add((gone.zoom, gone.x, gone.y))
    made = fetch_basemap(tmp_path / "a.tif", area, client=client, cache=cache, patience=QUICK)
    assert made.missing == 1
    assert made.sentence is not None and f"1 of {box.n_tiles} tiles" in made.sentence
    there = np.ones(box.shape_hw, bool)
    x0, y0 = gone.x * 256 - box.left, gone.y * 256 - box.top
    there[max(y0, 0) : y0 + 256, max(x0, 0) : x0 + 256] = False
    with rasterio.open(tmp_path / "a.tif") as dataset:
        assert ((dataset.dataset_mask() > 0) == there).all()
        assert (dataset.read()[:, there] == expected(box)[:, there]).all()
    tile = Raster.open(tmp_path / "a.tif").read()
    assert (tile.valid == there).all()
    # Known to be missing: not asked for again.
    before = len(tiles.asked)
    fetch_basemap(tmp_path / "a.tif", area, client=client, cache=cache)
    assert len(tiles.asked) == before


@pytest.mark.parametrize("status", [429, 500, 503])
def test_it_comes_back_later(
    tmp_path: Path, tiles: TileServer, client: GuardedClient, cache: TileCache, status: int
) -> None:
    def trouble(handler: BaseHTTPRequestHandler, times: int) -> bool:
        if times <= 2:
            answer(handler, b"later", status)
        return times <= 2

    tiles.trouble = trouble
    area = BasemapArea(replace(template_source(tiles.xyz), tile_px=256), DENVER, 17)
    assert (fetched(tmp_path, area, client, cache) == expected(area.box)).all()
    assert len(tiles.asked) == 3 * area.box.n_tiles


def test_broken_connections_and_tiles_are_tried_again(
    tmp_path: Path, tiles: TileServer, client: GuardedClient, cache: TileCache
) -> None:
    def trouble(handler: BaseHTTPRequestHandler, times: int) -> bool:
        if times == 1:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\nhalf")
            handler.close_connection = True
        return times == 1

    tiles.trouble = trouble
    area = BasemapArea(replace(template_source(tiles.xyz), tile_px=256), DENVER, 17)
    assert (fetched(tmp_path, area, client, cache) == expected(area.box)).all()


@pytest.mark.parametrize(
    ("trouble", "says", "at_most"),
    [
        (lambda h, n: answer(h, b"", 403) or True, "key", 8),
        (lambda h, n: answer(h, b"", 500) or True, "status 500", 45),
        (lambda h, n: answer(h, b"", 429, Retry_After="3600") or True, "3,600 seconds", 8),
        (lambda h, n: answer(h, b"<a>Quota is used up</a>") or True, "Quota is used up", 8),
        (lambda h, n: answer(h, b"", 404) or True, "lower zoom", 60),
    ],
)
def test_what_cant_be_had_is_a_sentence(
    tmp_path: Path, tiles: TileServer, client: GuardedClient, cache: TileCache,
    trouble: object, says: str, at_most: int,
) -> None:  # fmt: skip
    tiles.trouble = trouble  # type: ignore[assignment]
    area = BasemapArea(replace(template_source(tiles.xyz), tile_px=256), DENVER, 18)
    with pytest.raises(FetchError, match=says):
        fetch_basemap(tmp_path / "a.tif", area, client=client, cache=cache, patience=QUICK)
    assert len(tiles.asked) <= at_most
    assert list(tmp_path.glob("*.tif")) == []


def test_retry_after_is_honoured(
    tmp_path: Path, tiles: TileServer, client: GuardedClient, cache: TileCache
) -> None:
    import time

    moments: list[tuple[float, int]] = []

    def trouble(handler: BaseHTTPRequestHandler, times: int) -> bool:
        first = not moments
        moments.append((time.monotonic(), times))
        if first:
            answer(handler, b"", 429, Retry_After="1")
        return first

    tiles.trouble = trouble
    area = BasemapArea(replace(template_source(tiles.xyz), tile_px=256), DENVER, 17)
    fetch_basemap(tmp_path / "a.tif", area, client=client, cache=cache, patience=QUICK)
    begun = moments[0][0]
    # The four that were under way when it said so; all others a second later.
    assert sum(0 < moment - begun < 0.8 for moment, _ in moments) <= 6
    assert max(moment - begun for moment, _ in moments) >= 1


def test_limits(tmp_path: Path, tiles: TileServer, client: GuardedClient, cache: TileCache) -> None:
    source = replace(template_source(tiles.xyz), min_zoom=3, max_zoom=19, bounds=(5, 45, 11, 48))
    swiss = (8.0, 46.0, 8.01, 46.01)
    for area, says in [
        (BasemapArea(source, swiss, 2), "zoom levels 3 to 19"),
        (BasemapArea(source, swiss, 20), "zoom levels 3 to 19"),
        (BasemapArea(source, DENVER, 18), "covers 5 to 11° east"),
        (BasemapArea(source, (8, 46, 9, 47), 18), "more than the 100"),
    ]:
        with pytest.raises(ParameterError, match=says):
            fetch_basemap(tmp_path / "a.tif", area, client=client, cache=cache, max_tiles=100)
    assert tiles.asked == []


def test_inner_servers_arent_asked(tmp_path: Path, tiles: TileServer, cache: TileCache) -> None:
    area = BasemapArea(template_source(tiles.xyz), DENVER, 18)
    with pytest.raises(AddressError):
        fetch_basemap(tmp_path / "a.tif", area, client=GuardedClient(), cache=cache)
    with pytest.raises(AddressError):
        ask_service(f"{tiles.url}/wmts", GuardedClient())
    assert tiles.asked == []
