"""Through which window a mask was seen, and whether an edge of that window cuts it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from samgeo_core.engine.ladder import FixedWindows, FullConfig
from samgeo_core.streaming.regions import Region, RegionPlan
from samgeo_core.windows import Window

Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Sight:
    """How a mask was seen.

    Attributes:
        view: what was seen along with it, px of the raster.
        is_cut: whether it reaches an edge of that behind which the raster goes on.
        fills: whether it was seen through a window that lies where the region lies while others
            lie where they do in every plan: then it only says what those leave open.
    """

    view: Window
    is_cut: bool
    fills: bool = False


@dataclass(frozen=True)
class Views:
    """The windows of a plan's regions, and those that lie where they do in every plan.

    Attributes:
        plan: the regions.
        fixed: the largest windows of the second kind; None where there are none.
    """

    plan: RegionPlan
    fixed: FixedWindows | None = None

    @classmethod
    def of_candidates(cls, plan: RegionPlan, search: FullConfig | None = None) -> Views:
        """Those through which `engine.full.generate_full` looks when it is asked so."""
        many = len(plan) > 1
        return cls(plan, FixedWindows.of(plan.extent, plan.margin_px, search) if many else None)

    def sight(self, region: Region, box: Box, point_xy: tuple[float, float]) -> Sight:
        """How a region saw a mask.

        Args:
            region: that found it.
            box: around the mask, px of the raster; right and bottom exclusive.
            point_xy: where the model was asked, px of the raster; NaN where it wasn't.
        """
        is_cut = self.plan.is_cut(region, box)
        if self.fixed is None or math.isnan(point_xy[0]):
            return Sight(region.window, is_cut)
        view = self.fixed.answering(*point_xy)
        x0, y0, x1, y1 = view.box_xyxy
        if not is_cut and x0 <= box[0] and y0 <= box[1] and box[2] <= x1 and box[3] <= y1:
            return Sight(view, self._touches(view, box))
        # Smaller ones come from smaller fixed windows, which keep nothing that is cut.
        is_large = max(box[2] - box[0], box[3] - box[1]) > self.fixed.side // 2
        if is_cut or is_large:
            return Sight(region.window, is_cut, fills=True)
        return Sight(view, is_cut=False)

    def around(self, region: Region, sight: Sight) -> Iterator[Window]:
        """The other windows of that kind that see pixels of the same."""
        if self.fixed is None or sight.fills or sight.view == region.window:
            for i in self.plan.neighbours(region.index):
                yield self.plan.region(i).window
            return
        yield from (view for view in self.fixed.meeting(sight.view) if view != sight.view)

    def _touches(self, view: Window, box: Box) -> bool:
        every = zip(box, view.box_xyxy, self.plan.extent.box_xyxy, strict=True)
        return any(side == edge != end for side, edge, end in every)
