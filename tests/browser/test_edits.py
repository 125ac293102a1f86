"""Correcting a result on its map with real clicks, real weights, and what comes home from it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
from playwright.sync_api import APIResponse, Frame, Page, Route, expect
from rasterio.features import rasterize

from samgeo_core.config import SegmentConfig
from samgeo_core.objects import ObjectSet
from samgeo_core.pipeline import Segmentation, write_run
from samgeo_core.reading.generated_scene import GeneratedScene, generated_scene
from samgeo_core.web.frame import MapFrame
from samgeo_core.web.records import Run
from samgeo_core.web.visitors import COOKIE
from tests.browser.conftest import WAIT_MS, Server, Visit

pytestmark = pytest.mark.browser

MAP = "[class*='st-key-map_result'] iframe"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> GeneratedScene:
    return generated_scene(tmp_path_factory.mktemp("drawn") / "drawn.tif", size=512, seed=3)


def _own_run(server: Server, page: Page, drawn: GeneratedScene) -> Run:
    """A finished run of everything that was drawn, of the browser that has this page open."""
    page.get_by_text("Or start with a sample").wait_for()
    owner = next(c["value"] for c in page.context.cookies() if c["name"] == COOKIE)
    store = server.store
    scene = store.add_scene(drawn.path, "drawn.tif", owner)
    raster = scene.raster
    masks = [
        rasterize([shape], raster.shape_hw, transform=raster.grid.transform).astype(bool)
        for shape in drawn.truth
    ]
    n = len(masks)
    objects = ObjectSet.build(raster.shape_hw, masks, [(0, 0)] * n, [0.9] * n, [0.95] * n)
    run = store.new_run(scene, SegmentConfig().to_dict(), owner)
    found = Segmentation(objects, raster.grid, raster.read(), SegmentConfig(), {"seconds": {}})
    write_run(found, run.folder)
    return store.set_run_state(run.run_id, "done")


class _Map:
    """The map of the page Result, with its tools."""

    def __init__(self, page: Page, frame: MapFrame, *, touch: bool = False) -> None:
        self.page, self._places, self._touch = page, frame, touch
        handle = page.wait_for_selector(MAP)
        content = handle.content_frame() if handle else None
        assert content is not None
        self.frame: Frame = content
        content.wait_for_selector(".samgeo-count")

    def correct(self) -> None:
        """Switch the tools on."""
        self.page.get_by_text("Correct objects", exact=True).click()
        self.frame.locator(".samgeo-bar").wait_for()
        self.page.wait_for_timeout(500)

    def tool(self, name: str) -> None:
        self.frame.get_by_role("button", name=name, exact=True).click()

    def click(self, xy: tuple[float, float], **more: object) -> None:
        """Click or tap a place of the raster, px."""
        lng, lat = self._places.to_lnglat(np.array([xy]))[0].tolist()
        x, y = self.frame.evaluate(
            """([lat, lng]) => {
                const point = window.map.latLngToContainerPoint([lat, lng]);
                const box = window.map.getContainer().getBoundingClientRect();
                return [point.x + box.x, point.y + box.y];
            }""",
            [lat, lng],
        )
        element, position = self.page.locator(MAP), {"x": x, "y": y}
        if self._touch:
            element.tap(position=position)  # type: ignore[arg-type]
        else:
            element.click(position=position, **more)  # type: ignore[arg-type]

    def wait_for_count(self, number: int) -> None:
        """Until map and page tell this number of objects."""
        self.frame.get_by_text(f"{number} objects", exact=True).wait_for(timeout=WAIT_MS)
        self.page.get_by_role("heading", name=f"{number} objects").wait_for(timeout=WAIT_MS)
        self.frame.wait_for_function(
            "!document.querySelector('.samgeo-bar')?.classList.contains('samgeo-busy')"
        )

    def wait_for_status(self, text: str) -> None:
        expect(self.frame.get_by_role("status")).to_contain_text(text, timeout=WAIT_MS)


def _arrived(visited: Visit, part: str) -> int:
    return len(visited.arrived(part))


def test_select_delete_undo_merge_split_and_take_home(
    server: Server, visit: Callable[..., Visit], drawn: GeneratedScene, tmp_path: Path
) -> None:
    visited = visit(server.url)
    page = visited.page
    run = _own_run(server, page, drawn)
    scene = server.store.scene(run.scene_id)
    grid, n = scene.raster.grid, len(drawn.truth)

    def middle(index: int) -> tuple[float, float]:
        point = drawn.truth[index].representative_point()
        ((x, y),) = grid.to_px_xy(np.array([[point.x, point.y]])).tolist()
        return x, y

    first, second = _neighbours(drawn)
    page.goto(f"{server.url}/result?run={run.run_id}")
    page.get_by_text("Choose a row").wait_for()
    studio_map = _Map(page, scene.frame)
    studio_map.correct()
    studio_map.wait_for_count(n)
    layers = _arrived(visited, "/objects.geojson")

    # Select and delete with the keyboard; undo with the button, redo and undo with keys.
    studio_map.click(middle(0))
    studio_map.wait_for_status("Object")
    page.keyboard.press("Delete")
    studio_map.wait_for_count(n - 1)
    expect(studio_map.frame.locator(".samgeo-tip")).to_have_count(0)
    page.get_by_text("1 correction").first.wait_for()
    studio_map.tool("Undo")
    studio_map.wait_for_count(n)
    page.keyboard.press("Control+y")
    studio_map.wait_for_count(n - 1)
    page.keyboard.press("Control+z")
    studio_map.wait_for_count(n)

    # Merge two, and split the merger where they were.
    studio_map.click(middle(first))
    studio_map.click(middle(second), modifiers=["Shift"])
    studio_map.wait_for_status("2 objects selected")
    studio_map.tool("Merge")
    studio_map.wait_for_count(n - 1)
    studio_map.tool("Split")
    studio_map.click(middle(first))
    studio_map.wait_for_status("Now the other part")
    studio_map.click(middle(second))
    studio_map.wait_for_count(n)
    studio_map.wait_for_status("2 objects selected")
    # All that was drawn in place: the layer was not asked for again.
    assert _arrived(visited, "/objects.geojson") == layers

    # Another object goes for good; what comes home has all of it.
    gone = next(i for i in range(n) if i not in (first, second))
    studio_map.click(middle(gone))
    studio_map.wait_for_status("Object")
    studio_map.tool("Delete")
    studio_map.wait_for_count(n - 1)
    with page.expect_download() as waiting:
        page.get_by_role("link", name="GeoPackage").click()
    waiting.value.save_as(tmp_path / "objects.gpkg")
    layer = gpd.read_file(tmp_path / "objects.gpkg", layer="objects")
    truth = gpd.GeoSeries(drawn.truth, crs=layer.crs)
    assert len(layer) == n - 1
    for index in range(n):
        best = max(
            shape.intersection(truth[index]).area / shape.union(truth[index]).area
            for shape in layer.geometry
        )
        assert (best > 0.85) == (index != gone), index
    parts = layer[layer.intersects(truth[first]) | layer.intersects(truth[second])]
    assert parts.intersection(parts.union_all()).area.sum() == pytest.approx(parts.union_all().area)

    # A reload finds it; somebody else who has the link sees it, without tools.
    page.reload()
    page.get_by_role("heading", name=f"{n - 1} objects").wait_for()
    page.get_by_text("Correct objects", exact=True).wait_for()
    other = visit(f"{server.url}/result?run={run.run_id}").page
    other.get_by_role("heading", name=f"{n - 1} objects").wait_for()
    other.get_by_text("3 corrections").wait_for()
    expect(other.get_by_text("Correct objects", exact=True)).to_have_count(0)
    assert _Map(other, scene.frame).frame.locator(".samgeo-bar").count() == 0


def test_a_page_that_knows_of_an_edit_before_its_map_does_not_draw_all_anew(
    server: Server, visit: Callable[..., Visit], drawn: GeneratedScene
) -> None:
    visited = visit(server.url)
    page = visited.page
    run = _own_run(server, page, drawn)
    scene, n = server.store.scene(run.scene_id), len(drawn.truth)
    point = drawn.truth[0].representative_point()
    ((x, y),) = scene.raster.grid.to_px_xy(np.array([[point.x, point.y]])).tolist()
    page.goto(f"{server.url}/result?run={run.run_id}")
    page.get_by_text("Choose a row").wait_for()
    studio_map = _Map(page, scene.frame)
    studio_map.correct()
    studio_map.wait_for_count(n)
    layers = _arrived(visited, "/objects.geojson")

    held: list[tuple[Route, APIResponse]] = []
    page.route("**/edits/delete", lambda route: held.append((route, route.fetch())))
    studio_map.click((x, y))
    studio_map.wait_for_status("Object")
    studio_map.tool("Delete")
    while not held:
        page.wait_for_timeout(50)
    page.get_by_text("Compare with a layer", exact=True).click()
    page.get_by_role("heading", name=f"{n - 1} objects").wait_for()
    page.wait_for_timeout(500)
    studio_map.frame.get_by_text(f"{n} objects", exact=True).wait_for()
    held[0][0].fulfill(response=held[0][1])
    studio_map.wait_for_count(n - 1)
    studio_map.tool("Undo")
    studio_map.wait_for_count(n)
    assert _arrived(visited, "/objects.geojson") == layers


def test_redraw_and_add_with_a_finger_at_phone_width(
    server: Server, visit: Callable[..., Visit], drawn: GeneratedScene
) -> None:
    visited = visit(server.url, width=390, height=844, touch=True)
    page = visited.page
    run = _own_run(server, page, drawn)
    scene = server.store.scene(run.scene_id)
    n = len(drawn.truth)
    shape = drawn.truth[0]
    point = shape.representative_point()
    ((x, y),) = scene.raster.grid.to_px_xy(np.array([[point.x, point.y]])).tolist()

    page.goto(f"{server.url}/result?run={run.run_id}")
    page.get_by_text("Correct objects", exact=True).wait_for()
    studio_map = _Map(page, scene.frame, touch=True)
    studio_map.correct()
    page.locator(MAP).scroll_into_view_if_needed()
    bar = studio_map.frame.locator(".samgeo-bar")
    assert bar.evaluate("bar => bar.scrollWidth <= window.innerWidth")
    studio_map.click((x, y))
    studio_map.tool("Delete")
    studio_map.wait_for_count(n - 1)
    studio_map.tool("Add")
    studio_map.click((x, y))
    apply = studio_map.frame.get_by_role("button", name="Apply (Enter)")
    expect(apply).to_be_enabled(timeout=WAIT_MS)
    apply.click()
    studio_map.wait_for_count(n)
    studio_map.tool("Redraw")
    # No click is lost while the one before is answered.
    studio_map.click((x, y))
    studio_map.click((x + 3, y + 3))
    studio_map.click((x - 3, y + 3))
    marks = studio_map.frame.locator(".leaflet-overlay-pane svg path")
    expect(marks).to_have_count(3 + 1, timeout=WAIT_MS)
    expect(apply).to_be_enabled(timeout=WAIT_MS)
    apply.click()
    studio_map.wait_for_status("Object")
    end = time.monotonic() + WAIT_MS / 1000
    while "3 corrections" not in page.inner_text("body"):
        assert time.monotonic() < end, "the page never told of the last correction"
        page.wait_for_timeout(200)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def _neighbours(drawn: GeneratedScene) -> tuple[int, int]:
    """Two things of like size with the least distance between them."""
    shapes = drawn.truth
    pairs = [
        (shapes[i].distance(shapes[k]), i, k)
        for i in range(len(shapes))
        for k in range(i)
        if 0.6 < shapes[i].area / shapes[k].area < 1.6
    ]
    _, first, second = min(pairs)
    return first, second
