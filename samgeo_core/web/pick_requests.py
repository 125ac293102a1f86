"""What a map asks of a picking session, checked before anything is done with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from samgeo_core.errors import ParameterError
from samgeo_core.web.frame import MapFrame
from samgeo_core.web.requests import (
    MOST_BODY_BYTES,
    Places,
    is_from_here,
    number_in,
    places_inside,
    read_body,
    table_in,
    view_in,
)
from samgeo_core.windows import ShapeHW

__all__ = ["MOST_BODY_BYTES", "is_from_here", "number_in", "prompts_in", "read_body", "view_in"]

MOST_POINTS_AT_ONCE = 64
MOST_CORNERS = 2000


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
        table = table_in(points, 3, "points", MOST_POINTS_AT_ONCE)
        xy = places_inside(frame.from_lnglat(table[:, :2]), shape_hw)
        labels = table[:, 2].tolist()
        given["points"] = [[x, y, label] for (x, y), label in zip(xy, labels, strict=True)]
    if (box := values.get("box")) is not None:
        corners = _clipped(frame.from_lnglat(table_in(box, 2, "box", 4)), shape_hw, "box")
        given["box"] = [*corners.min(0).tolist(), *corners.max(0).tolist()]
    if (ring := values.get("polygon")) is not None:
        places = frame.from_lnglat(table_in(ring, 2, "polygon", MOST_CORNERS))
        given["polygon"] = _clipped(places, shape_hw, "polygon").tolist()
    if not given:
        raise ParameterError("Points, a box or a polygon are needed: click or draw on the image.")
    return given


def _clipped(xy: Places, shape_hw: ShapeHW, name: str) -> Places:
    """What is drawn, ended at the raster's edges."""
    height, width = shape_hw
    if not np.isfinite(xy).all():
        raise ParameterError(f"The {name} reaches to where the image's map projection ends.")
    return np.asarray(np.clip(xy, 0, (width, height)))
