"""Figures for Prometheus: requests, their times, and what the app is busy with."""

from __future__ import annotations

import hmac
import time
from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from samgeo_core.errors import NotFoundError
from samgeo_core.web.context import AppContext
from samgeo_core.web.guards.scopes import first_part, path_below

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Prometheus' text format, https://prometheus.io/docs/instrumenting/exposition_formats/."""

_KINDS = frozenset({"tiles", "runs", "pick", "edits", "uploads", "s", "assets", "static"})
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

_registry = CollectorRegistry()
for _collector in (ProcessCollector, PlatformCollector, GCCollector):
    _collector(registry=_registry)
_REQUESTS = Counter(
    "samgeo_http_requests", "Requests that were answered.", ("kind", "status"), registry=_registry
)
_TIMES = Histogram(
    "samgeo_http_request_seconds",
    "Seconds from a request to the last byte of its answer.",
    ("kind",),
    buckets=_SECONDS,
    registry=_registry,
)


class RequestCounts:
    """Middleware that counts requests and their seconds, by the first part of their path.

    Args:
        app: what answers.
        base: streamlit's ``server.baseUrlPath``.
    """

    def __init__(self, app: ASGIApp, base: str = "") -> None:
        self._app = app
        self._base = base

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on, and count it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status = time.perf_counter(), "500"

        async def send_counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        part = first_part(path_below(scope, self._base))
        kind = part if part in _KINDS else "page"
        try:
            await self._app(scope, receive, send_counted)
        finally:
            _REQUESTS.labels(kind, status).inc()
            _TIMES.labels(kind).observe(time.perf_counter() - begun)


class _AppState(Collector):
    """What the app is busy with at the moment it is asked."""

    def __init__(self, context: AppContext) -> None:
        self._context = context

    def collect(self) -> Iterator[Metric]:
        """Jobs by state."""
        jobs = GaugeMetricFamily("samgeo_jobs", "Jobs that are not finished.", labels=("state",))
        states = [job.state.value for job in self._context.jobs.active_jobs()]
        for state in ("queued", "running"):
            jobs.add_metric((state,), states.count(state))
        yield jobs

    def describe(self) -> Iterable[Metric]:
        """Nothing: asking for names must not ask for jobs."""
        return ()


class Metrics:
    """The route that Prometheus asks.

    Args:
        context: the process's context.
    """

    def __init__(self, context: AppContext) -> None:
        self._context = context

    async def metrics(self, request: Request) -> Response:
        """All figures, for who has the token of the settings.

        Raises:
            NotFoundError: the settings have no token, or the request has another.
        """
        token = self._context.settings.metrics_token
        given = request.headers.get("authorization", "")
        if token is None or not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
            raise NotFoundError("There is no such page.")
        state = CollectorRegistry()
        state.register(_AppState(self._context))
        body = generate_latest(_registry) + generate_latest(state)
        return PlainTextResponse(
            body, media_type=CONTENT_TYPE, headers={"Cache-Control": "no-store"}
        )
