"""Our routes for those who have signed in, where an installation asks for that.

Streamlit signs people in with OpenID Connect and keeps a signed cookie; pages ask Streamlit, and
routes look at the cookie's signature. What somebody makes belongs to their account, and a request
can't name anybody else: the visitor's cookie counts for nothing here.
"""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from samgeo_core.web.accounts import account_owner, signed_in
from samgeo_core.web.guards.password import OPEN_TO_ALL
from samgeo_core.web.guards.scopes import first_part, path_below
from samgeo_core.web.visitors import OWNER_KEY
from samgeo_core.words import _

STREAMLITS_OWN = frozenset(
    {"_stcore", "auth", "component", "favicon.png", "media", "oauth2callback", "static"}
)


class SignedIn:
    """Middleware that answers routes only to browsers with a cookie that Streamlit has signed.

    Pages go through: their script shows strangers nothing but the way to sign in.

    Args:
        app: what answers.
        cookie_secret: ``cookie_secret`` of the section auth of Streamlit's secrets.
        key: of the installation, see `accounts`.
        base: streamlit's ``server.baseUrlPath``.
    """

    def __init__(self, app: ASGIApp, cookie_secret: str, key: bytes, base: str = "") -> None:
        self._app = app
        self._base = base
        self._secret = cookie_secret
        self._key = key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on pages, and what a signed cookie comes with."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        owner = self._owner(scope)
        if owner is not None:
            await self._app({**scope, OWNER_KEY: owner}, receive, send)
        elif self._is_for_all(scope):
            await self._app(scope, receive, send)
        else:
            answer = PlainTextResponse(
                _("Sign in first: open the app's page in a browser.") + "\n",
                status_code=401,
                headers={"Cache-Control": "no-store"},
            )
            await answer(scope, receive, send)

    def _owner(self, scope: Scope) -> str | None:
        cookies = cookie_parser(Headers(scope=scope).get("cookie", ""))
        claims = signed_in(cookies, self._secret)
        return None if claims is None else account_owner(claims, self._key)

    def _is_for_all(self, scope: Scope) -> bool:
        path = path_below(scope, self._base)
        is_page = scope["method"] in ("GET", "HEAD") and _is_page(path)
        return is_page or first_part(path) in OPEN_TO_ALL | STREAMLITS_OWN


def _is_page(path: str) -> bool:
    """Whether a path is one of Streamlit's pages: they have one part, our routes more."""
    return "/" not in path.strip("/")
