"""Picking objects with a real pointer or finger: what is saved is what was pointed at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
from playwright.sync_api import CDPSession, Frame, Page, expect

from samgeo_core.reading.generated_scene import GeneratedScene, generated_scene
from samgeo_core.web.records import Scene
from tests.browser.conftest import WAIT_MS, Server, Visit

pytestmark = pytest.mark.browser

XY = tuple[float, float]


@dataclass
class Garden:
    """A scene with known objects.

    Attributes:
        scene: in the app's store.
        drawn: what was drawn.
        truth: outlines, px of the raster, the largest first.
    """

    scene: Scene
    drawn: GeneratedScene
    truth: list[Any]


@pytest.fixture(scope="module")
def garden(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Garden:
    drawn = generated_scene(tmp_path_factory.mktemp("garden") / "garden.tif", size=384, seed=4)
    scene = server.store.add_scene(drawn.path, "garden.tif", "tester")
    return Garden(scene, drawn, sorted(drawn.truth_px, key=lambda outline: -outline.area))


class PickPage:
    """The page Pick as somebody uses it, who knows where objects lie in the raster."""

    def __init__(self, page: Page, scene: Scene) -> None:
        self.page, self.scene = page, scene
        self.selector = "[class*='st-key-map_pick'] iframe"
        self.frame = self._ready()
        self.touch: CDPSession | None = None

    def _ready(self) -> Frame:
        """The map's document, once the view is prepared."""
        handle = self.page.wait_for_selector(self.selector)
        frame = handle.content_frame() if handle else None
        assert frame is not None
        frame.wait_for_selector(".pick-tools")
        frame.evaluate(
            "document.addEventListener('samgeo:pick', (event) => "
            "{ (window.answers = window.answers || []).push(event.detail.action); })"
        )
        frame.wait_for_selector(".leaflet-container[data-ready=true]", timeout=3 * WAIT_MS)
        return frame

    def answers(self) -> list[str]:
        found: list[str] = self.frame.evaluate("window.answers || []")
        return found

    def answered(self, act: Callable[[], object], count: int = 1) -> None:
        """Do something and wait until its outcome is drawn."""
        before = len(self.answers())
        act()
        status = ".pick-status[data-kind=error]"
        self.frame.wait_for_function(
            "([n, error]) => (window.answers || []).length >= n || document.querySelector(error)",
            arg=[before + count, status],
        )
        assert [node.inner_text() for node in self.frame.locator(status).all()] == []

    def at(self, xy: XY) -> XY:
        """Where a place of the raster is on the screen."""
        ((lng, lat),) = self.scene.frame.to_lnglat(np.array([xy])).tolist()
        inside = self.frame.evaluate(
            "([lat, lng]) => { const p = window.map.latLngToContainerPoint([lat, lng]);"
            "const r = window.map.getContainer().getBoundingClientRect();"
            "return [p.x + r.left, p.y + r.top]; }",
            [lat, lng],
        )
        box = self.page.locator(self.selector).bounding_box()
        assert box is not None
        return box["x"] + inside[0], box["y"] + inside[1]

    def click(self, xy: XY, **options: Any) -> None:
        self.page.mouse.click(*self.at(xy), **options)

    def drag(self, places: list[XY]) -> None:
        self.page.mouse.move(*self.at(places[0]))
        self.page.mouse.down()
        for place in places[1:]:
            self.page.mouse.move(*self.at(place), steps=4)
        self.page.mouse.up()

    def tap(self, xy: XY) -> None:
        self.page.touchscreen.tap(*self.at(xy))

    def finger(self, kind: str, xy: XY | None) -> None:
        """A finger that comes down, moves or leaves: "touchStart", "touchMove", "touchEnd"."""
        if self.touch is None:
            self.touch = self.page.context.new_cdp_session(self.page)
        points = [] if xy is None else [dict(zip("xy", self.at(xy), strict=True))]
        self.touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    def button(self, name: str) -> Any:
        return self.frame.get_by_role("button", name=name)

    def view(self) -> Any:
        return self.frame.evaluate("[window.map.getCenter(), window.map.getZoom()]")


