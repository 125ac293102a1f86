"""What a large upload costs the server: memory and speed, beside Streamlit's own uploader.

The app runs in a process of its own. A GeoTIFF of the size asked for goes up piece by piece as the
page sends it, becomes a scene, and gets its overviews; then a smaller one goes up in Chromium by
the page Open and by a page that has `st.file_uploader`. A tile of 10,000 x 10,000 px is drawn
without overviews and with them.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import shutil
import statistics
import struct
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import numpy as np

from benchmarks.app_process import running_script
from benchmarks.click_latency import ARGUMENTS, BROWSERS
from benchmarks.options import exit_with
from benchmarks.report import header, show, table
from benchmarks.runner import MeasurementError
from benchmarks.scale_scene import write_scene
from samgeo_core.reading.first_bytes import HEAD_BYTES
from samgeo_core.web.ids import new_id
from samgeo_core.web.overviews import make_overviews, overview_factors
from samgeo_core.web.records import Scene
from samgeo_core.web.store import Store
from samgeo_core.web.tiles import TileRenderer
from samgeo_core.web.views import tile_view
from samgeo_core.web.visitors import COOKIE

if TYPE_CHECKING:
    from playwright.sync_api import Page

MB = 1_000_000
PIECE_BYTES = 8 << 20
TILE_PX = 512
WAIT_S = 1800.0
TILED_PX = 10_000

_THEIRS = """
import streamlit as st

file = st.file_uploader("Image file", type=["tif"])
if file is not None:
    st.write(f"Arrived: {file.size}")
"""


@dataclass(frozen=True)
class Sent:
    """What one upload cost.

    Attributes:
        way: how it went.
        size_bytes: of the file.
        seconds: until it was a scene, or arrived.
        rise_bytes: greatest memory of the server until then, less what it held before.
        later_bytes: the same, until overviews were there; None where there are none.
    """

    way: str
    size_bytes: int
    seconds: float
    rise_bytes: int
    later_bytes: int | None = None

    def row(self) -> list[str]:
        """Its line of the table."""
        later = "" if self.later_bytes is None else f"{self.later_bytes / MB:.0f}"
        speed = self.size_bytes / MB / self.seconds
        return [
            self.way, f"{self.size_bytes / MB:,.0f}", f"{speed:.0f}",
            f"{self.rise_bytes / MB:.0f}", later,
        ]  # fmt: skip


def write_hollow(path: Path, size_bytes: int) -> None:
    """Write a valid tiled BigTIFF of three bands and about a size, that takes no room on the disk.

    Its header follows the TIFF 6.0 and BigTIFF specifications; pixels are a hole in the file.
    """
    columns = max(1, round(math.sqrt(size_bytes / 3) / TILE_PX))
    tile_bytes, count = 3 * TILE_PX**2, columns**2
    arrays_at = 16 + 8 + 11 * 20 + 8 + 8
    data_at = arrays_at + 16 * count
    fields = [
        (256, 4, 1, columns * TILE_PX), (257, 4, 1, columns * TILE_PX), (258, 3, 3, None),
        (259, 3, 1, 1), (262, 3, 1, 2), (277, 3, 1, 3), (284, 3, 1, 1),
        (322, 3, 1, TILE_PX), (323, 3, 1, TILE_PX),
        (324, 16, count, arrays_at), (325, 16, count, arrays_at + 8 * count),
    ]  # fmt: skip
    body = struct.pack("<2sHHHQ", b"II", 43, 8, 0, 16) + struct.pack("<Q", len(fields))
    for tag, kind, number, value in fields:
        packed = struct.pack("<HHH", 8, 8, 8) if value is None else struct.pack("<Q", value)
        if count == 1 and tag in (324, 325):
            packed = struct.pack("<Q", data_at if tag == 324 else tile_bytes)
        body += struct.pack("<HHQ", tag, kind, number) + packed.ljust(8, b"\0")
    body = body.ljust(arrays_at, b"\0")
    body += struct.pack(f"<{count}Q", *(data_at + i * tile_bytes for i in range(count)))
    body += struct.pack(f"<{count}Q", *([tile_bytes] * count))
    with path.open("wb") as file:
        file.write(body)
        file.truncate(data_at + count * tile_bytes)


def main() -> int:
    """Measure and print."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.upload", description=__doc__)
    options.add_argument("--size-mb", type=int, default=1000, help="of the large file")
    options.add_argument("--browser-mb", type=int, default=300, help="of that sent by Chromium")
    options.add_argument("--tiles", type=int, default=5, help="turns of each tile")
    arguments = options.parse_args()
    show(header("upload", sys.argv[1:], "cpu"))
    with tempfile.TemporaryDirectory(prefix="samgeo-upload-") as name:
        folder = Path(name)
        room = shutil.disk_usage(folder).free
        if room < 3 * arguments.size_mb * MB:
            raise MeasurementError(f"This needs {3 * arguments.size_mb} MB of disk.")
        sent = [_by_pieces(folder, arguments.size_mb * MB)]
        sent += _in_browser(folder, arguments.browser_mb * MB)
        columns = ["way", "MB", "MB/s", "server's memory rose by, MB", "with overviews, MB"]
        show(table(columns, [one.row() for one in sent]))
        _tiles(folder, arguments.tiles)
    return 0


