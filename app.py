"""SamGeo Studio: ``streamlit run app.py``.

One process and one port serve streamlit's pages and, beside them, our own routes for tiles, layers,
downloads and map assets.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import streamlit as st
from starlette.middleware import Middleware

from samgeo_core.logs import set_up_logging
from samgeo_core.web.background import Background
from samgeo_core.web.context import get_context
from samgeo_core.web.guards.counts import RequestCounts
from samgeo_core.web.guards.headers import SecurityHeaders
from samgeo_core.web.guards.language import SpokenLanguage
from samgeo_core.web.routes import build_routes
from samgeo_core.web.visitors import VisitorCookie

PAGES = Path(__file__).resolve().parent / "pages" / "navigation.py"


@asynccontextmanager
async def lifespan(app: st.App) -> AsyncIterator[dict[str, Any]]:
    """Warm up and tidy beside the first page; at the end stop what still runs."""
    context = get_context()
    background = Background(context)
    background.start()
    context.jobs.start()
    context.overviews.ask_for_all()
    context.basemaps.resume()
    try:
        yield {}
    finally:
        # First what takes longest to do again, as whoever ends the server may not wait for all.
        context.jobs.close()
        background.stop()
        context.overviews.close()
        context.basemaps.close()
        context.picks.close()
        context.teaching.close()


def _guards(base: str) -> list[Middleware]:
    """What every request passes, in this order."""
    settings = get_context().settings
    guards = [Middleware(RequestCounts, base=base), Middleware(SecurityHeaders)]
    guards.append(Middleware(SpokenLanguage))
    if settings.requests_per_minute is not None:
        from samgeo_core.web.guards.rates import RequestLimit

        guards.append(Middleware(RequestLimit, settings.requests_per_minute, base))
    if settings.password is not None:
        from samgeo_core.web.guards.password import SharedPassword

        guards.append(Middleware(SharedPassword, settings.password, base))
    if st.secrets.load_if_toml_exists() and (auth := st.secrets.get("auth")):
        from samgeo_core.web.accounts import KEY_FILE
        from samgeo_core.web.guards.sign_in import SignedIn
        from samgeo_core.web.keys import installation_key

        key = installation_key(settings.data_dir / KEY_FILE)
        guards.append(Middleware(SignedIn, str(auth.get("cookie_secret", "")), key, base))
    return [*guards, Middleware(VisitorCookie, base=base)]


BASE = st.get_option("server.baseUrlPath")
set_up_logging(get_context().settings.log_level, get_context().settings.log_format)
app = st.App(
    PAGES, routes=build_routes(get_context(), BASE), lifespan=lifespan, middleware=_guards(BASE)
)
