"""From a click on the map to its mask on the screen, in a real browser.

python -m benchmarks.click_latency [--scenes kampala_dense agoro_naip_1] [--clicks 48]

Starts the app in an empty folder, opens each scene on the page Pick in a headless Chromium, waits
until the view is prepared and then clicks at random places: two clicks of three point at something
new, every third corrects the object at hand; each object is accepted with the key Enter. The first
half of the clicks is made with the whole image in sight, the others two zoom levels deeper. What is
measured in the page: from the click's own time stamp until the frame with its mask was painted.
Then the app is started again, to see how long a view takes whose embeddings lie on the disk.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.app_process import running_app
from benchmarks.options import exit_with, run
from benchmarks.report import NOTHING, show, table
from benchmarks.runner import MeasurementError
from benchmarks.scenes import ROOT, BenchmarkError, Scene, find_scenes
from samgeo_core.web.store import Store

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Frame, Page

SCENES = ("kampala_dense", "agoro_naip_1")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = ("--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
MEDIAN_S, P95_S = 0.3, 0.6
"""What is aimed at on two cores that have nothing else to do."""

START_S, WAIT_MS, PAUSE_MS = 120.0, 180_000, 400
_MAP = "[class*='st-key-map_pick'] iframe"
_ERROR = ".pick-status[data-kind=error]"
_SEEN = """() => {
  const size = window.map.getSize(), place = window.map.getContainer().getBoundingClientRect();
  const [a, b] = window.imageCorners.map((corner) => window.map.latLngToContainerPoint(corner));
  const x0 = Math.max(Math.min(a.x, b.x), 60), x1 = Math.min(Math.max(a.x, b.x), size.x - 60);
  const y0 = Math.max(Math.min(a.y, b.y), 20), y1 = Math.min(Math.max(a.y, b.y), size.y - 40);
  return [place.left + x0, place.top + y0, x1 - x0, y1 - y0];
}"""
"""Left, top, width and height of the part of the image in sight, beside the map's own buttons."""

_COLUMNS = (
    "scene", "clicks", "median, s", "95th percentile, s", "longest, s", "server's share",
    "without an object", "view ready, s", "after a restart, s",
)  # fmt: skip


@dataclass(frozen=True)
class Click:
    """One click: seconds until its mask was painted, and those of them that the server took."""

    seconds: float
    server: float


@dataclass(frozen=True)
class Latency:
    """What a scene took.

    Attributes:
        scene: its name.
        clicks: those that found an object.
        missed: clicks that were answered with a sentence.
        first_s: until the first view was prepared, page and model included.
        again_s: the same after a restart.
    """

    scene: str
    clicks: list[Click]
    missed: int
    first_s: float
    again_s: float


def main() -> int:
    """Run the program; returns the exit status."""
    options = argparse.ArgumentParser(
        prog="python -m benchmarks.click_latency", description=__doc__.splitlines()[0]
    )
    options.add_argument(
        "--scenes", nargs="+", default=list(SCENES), metavar="SCENE",
        help=f"names of scenes in {ROOT}, or scene folders or images",
    )  # fmt: skip
    options.add_argument("--clicks", type=int, default=48, help="of each scene; default: 48")
    options.add_argument("--device", default="cpu", help="cpu, cuda or mps; default: cpu")
    arguments = options.parse_args()
    return run("click_latency", arguments, find_scenes(arguments.scenes), [report])


def report(arguments: argparse.Namespace, scenes: list[Scene]) -> None:
    """Measure all scenes and print the table."""
    others = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if others > 0.5:
        show(f"Other work keeps {others:.1f} cores busy: a quiet machine is faster.")
    with tempfile.TemporaryDirectory(prefix="clicks-") as folder:
        rows = [measure(scene, arguments, Path(folder) / scene.name) for scene in scenes]
    show(table(_COLUMNS, [line(row) for row in rows]))
    clicks = [click for row in rows for click in row.clicks]
    middle, late = percentile(clicks, 50), percentile(clicks, 95)
    show(
        f"All {len(clicks)} clicks: median {middle:.3f} s (aim: {MEDIAN_S} s), "
        f"95th percentile {late:.3f} s (aim: {P95_S} s)."
    )


