"""Shared results in a browser that never saw the app: looking, frames, hostile texts, the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Frame, Page, expect

from samgeo_core.config import SegmentConfig
from samgeo_core.objects import ObjectSet
from samgeo_core.pipeline import Segmentation, write_run
from samgeo_core.reading.generated_scene import generated_scene
from samgeo_core.web.records import Run
from samgeo_core.web.shares import Shares, ShareText
from samgeo_core.web.visitors import COOKIE
from tests.browser.conftest import WAIT_MS, Server, Visit
from tests.web.conftest import squares

pytestmark = pytest.mark.browser

HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=\"window.owned=1\">"


@pytest.fixture(scope="module")
def squares_run(server_below: Server, tmp_path_factory: pytest.TempPathFactory) -> Run:
    path = generated_scene(tmp_path_factory.mktemp("shared") / "drawn.tif", size=256, seed=3).path
    return finished_run(server_below, path, "drawn.tif")


def finished_run(server: Server, path: object, name: str) -> Run:
    store = server.store
    scene = store.add_scene(path, name, "tester")  # type: ignore[arg-type]
    raster, boxes = scene.raster, squares()
    objects = ObjectSet.build(
        raster.shape_hw, *zip(*((mask, at, score) for mask, at, score in boxes), strict=True),
        [0.97] * 3,
    )  # fmt: skip
    run = store.new_run(scene, SegmentConfig().to_dict(), "tester")
    record = {"n_objects": 3, "seconds": {}}
    write_run(
        Segmentation(objects, raster.grid, raster.read(), SegmentConfig(), record), run.folder
    )
    return store.set_run_state(run.run_id, "done")


def count(page: Page, text: str) -> None:
    expect(page.locator(".legend .count")).to_have_text(text)


@pytest.mark.parametrize("width", [1280, 390])
def test_a_stranger_looks_at_a_result(
    server_below: Server, squares_run: Run, visit: Callable[..., Visit], width: int
) -> None:
    shares = Shares(server_below.store)
    text = ShareText("Three squares", "Of two\nlines", "Nobody")
    token, share = shares.create(squares_run, text, downloads=["objects.geojson"])
    address = f"{server_below.url}/s/{token}"
    seen = visit(address, width=width, height=844, touch=width < 500)
    page = seen.page
    count(page, "3 objects")
    expect(page.get_by_role("heading", name="Three squares")).to_be_visible()
    expect(page.locator("#description")).to_have_text("Of two\nlines", use_inner_text=True)
    expect(page.locator("#credits")).to_have_text("Image: Nobody")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.context.cookies() == []
    path = urlsplit(address).path
    assert all(urlsplit(r.url).path.startswith(path) for r in seen.responses)
    assert [r.url for r in seen.responses if r.status >= 400] == []
    assert seen.arrived("/tiles/")
    # Masks are asked for when somebody wants to see them.
    assert not seen.arrived("/masks/")
    with page.expect_response(lambda r: "/masks/" in r.url):
        page.locator("#masks").fill("0.5")
    page.locator("#score").fill("0.93")
    count(page, "2 of 3 objects")
    expect(page.locator("tbody tr")).to_have_count(2)
    page.locator("#color").select_option("area")
    expect(page.locator(".ramp")).to_be_visible()
    page.get_by_role("button", name="Object", exact=True).click()
    page.locator("tbody tr").first.click()
    expect(page.locator("tr.chosen")).to_have_count(1)
    page.wait_for_timeout(500)
    with page.expect_download() as download:
        page.get_by_role("link", name="GeoJSON", exact=True).click()
    assert download.value.suggested_filename.endswith(".geojson")
    # What is in sight and how is part of the address.
    again = visit(page.url, width=width).page
    count(again, "2 of 3 objects")
    assert again.locator("#masks").input_value() == "0.5"
    assert again.locator("#color").input_value() == "area"
    place, *rest = urlsplit(page.url).fragment.split("&")
    again_place, *again_rest = urlsplit(again.url).fragment.split("&") or [""]
    assert sorted(again_rest or rest) == sorted(rest)
    assert len(place.split(",")) == 3
    assert not again_place or again_place == place
    shares.revoke(squares_run, share.key)
    page.reload()
    expect(page.locator("body")).to_contain_text("taken back")
    assert page.locator("#map").count() == 0


def test_texts_of_strangers_stay_texts(
    server_below: Server, visit: Callable[..., Visit], squares_run: Run
) -> None:
    token, _ = Shares(server_below.store).create(
        squares_run, ShareText(HOSTILE[:120], HOSTILE, HOSTILE)
    )
    page = visit(f"{server_below.url}/s/{token}").page
    hostile = {"class_name": HOSTILE, "class_color": "red;}</style>", "area_m2": HOSTILE}

    def spoil(route: object) -> None:
        answer = route.fetch()  # type: ignore[attr-defined]
        layer = answer.json()
        for feature in layer["features"]:
            feature["properties"] |= hostile
        route.fulfill(response=answer, json=layer)  # type: ignore[attr-defined]

    page.route("**/layer.geojson", spoil)
    page.reload()
    count(page, "3 objects")
    page.locator("#color").select_option("class")
    expect(page.locator(".legend")).to_contain_text("<img src=x")
    expect(page.locator("tbody")).to_contain_text("<img src=x")
    page.locator("tbody tr").first.click()
    page.wait_for_timeout(500)
    box = page.locator("#map").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.locator(".leaflet-popup")).to_contain_text("<img src=x")
    assert page.evaluate("window.owned") is None
    assert page.title() == HOSTILE[:120]
    assert page.locator("img[src='x']").count() == 0


@pytest.fixture
def elsewhere() -> Iterator[tuple[str, dict[str, str]]]:
    """A page of another site, and what it shows."""
    shown = {"frame": ""}

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(f'<!doctype html><iframe src="{shown["frame"]}">'.encode())

        def log_message(self, *_: object) -> None:
            pass

    site = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    Thread(target=site.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{site.server_port}/", shown
    site.shutdown()
    site.server_close()


def test_only_the_page_made_for_it_shows_in_frames(
    server_below: Server,
    squares_run: Run,
    chromium: Browser,
    elsewhere: tuple[str, dict[str, str]],
) -> None:
    site, shown = elsewhere
    token, _ = Shares(server_below.store).create(squares_run, ShareText("Framed"))
    shown["frame"] = f"{server_below.url}/s/{token}/embed"
    page = chromium.new_page()
    page.goto(site)
    framed = page.frame_locator("iframe")
    expect(framed.locator(".legend .count")).to_have_text("3 objects", timeout=WAIT_MS)
    link = framed.get_by_role("link", name="Open the map")
    assert (link.get_attribute("href") or "").endswith(f"/s/{token}")
    shown["frame"] = f"{server_below.url}/s/{token}"
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text))
    page.reload()
    page.wait_for_timeout(1000)
    assert any("frame-ancestors" in text for text in refused)
    assert page.frames[-1].locator("#map").count() == 0
    page.close()


def test_the_owner_makes_a_link_with_the_panel(
    server_below: Server, visit: Callable[..., Visit], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = generated_scene(tmp_path_factory.mktemp("own") / "own.tif", size=256, seed=4).path
    run = finished_run(server_below, path, "own.tif")
    owner = visit(f"{server_below.url}/healthz").page
    cookie = {"name": COOKIE, "value": "A" * 22, "url": f"{server_below.url}/"}
    owner.context.add_cookies([cookie])  # type: ignore[list-item]
    meta = run.folder / "meta.json"
    meta.write_text(meta.read_text().replace('"tester"', f'"{"A" * 22}"'))
    owner.context.grant_permissions(["clipboard-read", "clipboard-write"])
    owner.goto(f"{server_below.url}/result?run={run.run_id}")
    owner.wait_for_load_state("networkidle")
    owner.get_by_text("Share", exact=True).click()
    owner.get_by_role("button", name="Create link").click()
    owner.get_by_role("button", name="Copy link").click()
    expect(owner.get_by_role("button", name="Copied")).to_be_visible()
    link = owner.evaluate("navigator.clipboard.readText()")
    assert link.startswith(f"{server_below.url}/s/")
    stranger = visit(link, width=390, touch=True).page
    count(stranger, "3 objects")
    owner.get_by_role("button", name="Revoke").click()
    expect(owner.get_by_text("The link is ready")).to_have_count(0)
    stranger.reload()
    expect(stranger.locator("body")).to_contain_text("taken back")


def test_the_view_of_a_result_lives_in_its_address(
    server_below: Server, squares_run: Run, visit: Callable[..., Visit]
) -> None:
    address = f"{server_below.url}/result?run={squares_run.run_id}&least_score=0.93"

    def map_of(page: Page) -> Frame:
        handle = page.wait_for_selector("[class*='st-key-map_result'] iframe")
        frame = handle.content_frame() if handle else None
        assert frame is not None
        expect(frame.locator(".samgeo-count")).to_have_text("2 objects")
        page.wait_for_timeout(1000)
        return frame

    where = "(() => { const c = map.getCenter(); return [c.lat, c.lng, map.getZoom()]; })()"
    page = visit(address).page
    frame = map_of(page)
    assert "view=" not in page.url
    frame.locator(".leaflet-container").hover()
    page.mouse.wheel(0, -400)
    page.wait_for_url("**view=**")
    page.wait_for_timeout(1000)
    moved = frame.evaluate(where)
    assert "least_score=0.93" in page.url
    again = visit(page.url).page
    assert map_of(again).evaluate(where) == pytest.approx(moved, abs=1e-4)
    # What streamlit writes into the address leaves the place where it is.
    again.get_by_role("button", name="As segmented").click()
    again.wait_for_function("!location.search.includes('least_score')")
    assert "view=" in again.url
    far = visit(f"{address}&view=1,2,3").page
    assert map_of(far).evaluate(where)[2] > 5
