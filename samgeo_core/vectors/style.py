"""How outlines are drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass

from samgeo_core.errors import ParameterError
from samgeo_core.geogrid import GeoGrid


@dataclass(frozen=True)
class OutlineStyle:
    """How outlines are drawn.

    Attributes:
        smoothing: How often stairs are smoothed out, by at most half a pixel; 0 follows the edges
            of pixels.
        tolerance_px: How far simplification may then move an outline, px.
        regular: Give right angles and a common direction to what has them nearly, as roofs do.
        circles: Make circles of what is nearly one, as tanks and crowns are.

    Raises:
        ParameterError: a number is negative or too large.
    """

    smoothing: int = 5
    tolerance_px: float = 0.5
    regular: bool = False
    circles: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.smoothing <= 100:
            raise ParameterError(f"smoothing must be 0 to 100, got {self.smoothing}.")
        if not (math.isfinite(self.tolerance_px) and self.tolerance_px >= 0):
            raise ParameterError(f"The tolerance must be 0 or more, got {self.tolerance_px} px.")

    @property
    def follows_pixels(self) -> bool:
        """Whether outlines stay exactly those of the masks."""
        return self == PIXELS


PIXELS = OutlineStyle(smoothing=0, tolerance_px=0.0)
"""Outlines that follow the edges of pixels exactly."""


def tolerance_in_px(tolerance_m: float, grid: GeoGrid) -> float:
    """A length on the ground in pixels of a raster.

    Raises:
        ParameterError: the raster's resolution on the ground is unknown.
    """
    gsd_m = grid.gsd_m
    if gsd_m is None:
        raise ParameterError(
            "A tolerance in metres needs a raster with a coordinate reference system, and this one "
            "has none: give it in pixels."
        )
    return tolerance_m / gsd_m
