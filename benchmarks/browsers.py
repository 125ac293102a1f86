"""Real browsers: Chromium opens pages of the app, several at once."""

from __future__ import annotations

import asyncio
import shutil
import time

from benchmarks.click_latency import ARGUMENTS, BROWSERS
from benchmarks.runner import MeasurementError

_WAIT_MS = 120_000.0


async def open_pages(address: str, page: str, query: str, browsers: int, times: int) -> list[float]:
    """Seconds from asking for a page until its script has run and its map has pictures.

    Args:
        address: of the app, ``http://…``.
        page: name of a page that shows a map, such as "segment".
        query: the page's query string.
        browsers: how many windows of their own look at once.
        times: how often each opens it.

    Raises:
        MeasurementError: no Chromium is here.
    """
    from playwright.async_api import BrowserContext, async_playwright

    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        raise MeasurementError("No Chromium is on the PATH: run `make chromium`, or install it.")

    async def one(context: BrowserContext) -> list[float]:
        window, seconds = await context.new_page(), []
        window.set_default_timeout(_WAIT_MS)
        for _ in range(times):
            begun = time.perf_counter()
            await window.goto(f"{address}/{page}?{query}")
            drawn = window.frame_locator("iframe").locator(".leaflet-tile-loaded")
            await drawn.first.wait_for()
            seconds.append(time.perf_counter() - begun)
        return seconds

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        contexts = [await browser.new_context() for _ in range(browsers)]
        everybody = await asyncio.gather(*(one(context) for context in contexts))
        await browser.close()
    return [second for seconds in everybody for second in seconds]
