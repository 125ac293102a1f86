"""Which masks may overlap, and by how much they do."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

from samgeo_core.objects import BoolMask

Index = NDArray[np.int64]


def overlapping_boxes(boxes_xyxy: Index) -> tuple[Index, Index]:
    """Pairs of boxes that meet.

    Args:
        boxes_xyxy: int64 [N, 4], right and bottom exclusive.

    Returns:
        int64 [M, 2], the smaller index first, in ascending order, and int64 [M], pixels in common.
    """
    shapes = shapely.box(*boxes_xyxy.T.astype(np.float64))
    first, second = shapely.STRtree(shapes).query(shapes, predicate=None)
    once = first < second
    pairs = np.stack([first[once], second[once]], axis=1).astype(np.int64)
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    a, b = boxes_xyxy[pairs[:, 0]], boxes_xyxy[pairs[:, 1]]
    sides = np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2])
    return pairs, sides.clip(0).prod(axis=1)


def common_px(a: BoolMask, box_a: Index, b: BoolMask, box_b: Index) -> int:
    """Pixels that two masks, each cropped to its box, have in common."""
    x0, y0 = np.maximum(box_a[:2], box_b[:2])
    x1, y1 = np.minimum(box_a[2:], box_b[2:])
    part_a, part_b = (
        mask[y0 - y : y1 - y, x0 - x : x1 - x] for mask, (x, y, *_) in ((a, box_a), (b, box_b))
    )
    return int(np.count_nonzero(part_a & part_b))
