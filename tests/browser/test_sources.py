"""Images by address in the running app: what an item offers, bands by name, several as one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Server, Visit
from tests.core.reading.remote_server import range_server
from tests.factories import write_raster
from tests.http_servers import answer, serving

pytestmark = pytest.mark.browser

TIFF = "image/tiff; application=geotiff; profile=cloud-optimized"


def open_address(page: Page, address: str) -> None:
    page.get_by_text("Open from an address").click()
    page.get_by_role("textbox", name="Address", exact=True).fill(address)
    page.get_by_role("button", name="Open the address").click()


def channels(page: Page) -> list[str]:
    """What stands for red, green and blue in the form."""
    return [
        page.get_by_role("combobox", name=name, exact=True).input_value()
        for name in ("Red", "Green", "Blue")
    ]


def test_bands_of_an_item_become_an_index_by_one_click(
    server: Server, visit: Callable[..., Visit], tmp_path: Path
) -> None:
    values = np.random.default_rng(1).integers(300, 4000, (3, 300, 300)).astype(np.uint16)
    files = [
        write_raster(tmp_path / f"{name}.tif", data=band[None])
        for name, band in zip(("nir", "red", "green"), values, strict=True)
    ]
    with (
        range_server(files[0]) as nir,
        range_server(files[1]) as red,
        range_server(files[2]) as green,
    ):
        assets = {
            name: {"href": one.url, "type": TIFF, "title": f"{name} (10 m)",
                   "eo:bands": [{"common_name": name}]}
            for name, one in (("nir", nir), ("red", red), ("green", green))
        }  # fmt: skip
        item = json.dumps({"type": "Feature", "id": "S2_scene", "assets": assets}).encode()
        with serving(lambda h: answer(h, item, Content_Type="application/geo+json")) as port:
            seen = visit(server.url)
            page = seen.page
            open_address(page, f"http://127.0.0.1:{port}/item.json")
            # Names stand as they are, without signs of any markup.
            for name in ("nir", "red", "green"):
                expect(page.get_by_text(f"{name} (10 m)", exact=True).first).to_be_visible()
            page.get_by_role("button", name="Open the item").click()
        expect(page.get_by_role("heading", name="S2_scene")).to_be_visible()
        page.frame_locator("iframe").first.locator("img.leaflet-tile-loaded").first.wait_for()
        page.get_by_text("Bands and brightness").click()
        expect(page.get_by_role("combobox", name="Red", exact=True)).to_be_visible()
        assert channels(page) == ["1: Near infrared", "2: Red", "3: Green"]
        page.get_by_role("button", name="NDVI", exact=True).click()
        expect(page.get_by_role("combobox", name="Red", exact=True)).to_have_value("NDVI")
        # To apply what the form shows changes nothing: it shows what is there.
        page.get_by_role("button", name="Apply").click()
        page.get_by_role("button", name="False colour", exact=True).click()
        expect(page.get_by_role("combobox", name="Red", exact=True)).to_have_value(
            "1: Near infrared"
        )
        (scene,) = (s for s in server.store.scenes() if s.name == "S2_scene")
        assert scene.display.bands == (1, 2, 3)