def middle(outline: Any) -> XY:
    return float(outline.centroid.x), float(outline.centroid.y)


def corners(outline: Any, margin: float = 2) -> list[XY]:
    """Upper left and lower right of a box round an outline."""
    x0, y0, x1, y1 = outline.bounds
    return [(x0 - margin, y0 - margin), (x1 + margin, y1 + margin)]


def open_pick(server: Server, visit: Callable[..., Visit], garden: Garden, **how: Any) -> PickPage:
    page = visit(f"{server.url}/pick?scene={garden.scene.scene_id}", **how).page
    return PickPage(page, garden.scene)


def saved_layer(page: Page, folder: Path) -> gpd.GeoDataFrame:
    """What the page Result gives as GeoPackage."""
    with page.expect_download() as waiting:
        page.get_by_role("link", name="GeoPackage").click()
    path = folder / "objects.gpkg"
    waiting.value.save_as(path)
    return gpd.read_file(path, layer="objects")


def best_ious(layer: gpd.GeoDataFrame, garden: Garden, indices: list[int]) -> list[float]:
    """Of each of these drawn objects with the saved object that fits it best."""
    truth = gpd.GeoSeries(garden.drawn.truth, crs=layer.crs)
    wanted = [garden.drawn.truth_px.index(garden.truth[i]) for i in indices]
    return [
        max(g.intersection(truth[i]).area / g.union(truth[i]).area for g in layer.geometry)
        for i in wanted
    ]


def test_objects_are_pointed_at_corrected_and_saved(
    server: Server, visit: Callable[..., Visit], garden: Garden, tmp_path: Path
) -> None:
    pick = open_pick(server, visit, garden)
    page, frame, truth = pick.page, pick.frame, garden.truth
    expect(frame.get_by_text("Nothing at hand")).to_be_visible()
    expect(page.get_by_role("button", name="Save as result")).to_be_disabled()
    before = pick.view()

    # A click; the outline is drawn, and the key Enter accepts it.
    pick.answered(lambda: pick.click(middle(truth[0])))
    expect(frame.locator("path.pick-mask")).to_be_visible()
    expect(frame.get_by_text("Object 1")).to_be_visible()
    pick.answered(lambda: page.keyboard.press("Enter"))
    expect(frame.get_by_text("1 picked")).to_be_visible()

    # A box; its candidates can be stepped through by keys and buttons.
    pick.button("Box").click()
    pick.answered(lambda: pick.drag(corners(truth[1])))
    sizes = frame.locator(".pick-size")
    own = sizes.evaluate_all("nodes => nodes.findIndex(n => n.ariaPressed === 'true')")
    assert sizes.count() > 1
    other = (own + 1) % sizes.count()
    shape = frame.locator("path.pick-mask").get_attribute("d")
    pick.answered(lambda: page.keyboard.press(str(other + 1)))
    expect(sizes.nth(other)).to_have_attribute("aria-pressed", "true")
    expect(frame.locator("path.pick-mask")).not_to_have_attribute("d", str(shape))
    pick.answered(lambda: sizes.nth(own).click())
    expect(frame.locator("path.pick-mask")).to_have_attribute("d", str(shape))
    pick.answered(lambda: pick.button("Accept").click())

    # A line drawn round the object by hand.
    pick.button("Outline").click()
    ring = [(float(x), float(y)) for x, y in truth[2].convex_hull.buffer(2).exterior.coords]
    pick.answered(lambda: pick.drag(ring))
    pick.answered(lambda: page.keyboard.press("Enter"))

    # A click, and one on what doesn't belong to it; each step can be taken back.
    pick.button("Include").click()
    pick.answered(lambda: pick.click(middle(truth[3])))
    pick.answered(lambda: pick.click(middle(truth[0]), button="right"))
    expect(frame.locator(".pick-point-out")).to_have_count(1)
    pick.answered(lambda: page.keyboard.press("Control+z"))
    expect(frame.locator(".pick-point-out")).to_have_count(0)
    pick.answered(lambda: page.keyboard.press("Control+y"))
    expect(frame.locator(".pick-point-out")).to_have_count(1)
    pick.answered(lambda: page.keyboard.press("Enter"))

    # One too many: taken up by a click on it, and deleted.
    pick.answered(lambda: pick.click(middle(truth[4])))
    pick.answered(lambda: page.keyboard.press("Enter"))
    expect(frame.locator(".pick-row")).to_have_count(5)
    pick.button("Move").click()
    pick.answered(lambda: pick.click(middle(truth[4])))
    expect(frame.get_by_text("Object 5")).to_be_visible()
    pick.answered(lambda: page.keyboard.press("Delete"))
    expect(frame.locator(".pick-row")).to_have_count(4)

    # It is the same map all the time, where it was.
    page.get_by_role("button", name="Save 4 objects as result").wait_for()
    assert pick.view() == before
    assert len(pick.answers()) > 15

    page.get_by_role("button", name="Save 4 objects as result").click()
    page.get_by_role("heading", name="4 objects").wait_for()
    layer = saved_layer(page, tmp_path)
    assert len(layer) == 4
    assert min(best_ious(layer, garden, [0, 1, 2, 3])) > 0.8


