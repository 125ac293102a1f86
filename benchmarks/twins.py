"""Whether two sides found the same masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.runner import Measurement

TWIN_IOU = 0.99
BoolMask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Masks:
    """Masks of one image, each cropped to its box.

    Attributes:
        crops: N arrays bool [h, w].
        offsets_xy: int64 [N, 2], column and row of each crop's first pixel.
        scores: float32 [N], predicted IoU.
    """

    crops: Sequence[BoolMask]
    offsets_xy: NDArray[np.int64]
    scores: NDArray[np.float32]

    @classmethod
    def crop(cls, masks: Sequence[BoolMask], scores: Sequence[float]) -> Masks:
        """Masks of the whole image [H, W], none of them empty, cropped."""
        crops, offsets = [], []
        for mask in masks:
            rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            crops.append(mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
            offsets.append((columns[0], rows[0]))
        return cls(crops, np.array(offsets, np.int64).reshape(-1, 2), np.array(scores, np.float32))

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Eight mask pixels a byte."""
        bits = [np.packbits(crop) for crop in self.crops]
        return {
            "sizes_hw": np.array([c.shape for c in self.crops], np.int64).reshape(-1, 2),
            "bits": np.concatenate(bits) if bits else np.zeros(0, np.uint8),
            "offsets_xy": self.offsets_xy,
            "scores": self.scores,
        }

    @classmethod
    def from_measurement(cls, measurement: Measurement) -> Masks:
        """What a process reported of `to_arrays`."""
        arrays = measurement.arrays
        sizes = arrays["sizes_hw"]
        ends = np.cumsum((sizes.prod(1) + 7) // 8)
        pieces = np.split(arrays["bits"], ends[:-1]) if len(sizes) else []
        crops = [
            np.unpackbits(piece, count=int(h * w)).astype(np.bool_).reshape(h, w)
            for piece, (h, w) in zip(pieces, sizes, strict=True)
        ]
        return cls(crops, arrays["offsets_xy"], arrays["scores"])


def best_twins(masks: Masks, others: Masks) -> NDArray[np.float64]:
    """For each of N masks the IoU with the most alike of the others, float64 [N]."""
    areas = [int(crop.sum()) for crop in others.crops]
    best = np.zeros(len(masks.crops))
    for i, crop in enumerate(masks.crops):
        area = int(crop.sum())
        for j, other in enumerate(others.crops):
            # No IoU exceeds the ratio of areas.
            if min(area, areas[j]) <= best[i] * max(area, areas[j]):
                continue
            common = _common_px(crop, masks.offsets_xy[i], other, others.offsets_xy[j])
            best[i] = max(best[i], common / (area + areas[j] - common))
    return best


def _common_px(a: BoolMask, a_xy: NDArray[np.int64], b: BoolMask, b_xy: NDArray[np.int64]) -> int:
    """Pixels that belong to both of two crops."""
    x0, y0 = np.maximum(a_xy, b_xy)
    x1, y1 = np.minimum(a_xy + a.shape[::-1], b_xy + b.shape[::-1])
    if x1 <= x0 or y1 <= y0:
        return 0
    in_a = a[y0 - a_xy[1] : y1 - a_xy[1], x0 - a_xy[0] : x1 - a_xy[0]]
    in_b = b[y0 - b_xy[1] : y1 - b_xy[1], x0 - b_xy[0] : x1 - b_xy[0]]
    return int((in_a & in_b).sum())


@dataclass(frozen=True)
class Agreement:
    """How alike two sides' masks are.

    Attributes:
        n_peer, n_ours: masks of each.
        peer_found: share of the peer's masks with a twin among ours at `TWIN_IOU`.
        ours_found: share of ours with one among the peer's.
        identical: share of the peer's masks that ours has to the pixel.
        missing_scores: predicted IoU of the peer's masks without a twin.
    """

    n_peer: int
    n_ours: int
    peer_found: float
    ours_found: float
    identical: float
    missing_scores: tuple[float, ...]


def compare(peer: Masks, ours: Masks) -> Agreement:
    """Look for every mask of one side among the other's."""
    there, back = best_twins(peer, ours), best_twins(ours, peer)
    return Agreement(
        len(there),
        len(back),
        _share(there >= TWIN_IOU),
        _share(back >= TWIN_IOU),
        _share(there == 1),
        tuple(round(float(score), 3) for score in peer.scores[there < TWIN_IOU]),
    )


def _share(found: NDArray[np.bool_]) -> float:
    """Share of True; of nothing, all is found."""
    return float(found.mean()) if found.size else 1.0
