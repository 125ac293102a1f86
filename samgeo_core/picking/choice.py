"""Which of the masks that a model offers is the object somebody pointed at."""

from __future__ import annotations

from collections.abc import Sequence

from samgeo_core.picking.masks import PickedMask


def best_of(masks: Sequence[PickedMask]) -> int:
    """Index of the mask of the highest predicted IoU."""
    return max(range(len(masks)), key=lambda i: masks[i].score)
