"""Tiles, layers, downloads and map assets on streamlit's own port."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from samgeo_core.web.context import AppContext
from samgeo_core.web.urls import base_path


def build_routes(context: AppContext, base: str = "") -> list[BaseRoute]:
    """All routes of the app besides streamlit's own.

    Args:
        context: the process's context.
        base: streamlit's ``server.baseUrlPath``; routes answer below it.
    """
    prefix = base_path(base)

    async def healthz(request: Request) -> Response:
        return JSONResponse({"status": "ok"}, headers={"Cache-Control": "no-store"})

    return [Route(f"{prefix}/healthz", healthz)]