def _by_pieces(folder: Path, size_bytes: int) -> Sent:
    """Send a file as the page does, piece by piece with their sums."""
    path = folder / "large.tif"
    write_hollow(path, size_bytes)
    with _fresh_app(folder / "data") as (address, process_id):
        visitor = {COOKIE: new_id()}
        with httpx.Client(base_url=address, cookies=visitor, timeout=WAIT_S) as client:
            small = folder / "small.tif"
            write_hollow(small, 20 * MB)
            _send(client, small)  # what any upload needs is loaded
            _wait_for_quiet(process_id)
            held = _restart_peak(process_id)
            begun = time.perf_counter()
            scene_id = _send(client, path)
            seconds = time.perf_counter() - begun
            rise = _status_bytes(process_id, "VmHWM") - held
            _wait_for_overviews(Store(folder / "data").scene(scene_id))
            later = _status_bytes(process_id, "VmHWM") - held
    size = path.stat().st_size
    path.unlink()
    shutil.rmtree(folder / "data")
    return Sent("the app's route, by pieces", size, seconds, rise, later)


def _send(client: httpx.Client, path: Path) -> str:
    """Id of the scene that a file becomes."""
    size = path.stat().st_size
    with path.open("rb") as file:
        asked = {"name": path.name, "size": str(size), "modified": "0"}
        begun = client.post("/uploads", params=asked, content=file.read(HEAD_BYTES))
        place, offset = f"/uploads/{begun.raise_for_status().json()['id']}", HEAD_BYTES
        while piece := file.read(PIECE_BYTES):
            summed = {"X-Piece-SHA256": hashlib.sha256(piece).hexdigest()}
            sent = client.patch(place, params={"offset": offset}, content=piece, headers=summed)
            offset = sent.raise_for_status().json()["offset"]
    return str(client.post(f"{place}/finish").raise_for_status().json()["scene"])


def _in_browser(folder: Path, size_bytes: int) -> list[Sent]:
    path, script = folder / "browser.tif", folder / "theirs.py"
    write_hollow(path, size_bytes)
    script.write_text(_THEIRS, encoding="utf-8")
    size = path.stat().st_size
    with _fresh_app(folder / "data") as (address, process_id), _page(address) as page:
        # What any image needs is loaded once, and the page shows its map once.
        small = folder / "small.tif"
        write_hollow(small, 20 * MB)
        page.get_by_role("button", name="Choose images").wait_for()
        page.set_input_files("input[type=file]", small)
        page.get_by_role("heading", name=small.name).wait_for()
        page.goto(address)
        page.get_by_role("button", name="Choose images").wait_for()
        _wait_for_quiet(process_id)
        held = _restart_peak(process_id)
        begun = time.perf_counter()
        page.set_input_files("input[type=file]", path)
        page.get_by_role("heading", name=path.name).wait_for()
        seconds = time.perf_counter() - begun
        rise = _status_bytes(process_id, "VmHWM") - held
    ours = Sent("page Open in Chromium, until it is shown", size, seconds, rise)
    most = ["--server.maxUploadSize", "8000", "--server.headless", "true"]
    with (
        running_script(str(script), folder / "theirs", {}, most) as (address, process_id),
        _page(address) as page,
    ):
        page.locator("input[type=file]").wait_for(state="attached")
        _wait_for_quiet(process_id)
        held = _restart_peak(process_id)
        begun = time.perf_counter()
        page.set_input_files("input[type=file]", path)
        page.get_by_text(f"Arrived: {size}").wait_for()
        seconds = time.perf_counter() - begun
        rise = _status_bytes(process_id, "VmHWM") - held
    shutil.rmtree(folder / "data")
    return [ours, Sent("st.file_uploader in Chromium, until it has arrived", size, seconds, rise)]


