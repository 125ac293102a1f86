"""What a request says of itself before anybody has read it."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import Scope

from samgeo_core.web.urls import base_path


def is_https(scope: Scope) -> bool:
    """Whether the browser speaks HTTPS, to us or to a proxy before us."""
    forwarded = Headers(scope=scope).get("x-forwarded-proto", "")
    return scope.get("scheme") in ("https", "wss") or forwarded.split(",")[0].strip() == "https"


def path_below(scope: Scope, base: str) -> str:
    """The path of a request below streamlit's ``server.baseUrlPath``, with a leading slash."""
    prefix, path = base_path(base), str(scope.get("path", "/"))
    below = path[len(prefix) :] if path == prefix or path.startswith(f"{prefix}/") else path
    return below or "/"


def first_part(path: str) -> str:
    """The first part of a path: "tiles" of "/tiles/a/b"; nothing where it is empty, as of "//s"."""
    return path.removeprefix("/").partition("/")[0]


def client_of(scope: Scope) -> str:
    """The address that a request came from, as the server that took it tells it.

    NOTE: of ``X-Forwarded-For`` uvicorn believes only what its trusted proxies say
    (``FORWARDED_ALLOW_IPS``); read here, everybody could name any address.
    """
    client = scope.get("client")
    return str(client[0]) if client else "unknown"
