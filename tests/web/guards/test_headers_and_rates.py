"""Every answer carries its headers, and nobody's requests starve the others."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from samgeo_core.web.context import AppContext
from samgeo_core.web.guards.counts import Metrics, RequestCounts
from samgeo_core.web.guards.headers import SecurityHeaders
from samgeo_core.web.guards.rates import RequestLimit
from samgeo_core.web.routes import build_routes


async def _answer(request: Request) -> PlainTextResponse:
    return PlainTextResponse("here")


async def _strict(request: Request) -> PlainTextResponse:
    return PlainTextResponse("here", headers={"Content-Security-Policy": "default-src 'none'"})


APP = Starlette(routes=[Route("/strict", _strict), Route("/{path:path}", _answer)])


def test_pages_can_be_framed_by_nobody_else_and_tell_other_sites_nothing() -> None:
    headers = TestClient(SecurityHeaders(APP)).get("/result").headers
    assert "frame-ancestors 'self'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert "strict-transport-security" not in headers


def test_an_answer_with_a_policy_of_its_own_keeps_it() -> None:
    headers = TestClient(SecurityHeaders(APP)).get("/strict").headers
    assert headers.get_list("content-security-policy") == ["default-src 'none'"]


def test_browsers_stay_with_https_where_they_came_by_it() -> None:
    visitor = TestClient(SecurityHeaders(APP))
    assert (
        "max-age"
        in visitor.get("/", headers={"x-forwarded-proto": "https"}).headers[
            "strict-transport-security"
        ]
    )


def test_who_asks_too_often_waits_and_others_do_not() -> None:
    app = RequestLimit(APP, 5)
    busy, other = TestClient(app, client=("10.1.1.1", 1)), TestClient(app, client=("10.1.1.2", 1))
    codes = [busy.get("/tiles/1").status_code for _ in range(8)]
    assert codes == [200] * 5 + [429] * 3
    assert busy.get("/healthz").status_code == 200
    assert other.get("/tiles/1").status_code == 200
    refused = busy.get("/tiles/1")
    assert refused.headers["retry-after"] == "60" and "wait a minute" in refused.text


def test_a_named_origin_before_ours_makes_nobody_somebody_else() -> None:
    visitor = TestClient(RequestLimit(APP, 2))
    codes = [
        visitor.get("/", headers={"x-forwarded-for": f"10.0.0.{i}"}).status_code for i in range(4)
    ]
    assert codes == [200, 200, 429, 429]


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppContext:
    from samgeo_core.settings import Settings

    monkeypatch.setenv("SAMGEO_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("SAMGEO_METRICS_TOKEN", "secret")
    return AppContext.create(Settings.from_env())


def test_figures_are_told_to_who_has_the_token_only(context: AppContext) -> None:
    app = RequestCounts(Starlette(routes=build_routes(context)))
    visitor = TestClient(app)
    assert visitor.get("/healthz").json() == {"status": "ok"}
    assert visitor.get("/metrics").status_code == 404
    wrong = visitor.get("/metrics", headers={"authorization": "Bearer guess"})
    assert wrong.status_code == 404
    told = visitor.get("/metrics", headers={"authorization": "Bearer secret"}).text
    assert 'samgeo_jobs{state="queued"} 0.0' in told
    assert 'samgeo_http_requests_total{kind="page",status="404"}' in told
    assert "process_resident_memory_bytes" in told


def test_without_a_token_there_are_no_figures(
    context: AppContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    bare = replace(context, settings=replace(context.settings, metrics_token=None))
    app = Starlette(routes=[Route("/metrics", Metrics(bare).metrics)])
    visitor = TestClient(app, raise_server_exceptions=False)
    for header in ("", "Bearer ", "Bearer None"):
        assert visitor.get("/metrics", headers={"authorization": header}).status_code != 200


def test_readiness_says_what_is_wrong(context: AppContext) -> None:
    visitor = TestClient(Starlette(routes=build_routes(context)))
    assert visitor.get("/readyz").json() == {"status": "ready", "troubles": []}
    context.jobs.close()
    answer = visitor.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["troubles"] == ["The server is shutting down."]
