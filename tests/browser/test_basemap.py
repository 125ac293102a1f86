"""Drawing a box on a basemap, against the tests' own tile server."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from playwright.sync_api import FrameLocator, Page, expect

from tests.browser.conftest import Server, Visit
from tests.tile_server import TileServer, tile_server, world

pytestmark = pytest.mark.browser

AREA = "-104.9912, 39.7391, -104.9875, 39.7412"


@pytest.fixture
def tiles() -> Iterator[TileServer]:
    with tile_server() as server:
        yield server


def open_panel(page: Page, address: str) -> FrameLocator:
    page.get_by_text("Draw a box on a basemap").click()
    field = page.get_by_role("textbox", name="Address")
    field.fill(address)
    field.press("Enter")
    page.get_by_role("textbox", name="To be named for the images").wait_for()
    frame = page.frame_locator(".st-key-map_basemap iframe")
    frame.get_by_role("button", name="Draw a box").wait_for()
    return frame


def test_a_box_becomes_a_scene(
    server: Server, visit: Callable[..., Visit], tiles: TileServer
) -> None:
    seen = visit(server.url)
    page = seen.page
    frame = open_panel(page, tiles.xyz)
    # The map shows the server's tiles, by way of the app.
    frame.locator("img.leaflet-tile-loaded").first.wait_for()
    area = page.get_by_role("textbox", name="Area: west, south, east, north")
    area.fill(AREA)
    area.press("Enter")
    expect(page.get_by_role("slider")).to_be_visible()
    frame.locator("svg path").first.wait_for()
    # The map has gone there; a smaller box is drawn in what it shows.
    button = frame.get_by_role("button", name="Draw a box")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    shown = page.locator(".st-key-map_basemap iframe")
    # The panel lies below the samples: the mouse only reaches what is in sight.
    shown.evaluate("map => map.scrollIntoView({block: 'center', behavior: 'instant'})")
    box = shown.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x - 60, y - 50)
    page.mouse.down()
    page.mouse.move(x, y, steps=4)
    page.mouse.move(x + 60, y + 50, steps=4)
    page.mouse.up()
    expect(button).to_have_attribute("aria-pressed", "false")
    expect(area).not_to_have_value(AREA)
    west, south, east, north = map(float, area.input_value().split(","))
    assert -104.9912 < west < -104.9893 < east < -104.9875
    assert 39.7391 < south < 39.7401 < north < 39.7412
    page.get_by_role("button", name="Get this area").click()
    page.get_by_role("button", name="Open this area").click()
    page.get_by_role("button", name="Continue to Segment").wait_for()
    scene_id = re.search(r"scene=([\w-]{22})", page.url)
    assert scene_id is not None
    scene = server.store.scene(scene_id[1])
    assert scene.raster.attribution == "127.0.0.1"
    grid = scene.raster.grid
    zoom = int(re.search(r"zoom (\d+)", scene.name)[1])  # type: ignore[index]
    left = round((grid.transform.c + 20037508.342789244) / grid.transform.a)
    top = round((20037508.342789244 - grid.transform.f) / grid.transform.a)
    height, width = grid.shape_hw
    np.testing.assert_array_equal(scene.raster.read().rgb, world(left, top, width, height, zoom))


def test_a_touched_box_on_a_phone(
    server: Server, visit: Callable[..., Visit], tiles: TileServer
) -> None:
    page = visit(server.url, width=390, height=844, touch=True).page
    frame = open_panel(page, f"{tiles.url}/wmts")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    frame.get_by_role("button", name="Draw a box").tap()
    holder = page.locator(".st-key-map_basemap iframe")
    holder.scroll_into_view_if_needed()
    box = holder.bounding_box()
    assert box is not None
    session = page.context.new_cdp_session(page)
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def touch(kind: str, *points: tuple[float, float]) -> None:
        at = [{"x": px, "y": py} for px, py in points]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})

    touch("touchStart", (x - 40, y - 40))
    touch("touchMove", (x, y))
    touch("touchMove", (x + 40, y + 40))
    touch("touchEnd")
    area = page.get_by_role("textbox", name="Area: west, south, east, north")
    expect(area).not_to_have_value("")
