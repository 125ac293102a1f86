"""The tour: by itself on a first visit at the front door, in nobody's way, and never again."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from samgeo_core.reading.generated_scene import generated_scene
from tests.browser.conftest import Server, Visit
from tests.browser.test_accessibility import every_document

pytestmark = pytest.mark.browser


def card(page: Page, name: str = "1. Open an image") -> Locator:
    """The tour at one of its steps, as a screen reader finds it."""
    return page.get_by_role("dialog", name=name, exact=True)


def drawn(page: Page) -> None:
    """Until the bar with the tour's button is there."""
    expect(page.get_by_role("button", name="Tour", exact=True)).to_be_visible()


def test_a_first_visit_goes_through_three_steps_with_the_keyboard(
    server: Server, visit: Callable[..., Visit]
) -> None:
    page = visit(server.url, newcomer=True).page
    expect(card(page)).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Close the tour", exact=True)).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(card(page, "2. Say what you look for, and run")).to_be_focused()
    card(page, "2. Say what you look for, and run").get_by_role("button", name="Back").click()
    expect(card(page)).to_be_focused()
    for _ in range(2):
        page.get_by_role("button", name="Next", exact=True).click()
    expect(card(page, "3. Look, correct, take along")).to_be_focused()
    page.get_by_role("button", name="Done", exact=True).click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("button", name="Tour", exact=True)).to_be_focused()

    page.reload()
    drawn(page)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("button", name="Tour", exact=True).press("Enter")
    expect(card(page)).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("button", name="Tour", exact=True)).to_be_focused()


def test_it_is_left_with_one_key_and_hides_nothing_on_a_phone(
    server: Server, visit: Callable[..., Visit]
) -> None:
    page = visit(server.url, width=390, height=780, touch=True, locale="zh-CN", newcomer=True).page
    tour = page.get_by_role("dialog", name="1. 打开影像", exact=True)
    expect(tour).to_be_visible()
    box = tour.bounding_box()
    assert box is not None
    assert box["x"] >= 0 and box["x"] + box["width"] <= 390
    assert box["y"] > 390, "the upper half, where the page begins, stays free"
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    # What lies beside it can be used all the while.
    page.get_by_role("button", name="English").click()
    expect(card(page)).to_be_visible()
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        page.wait_for_timeout(500)
        assert every_document(page) == []
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_link_to_an_image_or_a_run_is_not_disturbed(
    server: Server, many_objects: str, visit: Callable[..., Visit]
) -> None:
    path = generated_scene(server.input_dir.parent / "tour.tif", size=128).path
    scene = server.store.add_scene(path, "tour.tif", "tester")
    for address in (f"?scene={scene.scene_id}", f"result?run={many_objects}"):
        page = visit(f"{server.url}/{address}", newcomer=True).page
        drawn(page)
        expect(page.locator("iframe").first).to_be_visible()
        expect(page.get_by_role("dialog")).to_have_count(0)
    # Asked for, it begins where the page is.
    page.get_by_role("button", name="Tour", exact=True).click()
    expect(card(page, "3. Look, correct, take along")).to_be_focused()
