"""Tiles of basemaps for the maps on which areas are drawn, by way of this server.

GET /basemaps/{map_id}/{z}/{x}/{y}

So they show what an area will hold, also where the browser has no internet or the map lies in an
inner network; and no map's owner learns who looks at it. Only what a page has shown has an id.
"""

from __future__ import annotations

import io
import re
from collections.abc import Awaitable, Callable

import anyio
from PIL import Image
from starlette.requests import Request
from starlette.responses import Response

from samgeo_core.basemap.area import shared_cache
from samgeo_core.basemap.fetching import Patience, Pixels, TileFetcher
from samgeo_core.basemap.lattice import Tile
from samgeo_core.basemap.services import Service, ask_service
from samgeo_core.basemap.source import TileSource
from samgeo_core.errors import NotFoundError
from samgeo_core.net.client import shared_client
from samgeo_core.web.cache import LruCache
from samgeo_core.web.ids import checked_id, new_id

Handler = Callable[[Request], Awaitable[Response]]

TILE_THREADS = 4
CACHED = "private, max-age=86400"
_MEDIA = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"RIFF": "image/webp"}

_ids: LruCache[tuple[str, str], str] = LruCache(512)
_shown: LruCache[str, TileSource] = LruCache(512)
_services: LruCache[str, Service] = LruCache(16)


def show_source(source: TileSource, owner: str) -> str:
    """The id by which a visitor's map gets tiles of a source; the same as long as it is known."""
    map_id = _ids.get((repr(source), owner), new_id)
    _shown.get(map_id, lambda: source)
    return map_id


def asked_service(address: str) -> Service:
    """What a WMTS or WMS offers; asked once.

    Raises:
        As `ask_service`.
    """
    return _services.get(address, lambda: ask_service(address, shared_client()))


class BasemapRoutes:
    """Handlers; they need no more than the ids of maps that were shown."""

    def __init__(self) -> None:
        self._threads = anyio.CapacityLimiter(TILE_THREADS)

    @property
    def handlers(self) -> list[tuple[str, str, Handler]]:
        """Method, path and handler of each route."""
        return [("GET", "/basemaps/{map_id}/{z}/{x}/{y}", self._tile)]

    async def _tile(self, request: Request) -> Response:
        map_id = checked_id(request.path_params["map_id"])
        numbers = [request.path_params[name] for name in ("z", "x", "y")]
        if not all(re.fullmatch(r"[0-9]{1,8}", number) for number in numbers):
            raise NotFoundError("There is no such tile; tiles are numbered z/x/y.")
        tile = Tile(*map(int, numbers))

        def draw() -> Response:
            return _drawn(_known(map_id), tile)

        return await anyio.to_thread.run_sync(draw, limiter=self._threads)


def _known(map_id: str) -> TileSource:
    def lost() -> TileSource:
        raise NotFoundError("This map is not shown any more; load the page again.")

    return _shown.get(map_id, lost)


def _drawn(source: TileSource, tile: Tile) -> Response:
    """The image of a tile as its server sends it, or drawn anew where its rows aren't the map's."""
    side = 2**tile.zoom
    if not source.min_zoom <= tile.zoom <= source.max_zoom or max(tile.x, tile.y) >= side:
        raise NotFoundError("The map has no such tile.")
    fetcher = TileFetcher(source, shared_client(), shared_cache(), Patience(attempts=1))
    body = fetcher.body(tile)
    if source.wms is not None and source.wms.is_geographic:
        body = _png(fetcher.pixels(tile))
    media = next(
        (m for head, m in _MEDIA.items() if body is not None and body.startswith(head)), ""
    )
    if not media:
        raise NotFoundError("The map has no such tile.")
    return Response(body, media_type=media, headers={"Cache-Control": CACHED})


def _png(pixels: Pixels | None) -> bytes | None:
    if pixels is None:
        return None
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, "PNG", compress_level=1)
    return target.getvalue()
