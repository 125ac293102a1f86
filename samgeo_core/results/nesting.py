"""Which object lies within which."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from samgeo_core.objects import ObjectSet
from samgeo_core.overlaps import common_px, overlapping_boxes


def _is_flat(objects: ObjectSet) -> bool:
    """Whether no two objects share a pixel, which is much quicker to see than to compare them."""
    height, width = objects.shape_hw
    total = int(objects.areas_px.sum())
    if total > height * width:
        return False
    covered = np.zeros(objects.shape_hw, np.bool_)
    for item in objects:
        covered[item.slices] |= item.mask
    return int(np.count_nonzero(covered)) == total


def parent_ids(objects: ObjectSet, share: float = 0.9) -> NDArray[np.int64]:
    """For each object the id of the smallest larger one that holds it.

    Args:
        objects: N objects.
        share: fraction of an object's pixels that its parent must hold.

    Returns:
        int64 [N], 0 where no object holds it.
    """
    parents = np.zeros(len(objects), np.int64)
    if _is_flat(objects):
        return parents
    boxes, masks = objects.boxes_xyxy, objects.masks
    needed = share * objects.areas_px
    # Objects lie smallest first: the first of a pair is the smaller, the next larger comes first.
    pairs, room = overlapping_boxes(boxes)
    for i, j in pairs[room >= needed[pairs[:, 0]]].tolist():
        if parents[i] == 0 and common_px(masks[i], boxes[i], masks[j], boxes[j]) >= needed[i]:
            parents[i] = j + 1
    return parents
