"""Whom a request comes from, where people sign in: the account that Streamlit's cookie names."""

from __future__ import annotations

import json

import pytest
from itsdangerous import URLSafeTimedSerializer
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from samgeo_core.web.accounts import COOKIE, account_owner
from samgeo_core.web.guards.sign_in import SignedIn
from samgeo_core.web.ids import ID_PATTERN, new_id
from samgeo_core.web.visitors import COOKIE as VISITOR
from samgeo_core.web.visitors import owner_of

SECRET, KEY = "between the server and its cookies", b"k" * 32
CLAIMS = {"is_logged_in": True, "iss": "https://id.example", "sub": "248289761001"}


def cookies(claims: object, pieces: int = 1, secret: str = SECRET) -> dict[str, str]:
    """As Streamlit keeps claims: in one cookie, or in several where one would be too long."""
    told = json.dumps(claims)
    if pieces == 1:
        return {COOKIE: URLSafeTimedSerializer(secret, salt=COOKIE).dumps(told)}
    size = -(-len(told) // pieces)
    parts = {COOKIE: f"chunks-{pieces}"}
    parts |= {f"{COOKIE}_{i + 1}": told[i * size : (i + 1) * size] for i in range(pieces)}
    return {n: URLSafeTimedSerializer(secret, salt=n).dumps(part) for n, part in parts.items()}


def client(given: dict[str, str]) -> TestClient:
    async def answer(request: Request) -> PlainTextResponse:
        return PlainTextResponse(owner_of(request.scope) or "nobody")

    app = SignedIn(Starlette(routes=[Route("/{path:path}", answer)]), SECRET, KEY)
    return TestClient(app, cookies=given)


@pytest.mark.parametrize("pieces", [1, 3])
def test_things_belong_to_the_account_and_to_no_cookie(pieces: int) -> None:
    mine = account_owner(CLAIMS, KEY)
    assert mine is not None and ID_PATTERN.fullmatch(mine)
    somebody = {VISITOR: new_id()}
    for given in (cookies(CLAIMS, pieces), cookies(CLAIMS, pieces) | somebody):
        assert client(given).get("/uploads/x/state").text == mine


def test_accounts_differ_by_person_provider_and_installation() -> None:
    others = [CLAIMS | {"sub": "248289761002"}, CLAIMS | {"iss": "https://other.example"}]
    names = {account_owner(claims, KEY) for claims in [CLAIMS, *others]}
    assert len(names | {account_owner(CLAIMS, b"o" * 32)}) == 4


@pytest.mark.parametrize(
    "given",
    [
        {},
        {COOKIE: "made.up.cookie"},
        {VISITOR: "a" * 22},
        cookies(CLAIMS, secret="another secret"),
        cookies(CLAIMS | {"is_logged_in": False}),
        cookies({"is_logged_in": True, "iss": "https://id.example"}),
        cookies(CLAIMS | {"sub": ""}),
        cookies("text"),
        {name: value for name, value in cookies(CLAIMS, 3).items() if not name.endswith("_2")},
        # A piece of a long cookie stands for no cookie of its own.
        {COOKIE: cookies(CLAIMS, 3)[f"{COOKIE}_1"]},
    ],
)
def test_strangers_get_no_route(given: dict[str, str]) -> None:
    answer = client(given).get("/uploads/x/state")
    assert (answer.status_code, "Sign in first" in answer.text) == (401, True)
    assert client(given).get("/segment").status_code == 200
