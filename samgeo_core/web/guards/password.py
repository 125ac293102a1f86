"""An optional password that all visitors of an installation share.

It keeps strangers out and tells nobody apart. Shared results have links of their own, which need
no password: who makes one gives away just that result.
"""

from __future__ import annotations

import hashlib
import hmac
import html
import logging
from urllib.parse import parse_qs, quote, urlsplit

from itsdangerous import BadSignature, TimestampSigner
from starlette.datastructures import Headers
from starlette.requests import Request, cookie_parser
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from samgeo_core.web.guards.rates import Attempts
from samgeo_core.web.guards.scopes import first_part, is_https, path_below
from samgeo_core.web.urls import base_path
from samgeo_core.words import _, spoken_language

logger = logging.getLogger(__name__)

COOKIE = "samgeo_door"
OPEN_TO_ALL = frozenset({"healthz", "readyz", "metrics", "s", "assets"})
"""First parts of paths that need no password: checks, shared results, and map libraries."""

ATTEMPTS_PER_MINUTE = 10
_DOOR = "door"
_KEPT_S = 30 * 24 * 3600
_MOST_BYTES = 4096
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'"

_PAGE = """<!doctype html>
<html lang="{language}"><head><meta charset="utf-8"><title>SamGeo Studio</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root {{ color-scheme: light dark; font-family: system-ui, sans-serif; }}
body {{ display: grid; place-items: center; min-height: 90vh; margin: 1rem; }}
form {{ display: grid; gap: .75rem; width: min(20rem, 100%); }}
h1 {{ font-size: 1.375rem; margin: 0; }}
p {{ margin: 0; }}
input, button {{ font: inherit; padding: .6rem .75rem; border-radius: .375rem; }}
input {{ border: 1px solid #7c8a87; }}
button {{ border: 0; background: #0f6e66; color: #fff; font-weight: 600; cursor: pointer; }}
.wrong {{ color: #b3261e; }}
@media (prefers-color-scheme: dark) {{ .wrong {{ color: #ffb4ab; }} }}
</style></head>
<body><form method="post" action="{action}">
<h1>SamGeo Studio</h1>
<label for="password">{asks}</label>
<input id="password" name="password" type="password" autocomplete="current-password" required
 autofocus>
{wrong}<button>{enter}</button>
</form></body></html>
"""


class SharedPassword:
    """Middleware that lets in who knows the password, and who has shown so in the last month.

    Args:
        app: what answers.
        password: the password.
        base: streamlit's ``server.baseUrlPath``.
    """

    def __init__(self, app: ASGIApp, password: str, base: str = "") -> None:
        self._app = app
        self._password = password
        self._base = base
        # Another password makes all keys void; the same one holds over restarts.
        secret = hashlib.scrypt(password.encode(), salt=b"samgeo door", n=2**14, r=8, p=1)
        self._signer = TimestampSigner(secret, digest_method=hashlib.sha256)
        self._attempts = Attempts(ATTEMPTS_PER_MINUTE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what may come in; everything else gets the page that asks for the password."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        path = path_below(scope, self._base)
        if scope["type"] == "http" and path == f"/{_DOOR}" and scope["method"] == "POST":
            answer = await self._knock(Request(scope, receive))
            await answer(scope, receive, send)
        elif first_part(path) in OPEN_TO_ALL or self._is_known(scope):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            # Closed before it was accepted: the browser sees 403.
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._refusal(scope, path)(scope, receive, send)

    def _is_known(self, scope: Scope) -> bool:
        cookie = cookie_parser(Headers(scope=scope).get("cookie", "")).get(COOKIE, "")
        try:
            self._signer.unsign(cookie, max_age=_KEPT_S)
        except BadSignature:
            return False
        return True

    def _refusal(self, scope: Scope, path: str) -> Response:
        if "text/html" not in Headers(scope=scope).get("accept", ""):
            return PlainTextResponse(
                _("A password is needed: open the app's page in a browser first.") + "\n",
                status_code=401,
                headers={"Cache-Control": "no-store"},
            )
        query = scope.get("query_string", b"").decode("latin-1")
        return self._page(f"{path}?{query}" if query else path)

    def _page(self, then: str, wrong: str = "", status: int = 401) -> Response:
        action = f"{base_path(self._base)}/{_DOOR}?then={quote(then, safe='')}"
        told = f'<p class="wrong" role="alert">{html.escape(wrong)}</p>\n' if wrong else ""
        page = _PAGE.format(
            action=html.escape(action),
            wrong=told,
            language=spoken_language(),
            asks=_("This page needs a password. Whoever gave you its address knows it."),
            enter=_("Enter"),
        )
        headers = {"Cache-Control": "no-store", "Content-Security-Policy": _POLICY}
        return HTMLResponse(page, status_code=status, headers=headers)

    async def _knock(self, request: Request) -> Response:
        then = _safe_path(request.query_params.get("then", "/"))
        if not self._attempts.allow(request.scope):
            return self._page(then, _("Too many attempts: wait a minute, then try again."), 429)
        given = await _password_in(request)
        right = hmac.compare_digest(given.encode(), self._password.encode())
        if not right:
            logger.info("A wrong password was given")
            return self._page(then, _("That is not the password."))
        answer = RedirectResponse(f"{base_path(self._base)}{then}", status_code=303)
        answer.set_cookie(
            COOKIE,
            self._signer.sign(b"in").decode(),
            max_age=_KEPT_S,
            path=f"{base_path(self._base)}/",
            secure=is_https(request.scope),
            httponly=True,
            samesite="lax",
        )
        return answer


def _safe_path(then: str) -> str:
    """Where to go on: a path of this app, never another site."""
    parts = urlsplit(then)
    is_ours = not parts.scheme and not parts.netloc and parts.path.startswith("/")
    if not is_ours or "\\" in then or then.startswith("//") or not then.isprintable():
        return "/"
    return then


async def _password_in(request: Request) -> str:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > _MOST_BYTES:
            return ""
    fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=4)
    return fields.get("password", [""])[0]
