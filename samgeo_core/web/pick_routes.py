"""What the map of the page Pick asks directly: clicks in, outlines out.

GET  /picks/{scene_id}/{session_id}             where the session stands
GET  /picks/{scene_id}/{session_id}/candidates  outlines of all that the object at hand may be
POST /picks/{scene_id}/{session_id}/{action}    an action of `PickDesk`, "preview" or "view"
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from samgeo_core.errors import NotFoundError
from samgeo_core.web.context import AppContext
from samgeo_core.web.pick_desk import Answer
from samgeo_core.web.pick_requests import is_from_here, read_body
from samgeo_core.web.pick_sessions import PickSession
from samgeo_core.web.records import Scene
from samgeo_core.words import N_, _, sentence

T = TypeVar("T")

CLICK_THREADS = 4
PREVIEW_THREADS = 1
"""Previews never take more than one core from clicks."""

LONGEST_WAIT_S = 20.0
_POLL_S = 0.05
_FRESH = {"Cache-Control": "no-store"}
_ELSEWHERE = N_("Objects are picked from the app's own page only; open it in this browser.")


class PickRoutes:
    """Handlers over one context."""

    def __init__(self, context: AppContext) -> None:
        self._context = context
        self._click_threads = anyio.CapacityLimiter(CLICK_THREADS)
        self._preview_threads = anyio.CapacityLimiter(PREVIEW_THREADS)

    @property
    def handlers(self) -> list[tuple[str, str, Callable[[Request], Awaitable[Response]]]]:
        """Method, path and handler of each route."""
        place = "/picks/{scene_id}/{session_id}"
        return [
            ("GET", place, self.session),
            ("GET", f"{place}/candidates", self.candidates),
            ("POST", f"{place}/{{action}}", self.action),
        ]

    async def session(self, request: Request) -> Response:
        """Where a session stands."""

        def tell() -> Answer:
            return self._context.picks.told(*self._place(request))

        return _json(await anyio.to_thread.run_sync(tell, limiter=self._click_threads))

    async def candidates(self, request: Request) -> Response:
        """What else the object at hand may be."""

        def tell() -> Answer:
            return self._context.picks.candidates(*self._place(request))

        return _json(await anyio.to_thread.run_sync(tell, limiter=self._preview_threads))

    async def action(self, request: Request) -> Response:
        """One thing that a map asks."""
        if not is_from_here(request):
            return PlainTextResponse(f"{_(_ELSEWHERE)}\n", status_code=403, headers=_FRESH)
        action, desk = request.path_params["action"], self._context.picks
        values = await read_body(request)
        if action == "view":
            return await self._view(request, values)

        def act() -> Answer:
            scene, session = self._place(request)
            if action == "preview":
                return desk.preview(scene, values)
            return desk.act(scene, session, action, values)

        if action not in (*desk.actions, "preview"):
            raise NotFoundError(f"There is no such action; choose {', '.join(desk.actions)}.")
        limiter = self._preview_threads if action == "preview" else self._click_threads
        return _json(await anyio.to_thread.run_sync(act, limiter=limiter))

    async def _view(self, request: Request, values: dict[str, object]) -> Response:
        """Answer once a view is prepared, or another one took its place, or it takes long."""
        ahead = await anyio.to_thread.run_sync(
            lambda: self._context.picks.look(*self._place(request), values),
            limiter=self._click_threads,
        )
        if ahead is None:
            return JSONResponse({"state": "ready"}, headers=_FRESH)
        with anyio.move_on_after(LONGEST_WAIT_S):
            while not ahead.is_over:
                await anyio.sleep(_POLL_S)
        return JSONResponse(
            {"state": ahead.state, "note": ahead.note and sentence(ahead.note)}, headers=_FRESH
        )

    def _place(self, request: Request) -> tuple[Scene, PickSession]:
        ids = request.path_params
        scene = self._context.store.scene(ids["scene_id"])
        return scene, self._context.picks.sessions.session(scene, ids["session_id"])


def _json(answer: Answer) -> Response:
    timing = ", ".join(f"{name};dur={1000 * s:.1f}" for name, s in answer.seconds.items())
    headers = {**_FRESH, "Server-Timing": timing} if timing else _FRESH
    return Response(answer.body, media_type="application/json", headers=headers)
