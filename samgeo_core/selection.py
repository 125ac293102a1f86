"""Which of a model's candidates become objects: a rule, and how it chooses. No model here."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from samgeo_core.candidates import Box, CandidateSet, MaskCandidate
from samgeo_core.config import SelectionRule
from samgeo_core.objects import BoolMask, ObjectSet

__all__ = ["SelectionRule", "select", "without_duplicates"]


def select(
    candidates: CandidateSet,
    rule: SelectionRule,
    areas_m2: NDArray[np.float64] | None = None,
) -> ObjectSet:
    """The candidates that a rule keeps, as objects; see `apply_overlap_rule` for what comes next.

    Args:
        candidates: N masks.
        rule: what is wanted.
        areas_m2: [N], ground areas; None where they aren't known.
    """
    allowed = _allowed(candidates, rule, areas_m2)
    return candidates.objects(_winners(candidates, allowed, rule))


def _allowed(
    candidates: CandidateSet, rule: SelectionRule, areas_m2: NDArray[np.float64] | None
) -> NDArray[np.bool_]:
    """Bool [N]: candidates within the limits of score, stability and size."""
    allowed = (candidates.scores >= np.float32(rule.least_score)) & (
        candidates.stabilities >= np.float32(rule.least_stability)
    )
    for unit, areas in (("px", candidates.areas_px), ("m2", areas_m2)):
        low, high = getattr(rule, f"min_area_{unit}"), getattr(rule, f"max_area_{unit}")
        if low is not None:
            allowed &= areas >= low if areas is not None else False
        if high is not None:
            allowed &= areas <= high if areas is not None else False
    return allowed


def _winners(
    candidates: CandidateSet, allowed: NDArray[np.bool_], rule: SelectionRule
) -> NDArray[np.int64]:
    """Good masks best first, then weaker ones where nothing good was found; their indices."""
    index = np.flatnonzero(allowed).tolist()
    masks = {i: candidates[i] for i in index}
    ordered = sorted(index, key=lambda i: _best_first(masks[i]))
    # float32, as stored: whoever selects again meets the same numbers.
    good = (candidates.scores >= np.float32(rule.good_score)) & (
        candidates.stabilities >= np.float32(rule.good_stability)
    )
    kept = _Kept(rule.duplicate_iou)
    covered = np.zeros(candidates.shape_hw, np.bool_)
    winners: list[int] = []
    for wants_good in (True, False):
        for i in ordered:
            if good[i] != wants_good:
                continue
            mask = masks[i]
            pixels = mask.pixels()
            if not wants_good:
                new = np.count_nonzero(pixels & ~covered[mask.slices])
                if new < rule.new_share * mask.area_px:
                    continue
            if kept.has_twin(mask):
                continue
            kept.add(mask)
            winners.append(i)
            covered[mask.slices] |= pixels
    return np.array(winners, np.int64)


def without_duplicates(masks: Iterable[MaskCandidate], iou: float) -> list[MaskCandidate]:
    """The best of each group of masks that say the same, best first."""
    kept = _Kept(iou)
    for mask in sorted(masks, key=_best_first):
        if not kept.has_twin(mask):
            kept.add(mask)
    return kept.masks


def _best_first(mask: MaskCandidate) -> tuple[float, Box, tuple[float, float]]:
    return -mask.quality, mask.box, mask.point_xy


class _Kept:
    """Masks kept so far, found again by their boxes."""

    def __init__(self, duplicate_iou: float) -> None:
        self.masks: list[MaskCandidate] = []
        self._pixels: list[BoolMask] = []
        self._boxes = np.zeros((64, 4), np.int64)
        self._areas = np.zeros(64, np.int64)
        self._iou = duplicate_iou

    def add(self, mask: MaskCandidate) -> None:
        n = len(self.masks)
        if n == len(self._boxes):
            self._boxes = np.concatenate([self._boxes, np.zeros_like(self._boxes)])
            self._areas = np.concatenate([self._areas, np.zeros_like(self._areas)])
        self._boxes[n], self._areas[n] = mask.box, mask.area_px
        self.masks.append(mask)
        self._pixels.append(mask.pixels())

    def has_twin(self, mask: MaskCandidate) -> bool:
        """Whether a kept mask says the same."""
        n = len(self.masks)
        boxes, areas = self._boxes[:n], self._areas[:n]
        x0, y0, x1, y1 = mask.box
        width = np.minimum(boxes[:, 2], x1) - np.maximum(boxes[:, 0], x0)
        height = np.minimum(boxes[:, 3], y1) - np.maximum(boxes[:, 1], y0)
        common = np.maximum(width, 0) * np.maximum(height, 0)
        # The boxes' common part bounds that of the masks, and with it their IoU.
        bound = np.minimum(common, np.minimum(areas, mask.area_px))
        near = np.flatnonzero(bound > self._iou * (areas + mask.area_px - bound))
        if not len(near):
            return False
        pixels = mask.pixels()
        return any(
            _common(pixels, mask.box, self._pixels[j], self.masks[j].box)
            > self._iou / (1 + self._iou) * (mask.area_px + self.masks[j].area_px)
            for j in near
        )


def _common(a: BoolMask, box_a: Box, b: BoolMask, box_b: Box) -> int:
    """Pixels that two masks with boxes (x0, y0, x1, y1) share."""
    x0, y0 = max(box_a[0], box_b[0]), max(box_a[1], box_b[1])
    x1, y1 = min(box_a[2], box_b[2]), min(box_a[3], box_b[3])
    part_a = a[y0 - box_a[1] : y1 - box_a[1], x0 - box_a[0] : x1 - box_a[0]]
    part_b = b[y0 - box_b[1] : y1 - box_b[1], x0 - box_b[0] : x1 - box_b[0]]
    return int(np.count_nonzero(part_a & part_b))
