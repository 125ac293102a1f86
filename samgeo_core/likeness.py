"""Which masks say nearly the same: measured once, asked for any limit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from samgeo_core.candidates import CandidateSet
from samgeo_core.overlaps import common_px, overlapping_boxes

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
        boxes, areas = candidates.boxes_xyxy, candidates.areas_px
        pairs, room = overlapping_boxes(boxes)
        most = np.minimum(room, areas[pairs].min(axis=1))
        pairs = pairs[most > _share(floor_iou) * areas[pairs].sum(axis=1)]
        common = np.array(
            [
                common_px(candidates.mask(i), boxes[i], candidates.mask(j), boxes[j])
                for i, j in pairs.tolist()
            ],
            np.int64,
        )
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
