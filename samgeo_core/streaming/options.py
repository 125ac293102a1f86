"""How a raster of any size is cut and where it is segmented, as plain values: no heavy import."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from samgeo_core.errors import ParameterError
from samgeo_core.windows import ShapeHW

REGION_PX, MARGIN_PX = 3072, 512
_LEAST_MARGIN_PX = 256
"""The finest windows of the full preset fit into twice this, and so lie the same in any plan."""

NO_LIMIT_PX = 2**62
"""The limit on a raster's pixels guards those that are read whole; here regions are."""

SCHEMES = ("tcp://", "tls://")
AREA_SUFFIXES = (".geojson", ".json", ".gpkg", ".shp", ".zip", ".kml", ".kmz", ".fgb")


@dataclass(frozen=True)
class StreamOptions:
    """How a raster is cut, and where its regions are segmented.

    Attributes:
        region_px: side of a region with its margins, px: with it grows the memory that is needed.
        margin_px: what a region sees beyond its own part, on each side, px.
        scheduler: address of a Dask scheduler, such as tcp://host:8786; None works here.
        restart: forget what is finished.
    """

    region_px: int = REGION_PX
    margin_px: int = MARGIN_PX
    scheduler: str | None = None
    restart: bool = False

    @classmethod
    def of_region(cls, region_px: int, **others: Any) -> StreamOptions:
        """Regions of this side, with margins that suit it."""
        margin_px = max(region_px // 6, min(_LEAST_MARGIN_PX, region_px // 4))
        return cls(region_px, min(MARGIN_PX, margin_px), **others)

    def cuts(self, shape_hw: ShapeHW) -> bool:
        """Whether something of this height and width, px, is larger than a region."""
        return max(shape_hw) > self.region_px

    def __post_init__(self) -> None:
        if self.scheduler is not None:
            check_address(self.scheduler)
        if self.region_px < 64 or not 0 <= 2 * self.margin_px < self.region_px:
            raise ParameterError(
                "A region needs at least 64 px and must be larger than both its margins, got "
                f"{self.region_px} px with margins of {self.margin_px} px."
            )


def check_address(scheduler: str) -> None:
    """Raise `ParameterError` unless this looks like the address of a scheduler."""
    if not scheduler.startswith(SCHEMES):
        raise ParameterError(
            f"A scheduler's address begins with {' or '.join(SCHEMES)}, got {scheduler!r}: "
            "take the one that dask scheduler prints."
        )
