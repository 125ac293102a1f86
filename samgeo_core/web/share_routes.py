"""Shared results: a page of its own for whoever has its link, and all that the page loads.

GET /s/{token}                          the page
GET /s/{token}/embed                    the page for frames of other sites
GET /s/{token}/static/{version}/{name}  its scripts and styles
GET /s/{token}/tiles/{z}/{x}/{y}.png    the image
GET /s/{token}/masks/{z}/{x}/{y}.png    the masks, or with score those of at least so much
GET /s/{token}/layer.geojson            all outlines, or with bbox and zoom those in sight
GET /s/{token}/table.json               attributes of the largest objects, of a result in parts
GET /s/{token}/place/{object_id}.json   where an object of such a result lies
GET /s/{token}/download/{filename}      what the owner offers
GET /s/{token}/preview.png              the picture for messengers

No address holds an id of a run or scene. Each answer asks first whether the link still opens, and
browsers must ask again before they show what they have: what was taken back is gone at once.
"""

from __future__ import annotations

import gzip
import json
import logging
import re
from collections.abc import Awaitable, Callable
from functools import partial

import anyio
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from samgeo_core.errors import (
    DiskFullError,
    ExportError,
    GoneError,
    MemoryFullError,
    NotFoundError,
    ParameterError,
    SamGeoError,
)
from samgeo_core.web.answers import CHECKED, picture, sent, tile_address, zipped
from samgeo_core.web.classes import classes_version
from samgeo_core.web.context import AppContext
from samgeo_core.web.downloads import make_download
from samgeo_core.web.guards.scopes import is_https
from samgeo_core.web.layers import LAYER_VERSION, objects_layer
from samgeo_core.web.records import Run
from samgeo_core.web.refusals import refusal_of
from samgeo_core.web.scored import least_score
from samgeo_core.web.selected import version_of
from samgeo_core.web.share_preview import preview_png
from samgeo_core.web.share_view import (
    LEAFLET,
    STATIC,
    PageAddress,
    ended_html,
    page_html,
    shared_rule,
    static_file,
)
from samgeo_core.web.shares import Share, Shares
from samgeo_core.web.stored import ViewBox, extent_of, largest_objects, view_layer
from samgeo_core.web.urls import base_path
from samgeo_core.words import sentence

logger = logging.getLogger(__name__)

Answer = Callable[[Request, Share, Run], Response]

TILE_THREADS = 4
FILE_THREADS = 2

_STATUS: tuple[tuple[type[SamGeoError], int], ...] = (
    (GoneError, 410),
    (ParameterError, 400),
    (ExportError, 422),
    (DiskFullError, 507),
    (MemoryFullError, 503),
    (SamGeoError, 404),
)
"""The first class that fits decides the status; of the rest those who look need no detail."""

JSON = "application/json"
_SAFE = {
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'",
}
# Leaflet replaces pictures that it doesn't wait for any more by an empty one, in a data address.
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors {frames}"
)
_ENDED_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


