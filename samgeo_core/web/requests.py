"""What a map's script asks of our routes: where it comes from, and JSON that is checked first."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request

from samgeo_core.errors import ParameterError
from samgeo_core.web.frame import MapFrame
from samgeo_core.windows import ShapeHW, Window

MOST_BODY_BYTES = 256 << 10
MOST_VIEW_CORNERS = 16

_FARTHEST = 1e9
"""No coordinate of a map is larger; neither infinity nor NaN is smaller."""

Places = NDArray[np.float64]
"""float64 [N, 2], px of the raster."""


def is_from_here(request: Request) -> bool:
    """Whether a request came from a page of this app, or from no page at all.

    A page elsewhere can make a browser send a request here. Browsers say where it came from: all
    with ``Origin``, most with ``Sec-Fetch-Site``, which a proxy in between can't spoil.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in {"same-origin", "none"}
    origin = request.headers.get("origin")
    if origin is None:
        return True
    hosts = {request.headers.get("host"), request.headers.get("x-forwarded-host")}
    return urlsplit(origin).netloc in hosts - {None}


async def read_body(request: Request) -> dict[str, Any]:
    """The JSON object of a request.

    Raises:
        ParameterError: it is none, or too large.
    """
    if "application/json" not in request.headers.get("content-type", ""):
        raise ParameterError("The body must be JSON: send it as application/json.")
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_BODY_BYTES:
            raise ParameterError(
                f"A request may have {MOST_BODY_BYTES >> 10} KiB; draw it with fewer corners."
            )
    try:
        values = json.loads(body or b"{}", parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ParameterError("The body must be a JSON object.") from error
    if not isinstance(values, dict):
        raise ParameterError("The body must be a JSON object.")
    return values


def view_in(values: Mapping[str, Any], frame: MapFrame, shape_hw: ShapeHW) -> Window | None:
    """What the person sees of the raster; None where the request doesn't say, or sees nothing.

    Raises:
        ParameterError: it is not what it should be.
    """
    if (corners := values.get("view")) is None:
        return None
    places = frame.from_lnglat(table_in(corners, 2, "view", MOST_VIEW_CORNERS))
    places = places[np.isfinite(places).all(1)]
    if not len(places):
        return None
    height, width = shape_hw
    low = np.clip(np.floor(places.min(0)), 0, (width, height)).astype(int)
    high = np.clip(np.ceil(places.max(0)), 0, (width, height)).astype(int)
    (x0, y0), (x1, y1) = low.tolist(), high.tolist()
    return Window(x0, y0, x1 - x0, y1 - y0) if x1 > x0 and y1 > y0 else None


def number_in(values: Mapping[str, Any], name: str) -> int:
    """A whole number of a request.

    Raises:
        ParameterError: it is none.
    """
    value = values.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**31:
        raise ParameterError(f"{name} must be a whole number, got {str(value)[:40]!r}.")
    return value


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def table_in(values: Any, columns: int, name: str, most: int) -> NDArray[np.float64]:
    """A list of a request as finite numbers, float64 [N, columns].

    Args:
        values: what came.
        columns: how many numbers each row has.
        name: what the sender calls it.
        most: greatest number of rows.

    Raises:
        ParameterError: it is something else.
    """
    if not isinstance(values, list) or not 0 < len(values) <= most:
        raise ParameterError(f"{name} must be a list of 1 to {most} places.")
    for row in values:
        if (
            not isinstance(row, list)
            or len(row) != columns
            or not all(type(v) in (int, float) and abs(v) < _FARTHEST for v in row)
        ):
            raise ParameterError(f"Each of {name} must be {columns} finite numbers.")
    return np.array(values, np.float64)


def places_inside(xy: Places, shape_hw: ShapeHW) -> list[tuple[float, float]]:
    """Places on a raster.

    Raises:
        ParameterError: one of them lies beside it.
    """
    height, width = shape_hw
    for x, y in xy.tolist():
        if not (0 <= x <= width and 0 <= y <= height):
            raise ParameterError("This place lies beside the image: click on the image.")
    return [(x, y) for x, y in xy.tolist()]
