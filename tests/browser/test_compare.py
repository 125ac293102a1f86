"""A result beside a layer that is brought in a real browser: outlines on the map, files at home."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from playwright.sync_api import Page, expect

from samgeo_core.config import SegmentConfig
from samgeo_core.objects import ObjectSet
from samgeo_core.pipeline import Segmentation, write_run
from samgeo_core.reading.generated_scene import GeneratedScene
from samgeo_core.web.records import Run
from samgeo_core.web.visitors import COOKIE
from tests.browser.conftest import WAIT_MS, Server, Visit

pytestmark = pytest.mark.browser

PHONE_PX = 390
MAP = "[class*='st-key-map_result'] iframe"
PLACES = [(60 + 90 * i, 80 + 120 * j) for j in range(3) for i in range(5)]


def _own_run(server: Server, page: Page, town: GeneratedScene) -> Run:
    page.get_by_text("Or start with a sample").wait_for()
    owner = next(c["value"] for c in page.context.cookies() if c["name"] == COOKIE)
    scene = server.store.add_scene(town.path, "town.tif", owner)
    run = server.store.new_run(scene, SegmentConfig().to_dict(), owner)
    raster, n = scene.raster, len(PLACES)
    masks = [np.ones((40, 40), np.bool_)] * n
    objects = ObjectSet.build(raster.shape_hw, masks, PLACES, [0.9] * n, [0.95] * n)
    record = {"n_objects": n, "seconds": {}}
    write_run(
        Segmentation(objects, raster.grid, raster.read(), SegmentConfig(), record), run.folder
    )
    return server.store.set_run_state(run.run_id, "done")


def _reference(server: Server, run: Run, path: Path) -> Path:
    """All but the last five, three of them shifted, and two where nothing was found."""
    corners = [(x + (25 if i < 3 else 0), y) for i, (x, y) in enumerate(PLACES[:10])]
    corners += [(500, 500), (560, 500)]
    boxes = shapely.box(*np.array([(x, y, x + 40, y + 40) for x, y in corners], float).T)
    grid = server.store.scene(run.scene_id).raster.grid
    frame = gpd.GeoDataFrame(geometry=shapely.transform(boxes, grid.to_crs_xy), crs=grid.crs)
    frame.to_file(path)
    return path


def test_a_layer_is_compared_on_the_map_and_comes_home(
    server: Server,
    visit: Callable[..., Visit],
    town: GeneratedScene,
    tmp_path: Path,
) -> None:
    page = visit(server.url, width=PHONE_PX).page
    run = _own_run(server, page, town)
    page.goto(f"{server.url}/result?run={run.run_id}")
    page.get_by_text("Compare with a layer", exact=True).click()
    reference = _reference(server, run, tmp_path / "roofs.gpkg")
    page.locator("input[type=file]").set_input_files(reference)
    expect(page.get_by_text("roofs.gpkg")).to_be_visible(timeout=WAIT_MS)
    legend = page.frame_locator(MAP).locator(".samgeo-compared")
    expect(legend).to_have_text(
        ["Matched: 7", "Changed: 3", "Missing: 2", "Extra: 5"], timeout=WAIT_MS
    )
    handle = page.wait_for_selector(MAP)
    frame = handle.content_frame() if handle else None
    assert frame is not None
    drawn = frame.evaluate(
        """() => {
            const canvas = document.querySelector(".leaflet-comparison-pane canvas");
            const { width, height } = canvas;
            const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
            const seen = new Set();
            for (let i = 0; i < data.length; i += 4) {
                if (data[i + 3] === 255) seen.add([data[i], data[i + 1], data[i + 2]].join());
            }
            return [...seen];
        }"""
    )
    assert {"0,158,115", "230,159,0", "213,94,0", "0,114,178"} <= set(drawn)
    with page.expect_download() as saved:
        page.get_by_role("link", name="Layers (GeoPackage)").click()
    saved.value.save_as(tmp_path / "layers.gpkg")
    assert len(gpd.read_file(tmp_path / "layers.gpkg", layer="extra")) == 5
    page.get_by_text("Compare with a layer", exact=True).click()
    expect(legend).to_have_count(0, timeout=WAIT_MS)
    # The page is as wide as the screen: nothing of the panel sticks out.
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE_PX
