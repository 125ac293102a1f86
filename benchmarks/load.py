"""Many people at once, over real HTTP and websockets on this machine.

    python -m benchmarks.load [--viewers 50] [--tiles 40] [--visitors 20] [--browsers 4]

**Tiles.** As many viewers as asked for look at one raster; each asks for the tiles of its own walk
over it, one after the other. Once the app is asked, once localtileserver's own server with the same
raster, in turns, each in a process of its own that just started.

**Pages.** As many visitors as asked for rerun pages, as a click on them does, first on an idle
server, then while it segments an image. Beside them Chromium opens a page, in windows of their own,
until its map has pictures.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import morecantile
import rasterio
from rasterio.enums import Resampling
from rasterio.warp import transform_bounds

from benchmarks.app_process import running_app
from benchmarks.browsers import open_pages
from benchmarks.options import exit_with
from benchmarks.report import header, show, table
from benchmarks.runner import MeasurementError
from benchmarks.scale_scene import write_scene
from benchmarks.visitors import rerun_pages
from samgeo_core.config import SegmentConfig
from samgeo_core.settings import get_settings
from samgeo_core.web.context import AppContext
from samgeo_core.web.queue_book import JobState
from samgeo_core.web.queue_job import Job
from samgeo_core.web.store import Store
from samgeo_core.web.urls import tile_template
from samgeo_core.web.work import start_segmentation

SIDE_PX, JOB_PX = 8192, 2048
PAGES = ["segment", ""]
ZOOMS = 4
WARM_UP_S, WAIT_S = 15.0, 60.0
OWNER = "benchmark-visitor-000"
_GRID = morecantile.tms.get("WebMercatorQuad")
_PEER = """
import sys, time
from localtileserver import TileClient
client = TileClient(sys.argv[1])
print(client.get_tile_url(), flush=True)
time.sleep(86400)
"""


@dataclass(frozen=True)
class Served:
    """What came of requests.

    Attributes:
        seconds: of each answer that was an image.
        failures: how many answers were none.
        wall_s: from the first request to the last answer.
    """

    seconds: list[float]
    failures: int
    wall_s: float

    @property
    def per_second(self) -> float:
        """Images a second."""
        return len(self.seconds) / self.wall_s


def main() -> int:
    """Measure both, and print."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    options.add_argument("--viewers", type=int, default=50, help="who look at tiles at once")
    options.add_argument("--tiles", type=int, default=40, help="tiles of each viewer")
    options.add_argument("--rounds", type=int, default=2, help="turns of each side")
    options.add_argument("--visitors", type=int, default=20, help="who use pages at once")
    options.add_argument("--reruns", type=int, default=5, help="reruns of each visitor")
    options.add_argument("--browsers", type=int, default=4, help="windows of Chromium; 0 for none")
    arguments = options.parse_args()
    show(header("load", sys.argv[1:], "cpu"))
    with tempfile.TemporaryDirectory(prefix="samgeo-load-") as name:
        folder = Path(name)
        path = folder / "scene.tif"
        write_scene(path, SIDE_PX)
        with rasterio.open(path, "r+") as dataset:
            dataset.build_overviews([2, 4, 8, 16, 32], Resampling.average)
        _tiles(arguments, folder, path)
        _pages(arguments, folder)
    return 0


def _tiles(arguments: argparse.Namespace, folder: Path, path: Path) -> None:
    scene = Store(folder / "data").add_scene(path, "scene.tif", OWNER, kind="server")
    walks = [_walk(path, arguments.tiles, seed) for seed in range(arguments.viewers)]
    sides: dict[str, list[Served]] = {"localtileserver": [], "the app": []}
    for _ in range(arguments.rounds):
        with _peer(path) as template:
            sides["localtileserver"].append(asyncio.run(_look(template, walks)))
        with running_app(folder / "data") as address:
            # The model is loaded ahead after the start; nobody looks at a map in these seconds.
            time.sleep(WARM_UP_S)
            template = address + tile_template(scene)
            sides["the app"].append(asyncio.run(_look(template, walks)))
    ratios = [
        ours.per_second / theirs.per_second
        for ours, theirs in zip(sides["the app"], sides["localtileserver"], strict=True)
    ]
    rows = [
        [
            side,
            ", ".join(f"{turn.per_second:.0f}" for turn in turns),
            ", ".join(f"{1000 * statistics.median(turn.seconds):.0f}" for turn in turns),
            ", ".join(f"{1000 * _p95(turn.seconds):.0f}" for turn in turns),
            f"{sum(turn.failures for turn in turns)}",
        ]
        for side, turns in sides.items()
    ]
    columns = ["server", "tiles a second", "median, ms", "95th percentile, ms", "failures"]
    show(
        f"## Tiles: {arguments.viewers} viewers of {SIDE_PX} × {SIDE_PX} px at once, "
        f"{arguments.viewers * arguments.tiles} requests a turn, {arguments.rounds} turns",
        table(columns, rows),
        "Tiles a second, app to localtileserver: " + ", ".join(f"{r:.2f}" for r in ratios),
    )


