"""The main job in a real browser without internet: open, try out, look, filter, download."""

from __future__ import annotations

import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Frame, Page, expect

from samgeo_core.reading.generated_scene import GeneratedScene, generated_scene
from samgeo_core.reading.raster import Raster
from tests.browser.conftest import WAIT_MS, Server, Visit

pytestmark = pytest.mark.browser

OUTLINE = (0x33, 0x88, 0xFF)
IN_LEGEND_PX = 150
"""More pixels of the outline's colour than the legend's swatch has."""


def _frame_of(on: str) -> str:
    """Selector of the map's frame on a page: "open", "segment" or "result"."""
    return f"[class*='st-key-map_{on}'] iframe"


def _map(page: Page, on: str) -> Frame:
    """The document of the map on a page."""
    handle = page.wait_for_selector(_frame_of(on))
    frame = handle.content_frame() if handle else None
    assert frame is not None
    frame.wait_for_selector(".leaflet-container")
    return frame


def _map_pixels(page: Page, on: str) -> np.ndarray:
    """The map as it is seen, uint8 [H, W, 3]."""
    picture = page.locator(_frame_of(on)).screenshot()
    return np.asarray(Image.open(BytesIO(picture)).convert("RGB"))


def _seen(page: Page, on: str, check: Callable[[np.ndarray], bool]) -> np.ndarray:
    """The map's pixels once they pass a check: tiles fade in, a canvas is drawn a frame later."""
    end = time.monotonic() + WAIT_MS / 1000
    while not check(pixels := _map_pixels(page, on)):
        assert time.monotonic() < end, "the map never came to look as expected"
        page.wait_for_timeout(250)
    return pixels


def _is_a_picture(pixels: np.ndarray) -> bool:
    return bool(pixels.std() > 20)


def _count_of(pixels: np.ndarray, color: tuple[int, int, int], tolerance: int = 12) -> int:
    near = np.abs(pixels.astype(int) - color).max(axis=2) <= tolerance
    return int(near.sum())


def _wait_for_tiles(frame: Frame) -> None:
    frame.wait_for_function(
        "document.querySelectorAll('img.leaflet-tile').length > 0 &&"
        "[...document.querySelectorAll('img.leaflet-tile')].every(i => i.complete)",
        timeout=WAIT_MS,
    )


def _count_on_page_and_map(page: Page, frame: Frame) -> int:
    """How many objects the page tells, once the map tells the same."""
    end = time.monotonic() + WAIT_MS / 1000
    while True:
        said = page.get_by_role("heading", level=1).inner_text()
        if frame.locator(".samgeo-count").inner_text() == said:
            return int(said.split()[0].replace(",", ""))
        assert time.monotonic() < end, "the map never showed what the page tells"
        page.wait_for_timeout(100)


def _open_server_file(page: Page) -> None:
    page.get_by_role("button", name="Open file").click()
    page.get_by_role("button", name="Continue to Segment").wait_for()


def _move_slider(page: Page, label: str, steps: int) -> None:
    page.get_by_role("slider", name=label).focus()
    for _ in range(steps):
        page.keyboard.press("ArrowRight")