def test_a_reload_finds_what_was_picked_and_another_visitor_does_not(
    server: Server, visit: Callable[..., Visit], garden: Garden
) -> None:
    pick = open_pick(server, visit, garden)
    pick.answered(lambda: pick.click(middle(garden.truth[0])))
    pick.page.reload()
    again = PickPage(pick.page, garden.scene)
    expect(again.frame.get_by_text("Object 1")).to_be_visible()
    expect(again.frame.locator("path.pick-mask")).to_be_visible()
    expect(again.page.get_by_role("button", name="Save 1 object as result")).to_be_enabled()
    other = open_pick(server, visit, garden)
    expect(other.frame.get_by_text("Nothing at hand")).to_be_visible()

    # What a click would give shows under the pointer, and is no object yet.
    other.page.mouse.move(*other.at(middle(garden.truth[0])))
    expect(other.frame.locator("path.pick-preview")).to_be_visible()
    expect(other.frame.get_by_text("Nothing at hand")).to_be_visible()

    # What can't be done is a sentence on the map.
    x, y = other.at((0, 0))
    other.page.mouse.click(x - 30, y + 60)
    expect(other.frame.get_by_text("click on the image")).to_be_visible()


def test_fingers_at_phone_width(
    server: Server, visit: Callable[..., Visit], garden: Garden, tmp_path: Path
) -> None:
    pick = open_pick(server, visit, garden, width=390, height=844, touch=True)
    page, frame, truth = pick.page, pick.frame, garden.truth
    pick.answered(lambda: pick.tap(middle(truth[0])))
    pick.answered(lambda: pick.button("Accept").tap())

    # A finger that draws a box moves neither the map nor the page.
    pick.button("Box").tap()
    before, scrolled = pick.view(), page.evaluate("window.scrollY")
    start, end = corners(truth[1], 4)

    def draw() -> None:
        pick.finger("touchStart", start)
        for share in (0.3, 0.6, 1.0):
            place = (start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1]))
            pick.finger("touchMove", place)
        pick.finger("touchEnd", None)

    pick.answered(draw)
    # The page has heard of it; and Chromium takes a tap sooner after a drag for a part of it.
    page.get_by_role("button", name="Save 2 objects as result").wait_for()
    page.wait_for_timeout(600)
    assert (pick.view(), page.evaluate("window.scrollY")) == (before, scrolled)
    pick.answered(lambda: pick.button("Accept").tap())

    # A long press excludes.
    pick.button("Include").tap()
    pick.answered(lambda: pick.tap(middle(truth[2])))
    pick.answered(lambda: pick.finger("touchStart", middle(truth[0])))
    expect(frame.locator(".pick-point-out")).to_have_count(1)
    pick.finger("touchEnd", None)
    page.wait_for_timeout(300)
    pick.answered(lambda: pick.button("Accept").tap())

    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert frame.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("button", name="Save 3 objects as result").tap()
    page.get_by_role("heading", name="3 objects").wait_for()
    layer = saved_layer(page, tmp_path)
    assert len(layer) == 3
    assert min(best_ious(layer, garden, [0, 1, 2])) > 0.75