@contextmanager
def _page(address: str) -> Iterator[Page]:
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        raise MeasurementError("No Chromium is on the PATH: run `make chromium`, or install it.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        page = browser.new_page()
        page.set_default_timeout(WAIT_S * 1000)
        page.goto(address)
        yield page
        browser.close()


@contextmanager
def _fresh_app(data_dir: Path) -> Iterator[tuple[str, int]]:
    """The app, which has no weights to load ahead: that isn't what an upload costs."""
    cache = data_dir.parent / "no weights"
    with running_script("app.py", data_dir, {"SAMGEO_CACHE_DIR": str(cache)}) as app:
        yield app


def _wait_for_quiet(process_id: int) -> None:
    """Wait until what is loaded after the start is there."""
    last, still = 0, 0
    while still < 5:
        time.sleep(1.0)
        now = _status_bytes(process_id, "VmRSS")
        still = still + 1 if abs(now - last) < MB else 0
        last = now


def _wait_for_overviews(scene: Scene) -> None:
    end = time.monotonic() + WAIT_S
    while not overview_factors(scene):
        if time.monotonic() > end:
            raise MeasurementError(f"There are no overviews after {WAIT_S:.0f} s.")
        time.sleep(0.2)


def _restart_peak(process_id: int) -> int:
    """Memory of a process now, from which its peak begins anew."""
    # Elsewhere than on Linux there is no such file, and no such measurement.
    Path(f"/proc/{process_id}/clear_refs").write_text("5", encoding="ascii")
    return _status_bytes(process_id, "VmRSS")


def _status_bytes(process_id: int, key: str) -> int:
    for line in Path(f"/proc/{process_id}/status").read_text("ascii", "replace").splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    raise MeasurementError(f"/proc/{process_id}/status has no {key}.")


def _tiles(folder: Path, turns: int) -> None:
    """Draw tiles of a large raster at several zooms, without overviews and with them."""
    path = folder / "scene.tif"
    write_scene(path, TILED_PX)
    scene = Store(folder / "tiles").add_scene(path, "scene.tif", "benchmark", kind="server")
    tiles = _middle_tiles(scene)
    before = {factor: _draw(scene, tile, turns) for factor, tile in tiles.items()}
    begun = time.perf_counter()
    make_overviews(scene)
    made = time.perf_counter() - begun
    rows = []
    for factor, tile in tiles.items():
        after, was = _draw(scene, tile, turns), before[factor]
        rows.append([f"1/{factor}", f"{was * 1e3:.0f}", f"{after * 1e3:.0f}", f"{was / after:.1f}"])
    show(
        f"Tiles of {TILED_PX:,} x {TILED_PX:,} px, {path.stat().st_size / MB:.0f} MB; overviews "
        f"took {made:.1f} s. Each turn has a renderer of its own, whose caches are empty.",
        table(["resolution", "without, ms", "with, ms", "times as fast"], rows),
    )


def _middle_tiles(scene: Scene) -> dict[int, tuple[int, int, int]]:
    """A tile over the middle of a scene for each factor of reduction."""
    height, width = scene.raster.shape_hw
    found: dict[int, tuple[int, int, int]] = {}
    lng, lat = scene.frame.to_lnglat(np.array([[width / 2 + 1, height / 2 + 1]]))[0]
    for z in range(25):
        column = int((lng / 360 + 0.5) * 2**z)
        sine = math.sin(math.radians(lat))
        row = int((0.5 - math.log((1 + sine) / (1 - sine)) / (4 * math.pi)) * 2**z)
        view = tile_view(scene.frame, z, column, row)
        if view is not None and view.factor <= 32:
            found.setdefault(view.factor, (z, column, row))
    return dict(sorted(found.items()))


def _draw(scene: Scene, tile: tuple[int, int, int], turns: int) -> float:
    """Median seconds of a tile."""
    times = []
    for _ in range(turns):
        renderer = TileRenderer()
        begun = time.perf_counter()
        renderer.scene_tile(scene, *tile)
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


if __name__ == "__main__":
    exit_with(main)
