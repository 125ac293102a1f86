"""Headers that tell browsers what an answer may do; an answer that says more itself keeps that."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from samgeo_core.web.guards.scopes import is_https

# Streamlit's pages need scripts and styles of their own kind, so that a narrower policy for them
# would break them; our routes answer with "default-src 'none'".
_PAGE_POLICY = "frame-ancestors 'self'; base-uri 'self'; object-src 'none'; form-action 'self'"

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    # Addresses hold ids of scenes and runs: other sites are told nothing of them.
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Content-Security-Policy": _PAGE_POLICY,
}
_HSTS = "max-age=31536000"


class SecurityHeaders:
    """Middleware that adds them to every answer.

    Args:
        app: what answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on; add what an answer doesn't say."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_safe(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if is_https(scope):
                    headers.setdefault("Strict-Transport-Security", _HSTS)
            await send(message)

        await self._app(scope, receive, send_safe)
