"""Visitors of pages without a browser: they speak Streamlit's own messages over its websocket."""

from __future__ import annotations

import asyncio
import time

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.runner import MeasurementError

_WAIT_S = 120.0


async def rerun_pages(
    address: str, pages: list[str], query: str, visitors: int, reruns: int
) -> list[float]:
    """Let visitors open pages at once and rerun them; seconds of each rerun.

    Args:
        address: of the app, ``http://…``.
        pages: names of pages, such as "segment"; visitors take them in turns.
        query: the pages' query string.
        visitors: how many.
        reruns: how often each, the first time not counted.
    """

    async def one(number: int) -> list[float]:
        # Not all in the same moment: people don't either.
        await asyncio.sleep(0.2 * number)
        page = pages[number % len(pages)]
        url = f"{address.replace('http', 'ws', 1)}/_stcore/stream"
        async with connect(url, subprotocols=["streamlit"], max_size=None) as socket:  # type: ignore[list-item]
            await _rerun(socket, page, query)
            seconds = []
            for _ in range(reruns):
                await asyncio.sleep(1.0)
                seconds.append(await _rerun(socket, page, query))
            return seconds

    everybody = await asyncio.gather(*(one(number) for number in range(visitors)))
    return [second for seconds in everybody for second in seconds]


async def _rerun(socket: ClientConnection, page: str, query: str) -> float:
    """Ask for a run of a page's script; seconds until all of it has arrived.

    Raises:
        MeasurementError: the page shows an exception.
    """
    ask = BackMsg()
    ask.rerun_script.query_string = query
    ask.rerun_script.page_name = page
    begun = time.perf_counter()
    await socket.send(ask.SerializeToString())
    while True:
        told = ForwardMsg()
        message = await asyncio.wait_for(socket.recv(), _WAIT_S)
        told.ParseFromString(message if isinstance(message, bytes) else message.encode())
        if told.delta.new_element.HasField("exception"):
            raise MeasurementError(f"The page shows {told.delta.new_element.exception.message}")
        if told.WhichOneof("type") == "script_finished":
            return time.perf_counter() - begun