def percentile(clicks: list[Click], share: float) -> float:
    """Of the seconds: the smallest time within which this share of clicks was drawn, per cent."""
    times = sorted(click.seconds for click in clicks)
    return times[max(-int(-share * len(times) // 100), 1) - 1]


def line(row: Latency) -> list[str]:
    """A row as text."""
    clicks = row.clicks
    if not clicks:
        return [row.scene, "0", *[NOTHING] * 4, str(row.missed), f"{row.first_s:.1f}", NOTHING]
    share = statistics.median(click.server / click.seconds for click in clicks)
    return [
        row.scene,
        str(len(clicks)),
        f"{percentile(clicks, 50):.3f}",
        f"{percentile(clicks, 95):.3f}",
        f"{max(click.seconds for click in clicks):.3f}",
        f"{share:.0%}".replace("%", " %"),
        str(row.missed),
        f"{row.first_s:.1f}",
        f"{row.again_s:.1f}",
    ]


def measure(scene: Scene, arguments: argparse.Namespace, folder: Path) -> Latency:
    """Click in a scene, then look at it again after a restart.

    Raises:
        MeasurementError: the app doesn't start, or doesn't answer.
        BenchmarkError: there is no browser.
    """
    opened = Store(folder).add_scene(scene.image, scene.image.name, "benchmark", kind="server")
    address, corners = f"/pick?scene={opened.scene_id}", opened.frame.bounds_latlng
    with _browser() as browser:
        with running_app(folder, arguments.device) as url:
            page, frame, first_s = _open(browser, url + address, corners)
            clicks, missed = _click_about(page, frame, arguments.clicks)
        with running_app(folder, arguments.device) as url:
            _, _, again_s = _open(browser, url + address, corners)
    return Latency(scene.name, clicks, missed, first_s, again_s)


def _click_about(page: Page, frame: Frame, count: int) -> tuple[list[Click], int]:
    """Click at random places of the image, half of them close up; times, and how many missed."""
    chance = random.Random(0)
    clicks: list[Click] = []
    missed = 0
    for turn in range(count):
        if turn == count // 2:
            frame.evaluate("window.map.setZoom(window.map.getZoom() + 2, { animate: false })")
            frame.wait_for_selector(".leaflet-container[data-ready=false]", timeout=WAIT_MS)
            frame.wait_for_selector(".leaflet-container[data-ready=true]", timeout=WAIT_MS)
        page.wait_for_timeout(PAUSE_MS)
        if turn % 3 != 1 and frame.locator(".pick-accept").count():
            page.keyboard.press("Enter")
            frame.wait_for_selector(".pick-accept", state="detached", timeout=WAIT_MS)
            page.wait_for_timeout(PAUSE_MS)
        click = _click(page, frame, chance)
        if click is None:
            missed += 1
        else:
            clicks.append(click)
    return clicks, missed


def _click(page: Page, frame: Frame, chance: random.Random) -> Click | None:
    """Click somewhere on the image; None where no object was found there."""
    handle = page.query_selector(_MAP)
    outer = handle.bounding_box() if handle else None
    left, top, width, height = frame.evaluate(_SEEN)
    if outer is None:
        raise MeasurementError("The map is not there any more.")
    x = outer["x"] + left + chance.uniform(0.05, 0.95) * width
    y = outer["y"] + top + chance.uniform(0.05, 0.95) * height
    frame.evaluate("window.clicked = null")
    page.mouse.move(x - 30, y - 20)
    page.mouse.click(x, y)
    frame.wait_for_function(
        "error => window.clicked || document.querySelector(error)", arg=_ERROR, timeout=WAIT_MS
    )
    detail: dict[str, Any] | None = frame.evaluate("window.clicked")
    if detail is None:
        page.wait_for_timeout(8000)  # until the sentence has gone
        return None
    server = sum(float(text) for text in re.findall(r"dur=([0-9.]+)", detail["server"] or ""))
    return Click(detail["ms"] / 1000, server / 1000)


def _open(browser: Browser, address: str, corners: Any) -> tuple[Page, Frame, float]:
    """Open the page; the seconds until its first view is prepared."""
    begin = time.perf_counter()
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.set_default_timeout(WAIT_MS)
    page.goto(address)
    handle = page.wait_for_selector(_MAP)
    frame = handle.content_frame() if handle else None
    if frame is None:
        raise MeasurementError("The page shows no map.")
    frame.wait_for_selector(".leaflet-container[data-ready=true]")
    seconds = time.perf_counter() - begin
    frame.evaluate(
        "(corners) => { window.imageCorners = corners;"
        "document.addEventListener('samgeo:pick', (event) => {"
        "  if (event.detail.action === 'prompt') window.clicked = event.detail; }); }",
        corners,
    )
    return page, frame, seconds


@contextmanager
def _browser() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise BenchmarkError("This needs playwright: run `make venv-dev` first.") from error
    if path is None:
        raise BenchmarkError("No Chromium is on the PATH: run `make chromium`, or install it.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield browser
        browser.close()


if __name__ == "__main__":
    exit_with(main)
