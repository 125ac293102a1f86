"""No page has serious findings of axe-core, in light and in dark."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Frame, Page, expect

from samgeo_core.config import SegmentConfig
from samgeo_core.objects import ObjectSet
from samgeo_core.pipeline import Segmentation, write_run
from samgeo_core.reading.generated_scene import generated_scene
from samgeo_core.web.records import Run
from samgeo_core.web.shares import Shares, ShareText
from samgeo_core.web.visitors import COOKIE
from tests.browser.conftest import PROJECT, WAIT_MS, Server, Visit
from tests.web.conftest import squares

pytestmark = pytest.mark.browser

AXE = PROJECT / "node_modules" / "axe-core" / "axe.min.js"
OWNER = "B" * 22
SERIOUS = ("serious", "critical")
PATHS = (
    "",
    "?scene={scene}",
    "segment?scene={scene}",
    "pick?scene={scene}",
    "result?scene={scene}&run={run}",
)


@pytest.fixture(scope="module")
def own_run(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run with three objects."""
    path = generated_scene(tmp_path_factory.mktemp("axe") / "drawn.tif", size=256, seed=3).path
    store = server.store
    scene = store.add_scene(path, "drawn.tif", OWNER)
    masks, places, scores = zip(*squares(), strict=True)
    objects = ObjectSet.build(scene.raster.shape_hw, masks, places, scores, [0.97] * 3)
    run = store.new_run(scene, SegmentConfig().to_dict(), OWNER)
    record = {"n_objects": 3, "seconds": {}}
    grid, tile = scene.raster.grid, scene.raster.read()
    write_run(Segmentation(objects, grid, tile, SegmentConfig(), record), run.folder)
    return store.set_run_state(run.run_id, "done")


def findings(frame: Frame | Page) -> list[str]:
    """What axe-core finds serious in a document, without those in its frames."""
    frame.evaluate(AXE.read_text(encoding="utf-8"))
    result: dict[str, Any] = frame.evaluate(
        "axe.run(document, {iframes: false, resultTypes: ['violations']})"
    )
    return [
        f"{found['id']}: {found['help']}\n    {node['html'][:300]}\n    {node['failureSummary']}"
        for found in result["violations"]
        if found["impact"] in SERIOUS
        for node in found["nodes"]
    ]


def every_document(page: Page) -> list[str]:
    """The same of a page and its frames."""
    return [line for frame in page.frames for line in findings(frame)]


def settled(page: Page) -> None:
    """Wait until Streamlit has drawn a page and its map."""
    page.wait_for_selector("[data-testid=stMainBlockContainer] h1, [data-testid=stMain] iframe")
    page.wait_for_function(
        "!document.querySelector('[data-testid=stStatusWidget], [data-stale=true]')"
    )
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(500)


def open_all(page: Page) -> None:
    """Open everything that is folded."""
    folded = page.locator("details:not([open]) > summary:visible")
    while folded.count():
        folded.first.click()
        settled(page)


@pytest.mark.parametrize(
    ("path", "theme"),
    [*((path, "light") for path in PATHS), (PATHS[2], "dark"), (PATHS[-1], "dark")],
)
def test_pages_have_no_serious_findings(
    server: Server, own_run: Run, visit: Callable[..., Visit], path: str, theme: str
) -> None:
    page = visit(f"{server.url}/healthz").page
    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    cookie = {"name": COOKIE, "value": OWNER, "url": f"{server.url}/"}
    page.context.add_cookies([cookie])  # type: ignore[list-item]
    page.goto(f"{server.url}/{path.format(scene=own_run.scene_id, run=own_run.run_id)}")
    settled(page)
    open_all(page)
    assert every_document(page) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_shared_result_has_no_serious_findings(
    server: Server, own_run: Run, visit: Callable[..., Visit], theme: str
) -> None:
    token, _ = Shares(server.store).create(own_run, ShareText("Three squares", "", ""))
    page = visit(f"{server.url}/healthz").page
    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    page.goto(f"{server.url}/s/{token}")
    expect(page.locator(".legend .count")).to_have_text("3 objects", timeout=WAIT_MS)
    assert every_document(page) == []
