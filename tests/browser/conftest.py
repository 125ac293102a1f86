"""The whole app in its own process, and a Chromium that can reach nothing else."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import requests
from playwright.sync_api import Browser, Page, Response, expect, sync_playwright

from samgeo_core.config import SegmentConfig
from samgeo_core.objects import ObjectSet
from samgeo_core.pipeline import Segmentation, write_run
from samgeo_core.reading.generated_scene import GeneratedScene, generated_scene
from samgeo_core.streaming.options import StreamOptions
from samgeo_core.streaming.run import segment_to_folder
from samgeo_core.web.store import Store
from samgeo_core.web.stored import MOST_OUTLINES
from tests.stand_in import BrightPartsFinder, bright_scene

PROJECT = Path(__file__).resolve().parents[2]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
START_S = 90.0
WAIT_MS = 60_000
ARGUMENTS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]

TOUR_SEEN = "try { localStorage.setItem('samgeo_tour', 'seen') } catch {}"
"""What makes a browser one that has been here before: the tour doesn't open by itself."""


@dataclass
class Server:
    """The app under test.

    Attributes:
        url: address of its first page.
        data_dir: its scenes and runs.
        input_dir: the folder whose images it offers.
        log: what it wrote.
    """

    url: str
    data_dir: Path
    input_dir: Path
    log: Path

    @property
    def store(self) -> Store:
        """The folders of the app, as another process sees them."""
        return Store(self.data_dir)


@dataclass
class Visit:
    """A page and what happened on it.

    Attributes:
        page: the browser's page.
        responses: every answer it got so far.
        foreign: addresses it asked for that are not the app's.
        errors: uncaught errors of its scripts.
    """

    page: Page
    responses: list[Response] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def arrived(self, part: str) -> list[Response]:
        """Answers with status 200 whose address holds this text."""
        return [r for r in self.responses if part in r.url and r.status == 200]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        try:
            if requests.get(f"{url}/healthz", timeout=2).ok:
                return
        except requests.RequestException:
            time.sleep(0.2)
    pytest.fail(f"The app did not start:\n{log.read_text()[-3000:]}")


@contextmanager
def running(
    folder: Path, base: str, port: int | None = None, options: Sequence[str] = ()
) -> Iterator[Server]:
    """The app in its own process, below a path, on a port, with more options of Streamlit's."""
    input_dir, data_dir, log = folder / "images", folder / "data", folder / "server.log"
    input_dir.mkdir(parents=True)
    port = port or _free_port()
    url = f"http://127.0.0.1:{port}" + (f"/{base}" if base else "")
    environment = os.environ | {
        "SAMGEO_DATA_DIR": str(data_dir),
        "SAMGEO_INPUT_DIR": str(input_dir),
        "SAMGEO_OFFLINE": "1",
        # The tests' own tile server and images by address; nothing else.
        "SAMGEO_ALLOWED_HOSTS": "127.0.0.1",
    }
    command = [sys.executable, "-m", "streamlit", "run", "app.py"]
    command += ["--server.address", "127.0.0.1", "--server.port", str(port)]
    command += ["--server.baseUrlPath", base, *options]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=PROJECT, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            _wait_until_ready(process, url, log)
            yield Server(url, data_dir, input_dir, log)
        finally:
            process.terminate()
            process.wait(timeout=30)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The app at the root of its address."""
    with running(tmp_path_factory.mktemp("app"), "") as app:
        yield app


@pytest.fixture(scope="session")
def server_below(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The app below the prefix /maps/studio of its address."""
    with running(tmp_path_factory.mktemp("app"), "maps/studio") as app:
        yield app


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A headless Chromium without a network."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.fail("No Chromium is on the PATH: run `make chromium`, or install it.")
    # A busy machine draws a page late; a test that waits says what for, not for how long.
    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Callable[..., Visit]]:
    """Open a page: ``visit(url, width=1280)``; at the end nothing foreign or broken was met.

    With ``newcomer=True`` the browser has never been here.
    """
    visits: list[Visit] = []

    def open_it(
        url: str,
        *,
        width: int = 1280,
        height: int = 900,
        touch: bool = False,
        locale: str = "en-US",
        newcomer: bool = False,
    ) -> Visit:
        context = chromium.new_context(
            locale=locale,
            viewport={"width": width, "height": height},
            accept_downloads=True,
            has_touch=touch,
            is_mobile=touch,
        )
        context.set_default_timeout(WAIT_MS)
        if not newcomer:
            context.add_init_script(TOUR_SEEN)
        made = Visit(context.new_page())
        visits.append(made)

        def note(address: str) -> None:
            if urlsplit(address).hostname not in {"127.0.0.1", None}:
                made.foreign.append(address)

        context.on("request", lambda request: note(request.url))
        context.on("response", lambda response: made.responses.append(response))
        made.page.on("websocket", lambda socket: note(socket.url))
        made.page.on("pageerror", lambda error: made.errors.append(str(error)))
        made.page.goto(url)
        return made

    yield open_it
    for made in visits:
        made.page.context.close()
        assert made.foreign == []
        assert made.errors == []


@pytest.fixture(scope="session")
def town(server: Server) -> GeneratedScene:
    """A drawn scene in the folder whose images the app offers."""
    return generated_scene(server.input_dir / "town.tif", size=640, seed=3)


@pytest.fixture(scope="session")
def many_objects(server: Server, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Id of a finished run with 5,000 objects."""
    side, columns = 2000, 100
    scene_path = generated_scene(tmp_path_factory.mktemp("many") / "many.tif", size=side).path
    store = server.store
    scene = store.add_scene(scene_path, "many.tif", "tester")
    run = store.new_run(scene, SegmentConfig().to_dict(), "tester")
    rng = np.random.default_rng(0)
    disc = np.hypot(*np.mgrid[-6:7, -6:7]) <= 6.2
    places = [(20 * (i % columns) + 3, 40 * (i // columns) + 3) for i in range(5000)]
    objects = ObjectSet.build(
        (side, side), [disc] * 5000, places, rng.uniform(0.8, 1, 5000), rng.uniform(0.9, 1, 5000)
    )
    raster = scene.raster
    record = {"n_objects": 5000, "seconds": {}}
    write_run(
        Segmentation(objects, raster.grid, raster.read(), SegmentConfig(), record), run.folder
    )
    store.set_run_state(run.run_id, "done")
    return run.run_id


@pytest.fixture(scope="session")
def in_parts(server: Server, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Id of a finished run that went region by region, with more objects than a map shows."""
    path = bright_scene(tmp_path_factory.mktemp("parts") / "parts.tif", size=2736)
    store = server.store
    scene = store.add_scene(path, "parts.tif", "tester")
    regions = StreamOptions.of_region(1024)
    run = store.new_run(scene, SegmentConfig().to_dict(), "tester", regions=regions)
    record = segment_to_folder(
        scene.raster, run.folder, options=regions, finder=BrightPartsFinder()
    )
    assert record["n_objects"] > MOST_OUTLINES
    store.set_run_state(run.run_id, "done")
    return run.run_id
