"""What a picker answers: masks cropped to their extent, in px of the raster. No torch here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from samgeo_core.objects import BoolMask
from samgeo_core.windows import Window

SPECK_SHARE = 0.005
"""Pieces and holes of a mask that are smaller than this share of it are noise."""

LOGITS_PAD_PX = 1
"""How far the logits of a mask reach beyond it on every side, px."""


@dataclass(frozen=True, eq=False)
class PickedMask:
    """One mask.

    Attributes:
        mask: bool [h, w], cropped to its extent.
        offset_xy: column and row of its first pixel in the raster.
        score: predicted IoU.
        stability: stability score.
        area_px: number of pixels.
        logits: float32 [h + 2, w + 2], signed: above 0 where the mask is, one pixel more on every
            side (`LOGITS_PAD_PX`), so that their zero line is a closed, sub-pixel outline. Where an
            edge of window, raster or data cuts the mask, the line follows that edge.
    """

    mask: BoolMask
    offset_xy: tuple[int, int]
    score: float
    stability: float
    area_px: int
    logits: NDArray[np.float32] | None

    @property
    def box_xyxy(self) -> tuple[int, int, int, int]:
        """Left, top, right, bottom, px of the raster; right and bottom exclusive."""
        x, y = self.offset_xy
        return x, y, x + self.mask.shape[1], y + self.mask.shape[0]

    def paint(self, picture: BoolMask) -> None:
        """Set the mask's pixels in ``picture``, bool [H, W] of the whole raster."""
        x0, y0, x1, y1 = self.box_xyxy
        picture[y0:y1, x0:x1] |= self.mask


@dataclass(frozen=True, eq=False)
class Pick:
    """An answer to prompts.

    Attributes:
        candidates: at most 3 masks, smallest first.
        chosen: index of the best one.
        window: the window of the raster that answered, px.
    """

    candidates: tuple[PickedMask, ...]
    chosen: int
    window: Window

    @property
    def best(self) -> PickedMask:
        """The chosen mask."""
        return self.candidates[self.chosen]


def without_specks(
    logits: NDArray[np.float32], points_xy: NDArray[np.float64], labels: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Logits without pieces and holes of less than `SPECK_SHARE` of the mask.

    Args:
        logits: [h, w], above 0 in the mask.
        points_xy: [K, 2], px of these; pieces and holes that their labels ask for stay.
        labels: [K], 1 on the object, 0 beside it.
    """
    import cv2  # heavy, and most pages do without

    height, width = logits.shape
    least = SPECK_SHARE * np.count_nonzero(logits > 0)
    inside = ((points_xy >= 0) & (points_xy < (width, height))).all(1)
    x, y = points_xy[inside].astype(np.int64).T
    for held in (True, False):
        region = (logits > 0) == held
        # A piece hangs together by corners too; a hole then doesn't.
        connectivity = 8 if held else 4
        _, numbers, stats, _ = cv2.connectedComponentsWithStats(
            region.view(np.uint8), connectivity=connectivity
        )
        small = stats[:, cv2.CC_STAT_AREA] < least
        small[0] = False
        small[numbers[y, x][labels[inside] == held]] = False
        if not held:
            edges = (numbers[0], numbers[-1], numbers[:, 0], numbers[:, -1])
            small[np.concatenate(edges)] = False
        if small.any():
            logits = np.where(small[numbers], -logits, logits)
    return logits
