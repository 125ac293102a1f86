from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse
from starlette.routing import Route

from samgeo_core.web.ids import new_id
from samgeo_core.web.records import Run
from samgeo_core.web.visitors import COOKIE, VisitorCookie, edit_token, may_edit, visitor_of
from tests.web.serving import serve

PAGE = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture
def host() -> Iterator[str]:
    routes = [Route("/{path:path}", lambda request: HTMLResponse("<p>page</p>"))]
    app = Starlette(routes=routes, middleware=[Middleware(VisitorCookie, base="/maps/studio/")])
    with serve(app) as address:
        yield address


def cookie_of(host: str, path: str = "/", **headers: str) -> str | None:
    return requests.get(host + path, headers=headers, timeout=30).headers.get("set-cookie")


def test_a_browser_gets_a_name_once(host: str) -> None:
    given = cookie_of(host, **PAGE)
    assert given is not None
    name, *parts = given.split("; ")
    assert set(parts) >= {"Path=/maps/studio/", "HttpOnly", "SameSite=Lax"}
    assert "Secure" not in parts
    visitor = visitor_of({COOKIE: name.removeprefix(f"{COOKIE}=")})
    assert visitor is not None
    assert cookie_of(host, **PAGE, Cookie=f"other=1; {COOKIE}={visitor}") is None
    assert cookie_of(host, **PAGE) != given
    answer = requests.get(host, headers=PAGE, timeout=30)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.text == "<p>page</p>"


def test_only_pages_give_names(host: str) -> None:
    assert cookie_of(host, "/tiles/1.png", Accept="image/png") is None
    assert requests.post(host, headers=PAGE, timeout=30).headers.get("set-cookie") is None


def test_over_https_the_name_stays_there(host: str) -> None:
    given = cookie_of(host, **PAGE, **{"X-Forwarded-Proto": "https, http"})
    assert given is not None and given.endswith("; Secure")


@pytest.mark.parametrize("value", ["", "short", "x" * 23, "a" * 21 + "/", "../../../../etc/passwd"])
def test_what_is_no_name_is_replaced(host: str, value: str) -> None:
    assert visitor_of({COOKIE: value}) is None
    given = cookie_of(host, **PAGE, Cookie=f"{COOKIE}={value}")
    assert given is not None and re.match(rf"{COOKIE}=[\w-]{{22}};", given)


def test_a_token_is_good_for_one_run_of_one_owner(tmp_path: Path) -> None:
    run = Run(new_id(), new_id(), "town.tif", tmp_path, new_id(), {}, None, (9, 9), 0.0)
    token = edit_token(run)
    assert may_edit(run, token)
    assert run.owner not in token
    assert not may_edit(dataclasses.replace(run, run_id=new_id()), token)
    assert not may_edit(dataclasses.replace(run, owner=new_id()), token)
    assert not may_edit(run, None)
    assert not may_edit(run, "ü")
