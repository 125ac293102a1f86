"""No visitor's requests may leave the others without answers."""

from __future__ import annotations

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter, SlidingWindowCounterRateLimiter
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from samgeo_core.web.guards.scopes import client_of, first_part, path_below
from samgeo_core.words import _

NEVER_LIMITED = frozenset({"healthz", "readyz", "metrics"})


class RequestLimit:
    """Middleware that answers 429 to addresses that ask too often.

    Args:
        app: what answers.
        per_minute: requests a minute from one address.
        base: streamlit's ``server.baseUrlPath``.
    """

    def __init__(self, app: ASGIApp, per_minute: int, base: str = "") -> None:
        self._app = app
        self._base = base
        self._limit = RateLimitItemPerMinute(per_minute)
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is within the limit."""
        if scope["type"] != "http" or self._allows(scope):
            await self._app(scope, receive, send)
            return
        answer = PlainTextResponse(
            _("Too many requests from your address: wait a minute, then go on.") + "\n",
            status_code=429,
            headers={"Retry-After": "60", "Cache-Control": "no-store"},
        )
        await answer(scope, receive, send)

    def _allows(self, scope: Scope) -> bool:
        if first_part(path_below(scope, self._base)) in NEVER_LIMITED:
            return True
        return self._limiter.hit(self._limit, client_of(scope))


class Attempts:
    """How often an address may try something that should be right the first time.

    Args:
        per_minute: attempts a minute from one address.
    """

    def __init__(self, per_minute: int) -> None:
        self._limit = RateLimitItemPerMinute(per_minute)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def allow(self, scope: Scope) -> bool:
        """Count an attempt; False where it is one too many."""
        return self._limiter.hit(self._limit, client_of(scope))
