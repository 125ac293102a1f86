"""Answers of our routes in the reader's language."""

from __future__ import annotations

from starlette.datastructures import Headers, QueryParams
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Receive, Scope, Send

from samgeo_core.words import speaking
from samgeo_core.words.languages import accepted_language, chosen_language


class SpokenLanguage:
    """Middleware that has all that answers a request speak one language.

    By the address, else by the cookie that the page keeps, else by what the browser accepts.

    Args:
        app: what answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on in the language of the request."""
        # A page's own threads ask the page, which knows what was chosen a moment ago.
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        params = QueryParams(scope.get("query_string", b""))
        chosen = chosen_language(params, cookie_parser(headers.get("cookie", "")))
        with speaking(chosen or accepted_language(headers.get("accept-language"))):
            await self._app(scope, receive, send)
