"""What a picker answers: masks cropped to their extent, in px of the raster. No torch here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from samgeo_core.objects import BoolMask
from samgeo_core.windows import Window

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
