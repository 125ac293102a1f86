"""The app as somebody reads it whose browser asks for Chinese, and a change of the language."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from samgeo_core.reading.generated_scene import GeneratedScene
from samgeo_core.web.shares import Shares, ShareText
from tests.browser.conftest import WAIT_MS, Server, Visit

pytestmark = pytest.mark.browser

# All that can be seen or heard, in shadow trees too; what is code, an icon's name or the visitor's
# own is left out.
COLLECT = """() => {
  const told = [];
  const shown = (element) => !element.getClientRects ||
    (element.getClientRects().length > 0 && getComputedStyle(element).visibility !== "hidden");
  const walk = (root) => {
    for (const node of root.childNodes) {
      if (node.nodeType === Node.TEXT_NODE) {
        const parent = node.parentElement;
        const text = node.textContent.trim();
        if (text && (!parent || shown(parent))) told.push(text);
      }
      if (node.nodeType !== Node.ELEMENT_NODE) continue;
      const isIcon = node.dataset.testid === "stIconMaterial" || node.translate === false;
      if (isIcon || ["SCRIPT", "STYLE", "NOSCRIPT", "CODE"].includes(node.tagName)) continue;
      for (const name of ["aria-label", "title", "placeholder", "alt"]) {
        if (shown(node) && node.getAttribute(name)) told.push(node.getAttribute(name));
      }
      if (node.shadowRoot) walk(node.shadowRoot);
      walk(node);
    }
  };
  walk(document.body);
  return told;
}"""

SAME_IN_BOTH = frozenset(
    re.findall(
        r"\w+",
        """
        SamGeo Studio Segment Anything Model MobileSAM SAM ViT Leaflet English QGIS CAD COG PNG
        GeoTIFF GeoPackage Shapefile GeoJSON GEOJSON FlatGeobuf GeoParquet KML DXF COCO YOLO CSV
        JSON JPEG GPKG ZIP FGB zip EPSG WGS UTM zone HTML IoU GPU CPU OpenStreetMap uint8 UTC PDF
        STAC NDVI URL Ctrl Shift Alt Esc Enter Del https http XYZ WMTS WMS town tif Esri Maxar
        Earthstar Geographics USGS USImagery NASA SAMGEO_CHECKPOINT_DIR
        """,
    )
)
"""Names, formats, keys, and the name of the file."""


def english(page: Page) -> list[str]:
    """What a page shows in English: texts with words of three letters or more."""
    texts = {text for frame in page.frames for text in frame.evaluate(COLLECT)}

    def words(text: str) -> set[str]:
        # Addresses are no words, and neither are names such as those of labelled scenes.
        return set(re.findall("[A-Za-z]{3,}[0-9]*", re.sub(r"https?://\S+|\w+_\w+", "", text)))

    return sorted(text for text in texts if words(text) - SAME_IN_BOTH)


def settled(page: Page) -> None:
    """Until nothing is drawn any more."""
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    page.wait_for_timeout(600)


def speaks_chinese(page: Page) -> None:
    """No English is left once the page has settled; before, Streamlit's own may stand."""
    if page.get_by_test_id("stApp").count():
        settled(page)
    end = time.monotonic() + WAIT_MS / 1000
    while english(page) and time.monotonic() < end:
        page.wait_for_timeout(300)
    assert english(page) == []


def test_all_pages_speak_chinese(
    server: Server, town: GeneratedScene, visit: Callable[..., Visit]
) -> None:
    page = visit(server.url, locale="zh-CN").page
    expect(page.get_by_role("heading", name="把航空或卫星影像变成多边形")).to_be_visible()
    settled(page)
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    speaks_chinese(page)
    page.get_by_role("button", name="打开文件").click()
    page.get_by_text("波段与亮度", exact=True).click()
    onward = page.get_by_role("button", name="继续：分割")
    expect(onward).to_be_enabled()
    speaks_chinese(page)
    onward.click()

    page.get_by_text("SAM 原版", exact=True).click()
    settled(page)
    page.get_by_text("高级", exact=True).click()
    expect(page.get_by_text("裁切层数")).to_be_visible()
    speaks_chinese(page)
    page.get_by_text("大对象", exact=True).click()
    settled(page)
    page.get_by_role("button", name=re.compile("^试运行 · ")).click()
    expect(page.get_by_text(re.compile("试运行区域中有"))).to_be_visible(timeout=3 * WAIT_MS)
    speaks_chinese(page)

    page.get_by_role("link", name="查看结果").click()
    for tool in ("修改对象", "相似对象与类别", "与图层对比"):
        page.get_by_text(tool, exact=True).click()
    expect(page.get_by_text("参考图层", exact=True).first).to_be_visible()
    for panel in ("轮廓与格式", "分享"):
        page.get_by_text(panel, exact=True).first.click()
    expect(page.get_by_role("button", name="生成链接")).to_be_visible()
    speaks_chinese(page)

    run_id = parse_qs(urlsplit(page.url).query)["run"][0]
    page.get_by_role("link", name="或点选").click()
    page.get_by_text("按键与手势", exact=True).click()
    map_frame = page.frame_locator("iframe").first
    expect(map_frame.get_by_role("button", name="包含", exact=True)).to_be_visible()
    speaks_chinese(page)

    run = server.store.run(run_id)
    token, _share = Shares(server.store).create(run, ShareText("", "", ""), downloads=["mask.tif"])
    shared = visit(f"{server.url}/s/{token}", locale="zh-CN").page
    expect(shared.locator(".legend .count")).to_contain_text("个对象")
    expect(shared.locator("html")).to_have_attribute("lang", "zh-CN")
    speaks_chinese(shared)
    shared.get_by_role("link", name="English").click()
    expect(shared.locator(".legend .count")).to_contain_text("object")
    expect(shared.get_by_role("heading", name="Downloads")).to_be_visible()
    gone = visit(f"{server.url}/s/{token[:-4]}xxxx", locale="zh-CN").page
    expect(gone.get_by_text("此链接无效")).to_be_visible()


def test_another_language_keeps_what_was_chosen(
    server: Server, town: GeneratedScene, visit: Callable[..., Visit]
) -> None:
    page = visit(server.url).page
    page.get_by_role("button", name="Open file").click()
    page.get_by_role("button", name="Continue to Segment").click()
    page.get_by_text("Small objects", exact=True).click()
    grid = page.get_by_role("slider", name="Grid density")
    expect(grid).to_have_value("64")
    grid.press("ArrowLeft")
    expect(grid).to_have_value("60")
    page.get_by_text("Advanced", exact=True).click()
    settled(page)
    before = page.url

    page.get_by_role("button", name="简体中文").click()
    grid = page.get_by_role("slider", name="网格密度")
    expect(grid).to_have_value("60")
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(page.get_by_role("radio", name="小对象")).to_be_checked()
    assert page.url == before
    # A reload, and what routes answer, come in the language that was chosen.
    page.reload()
    expect(page.get_by_role("button", name="English")).to_be_visible()
    answer = page.request.get(f"{server.url}/runs/none/objects.geojson")
    cookies = {cookie["name"]: cookie["value"] for cookie in page.context.cookies()}
    assert cookies["samgeo_language"] == "zh-CN"
    assert answer.status == 404
    assert answer.text() == "此地址中没有有效的编号；请从列表中打开影像或运行。\n"

    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("button", name="简体中文")).to_be_visible()
    expect(page.get_by_text("Advanced", exact=True)).to_be_visible()
    settled(page)
    assert not [text for text in page.evaluate(COLLECT) if re.search("[\u4e00-\u9fff]", text)
                and text != "简体中文"]  # fmt: skip