def test_from_an_image_to_polygons(
    server: Server, visit: Callable[..., Visit], town: GeneratedScene, tmp_path: Path
) -> None:
    visited = visit(server.url)
    page = visited.page

    # Open: the raster shows as tiles of our own.
    _open_server_file(page)
    _wait_for_tiles(_map(page, "open"))
    tiles = visited.arrived("/tiles/")
    assert tiles
    assert all(tile.headers["content-type"] == "image/png" for tile in tiles)
    _seen(page, "open", _is_a_picture)

    # Segment: the real model on a small area.
    page.get_by_role("button", name="Continue to Segment").click()
    page.get_by_text("Large objects", exact=True).click()
    page.get_by_text("coarse grid").wait_for()
    expect(page.get_by_text("Click the map to move")).to_be_visible()
    page.get_by_role("button", name="Try out").click()
    page.get_by_text("in the try-out area").wait_for(timeout=3 * WAIT_MS)
    frame = _map(page, "segment")
    frame.wait_for_function("/[1-9][0-9]* objects?/.test(document.body.innerText)")
    assert len(visited.arrived("/objects.geojson")) == 1

    # Result: polygons on the map, drawn by the browser from our own layer.
    page.get_by_role("link", name="See the result").click()
    page.get_by_text("Choose a row").wait_for()
    frame = _map(page, "result")
    frame.wait_for_function("/[1-9][0-9]* objects?/.test(document.body.innerText)")
    _wait_for_tiles(frame)
    with_outlines = _seen(
        page, "result", lambda pixels: _count_of(pixels, OUTLINE) > 3 * IN_LEGEND_PX
    )

    # The masks are a layer of tiles that can be switched on, the polygons one to switch off.
    frame.locator(".leaflet-control-layers").hover()
    frame.get_by_text("Objects", exact=True).click()
    frame.get_by_text("Masks", exact=True).click()
    frame.get_by_text("Masks, one colour each").wait_for()
    _wait_for_tiles(frame)
    assert visited.arrived("/labels/")
    page.mouse.move(5, 5)

    def shows_masks(pixels: np.ndarray) -> bool:
        changed = np.abs(pixels.astype(int) - with_outlines).max(axis=2) > 20
        return _count_of(pixels, OUTLINE) < IN_LEGEND_PX and bool(changed.mean() > 0.02)

    _seen(page, "result", shows_masks)

    # Download: what comes home opens, with the scene's CRS, inside the area.
    with page.expect_download() as waiting:
        page.get_by_role("link", name="GeoPackage").click()
    path = tmp_path / "objects.gpkg"
    waiting.value.save_as(path)
    layer = gpd.read_file(path, layer="objects")
    shown = int(page.get_by_role("heading", level=1).inner_text().split()[0])
    assert len(layer) == shown > 0
    assert layer.crs == Raster.open(town.path).grid.crs
    assert layer.geometry.is_valid.all()
    assert (layer["area_m2"] > 0).all()
    truth = gpd.GeoSeries(town.truth, crs=layer.crs)
    best = max(
        a.intersection(b).area / a.union(b).area for a in layer.geometry for b in truth.geometry
    )
    assert best > 0.8


def test_limits_act_without_a_new_map_and_a_reload_finds_the_result(
    server: Server, visit: Callable[..., Visit], many_objects: str
) -> None:
    visited = visit(f"{server.url}/result?run={many_objects}")
    page = visited.page
    frame = _map(page, "result")
    frame.get_by_text("5,000 objects", exact=True).wait_for()
    _seen(page, "result", lambda pixels: _count_of(pixels, OUTLINE) > 2000)

    _move_slider(page, "Quality (predicted IoU)", 5)
    page.get_by_text("5,000 as segmented").wait_for()
    fewer = _count_on_page_and_map(page, frame)
    assert 0 < fewer < 5000
    with page.expect_response(lambda r: "overlap=partition" in r.url and r.status == 200):
        page.get_by_text("Gap-free", exact=True).click()
    page.wait_for_function("document.body.innerText.includes('100 % covered')")
    assert _count_on_page_and_map(page, frame) == fewer
    page.get_by_role("button", name="As segmented").click()
    frame.get_by_text("5,000 objects", exact=True).wait_for()

    # Attributes under the pointer.
    box = page.locator(_frame_of("result")).bounding_box()
    assert box is not None
    for step in range(60):
        page.mouse.move(box["x"] + 300 + 2 * step, box["y"] + box["height"] / 2 + step % 7)
        if frame.locator(".samgeo-tip").count():
            break
    expect(frame.locator(".samgeo-tip")).to_contain_text("Quality")

    page.reload()
    _map(page, "result").get_by_text("5,000 objects", exact=True).wait_for()
    page.get_by_role("heading", name="5,000 objects").wait_for()


