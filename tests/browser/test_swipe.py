"""Before and after on the map of a result, by finger and by keys; figures and files beside it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import FrameLocator, expect
from pypdf import PdfReader

from samgeo_core.reading.generated_scene import GeneratedScene
from tests.browser.conftest import WAIT_MS, Server, Visit
from tests.browser.test_compare import MAP, PLACES, _own_run

pytestmark = pytest.mark.browser

# Where, as a share of the map, the objects' canvas begins to show.
CUT = """canvas => {
  const map = canvas.closest('.leaflet-container').getBoundingClientRect();
  const clip = canvas.style.clip.match(/rect\\((.+)\\)/);
  if (!clip) return 0;
  const left = parseFloat(clip[1].split(/[ ,]+/)[3]);
  return (canvas.getBoundingClientRect().left + left - map.left) / map.width;
}"""


def _cut(frame: FrameLocator) -> float:
    return float(frame.locator(".leaflet-overlay-pane canvas").first.evaluate(CUT))


def test_a_line_parts_before_from_after(
    server: Server, visit: Callable[..., Visit], town: GeneratedScene
) -> None:
    page = visit(server.url, width=390, height=844, touch=True).page
    run = _own_run(server, page, town)
    page.goto(f"{server.url}/result?run={run.run_id}")
    frame = page.frame_locator(MAP)
    expect(frame.locator(".samgeo-count")).to_have_text(f"{len(PLACES)} objects", timeout=WAIT_MS)
    assert _cut(frame) == 0

    button = frame.get_by_role("button", name="Before and after")
    button.press("Enter")
    line = frame.get_by_role("slider", name="Before and after")
    expect(line).to_be_focused()
    expect(line).to_have_attribute("aria-valuenow", "50")
    assert _cut(frame) == pytest.approx(0.5, abs=0.01)
    line.press("ArrowRight")
    line.press("PageUp")
    expect(line).to_have_attribute("aria-valuenow", "62")

    box = frame.locator(".leaflet-container").bounding_box()
    grip = line.bounding_box()
    assert box is not None and grip is not None
    page.mouse.move(grip["x"] + grip["width"] / 2, grip["y"] + grip["height"] / 3)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.25 * box["width"], grip["y"] + 30, steps=4)
    page.mouse.up()
    expect(line).to_have_attribute("aria-valuenow", "25")
    assert _cut(frame) == pytest.approx(0.25, abs=0.01)

    # What is cut stays at its place on the screen while the map moves below it.
    frame.get_by_role("button", name="Zoom in").click()
    page.wait_for_timeout(600)
    assert _cut(frame) == pytest.approx(0.25, abs=0.01)
    button.press("Enter")
    expect(line).to_have_count(0)
    assert _cut(frame) == 0

    page.get_by_text("Areas and classes").click()
    expect(page.get_by_text("Together", exact=False)).to_be_visible()
    page.get_by_role("button", name="Other formats").click()
    with page.expect_download() as coming:
        page.get_by_role("link", name="Report of one page (PDF, A4)").click()
    words = PdfReader(coming.value.path()).pages[0].extract_text()
    assert f"{len(PLACES)} objects" in words
