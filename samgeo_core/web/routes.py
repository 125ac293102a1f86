"""Tiles, layers, downloads and map assets on streamlit's own port.

Routes know ids and numbers only. Work on files runs in threads of its own pool, so that a burst of
tiles can't hold up the pages, and memory stays bounded.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

import anyio
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from samgeo_core.config import SelectionRule
from samgeo_core.errors import (
    AddressError,
    ConflictError,
    DiskFullError,
    ExportError,
    FetchError,
    MemoryFullError,
    NotFoundError,
    ParameterError,
    RasterError,
    SamGeoError,
)
from samgeo_core.web.answers import (
    CACHED,
    UNKEPT,
    known,
    picture,
    sent,
    tile_address,
    zipped,
)
from samgeo_core.web.basemap_routes import BasemapRoutes
from samgeo_core.web.classes import classes_version
from samgeo_core.web.compare_routes import CompareRoutes
from samgeo_core.web.context import AppContext
from samgeo_core.web.downloads import make_download
from samgeo_core.web.edit_routes import EditRoutes
from samgeo_core.web.finished import ExportChoice
from samgeo_core.web.guards.counts import Metrics
from samgeo_core.web.health import Health
from samgeo_core.web.layers import LAYER_VERSION, objects_layer
from samgeo_core.web.pick_routes import PickRoutes
from samgeo_core.web.records import Run
from samgeo_core.web.refusals import refusal_of
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
    (DiskFullError, 507),
    (MemoryFullError, 503),
    (SamGeoError, 500),
)
"""The first class that fits decides the status of the answer."""

GEOJSON = "application/geo+json"
_SAFE = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'"}


class _Routes:
    """Handlers over one context."""

    def __init__(self, context: AppContext) -> None:
        self._context = context
        self._tile_threads = anyio.CapacityLimiter(TILE_THREADS)
        self._file_threads = anyio.CapacityLimiter(FILE_THREADS)

    async def scene_tile(self, request: Request) -> Response:
        """A tile of a scene."""
        z, x, y = tile_address(request)

        def draw() -> Response:
            scene = self._context.store.scene(request.path_params["scene_id"])
            version = ("scene", scene.scene_id, scene.version, scene.display, z, x, y)
            tiles = self._context.tiles
            return picture(request, version, lambda: tiles.scene_tile(scene, z, x, y), CACHED)

        return await anyio.to_thread.run_sync(draw, limiter=self._tile_threads)

    async def label_tile(self, request: Request) -> Response:
        """A tile of a run's mask layer."""
        z, x, y = tile_address(request)

        def draw() -> Response:
            run = self._context.store.run(request.path_params["run_id"])
            rule, tiles = _rule(request, run), self._context.tiles
            version = ("labels", run.run_id, version_of(run), rule, z, x, y)
            return picture(request, version, lambda: tiles.label_tile(run, z, x, y, rule), CACHED)

        return await anyio.to_thread.run_sync(draw, limiter=self._tile_threads)

    async def objects(self, request: Request) -> Response:
        """A run's polygons for the map."""

        def make() -> Response:
            run = self._context.store.run(request.path_params["run_id"])
            rule = _rule(request, run)
            version = ("objects", run.run_id, LAYER_VERSION, version_of(run), classes_version(run))
            return zipped(request, (*version, rule), lambda: objects_layer(run, rule), GEOJSON)

        return await anyio.to_thread.run_sync(make, limiter=self._file_threads)

    async def view(self, request: Request) -> Response:
        """Those of a run's polygons that a view of the map shows."""

        def make() -> Response:
            run = self._context.store.run(request.path_params["run_id"])
            view = ViewBox.parse(request.query_params.get("bbox"), request.query_params.get("zoom"))
            version = ("view", run.run_id, LAYER_VERSION, result_place(run).version, view)
            return zipped(request, version, lambda: view_layer(run, view), GEOJSON)

        return await anyio.to_thread.run_sync(make, limiter=self._tile_threads)

    async def download(self, request: Request) -> Response:
        """A result as a file in the format its name asks for."""

        def make() -> Response:
            run = self._context.store.run(request.path_params["run_id"])
            rule = _rule(request, run)
            image = partial(self._context.store.scene, run.scene_id)
            choice = ExportChoice.from_query(request.query_params)
            name = request.path_params["filename"]
            return sent(make_download(run, name, rule, image=image, choice=choice))

        return await anyio.to_thread.run_sync(make, limiter=self._file_threads)

    async def asset(self, request: Request) -> Response:
        """A file of a map library."""
        package, path = request.path_params["package"], request.path_params["path"]
        asset = await anyio.to_thread.run_sync(self._context.assets.find, package, path)
        if asset is None:
            raise NotFoundError("There is no such asset.")
        keep = "public, max-age=3600"
        if (short := known(request, asset.etag, keep)) is not None:
            return short
        headers = {"ETag": asset.etag, "Cache-Control": keep}
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
        except Exception as error:
            told = refusal_of(error) or error
            if not isinstance(told, SamGeoError):
                raise
            status = next(code for kind, code in STATUS_BY_ERROR if isinstance(told, kind))
            level = logging.INFO if status < 500 else logging.ERROR
            logger.log(level, "%s: %s", request.url.path, error)
            headers = {"Cache-Control": UNKEPT}
            response = PlainTextResponse(
                f"{sentence(str(told))}\n", status_code=status, headers=headers
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
