"""Our routes for those who have signed in, where an installation asks for that.

Streamlit signs people in with OpenID Connect and keeps a signed cookie; pages ask Streamlit, and
routes look at the cookie's signature. Who somebody is plays no part here.
"""

from __future__ import annotations

from itsdangerous import BadSignature, URLSafeTimedSerializer
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from samgeo_core.web.guards.password import OPEN_TO_ALL
from samgeo_core.web.guards.scopes import first_part, path_below
from samgeo_core.words import _

COOKIE = "_streamlit_user"
"""Streamlit's name for it; also the salt of its signature."""

STREAMLITS_OWN = frozenset(
    {"_stcore", "auth", "component", "favicon.png", "media", "oauth2callback", "static"}
)
_KEPT_S = 31 * 24 * 3600


class SignedIn:
    """Middleware that answers routes only to browsers with a cookie that Streamlit has signed.

    Pages go through: their script shows strangers nothing but the way to sign in.

    Args:
        app: what answers.
        cookie_secret: ``cookie_secret`` of the section auth of Streamlit's secrets.
        base: streamlit's ``server.baseUrlPath``.
    """

    def __init__(self, app: ASGIApp, cookie_secret: str, base: str = "") -> None:
        self._app = app
        self._base = base
        self._signatures = URLSafeTimedSerializer(cookie_secret, salt=COOKIE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on pages, and what a signed cookie comes with."""
        if scope["type"] != "http" or self._may_pass(scope):
            await self._app(scope, receive, send)
            return
        answer = PlainTextResponse(
            _("Sign in first: open the app's page in a browser.") + "\n",
            status_code=401,
            headers={"Cache-Control": "no-store"},
        )
        await answer(scope, receive, send)

    def _may_pass(self, scope: Scope) -> bool:
        headers = Headers(scope=scope)
        path = path_below(scope, self._base)
        is_page = scope["method"] in ("GET", "HEAD") and _is_page(path)
        if is_page or first_part(path) in OPEN_TO_ALL | STREAMLITS_OWN:
            return True
        cookie = cookie_parser(headers.get("cookie", "")).get(COOKIE, "")
        try:
            self._signatures.loads(cookie, max_age=_KEPT_S)
        except BadSignature:
            return False
        return True


def _is_page(path: str) -> bool:
    """Whether a path is one of Streamlit's pages: they have one part, our routes more."""
    return "/" not in path.strip("/")
