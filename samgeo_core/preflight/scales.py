"""What a run can see: the windows it looks through, and the sizes of objects that suit each.

The model sees each window at 1,024 px. There an object is seen well from the size at which grid and
mask tell it apart up to the window's larger part: `LEAST_SEEN_PX` and `MOST_SHARE`.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from samgeo_core.config import AutomaticConfig, SegmentConfig
from samgeo_core.engine.ladder import FullConfig, Place, plan_region_looks
from samgeo_core.streaming.regions import RegionPlan
from samgeo_core.windows import ShapeHW

INPUT_PX = 1024
"""Side of what the model sees."""

LEAST_SEEN_PX = 16.0
"""Least side of an object in the model's input: its masks have cells of 4 px there."""

MOST_SHARE = 0.6
"""Greatest side of an object as a share of its window: beyond, parts of it lie outside."""

REGIONS_COUNTED = 256
"""Up to so many regions are planned to the window, which takes a fraction of a second."""


@dataclass(frozen=True)
class Scale:
    """Windows of one size.

    Attributes:
        window_px: longer side of a window, px of the raster.
        windows: how many there are, in all regions together.
        zoom: px of the model's input for one px of the raster; above 1 the window is enlarged.
        least_px, most_px: sides of objects that are seen well through them, px of the raster.
        least_m, most_m: the same on the ground, m; None where the ground resolution is unknown.
    """

    window_px: int
    windows: int
    zoom: float
    least_px: float
    most_px: float
    least_m: float | None
    most_m: float | None

    @classmethod
    def of(cls, window_px: int, windows: int, gsd_m: float | None) -> Scale:
        """Those of windows of one side."""
        zoom = INPUT_PX / window_px
        least_px, most_px = LEAST_SEEN_PX / zoom, MOST_SHARE * window_px
        least_m, most_m = (None if gsd_m is None else n * gsd_m for n in (least_px, most_px))
        return cls(window_px, windows, zoom, least_px, most_px, least_m, most_m)

    def to_dict(self) -> dict[str, Any]:
        """This as JSON-ready values."""
        return asdict(self)


def scales_of(plan: RegionPlan, config: SegmentConfig, gsd_m: float | None) -> tuple[Scale, ...]:
    """The scales of a run, coarsest first.

    Args:
        plan: how what is segmented is cut into regions; one region where it isn't.
        config: what is done.
        gsd_m: ground sample distance, m per px; None where unknown.
    """
    sides = window_counts(plan, config)
    return tuple(Scale.of(side, n, gsd_m) for side, n in sorted(sides.items(), reverse=True))


def window_counts(plan: RegionPlan, config: SegmentConfig) -> Counter[int]:
    """How many windows of each longer side, px, a run looks through at most.

    Exact up to `REGIONS_COUNTED` regions; of more, that many stand for all.
    """
    step = max(1, len(plan) / REGIONS_COUNTED)
    some = [plan.region(int(i * step)) for i in range(min(len(plan), REGIONS_COUNTED))]
    sides = Counter[int]()
    for region in some:
        place = Place(region.window, region.core, plan.extent, plan.margin_px)
        sides.update(_sides(place, config))
    return Counter({side: round(n * len(plan) / len(some)) for side, n in sides.items()})


def _sides(place: Place, config: SegmentConfig) -> Counter[int]:
    """How many windows of each longer side are looked through in one region."""
    if config.preset in {"full", "fast"}:
        looks = plan_region_looks(place, FullConfig.of_run(config))
        return Counter(max(look.window.shape_hw) for look in looks)
    sides = Counter[int]()
    for window in config.windows(place.window.shape_hw):
        sides.update(_crop_sides(window.shape_hw, config.automatic))
    return sides


def _crop_sides(shape_hw: ShapeHW, config: AutomaticConfig) -> Counter[int]:
    """The window itself and SAM's crops of it (`generate_crop_boxes` of segment_anything)."""
    sides = Counter([max(shape_hw)])
    for layer in range(1, config.crop_n_layers + 1):
        n = 2**layer
        overlap = int(config.crop_overlap_ratio * min(shape_hw) * (2 / n))
        sides[math.ceil((overlap * (n - 1) + max(shape_hw)) / n)] += n * n
    return sides