@contextmanager
def _peer(path: Path) -> Iterator[str]:
    """localtileserver's own server; the template of its tiles."""
    process = subprocess.Popen(
        [sys.executable, "-c", _PEER, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        template = process.stdout.readline().strip()
        if not template:
            raise MeasurementError("localtileserver's server did not start.")
        yield template
    finally:
        process.terminate()
        process.wait(timeout=30)


def _walk(path: Path, count: int, seed: int) -> list[tuple[int, int, int]]:
    """Tiles z, x, y that somebody sees who looks here and there, closer and farther."""
    dice = random.Random(seed)
    with rasterio.open(path) as dataset:
        west, south, east, north = transform_bounds(dataset.crs, "EPSG:4326", *dataset.bounds)
        metres = dataset.res[0]
    native = round(math.log2(156_543.03 / metres))
    tiles: list[tuple[int, int, int]] = []
    while len(tiles) < count:
        zoom = native - dice.randrange(ZOOMS)
        lon, lat = dice.uniform(west, east), dice.uniform(south, north)
        middle = _GRID.tile(lon, lat, zoom)
        tiles += [(zoom, middle.x + i, middle.y + j) for j in (0, 1) for i in (0, 1, 2)]
    return tiles[:count]


async def _get(client: httpx.AsyncClient, address: str) -> httpx.Response:
    """Ask again where a kept connection was closed in the moment of asking, as browsers do."""
    try:
        return await client.get(address)
    except (httpx.ReadError, httpx.RemoteProtocolError):
        return await client.get(address)


async def _look(template: str, walks: list[list[tuple[int, int, int]]]) -> Served:
    seconds: list[float] = []
    failures = 0

    async def one(client: httpx.AsyncClient, walk: list[tuple[int, int, int]]) -> None:
        nonlocal failures
        for z, x, y in walk:
            begun = time.perf_counter()
            address = template.replace("{z}", f"{z}").replace("{x}", f"{x}").replace("{y}", f"{y}")
            answer = await _get(client, address)
            if answer.status_code == 200 and answer.content.startswith(b"\x89PNG"):
                seconds.append(time.perf_counter() - begun)
            else:
                failures += 1

    limits = httpx.Limits(max_connections=None, max_keepalive_connections=len(walks))
    async with httpx.AsyncClient(timeout=120, limits=limits) as client:
        await client.get(template.format(z=0, x=0, y=0))
        begun = time.perf_counter()
        await asyncio.gather(*(one(client, walk) for walk in walks))
        return Served(seconds, failures, time.perf_counter() - begun)


def _pages(arguments: argparse.Namespace, folder: Path) -> None:
    """Reruns on an idle server, and while it segments."""
    data = folder / "pages"
    store = Store(data)
    path = folder / "job.tif"
    write_scene(path, JOB_PX)
    scene = store.add_scene(path, "job.tif", OWNER)
    query, rows = f"scene={scene.scene_id}", []
    with running_app(data) as address:
        time.sleep(WARM_UP_S)

        def measured(when: str) -> None:
            asked = rerun_pages(address, PAGES, query, arguments.visitors, arguments.reruns)
            windows = arguments.browsers
            looked = open_pages(address, PAGES[0], query, windows, 2) if windows else None
            reruns, opened = asyncio.run(_both(asked, looked))
            for what, seconds in (("reruns", reruns), ("opened in Chromium", opened)):
                if len(seconds) > 1:
                    times = [statistics.median(seconds), _p95(seconds), max(seconds)]
                    told = [f"{1000 * value:.0f}" for value in times]
                    rows.append([when, what, f"{len(seconds)}", *told])

        # What a server computes once isn't what a click costs.
        asyncio.run(rerun_pages(address, PAGES, query, len(PAGES), 1))
        measured("nothing else under way")
        with _segmenting(data, scene.scene_id):
            measured("while an image is segmented")
    columns = ["", "what", "times", "median, ms", "95th percentile, ms", "longest, ms"]
    show(f"## Pages: {arguments.visitors} visitors at once", table(columns, rows))


async def _both(
    asked: Awaitable[list[float]], looked: Awaitable[list[float]] | None
) -> tuple[list[float], list[float]]:
    """Seconds of reruns and of pages that were opened in browsers, both at once."""
    if looked is None:
        return await asked, []
    reruns, opened = await asyncio.gather(asked, looked)
    return reruns, opened


@contextmanager
def _segmenting(data: Path, scene_id: str) -> Iterator[None]:
    """Queue a run for the app as another process that shares its folder, and wait until it runs.

    Raises:
        MeasurementError: it doesn't begin, or ends before its time.
    """
    context = AppContext.create(replace(get_settings(), data_dir=data))
    try:
        scene = context.store.scene(scene_id)
        run = start_segmentation(context, scene, SegmentConfig(preset="full"), OWNER)
        _wait_until(lambda: context.jobs.job(run.run_id), JobState.RUNNING)
        yield
        job = context.jobs.job(run.run_id)
        if job is None or job.state is not JobState.RUNNING:
            raise MeasurementError("The segmentation ended before the pages were measured.")
        context.jobs.cancel(run.run_id)
    finally:
        context.jobs.close()


def _wait_until(asked: Callable[[], Job | None], state: JobState) -> None:
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        job = asked()
        if job is not None and job.state is state:
            return
        time.sleep(0.2)
    raise MeasurementError(f"The segmentation isn't {state.value} after {WAIT_S:.0f} s.")


def _p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20, method="inclusive")[-1]


if __name__ == "__main__":
    exit_with(main)
