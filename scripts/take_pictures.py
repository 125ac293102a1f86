"""Take the pictures of docs/guide.md from the running app: `make pictures`.

The app runs in a process and a data folder of its own, with the real model and a sample that needs
no network, and Chromium goes through it as a visitor does: pictures show the app as it is.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import requests
from PIL import Image
from playwright.sync_api import Frame, Page, sync_playwright

from samgeo_core.web.shares import Shares, ShareText
from samgeo_core.web.store import Store

PROJECT = Path(__file__).resolve().parents[1]
PICTURES = PROJECT / "docs" / "images" / "guide"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SAMPLE = "salt-ponds"
WAIT_MS = 120_000
RUN_S = 900
COLORS = 128
_RUN_ID = "(new URLSearchParams(location.search).get('run') || '')"


@contextmanager
def running_app(data_dir: Path) -> Iterator[str]:
    """The app on a free port; yields its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {"SAMGEO_DATA_DIR": str(data_dir), "SAMGEO_OFFLINE": "1"}
    command = [sys.executable, "-m", "samgeo_core", "serve", "--port", str(port)]
    process = subprocess.Popen(
        command, cwd=PROJECT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
    )
    url = f"http://localhost:{port}"
    try:
        _wait(lambda: _answers(f"{url}/readyz"), 120, "the app did not start")
        yield url
    finally:
        process.terminate()
        process.wait(timeout=60)


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).ok
    except requests.RequestException:
        return False


def _wait(done: Callable[[], object], seconds: float, complaint: str) -> None:
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            sys.exit(f"Taking pictures ended: {complaint}.")
        time.sleep(0.5)


class Camera:
    """A browser page that walks through the app and takes pictures.

    Args:
        page: of a fresh context.
        url: of the app.
        folder: where pictures go.
    """

    def __init__(self, page: Page, url: str, folder: Path) -> None:
        self.page, self.url, self.folder = page, url, folder
        page.set_default_timeout(WAIT_MS)

    def visit(self, path: str = "") -> None:
        """Open a page of the app, with what the visitor had open."""
        query = urlsplit(self.page.url).query
        self.page.goto(f"{self.url}/{path}{'?' + query if query and path else ''}")
        self.settle()

    def settle(self) -> None:
        """Wait until the page is still."""
        self.page.wait_for_selector("[data-testid=stMainBlockContainer]")
        self.page.wait_for_function(
            "!document.querySelector('[data-testid=stStatusWidget], [data-stale=true]')"
        )
        self.page.wait_for_load_state("networkidle")
        self.page.wait_for_function("[...document.images].every((image) => image.complete)")
        self.page.wait_for_timeout(1500)

    def press(self, key: str) -> None:
        """Press the button of a key."""
        self.page.locator(f".st-key-{key} button").first.click()

    def run(self, key: str) -> str:
        """Press a button that starts a run; returns its id."""
        before = self._run_id()
        self.press(key)
        self.page.wait_for_function(f"before => {_RUN_ID} !== before", arg=before)
        return self._run_id()

    def _run_id(self) -> str:
        return str(self.page.evaluate(_RUN_ID))

    def map(self, name: str) -> Frame:
        """The document of a page's map, once its tiles are there."""
        handle = self.page.wait_for_selector(f"[class*='st-key-map_{name}'] iframe")
        frame = handle.content_frame() if handle else None
        assert frame is not None
        frame.wait_for_function(
            "document.querySelectorAll('img.leaflet-tile').length > 0 &&"
            "[...document.querySelectorAll('img.leaflet-tile')].every(i => i.complete)",
            timeout=WAIT_MS,
        )
        return frame

    def take(self, name: str) -> None:
        """Keep what is in sight as a PNG of few colours."""
        shot = Image.open(BytesIO(self.page.screenshot())).convert("RGB")
        self.folder.mkdir(parents=True, exist_ok=True)
        shot.quantize(COLORS).save(self.folder / f"{name}.png", optimize=True)
        sys.stdout.write(f"{self.folder / name}.png\n")


def walk(camera: Camera, data_dir: Path) -> str:
    """From the first visit to a result and a picked object; returns the id of the run."""
    camera.visit()
    camera.page.wait_for_selector(f".st-key-open_sample_{SAMPLE} button")
    camera.settle()
    camera.take("open")
    camera.press(f"open_sample_{SAMPLE}")
    camera.map("open")
    camera.settle()
    camera.take("scene")
    camera.visit("segment")
    camera.map("segment")
    _wait_for_run(data_dir, camera.run("try_out"))
    camera.visit("segment")
    camera.map("segment")
    camera.settle()
    camera.take("segment")
    run_id = camera.run("run")
    _wait_for_run(data_dir, run_id)
    camera.visit("result")
    camera.map("result").wait_for_selector(".samgeo-count")
    camera.settle()
    camera.take("result")
    pick(camera)
    return run_id


def pick(camera: Camera) -> None:
    """Click an object on the page Pick."""
    camera.visit("pick")
    frame = camera.map("pick")
    frame.wait_for_selector(".leaflet-container[data-ready=true]", timeout=3 * WAIT_MS)
    box = camera.page.locator("[class*='st-key-map_pick'] iframe").bounding_box()
    assert box is not None
    camera.page.mouse.click(box["x"] + 0.484 * box["width"], box["y"] + 0.33 * box["height"])
    camera.page.wait_for_timeout(4000)
    camera.settle()
    camera.take("pick")


def _wait_for_run(data_dir: Path, run_id: str) -> None:
    """Wait for the end of a run, which must be a good one."""
    store = Store(data_dir)
    ends = ("done", "failed", "cancelled")
    _wait(lambda: store.run(run_id).state in ends, RUN_S, "a run never ended")
    if store.run(run_id).state != "done":
        sys.exit(f"Taking pictures ended: the run is {store.run(run_id).state}.")


def share(url: str, data_dir: Path, run_id: str) -> str:
    """Address of a link to a run."""
    store = Store(data_dir)
    text = ShareText("Evaporation ponds", "Basins at the Great Salt Lake", "Landsat, USGS")
    token, _ = Shares(store).create(store.run(run_id), text, downloads=["objects.geojson"])
    return f"{url}/s/{token}"


def main() -> None:
    """Start the app, walk through it, and take the shared page on a phone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=PICTURES)
    parser.add_argument("--language", default="en-GB", help="of the browser, such as zh-CN")
    arguments = parser.parse_args()
    browser_path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser_path is None:
        sys.exit("No Chromium is on the PATH: run `make chromium`, or install it.")
    with (
        tempfile.TemporaryDirectory() as folder,
        running_app(data_dir := Path(folder)) as url,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(
            executable_path=browser_path, args=["--no-sandbox", "--disable-background-networking"]
        )
        desk = browser.new_context(
            viewport={"width": 1280, "height": 860}, locale=arguments.language
        )
        # Who has been here before: the tour would lie over the pictures.
        desk.add_init_script("localStorage.setItem('samgeo_tour', 'seen')")
        camera = Camera(desk.new_page(), url, arguments.out)
        link = share(url, data_dir, walk(camera, data_dir))
        phone = browser.new_context(
            viewport={"width": 390, "height": 780}, locale=arguments.language, is_mobile=True,
            has_touch=True,
        )  # fmt: skip
        pocket = Camera(phone.new_page(), url, arguments.out)
        pocket.page.goto(link)
        pocket.page.wait_for_load_state("networkidle")
        pocket.page.wait_for_timeout(1500)
        pocket.take("share_phone")
        browser.close()


if __name__ == "__main__":
    main()
