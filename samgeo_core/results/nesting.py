"""Which object lies within which."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

from samgeo_core.objects import ObjectSet


def _candidates(objects: ObjectSet, share: float) -> NDArray[np.int64]:
    """Pairs (smaller, larger) that may be nested by their boxes, the next larger first; [M, 2]."""
    boxes = objects.boxes_xyxy
    shapes = shapely.box(*boxes.T.astype(np.float64))
    smaller, larger = shapely.STRtree(shapes).query(shapes, predicate=None)
    ascending = smaller < larger
    smaller, larger = smaller[ascending], larger[ascending]
    common_wh = np.minimum(boxes[smaller, 2:], boxes[larger, 2:]) - np.maximum(
        boxes[smaller, :2], boxes[larger, :2]
    )
    room = common_wh.clip(0).prod(axis=1) >= share * objects.areas_px[smaller]
    pairs = np.stack([smaller[room], larger[room]], axis=1)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def _common_px(objects: ObjectSet, boxes: NDArray[np.int64], first: int, second: int) -> int:
    """Number of pixels that two objects share."""
    x0, y0 = np.maximum(boxes[first, :2], boxes[second, :2])
    x1, y1 = np.minimum(boxes[first, 2:], boxes[second, 2:])
    pieces = []
    for index in (first, second):
        x, y = boxes[index, :2]
        pieces.append(objects.masks[index][y0 - y : y1 - y, x0 - x : x1 - x])
    return int(np.count_nonzero(pieces[0] & pieces[1]))


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
    boxes = objects.boxes_xyxy
    needed = share * objects.areas_px
    for smaller, larger in _candidates(objects, share):
        if parents[smaller] == 0 and _common_px(objects, boxes, smaller, larger) >= needed[smaller]:
            parents[smaller] = larger + 1
    return parents
