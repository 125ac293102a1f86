"""Teaching classes on the map with real clicks and real weights, and what comes home from it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from samgeo_core.config import SegmentConfig
from samgeo_core.pipeline import Segmentation, write_run
from samgeo_core.web.records import Run
from samgeo_core.web.visitors import COOKIE
from tests.browser.conftest import WAIT_MS, Server, Visit
from tests.core.teaching.scenes import TANK, KnownScene, known_scene

pytestmark = [pytest.mark.browser, pytest.mark.weights]

MAP = "[class*='st-key-map_result'] iframe"


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> KnownScene:
    return known_scene(tmp_path_factory.mktemp("known") / "known.tif", seed=7, size=576)


def _own_run(server: Server, page: Page, known: KnownScene) -> Run:
    page.get_by_text("Or start with a sample").wait_for()
    owner = next(c["value"] for c in page.context.cookies() if c["name"] == COOKIE)
    store, raster = server.store, known.raster
    scene = store.add_scene(raster.path, "known.tif", owner)
    run = store.new_run(scene, SegmentConfig(device="cpu").to_dict(), owner)
    record = {"n_objects": len(known.objects), "seconds": {}}
    write_run(
        Segmentation(known.objects, raster.grid, raster.read(), SegmentConfig(), record), run.folder
    )
    return store.set_run_state(run.run_id, "done")


def _click(page: Page, server: Server, run: Run, known: KnownScene, index: int) -> None:
    """Click an object on the map, at its middle."""
    handle = page.wait_for_selector(MAP)
    frame = handle.content_frame() if handle else None
    assert frame is not None
    frame.get_by_text(re.compile(r"^\d+ objects$")).wait_for(timeout=WAIT_MS)  # drawn by now
    box = known.objects.boxes_xyxy[index]
    places = server.store.scene(run.scene_id).frame
    ((lng, lat),) = places.to_lnglat(((box[:2] + box[2:]) / 2)[None].astype(float)).tolist()
    x, y = frame.evaluate(
        """([lat, lng]) => {
            const name = Object.keys(window).find((key) => window[key] instanceof L.Map);
            const { x, y } = window[name].latLngToContainerPoint([lat, lng]);
            return [x, y];
        }""",
        [lat, lng],
    )
    frame.locator("#map_div").click(position={"x": x, "y": y})
    expect(page.get_by_text(f"Object {index + 1} selected")).to_be_visible(timeout=WAIT_MS)


def test_classes_are_taught_with_clicks_and_come_home(
    server: Server, visit: Callable[..., Visit], known: KnownScene, tmp_path: Path
) -> None:
    page = visit(server.url).page
    run = _own_run(server, page, known)
    page.goto(f"{server.url}/result?run={run.run_id}")
    page.get_by_text("Similar objects, classes", exact=True).click()
    page.get_by_text("Select objects on the map").wait_for(timeout=2 * WAIT_MS)
    tanks, others = np.flatnonzero(known.kinds == TANK), np.flatnonzero(known.kinds != TANK)
    _click(page, server, run, known, int(tanks[0]))
    expect(page.get_by_text("like this")).to_be_visible(timeout=WAIT_MS)

    page.get_by_role("radio", name="Classes").click()
    page.get_by_label("Name", exact=True).fill("Tank")
    page.get_by_role("button", name="Add class").click()
    mark, block = (
        page.get_by_role("button", name=name, exact=True) for name in ("Tank", "Not this")
    )
    for number, (button, index) in enumerate(
        [(mark, tanks[0]), (block, others[0]), (mark, tanks[-1]), (block, others[-1])], start=1
    ):
        _click(page, server, run, known, int(index))
        expect(button).to_be_enabled(timeout=WAIT_MS)
        button.click()
        expect(page.get_by_text(f"{number} mark", exact=False).first).to_be_visible(timeout=WAIT_MS)
    at_hand = page.get_by_text(re.compile(r"Object \d+ selected"))
    said = at_hand.inner_text()
    page.get_by_role("button", name="Most doubtful next").click()
    expect(at_hand).not_to_have_text(said, timeout=WAIT_MS)
    for number in range(5, 10):
        said = at_hand.inner_text()
        is_tank = known.kinds[int(said.split()[1]) - 1] == TANK
        (mark if is_tank else block).click()
        # After its mark comes the next.
        expect(page.get_by_text(f"{number} marks")).to_be_visible(timeout=WAIT_MS)
        expect(at_hand).not_to_have_text(said, timeout=WAIT_MS)

    with page.expect_download() as download:
        page.get_by_role("link", name="GeoPackage").click()
    path = tmp_path / "taught.gpkg"
    download.value.save_as(path)
    layer = gpd.read_file(path).sort_values("object_id")
    named = (layer["class_name"] == "Tank").to_numpy()
    assert (named == (known.kinds == TANK)).mean() >= 0.95
    assert set(layer["class_color"]) == {"#e6550d", ""}

    page.reload()
    handle = page.wait_for_selector(MAP)
    frame = handle.content_frame() if handle else None
    assert frame is not None
    expect(frame.locator(".samgeo-legend")).to_contain_text(f"Tank: {named.sum()}", timeout=WAIT_MS)
