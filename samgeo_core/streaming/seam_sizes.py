"""Limits of size, which hold for whole objects: of some a window has seen but a part."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from samgeo_core.config import SelectionRule
from samgeo_core.geogrid import GeoGrid
from samgeo_core.objects import BoolMask


@dataclass(frozen=True, eq=False)
class SizeLimits:
    """What a rule says of sizes.

    Attributes:
        rule: of which only the limits of size matter here.
        grid: of the raster; None where its place on Earth is unknown.
    """

    rule: SelectionRule
    grid: GeoGrid | None = None

    def broken(self, areas_px: ArrayLike, boxes_xyxy: ArrayLike) -> tuple[BoolMask, BoolMask]:
        """Bool [N] each: what is too small, and what is too large.

        Args:
            areas_px: [N].
            boxes_xyxy: [N, 4], around each, px of the raster.
        """
        areas = np.asarray(areas_px, np.float64).reshape(-1)
        small, large = np.zeros(len(areas), np.bool_), np.zeros(len(areas), np.bool_)
        rule = self.rule
        for low, high, on_ground in (
            (rule.min_area_px, rule.max_area_px, False),
            (rule.min_area_m2, rule.max_area_m2, True),
        ):
            if low is None and high is None:
                continue
            sizes = areas * self._pixels_m2(boxes_xyxy) if on_ground else areas
            # NOTE: what is unknown passes no limit.
            small |= ~(sizes >= low) if low is not None else False
            large |= ~(sizes <= high) if high is not None else False
        return small, large

    def _pixels_m2(self, boxes_xyxy: ArrayLike) -> NDArray[np.float64]:
        boxes = np.asarray(boxes_xyxy, np.float64).reshape(-1, 4)
        if self.grid is None:
            return np.full(len(boxes), np.nan)
        return self.grid.pixel_areas_m2((boxes[:, :2] + boxes[:, 2:]) / 2)


def without_limits(rule: SelectionRule) -> SelectionRule:
    """A rule that takes what is of any size."""
    return replace(rule, min_area_px=None, max_area_px=None, min_area_m2=None, max_area_m2=None)
