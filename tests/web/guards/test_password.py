"""Who doesn't know the shared password gets no page, no tile and no websocket."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from samgeo_core.web.guards.password import ATTEMPTS_PER_MINUTE, SharedPassword

PASSWORD = "grüne Felder"


async def _answer(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"inside {request.url.path}")


async def _echo(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("inside")


def client(password: str = PASSWORD, base: str = "", *, https: bool = False) -> TestClient:
    routes = [WebSocketRoute("/{path:path}", _echo), Route("/{path:path}", _answer)]
    app = SharedPassword(Starlette(routes=routes), password, base)
    address = "https://studio.example" if https else "http://studio.example"
    return TestClient(app, base_url=address, follow_redirects=False)


def enter(visitor: TestClient, password: str = PASSWORD, then: str = "/", base: str = "") -> int:
    answer = visitor.post(f"{base}/door", params={"then": then}, data={"password": password})
    return answer.status_code


@pytest.mark.parametrize("base", ["", "studio"])
@pytest.mark.parametrize("path", ["/", "/result?run=abc", "/runs/abc/download/objects.gpkg"])
def test_strangers_stay_outside_until_they_know_it(base: str, path: str) -> None:
    visitor, prefix = client(base=base), f"/{base}" if base else ""
    assert visitor.get(f"{prefix}{path}").status_code == 401
    with pytest.raises(WebSocketDisconnect), visitor.websocket_connect(f"{prefix}/_stcore/stream"):
        pass
    page = visitor.get(f"{prefix}{path}", headers={"accept": "text/html"})
    assert (page.status_code, "password" in page.text) == (401, True)
    assert enter(visitor, "wrong", base=prefix) == 401
    assert visitor.get(f"{prefix}{path}").status_code == 401

    answer = visitor.post(f"{prefix}/door", params={"then": path}, data={"password": PASSWORD})
    assert (answer.status_code, answer.headers["location"]) == (303, f"{prefix}{path}")
    assert "inside" in visitor.get(f"{prefix}{path}").text
    # NOTE: the test client keeps cookies from websockets, other than browsers.
    key = {"cookie": f"samgeo_door={visitor.cookies['samgeo_door']}"}
    with visitor.websocket_connect(f"{prefix}/_stcore/stream", headers=key) as socket:
        assert socket.receive_text() == "inside"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/s/token", "/assets/leaflet/leaflet.js"])
def test_checks_shared_results_and_map_libraries_need_none(path: str) -> None:
    assert client().get(path).text == f"inside {path}"


@pytest.mark.parametrize("path", ["/sx/token", "/door", "//s/token", "/S/token", "/tiles/s/x"])
def test_what_only_looks_like_them_does(path: str) -> None:
    answer = client().get(f"http://studio.example{path}")
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "then", ["//evil.example", "https://evil.example/", "/\\evil.example", "evil", "/a\r\nX: y"]
)
def test_the_way_on_never_leads_elsewhere(then: str) -> None:
    visitor = client()
    answer = visitor.post("/door", params={"then": then}, data={"password": PASSWORD})
    assert answer.headers["location"] == "/"


def test_a_forged_or_another_installations_key_opens_nothing() -> None:
    other = client("another")
    assert enter(other, "another") == 303
    for key in (other.cookies["samgeo_door"], "in.abc.def", ""):
        visitor = client()
        visitor.cookies.set("samgeo_door", key)
        assert visitor.get("/").status_code == 401


def test_guessing_ends_after_some_attempts() -> None:
    visitor = client()
    codes = [enter(visitor, f"guess {i}") for i in range(ATTEMPTS_PER_MINUTE + 2)]
    assert codes == [401] * ATTEMPTS_PER_MINUTE + [429] * 2
    assert enter(visitor) == 429


def test_the_key_is_out_of_reach_of_scripts_and_of_other_sites() -> None:
    visitor = client(https=True)
    answer = visitor.post("/door", data={"password": PASSWORD})
    cookie = answer.headers["set-cookie"].lower()
    assert all(word in cookie for word in ("httponly", "samesite=lax", "secure", "path=/"))


def test_what_a_stranger_asks_for_never_becomes_markup() -> None:
    page = client().get('/"><script>alert(1)</script>', headers={"accept": "text/html"})
    assert "<script>" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_a_huge_answer_is_not_read_to_the_end() -> None:
    assert enter(client(), "x" * 100_000) == 401
