"""Which masks say nearly the same: measured once, asked for any limit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from samgeo_core.candidates import CandidateSet

Index = NDArray[np.int64]

FLOOR_IOU = 0.5
"""Pairs less alike than this are only looked for by rules that ask for them."""


@dataclass(frozen=True, eq=False)
class Twins:
    """For each mask the others that say the same.

    Attributes:
        starts: int64 [N + 1], where in ``others`` those of each mask begin.
        others: int64 [M], indices of masks.
    """

    starts: Index
    others: Index

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, index: int) -> Index:
        return self.others[self.starts[index] : self.starts[index + 1]]


@dataclass(frozen=True, eq=False)
class Likeness:
    """Pairs of masks with much in common.

    Attributes:
        pairs: int64 [M, 2], indices of two masks, the smaller first.
        common_px: int64 [M], pixels that both have.
        sums_px: int64 [M], their areas together.
        floor_iou: every pair with an IoU above this is there.
    """

    pairs: Index
    common_px: Index
    sums_px: Index
    floor_iou: float

    @classmethod
    def measure(cls, candidates: CandidateSet, floor_iou: float = FLOOR_IOU) -> Likeness:
        """Compare the masks whose boxes allow an IoU above the floor."""
        pairs = _near(candidates, floor_iou)
        areas = candidates.areas_px
        common = np.array([_common_px(candidates, i, j) for i, j in pairs.tolist()], np.int64)
        sums = areas[pairs].sum(axis=1)
        alike = common > _share(floor_iou) * sums
        return cls(pairs[alike], common[alike], sums[alike], floor_iou)

    def twins(self, n: int, iou: float) -> Twins:
        """For each of n masks the others whose IoU with it is above a limit.

        The limit must not lie below `floor_iou`.
        """
        pairs = self.pairs[self.common_px > _share(iou) * self.sums_px]
        both = np.concatenate([pairs, pairs[:, ::-1]])
        both = both[np.argsort(both[:, 0], kind="stable")]
        ends = np.cumsum(np.bincount(both[:, 0], minlength=n))
        return Twins(np.concatenate([[0], ends]), both[:, 1])


def _share(iou: float) -> float:
    """Of two masks with this IoU, the share of their areas' sum that both have."""
    return iou / (1 + iou)


def _near(candidates: CandidateSet, iou: float) -> Index:
    """Pairs whose boxes and areas don't rule out an IoU above a limit, [M, 2]."""
    boxes, areas = candidates.boxes_xyxy, candidates.areas_px
    shapes = shapely.box(*boxes.T.astype(np.float64))
    first, second = shapely.STRtree(shapes).query(shapes, predicate=None)
    once = first < second
    first, second = first[once], second[once]
    sides = np.minimum(boxes[first, 2:], boxes[second, 2:]) - np.maximum(
        boxes[first, :2], boxes[second, :2]
    )
    most = np.minimum(sides.clip(0).prod(axis=1), np.minimum(areas[first], areas[second]))
    near = most > _share(iou) * (areas[first] + areas[second])
    pairs = np.stack([first[near], second[near]], axis=1).astype(np.int64)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def _common_px(candidates: CandidateSet, first: int, second: int) -> int:
    """Pixels that two masks share."""
    boxes = candidates.boxes_xyxy[[first, second]]
    x0, y0 = boxes[:, :2].max(axis=0)
    x1, y1 = boxes[:, 2:].min(axis=0)
    parts = []
    for index, (x, y) in zip((first, second), boxes[:, :2], strict=True):
        parts.append(candidates.mask(index)[y0 - y : y1 - y, x0 - x : x1 - x])
    return int(np.count_nonzero(parts[0] & parts[1]))
