"""Tiles, layers, downloads and map assets on streamlit's own port.

Routes know ids and numbers only. Work on files runs in threads of its own pool, so that a burst of
tiles can't hold up the pages, and memory stays bounded.
"""

from __future__ import annotations

import gzip
import hashlib
import logging
import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar
from urllib.parse import quote

import anyio
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    PlainTextResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import BaseRoute, Route

from samgeo_core.config import SelectionRule
from samgeo_core.errors import (
    AddressError,
    ConflictError,
    ExportError,
    FetchError,
    NotFoundError,
    ParameterError,
    RasterError,
    SamGeoError,
)
from samgeo_core.web.basemap_routes import BasemapRoutes
from samgeo_core.web.classes import classes_version
from samgeo_core.web.compare_routes import CompareRoutes
from samgeo_core.web.context import AppContext
from samgeo_core.web.downloads import ReadyStream, make_download
from samgeo_core.web.edit_routes import EditRoutes
from samgeo_core.web.finished import ExportChoice
from samgeo_core.web.guards.counts import Metrics
from samgeo_core.web.health import Health
from samgeo_core.web.layers import LAYER_VERSION, objects_layer
from samgeo_core.web.pick_routes import PickRoutes
from samgeo_core.web.records import Run
from samgeo_core.web.results import result_place
from samgeo_core.web.rules import rule_from_query
from samgeo_core.web.selected import run_source, version_of
from samgeo_core.web.share_routes import ShareRoutes
from samgeo_core.web.stored import ViewBox, view_layer
from samgeo_core.web.upload_routes import UploadRoutes
from samgeo_core.web.urls import base_path
from samgeo_core.words import sentence

logger = logging.getLogger(__name__)

T = TypeVar("T")
Handler = Callable[[Request], Awaitable[Response]]

TILE_THREADS = 4
FILE_THREADS = 2

STATUS_BY_ERROR: tuple[tuple[type[SamGeoError], int], ...] = (
    (NotFoundError, 404),
    (ConflictError, 409),
    (ParameterError, 400),
    (RasterError, 404),
    (AddressError, 403),
    (FetchError, 502),
    (ExportError, 422),
    (SamGeoError, 500),
)
"""The first class that fits decides the status of the answer."""

# What an address shows never changes as long as its ETag stays; asking again costs a 304.
CACHED = "private, max-age=3600"
CHECKED = "private, no-cache"
_SAFE = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'"}


class _Routes:
    """Handlers over one context."""

    def __init__(self, context: AppContext) -> None:
        self._context = context
        self._tile_threads = anyio.CapacityLimiter(TILE_THREADS)
        self._file_threads = anyio.CapacityLimiter(FILE_THREADS)

    async def scene_tile(self, request: Request) -> Response:
        """A tile of a scene."""
        z, x, y = _tile_address(request)

        def draw() -> Response:
            scene = self._context.store.scene(request.path_params["scene_id"])
            etag = _etag("scene", scene.scene_id, scene.version, scene.display, z, x, y)
            if _is_known(request, etag):
                return _unchanged(etag)
            return _png(self._context.tiles.scene_tile(scene, z, x, y), etag)

        return await anyio.to_thread.run_sync(draw, limiter=self._tile_threads)

    async def label_tile(self, request: Request) -> Response:
        """A tile of a run's mask layer."""
        z, x, y = _tile_address(request)

        def draw() -> Response:
            run = self._context.store.run(request.path_params["run_id"])
            rule = _rule(request, run)
            etag = _etag("labels", run.run_id, version_of(run), rule, z, x, y)
            if _is_known(request, etag):
                return _unchanged(etag)
            return _png(self._context.tiles.label_tile(run, z, x, y, rule), etag)

        return await anyio.to_thread.run_sync(draw, limiter=self._tile_threads)

    async def objects(self, request: Request) -> Response:
        """A run's polygons for the map."""

        def make() -> Response:
            run = self._context.store.run(request.path_params["run_id"])
            rule = _rule(request, run)
            version = (LAYER_VERSION, version_of(run), classes_version(run))
            etag = _etag("objects", run.run_id, version, rule)
            if _is_known(request, etag):
                return _unchanged(etag)
            return _geojson(request, objects_layer(run, rule), etag)

        return await anyio.to_thread.run_sync(make, limiter=self._file_threads)

    async def view(self, request: Request) -> Response:
        """Those of a run's polygons that a view of the map shows."""

        def make() -> Response:
            run = self._context.store.run(request.path_params["run_id"])
            view = ViewBox.parse(request.query_params.get("bbox"), request.query_params.get("zoom"))
            version = (LAYER_VERSION, result_place(run).version)
            etag = _etag("view", run.run_id, version, view)
            if _is_known(request, etag):
                return _unchanged(etag)
            return _geojson(request, view_layer(run, view), etag)

        return await anyio.to_thread.run_sync(make, limiter=self._tile_threads)

    async def download(self, request: Request) -> Response:
        """A result as a file in the format its name asks for."""

        def make() -> Response:
            run = self._context.store.run(request.path_params["run_id"])
            rule = _rule(request, run)
            image = partial(self._context.store.scene, run.scene_id)
            choice = ExportChoice.from_query(request.query_params)
            name = request.path_params["filename"]
            file = make_download(run, name, rule, image=image, choice=choice)
            if isinstance(file, ReadyStream):
                return _stream(file)
            return FileResponse(
                file.path,
                media_type=file.media_type,
                filename=file.save_as,
                stat_result=file.path.stat(),
                headers={"Cache-Control": CHECKED},
            )

        return await anyio.to_thread.run_sync(make, limiter=self._file_threads)

    async def asset(self, request: Request) -> Response:
        """A file of a map library."""
        package, path = request.path_params["package"], request.path_params["path"]
        asset = await anyio.to_thread.run_sync(self._context.assets.find, package, path)
        if asset is None:
            raise NotFoundError("There is no such asset.")
        if _is_known(request, asset.etag):
            return _unchanged(asset.etag)
        headers = {"ETag": asset.etag, "Cache-Control": "public, max-age=3600"}
        return FileResponse(asset.path, media_type=asset.media_type, headers=headers)


