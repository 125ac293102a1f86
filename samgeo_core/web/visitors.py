"""Who a browser is: a random name in a cookie, so that a reload doesn't make somebody else of it.

What a visitor makes belongs to that name, and only its owner changes it. The name says nothing
about a person and is good for this app only. Where a browser keeps no cookie (as in a frame of
another site), a visitor is somebody new after each reload, and sees what was made before read-only.
Where people sign in, the account takes the cookie's place (`accounts`).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from samgeo_core.web.ids import ID_PATTERN, new_id
from samgeo_core.web.records import Run
from samgeo_core.web.urls import base_path

COOKIE = "samgeo_visitor"
OWNER_KEY = "samgeo.owner"
"""In the scope of a request: whose account it comes with, where people sign in."""

_KEPT_S = 365 * 24 * 3600


def visitor_of(cookies: Mapping[str, str]) -> str | None:
    """The visitor that a browser's cookies name; None where they name none."""
    name = str(cookies.get(COOKIE, ""))
    return name if ID_PATTERN.fullmatch(name) else None


def owner_of(scope: Scope) -> str | None:
    """Whom a request comes from: an account, else the visitor that its cookies name."""
    account = scope.get(OWNER_KEY)
    return str(account) if account else visitor_of(cookie_parser(_cookies_of(scope)))


def _cookies_of(scope: Scope) -> str:
    return Headers(scope=scope).get("cookie", "")


def edit_token(run: Run) -> str:
    """What proves to the routes that somebody was shown a run as its owner; good for that run."""
    told = f"edit {run.run_id}".encode()
    return hmac.new(run.owner.encode(), told, hashlib.sha256).hexdigest()


def may_edit(run: Run, token: str | None) -> bool:
    """Whether a token is that of a run's owner."""
    return token is not None and hmac.compare_digest(edit_token(run).encode(), token.encode())


class VisitorCookie:
    """Middleware that names browsers which have no name yet, as they ask for a page.

    Args:
        app: what answers.
        base: streamlit's ``server.baseUrlPath``; the cookie goes no farther.
    """

    def __init__(self, app: ASGIApp, base: str = "") -> None:
        self._app = app
        self._path = f"{base_path(base)}/"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on; add the cookie to the answer where it is missing."""
        # Who follows a shared link only looks, and needs no name for that.
        is_shared = str(scope.get("path", "")).startswith(f"{self._path}s/")
        if scope["type"] != "http" or is_shared or not _asks_for_a_page(scope):
            await self._app(scope, receive, send)
            return

        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.append("set-cookie", self._cookie(scope))
                # Nobody in between may give this name to somebody else.
                headers["cache-control"] = "no-store"
            await send(message)

        await self._app(scope, receive, send_named)

    def _cookie(self, scope: Scope) -> str:
        parts = [f"{COOKIE}={new_id()}", f"Path={self._path}", f"Max-Age={_KEPT_S}"]
        parts += ["HttpOnly", "SameSite=Lax"]
        forwarded = Headers(scope=scope).get("x-forwarded-proto", "")
        if "https" in (scope.get("scheme"), forwarded.split(",")[0].strip()):
            parts.append("Secure")
        return "; ".join(parts)


def _asks_for_a_page(scope: Scope) -> bool:
    """Whether a nameless browser asks for a document, and not for a part of one."""
    headers = Headers(scope=scope)
    if scope["method"] != "GET" or "text/html" not in headers.get("accept", ""):
        return False
    return visitor_of(cookie_parser(_cookies_of(scope))) is None