class ShareRoutes:
    """Handlers over one context.

    Args:
        context: the process's context.
        base: streamlit's ``server.baseUrlPath``.
    """

    def __init__(self, context: AppContext, base: str = "") -> None:
        self._context = context
        self._shares = Shares(context.store)
        self._prefix = base_path(base)
        self._tile_threads = anyio.CapacityLimiter(TILE_THREADS)
        self._file_threads = anyio.CapacityLimiter(FILE_THREADS)

    @property
    def routes(self) -> list[BaseRoute]:
        """All of them, below the base path."""
        tiles, files = self._tile_threads, self._file_threads
        answers: list[tuple[str, Answer, anyio.CapacityLimiter]] = [
            ("", self._page, files),
            ("/embed", self._page, files),
            ("/static/{version}/{name}", self._static, tiles),
            ("/tiles/{z}/{x}/{y}.png", self._scene_tile, tiles),
            ("/masks/{z}/{x}/{y}.png", self._label_tile, tiles),
            ("/layer.geojson", self._layer, tiles),
            ("/table.json", self._table, files),
            ("/place/{object_id}.json", self._place, tiles),
            ("/download/{filename}", self._download, files),
            ("/preview.png", self._preview, files),
        ]
        return [
            Route(f"{self._prefix}/s/{{token}}{path}", self._opened(answer, limiter))
            for path, answer, limiter in answers
        ]

    def _opened(
        self, answer: Answer, limiter: anyio.CapacityLimiter
    ) -> Callable[[Request], Awaitable[Response]]:
        """Answer to who has a link that opens; to everybody else with a sentence."""

        def make(request: Request) -> Response:
            try:
                share, run = self._shares.find(request.path_params["token"])
                return answer(request, share, run)
            except Exception as error:
                told = refusal_of(error) or error
                if not isinstance(told, SamGeoError):
                    raise
                # NOTE: never the path, which holds the token.
                logger.info("A shared link: %s", error)
                status = next(code for kind, code in _STATUS if isinstance(told, kind))
                return _refusal(request, sentence(str(told)), status)

        async def handler(request: Request) -> Response:
            response = await anyio.to_thread.run_sync(make, request, limiter=limiter)
            for name, value in _SAFE.items():
                response.headers.setdefault(name, value)
            return response

        return handler

    def _page(self, request: Request, share: Share, run: Run) -> Response:
        path = f"{self._prefix}/s/{request.path_params['token']}"
        embedded = request.url.path.endswith("/embed")
        address = PageAddress(_origin(request), path, embedded)
        page = page_html(share, run, self._context.store.scene(run.scene_id), address)
        policy = _PAGE_POLICY.format(frames="*" if embedded else "'none'")
        return HTMLResponse(
            page, headers={"Cache-Control": "no-store", "Content-Security-Policy": policy}
        )

    def _static(self, request: Request, share: Share, run: Run) -> Response:
        name = request.path_params["name"]
        headers = {"Cache-Control": "private, max-age=86400"}
        if name in LEAFLET:
            asset = self._context.assets.find("leaflet", LEAFLET[name])
            if asset is None:
                raise NotFoundError("The map library isn't installed on this server.")
            return FileResponse(asset.path, media_type=asset.media_type, headers=headers)
        body = static_file(name)
        if body is None:
            raise NotFoundError("There is no such file.")
        return Response(body, headers=headers, media_type=STATIC[name])

    def _scene_tile(self, request: Request, share: Share, run: Run) -> Response:
        z, x, y = tile_address(request)
        scene = self._context.store.scene(run.scene_id)
        return picture(
            request,
            (scene.scene_id, scene.version, scene.display, z, x, y),
            lambda: self._context.tiles.scene_tile(scene, z, x, y),
        )

    def _label_tile(self, request: Request, share: Share, run: Run) -> Response:
        z, x, y = tile_address(request)
        rule, least = shared_rule(share, run), least_score(request.query_params.get("score"))
        tiles = self._context.tiles
        return picture(
            request,
            ("masks", run.run_id, version_of(run), rule, least, z, x, y),
            lambda: tiles.label_tile(run, z, x, y, rule, least_score=least),
        )

    def _layer(self, request: Request, share: Share, run: Run) -> Response:
        version = (LAYER_VERSION, run.run_id, version_of(run), classes_version(run))
        if run.is_streamed:
            query = request.query_params
            view = ViewBox.parse(query.get("bbox"), query.get("zoom"))
            return zipped(request, (*version, view), lambda: view_layer(run, view), JSON)
        rule = shared_rule(share, run)
        return zipped(request, (*version, rule), lambda: objects_layer(run, rule), JSON)

    def _table(self, request: Request, share: Share, run: Run) -> Response:
        if not run.is_streamed:
            raise NotFoundError("The table of this result is in its layer.")

        def make() -> bytes:
            rows = largest_objects(run).to_json(orient="records", double_precision=6)
            return gzip.compress(str(rows).encode(), compresslevel=1, mtime=0)

        return zipped(request, ("table", run.run_id, version_of(run)), make, JSON)

    def _place(self, request: Request, share: Share, run: Run) -> Response:
        number = request.path_params["object_id"]
        if not run.is_streamed or not re.fullmatch(r"[0-9]{1,10}", number):
            raise NotFoundError("There is no such object.")
        place = extent_of(run, int(number))
        if place is None:
            raise NotFoundError("There is no such object.")
        headers = {"Cache-Control": CHECKED}
        return Response(json.dumps(place), headers=headers, media_type="application/json")

    def _download(self, request: Request, share: Share, run: Run) -> Response:
        filename = request.path_params["filename"]
        if filename not in share.downloads:
            raise NotFoundError("This file isn't offered here; ask who sent the link.")
        image = partial(self._context.store.scene, run.scene_id)
        return sent(make_download(run, filename, shared_rule(share, run), image=image))

    def _preview(self, request: Request, share: Share, run: Run) -> Response:
        scene, rule = self._context.store.scene(run.scene_id), shared_rule(share, run)
        version = ("preview", run.run_id, version_of(run), scene.version, scene.display, rule)
        return picture(request, version, lambda: preview_png(run, scene, rule))


def _refusal(request: Request, told: str, status: int) -> Response:
    headers = {"Cache-Control": "no-store"}
    if "text/html" not in request.headers.get("accept", ""):
        return PlainTextResponse(f"{told}\n", status_code=status, headers=headers)
    policy = {"Content-Security-Policy": _ENDED_POLICY}
    return HTMLResponse(ended_html(told), status_code=status, headers=headers | policy)


def _origin(request: Request) -> str:
    """Scheme and host by which the browser found us, for addresses that others follow."""
    host = request.headers.get("x-forwarded-host") or request.headers.get("host") or ""
    host = host.split(",")[0].strip()
    if not re.fullmatch(r"[A-Za-z0-9.\-\[\]:]{1,255}", host):
        return ""
    return f"{'https' if is_https(request.scope) else 'http'}://{host}"