def test_a_click_places_the_try_out_and_the_satellite_map_fails_quietly(
    server: Server, visit: Callable[..., Visit], town: GeneratedScene
) -> None:
    visited = visit(server.url)
    page = visited.page
    _open_server_file(page)
    page.get_by_role("button", name="Continue to Segment").click()
    page.get_by_role("button", name="Try out").wait_for()
    frame = _map(page, "segment")
    frame.wait_for_selector("path.leaflet-interactive, path[stroke-dasharray]")
    outline = frame.locator("path[stroke-dasharray]")
    before = outline.get_attribute("d")
    box = page.locator(_frame_of("segment")).bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2 + 120, box["y"] + box["height"] / 2 + 90)
    frame.wait_for_function(
        "before => document.querySelector('path[stroke-dasharray]').getAttribute('d') !== before",
        arg=before,
    )

    frame.locator(".leaflet-control-layers").hover()
    frame.get_by_text("Satellite map", exact=True).click()
    frame.get_by_text("Satellite map not reachable").wait_for()
    assert visited.foreign
    assert all("//server.arcgisonline.com/" in address for address in visited.foreign)
    visited.foreign.clear()


def test_a_raster_without_crs_below_a_prefix(
    server_below: Server, visit: Callable[..., Visit]
) -> None:
    generated_scene(server_below.input_dir / "plain.tif", size=500, crs=None)
    visited = visit(server_below.url, width=390, height=844)
    page = visited.page
    _open_server_file(page)
    _wait_for_tiles(_map(page, "open"))
    tiles = visited.arrived("/maps/studio/tiles/")
    assert tiles
    _seen(page, "open", _is_a_picture)
    assert visited.arrived("/maps/studio/assets/leaflet/dist/leaflet.js")
    page.get_by_text("no coordinate system").wait_for()
    # Nothing is wider than the screen.
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 390


def test_a_run_can_be_followed_and_cancelled(
    server: Server, visit: Callable[..., Visit], town: GeneratedScene
) -> None:
    page = visit(server.url).page
    _open_server_file(page)
    page.get_by_role("button", name="Continue to Segment").click()
    page.get_by_text("Small objects", exact=True).click()
    page.get_by_text("dense grid").wait_for()
    page.get_by_role("button", name="Run on whole image").click()
    page.get_by_role("progressbar").wait_for()
    # A reload comes back to the run that is under way.
    page.wait_for_url("**run=*")
    page.reload()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("The run was cancelled").wait_for()
    assert page.get_by_role("button", name="Run on whole image").is_enabled()


def test_outlines_of_a_result_in_parts_follow_the_map(
    server: Server, visit: Callable[..., Visit], in_parts: str
) -> None:
    visited = visit(f"{server.url}/result?run={in_parts}")
    page = visited.page
    page.get_by_text("The 1,000 largest of").wait_for()
    frame = _map(page, "result")
    frame.get_by_text("Zoom in to see all outlines").wait_for()
    expect(frame.locator(".samgeo-count")).to_contain_text("3,000 of")
    assert not visited.arrived("/objects.geojson")

    # Closer, fewer objects are in sight, and all of them are drawn.
    box = page.locator(_frame_of("result")).bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    frame.get_by_role("button", name="Zoom in").click(click_count=2, delay=50)
    frame.wait_for_function("/^[0-9,]+ objects here$/.test("
        "document.querySelector('.samgeo-count').textContent)")  # fmt: skip
    expect(frame.get_by_text("Zoom in to see all outlines")).to_have_count(0)
    _seen(page, "result", lambda pixels: _count_of(pixels, OUTLINE) > 3 * IN_LEGEND_PX)

    # Elsewhere are others.
    views = len(visited.arrived("/view.geojson"))
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 200, y + 150, steps=8)
    page.mouse.up()
    end = time.monotonic() + WAIT_MS / 1000
    while len(visited.arrived("/view.geojson")) == views:
        assert time.monotonic() < end, "the map never asked for what came into sight"
        page.wait_for_timeout(100)
    _seen(page, "result", lambda pixels: _count_of(pixels, OUTLINE) > 3 * IN_LEGEND_PX)
