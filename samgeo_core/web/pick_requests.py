"""What a map asks of a picking session: JSON that is checked before anything is done with it."""

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
MOST_POINTS_AT_ONCE = 64
MOST_CORNERS = 2000
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


def prompts_in(values: Mapping[str, Any], frame: MapFrame, shape_hw: ShapeHW) -> dict[str, Any]:
    """The new prompts of a request as `pick_state.joined` takes them, px of the raster.

    Args:
        values: ``points`` [[lng, lat, label], …], ``box`` (its four corners on the map) or
            ``polygon`` (a ring), all in the frame of the map.
        frame: of the map.
        shape_hw: of the raster; what is drawn beyond its edges ends there.

    Raises:
        ParameterError: nothing is there, too much, or not what it should be.
    """
    given: dict[str, Any] = {}
    if (points := values.get("points")) is not None:
        table = _table(points, 3, "points", MOST_POINTS_AT_ONCE)
        xy = _inside(frame.from_lnglat(table[:, :2]), shape_hw)
        labels = table[:, 2].tolist()
        given["points"] = [[x, y, label] for (x, y), label in zip(xy, labels, strict=True)]
    if (box := values.get("box")) is not None:
        corners = _clipped(frame.from_lnglat(_table(box, 2, "box", 4)), shape_hw, "box")
        given["box"] = [*corners.min(0).tolist(), *corners.max(0).tolist()]
    if (ring := values.get("polygon")) is not None:
        places = frame.from_lnglat(_table(ring, 2, "polygon", MOST_CORNERS))
        given["polygon"] = _clipped(places, shape_hw, "polygon").tolist()
    if not given:
        raise ParameterError("Points, a box or a polygon are needed: click or draw on the image.")
    return given


def view_in(values: Mapping[str, Any], frame: MapFrame, shape_hw: ShapeHW) -> Window | None:
    """What the person sees of the raster; None where the request doesn't say, or sees nothing.

    Raises:
        ParameterError: it is not what it should be.
    """
    if (corners := values.get("view")) is None:
        return None
    places = frame.from_lnglat(_table(corners, 2, "view", MOST_VIEW_CORNERS))
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


def _table(values: Any, columns: int, name: str, most: int) -> NDArray[np.float64]:
    """Finite numbers, float64 [N, columns]."""
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


def _inside(xy: Places, shape_hw: ShapeHW) -> list[tuple[float, float]]:
    """Places that lie on the raster."""
    height, width = shape_hw
    for x, y in xy.tolist():
        if not (0 <= x <= width and 0 <= y <= height):
            raise ParameterError("This place lies beside the image: click on the image.")
    return [(x, y) for x, y in xy.tolist()]


def _clipped(xy: Places, shape_hw: ShapeHW, name: str) -> Places:
    """What is drawn, ended at the raster's edges."""
    height, width = shape_hw
    if not np.isfinite(xy).all():
        raise ParameterError(f"The {name} reaches to where the image's map projection ends.")
    return np.asarray(np.clip(xy, 0, (width, height)))