def build_routes(context: AppContext, base: str = "") -> list[BaseRoute]:
    """All routes of the app besides streamlit's own.

    Args:
        context: the process's context.
        base: streamlit's ``server.baseUrlPath``; routes answer below it.
    """
    prefix, routes, health = base_path(base), _Routes(context), Health(context)
    handlers: dict[str, Handler] = {
        "/healthz": health.healthz,
        "/readyz": health.readyz,
        "/metrics": Metrics(context).metrics,
        "/tiles/{scene_id}/{z}/{x}/{y}.png": routes.scene_tile,
        "/runs/{run_id}/labels/{z}/{x}/{y}.png": routes.label_tile,
        "/runs/{run_id}/objects.geojson": routes.objects,
        "/runs/{run_id}/view.geojson": routes.view,
        "/runs/{run_id}/download/{filename}": routes.download,
        "/assets/{package}/{path:path}": routes.asset,
    }
    asked = [("GET", path, handler) for path, handler in handlers.items()]
    asked += PickRoutes(context).handlers
    asked += EditRoutes(context, base).handlers
    asked += CompareRoutes(context).handlers
    asked += UploadRoutes(context).handlers
    asked += BasemapRoutes().handlers
    ours = [Route(prefix + path, _guarded(run), methods=[method]) for method, path, run in asked]
    return [*ours, *ShareRoutes(context, base).routes]


def _guarded(handler: Handler) -> Handler:
    """Turn our errors into answers, and tell browsers to take each answer for what it says."""

    async def guarded(request: Request) -> Response:
        try:
            response = await handler(request)
        except SamGeoError as error:
            status = next(code for kind, code in STATUS_BY_ERROR if isinstance(error, kind))
            level = logging.INFO if status < 500 else logging.ERROR
            logger.log(level, "%s: %s", request.url.path, error)
            headers = {"Cache-Control": "no-store"}
            response = PlainTextResponse(
                f"{sentence(str(error))}\n", status_code=status, headers=headers
            )
        response.headers.update(_SAFE)
        return response

    return guarded


def _rule(request: Request, run: Run) -> SelectionRule:
    """The rule that an address asks for."""
    own = run_source(run).rule
    rule = rule_from_query(own, request.query_params)
    if run.is_streamed and rule != own:
        raise ParameterError(
            "The objects of an image that was segmented in parts can't be chosen again here; "
            "ask without limits."
        )
    return rule


def _tile_address(request: Request) -> tuple[int, int, int]:
    numbers = [request.path_params[name] for name in ("z", "x", "y")]
    if not all(re.fullmatch(r"[0-9]{1,20}", number) for number in numbers):
        raise NotFoundError("There is no such tile; tiles are numbered z/x/y.")
    z, x, y = map(int, numbers)
    return z, x, y


def _etag(*parts: object) -> str:
    return f'"{hashlib.sha256(repr(parts).encode()).hexdigest()[:32]}"'


def _is_known(request: Request, etag: str) -> bool:
    """Whether the browser says it has this very content."""
    given = request.headers.get("if-none-match", "")
    return etag in (tag.strip().removeprefix("W/") for tag in given.split(","))


def _unchanged(etag: str) -> Response:
    return Response(status_code=304, headers={"ETag": etag, "Cache-Control": CACHED})


def _geojson(request: Request, body: bytes, etag: str) -> Response:
    """GeoJSON that comes gzipped, for a browser that may not want it so."""
    headers = {"ETag": etag, "Cache-Control": CHECKED, "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
    else:
        body = gzip.decompress(body)
    return Response(body, headers=headers, media_type="application/geo+json")


def _stream(file: ReadyStream) -> Response:
    headers = {
        "Cache-Control": "no-store",
        "Content-Disposition": f"attachment; filename*=utf-8''{quote(file.save_as)}",
    }
    return StreamingResponse(file.pieces, media_type=file.media_type, headers=headers)


def _png(body: bytes, etag: str) -> Response:
    return Response(body, media_type="image/png", headers={"ETag": etag, "Cache-Control": CACHED})
