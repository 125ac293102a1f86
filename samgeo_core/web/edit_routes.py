"""What the map of the page Result asks to change: only its owner's browser is answered.

POST /runs/{run_id}/edits/{action}   an action of `EditDesk`, "preview" or "look"

The address holds the rule by which the map shows the run, as those of tiles and layers do. The
header ``X-Edit-Token`` proves that the page was shown to the run's owner (`visitors.edit_token`):
the address of a result, which people pass on, is not enough.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from samgeo_core.errors import NotFoundError
from samgeo_core.web.context import AppContext
from samgeo_core.web.edit_desk import EditDesk
from samgeo_core.web.records import Run
from samgeo_core.web.requests import is_from_here, read_body
from samgeo_core.web.rules import rule_from_query
from samgeo_core.web.selected import run_source
from samgeo_core.web.visitors import may_edit
from samgeo_core.words import N_, _

EDIT_THREADS = 2
TOKEN_HEADER = "x-edit-token"

_FRESH = {"Cache-Control": "no-store"}
_ELSEWHERE = N_("A result is corrected from the app's own page only; open it in this browser.")


class EditRoutes:
    """Handlers over one context.

    Args:
        context: the process's context.
        base: streamlit's ``server.baseUrlPath``.
    """

    def __init__(self, context: AppContext, base: str = "") -> None:
        self._store = context.store
        self._desk = EditDesk(context.store, context.picks, base)
        self._threads = anyio.CapacityLimiter(EDIT_THREADS)

    @property
    def handlers(self) -> list[tuple[str, str, Callable[[Request], Awaitable[Response]]]]:
        """Method, path and handler of each route."""
        return [("POST", "/runs/{run_id}/edits/{action}", self.action)]

    async def action(self, request: Request) -> Response:
        """One thing that a map asks."""
        if not is_from_here(request):
            return PlainTextResponse(f"{_(_ELSEWHERE)}\n", status_code=403, headers=_FRESH)
        action = request.path_params["action"]

        def find() -> Run:
            run = self._store.run(request.path_params["run_id"])
            if not may_edit(run, request.headers.get(TOKEN_HEADER)):
                raise NotFoundError(
                    "Only the browser that segmented this image can correct the result; "
                    "segment it here, too."
                )
            return run

        run = await anyio.to_thread.run_sync(find, limiter=self._threads)
        values = await read_body(request)

        def act() -> str:
            if action == "look":
                self._desk.look(run, values)
                return "{}"
            rule = rule_from_query(run_source(run).rule, request.query_params)
            if action == "preview":
                return self._desk.preview(run, rule, values)
            return self._desk.act(run, rule, action, values)

        body = await anyio.to_thread.run_sync(act, limiter=self._threads)
        return Response(body, media_type="application/json", headers=_FRESH)
