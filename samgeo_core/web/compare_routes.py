"""Outlines and files of a comparison, for the owner of a run.

GET /runs/{run_id}/comparison.geojson    outlines for the map
GET /runs/{run_id}/comparison/{filename} a file to take home, see `compare.FILES`

Addresses hold the rule of the result, as those of layers do, what is asked of the comparison, and
a key that the page gives to the run's owner: the layer that somebody brought is theirs alone.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Awaitable, Callable
from urllib.parse import quote

import anyio
from starlette.requests import Request
from starlette.responses import Response

from samgeo_core.errors import NotFoundError
from samgeo_core.web.compare import (
    FILES,
    Asked,
    comparison_file,
    comparison_version,
    may_see,
)
from samgeo_core.web.compare_layer import comparison_layer
from samgeo_core.web.context import AppContext
from samgeo_core.web.rules import rule_from_query
from samgeo_core.web.selected import Selected, run_source, selected

COMPARE_THREADS = 2
TOKEN = "key"

_PRIVATE = "private, no-cache"


class CompareRoutes:
    """Handlers over one context.

    Args:
        context: the process's context.
    """

    def __init__(self, context: AppContext) -> None:
        self._store = context.store
        self._threads = anyio.CapacityLimiter(COMPARE_THREADS)

    @property
    def handlers(self) -> list[tuple[str, str, Callable[[Request], Awaitable[Response]]]]:
        """Method, path and handler of each route."""
        return [
            ("GET", "/runs/{run_id}/comparison.geojson", self.layer),
            ("GET", "/runs/{run_id}/comparison/{filename}", self.file),
        ]

    async def layer(self, request: Request) -> Response:
        """Outlines for the map."""

        def make() -> Response:
            shown, asked = self._asked(request)
            told = repr(comparison_version(shown, asked)).encode()
            etag = f'"{hashlib.sha256(told).hexdigest()[:32]}"'
            headers = {"ETag": etag, "Cache-Control": _PRIVATE, "Vary": "Accept-Encoding"}
            if request.headers.get("if-none-match", "").removeprefix("W/") == etag:
                return Response(status_code=304, headers=headers)
            body = comparison_layer(shown, asked)
            if "gzip" in request.headers.get("accept-encoding", ""):
                headers["Content-Encoding"] = "gzip"
            else:
                body = gzip.decompress(body)
            return Response(body, headers=headers, media_type="application/geo+json")

        return await anyio.to_thread.run_sync(make, limiter=self._threads)

    async def file(self, request: Request) -> Response:
        """A file to take home."""

        def make() -> Response:
            shown, asked = self._asked(request)
            filename = request.path_params["filename"]
            body = comparison_file(shown, asked, filename)
            headers = {
                "Cache-Control": "no-store",
                "Content-Disposition": f"attachment; filename*=utf-8''{quote(filename)}",
            }
            return Response(body, headers=headers, media_type=FILES[filename])

        return await anyio.to_thread.run_sync(make, limiter=self._threads)

    def _asked(self, request: Request) -> tuple[Selected, Asked]:
        run = self._store.run(request.path_params["run_id"])
        if run.is_streamed or not may_see(run, request.query_params.get(TOKEN)):
            raise NotFoundError("There is no such comparison; open the result and compare there.")
        rule = rule_from_query(run_source(run).rule, request.query_params)
        return selected(run, rule), Asked.of_query(request.query_params)
