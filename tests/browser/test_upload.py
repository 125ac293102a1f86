"""Uploads in a real browser: dropped files, a line that breaks, a reload, refusals."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, Route, expect

from samgeo_core.reading.generated_scene import generated_scene
from samgeo_core.web.records import Scene
from tests.browser.conftest import WAIT_MS, Server, Visit
from tests.factories import write_raster

pytestmark = pytest.mark.browser

PIECE_BYTES = 8 << 20


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image that takes two pieces."""
    noise = np.random.default_rng(0).integers(0, 255, (3, 1800, 1800)).astype(np.uint8)
    return write_raster(tmp_path_factory.mktemp("upload") / "large scene.tif", data=noise)


def _drop(page: Page, path: Path) -> None:
    """Drop a file on the box as a mouse does."""
    content = base64.b64encode(path.read_bytes()).decode()
    transfer = page.evaluate_handle(
        """([text, name]) => {
          const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
          const transfer = new DataTransfer();
          transfer.items.add(new File([bytes], name, { lastModified: 5 }));
          return transfer;
        }""",
        [content, path.name],
    )
    page.locator(".zone").dispatch_event("drop", {"dataTransfer": transfer})


def _opened(page: Page, server: Server) -> Scene:
    """The scene that the page shows."""
    page.get_by_role("button", name="Continue to Segment").wait_for()
    page.wait_for_url("**scene=*")
    return server.store.scene(page.url.partition("scene=")[2].partition("&")[0])


def test_a_dropped_file_survives_a_broken_line(
    server_below: Server, visit: Callable[..., Visit], large: Path
) -> None:
    page = visit(server_below.url).page
    page.get_by_role("button", name="Choose images").wait_for()
    begun, cut = threading.Event(), []

    def break_twice(route: Route) -> None:
        begun.set()
        if len(cut) < 2 and f"offset={64 << 10}" not in route.request.url:
            cut.append(route.request.url)
            route.abort("connectionreset")
        else:
            route.continue_()

    page.route("**/maps/studio/uploads/*?offset=*", break_twice)
    _drop(page, large)
    scene = _opened(page, server_below)
    assert begun.is_set() and len(cut) == 2
    assert scene.source.read_bytes() == large.read_bytes()
    assert scene.name == "large scene.tif"


def test_what_was_interrupted_goes_on_after_a_reload(
    server: Server, visit: Callable[..., Visit], large: Path
) -> None:
    visited = visit(server.url, width=390, height=844, touch=True)
    page = visited.page
    page.get_by_role("button", name="Choose images").wait_for()
    offsets: list[int] = []

    def slow(route: Route) -> None:
        offset = int(route.request.url.partition("offset=")[2])
        if offset >= PIECE_BYTES and not offsets:
            offsets.append(offset)  # the answer never comes
        else:
            route.continue_()

    page.route("**/uploads/*?offset=*", slow)
    page.set_input_files("input[type=file]", large)
    page.wait_for_function("() => window.samgeoUploads?.items[0]?.sent > 8 * 1024 * 1024")
    page.get_by_role("button", name="Pause large scene.tif").press("Enter")
    page.get_by_text("paused").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.reload()
    page.get_by_text("Choose the same file again").wait_for()
    page.unroute("**/uploads/*?offset=*")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(f"{request.method} {request.url}"))
    page.set_input_files("input[type=file]", large)
    scene = _opened(page, server)
    assert scene.source.read_bytes() == large.read_bytes()
    (first, *_) = [url for url in sent if url.startswith("PATCH")]
    assert int(first.partition("offset=")[2]) == offsets[0]


def test_refused_and_cancelled_files_leave_the_others_alone(
    server: Server, visit: Callable[..., Visit], large: Path, tmp_path: Path
) -> None:
    page = visit(server.url).page
    page.get_by_role("button", name="Choose images").wait_for()
    (tmp_path / "photo.png").write_bytes(b"this is no picture")
    small = generated_scene(tmp_path / "small.tif", size=300).path
    held: list[Route] = []

    def hold_first(route: Route) -> None:
        if held:
            route.continue_()
        else:
            held.append(route)

    page.route("**/uploads/*?offset=*", hold_first)
    # Cancelled while a piece of it is on its way.
    page.set_input_files("input[type=file]", [tmp_path / "photo.png", large, small])
    deadline = time.monotonic() + WAIT_MS / 1000
    while not held:
        assert time.monotonic() < deadline
        page.wait_for_timeout(20)
    page.get_by_role("button", name="Cancel large scene.tif").click()
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("photo.png is no image of a known format")
    expect(alert).to_contain_text("can be opened")
    page.get_by_role("button", name="Open small.tif").click()
    assert _opened(page, server).source.read_bytes() == small.read_bytes()
    assert list((server.data_dir / "uploads").iterdir()) == []
