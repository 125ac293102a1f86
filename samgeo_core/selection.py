"""Which of a model's candidates become objects: a rule, and how it chooses. No model here."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from samgeo_core.candidates import CandidateSet, MaskCandidate
from samgeo_core.config import SelectionRule
from samgeo_core.likeness import Likeness, Twins
from samgeo_core.objects import ObjectSet

__all__ = ["SelectionRule", "select", "without_duplicates"]


def select(
    candidates: CandidateSet,
    rule: SelectionRule,
    areas_m2: NDArray[np.float64] | None = None,
    likeness: Likeness | None = None,
) -> ObjectSet:
    """The candidates that a rule keeps, as objects; see `apply_overlap_rule` for what comes next.

    Args:
        candidates: N masks.
        rule: what is wanted.
        areas_m2: [N], ground areas; None where they aren't known.
        likeness: of these candidates, if it was measured before.
    """
    return candidates.objects(chosen_among(candidates, rule, areas_m2, likeness))


def chosen_among(
    candidates: CandidateSet,
    rule: SelectionRule,
    areas_m2: NDArray[np.float64] | None = None,
    likeness: Likeness | None = None,
) -> NDArray[np.int64]:
    """The indices of those that `select` makes objects of."""
    allowed = allowed_by(candidates, rule, areas_m2)
    twins = _twins(candidates, rule.duplicate_iou, likeness)
    return _winners(candidates, allowed, twins, rule)


def _twins(candidates: CandidateSet, iou: float, likeness: Likeness | None) -> Twins:
    """For each candidate those that say the same."""
    if likeness is None or iou < likeness.floor_iou:
        likeness = Likeness.measure(candidates, iou)
    return likeness.twins(len(candidates), iou)


def allowed_by(
    candidates: CandidateSet, rule: SelectionRule, areas_m2: NDArray[np.float64] | None = None
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
    candidates: CandidateSet,
    allowed: NDArray[np.bool_],
    twins: Twins,
    rule: SelectionRule,
) -> NDArray[np.int64]:
    """Good masks best first, then weaker ones where nothing good was found; their indices."""
    # float32, as stored: whoever selects again meets the same numbers.
    good = (candidates.scores >= np.float32(rule.good_score)) & (
        candidates.stabilities >= np.float32(rule.good_stability)
    )
    ordered = _best_first(candidates)
    winners = _first_of_twins(ordered[(allowed & good)[ordered]], twins)
    weak = ordered[(allowed & ~good)[ordered]]
    if not len(weak):
        return np.array(winners, np.int64)
    said = np.zeros(len(candidates), np.bool_)
    covered = _Covered(candidates)
    for i in winners:
        said[twins[i]] = True
        covered.add(i)
    fair = candidates.scores * candidates.stabilities >= np.float32(rule.fair_quality)
    for i in weak.tolist():
        if said[i] or covered.new_share(i, like_size=bool(fair[i])) < rule.new_share:
            continue
        winners.append(i)
        said[twins[i]] = True
        covered.add(i)
    return np.array(winners, np.int64)


class _Covered:
    """Which pixels the winners cover, by the size of these winners: a bit for each doubling."""

    def __init__(self, candidates: CandidateSet) -> None:
        self.candidates = candidates
        self.sizes = np.zeros(candidates.shape_hw, np.uint32)
        self.octaves = np.log2(np.maximum(candidates.areas_px, 1)).astype(np.int64).clip(1, 30)

    def add(self, index: int) -> None:
        """Take note of a winner."""
        x0, y0, x1, y1 = self.candidates.boxes_xyxy[index].tolist()
        bit = np.uint32(1 << int(self.octaves[index]))
        self.sizes[y0:y1, x0:x1] |= self.candidates.mask(index) * bit

    def new_share(self, index: int, *, like_size: bool) -> float:
        """Share of a mask's pixels without a winner, or only without one of like size."""
        x0, y0, x1, y1 = self.candidates.boxes_xyxy[index].tolist()
        octave = int(self.octaves[index])
        bits = np.uint32(0b111 << (octave - 1) if like_size else 0xFFFFFFFF)
        free = (self.sizes[y0:y1, x0:x1] & bits) == 0
        new = np.count_nonzero(free & self.candidates.mask(index))
        return float(new / self.candidates.areas_px[index])


def without_duplicates(masks: Iterable[MaskCandidate], iou: float) -> list[MaskCandidate]:
    """The best of each group of masks that say the same, best first."""
    masks = list(masks)
    height = max((mask.box[3] for mask in masks), default=0)
    width = max((mask.box[2] for mask in masks), default=0)
    candidates = CandidateSet.collect((height, width), masks)
    twins = _twins(candidates, iou, None)
    return [masks[i] for i in _first_of_twins(_best_first(candidates), twins)]


def _best_first(candidates: CandidateSet) -> NDArray[np.int64]:
    """Indices by score times stability, ties by place and not by the order of arrival."""
    quality = candidates.scores.astype(np.float64) * candidates.stabilities
    place = np.concatenate([candidates.boxes_xyxy, candidates.points_xy], axis=1)
    return np.lexsort((*place.T[::-1], -quality))


def _first_of_twins(ordered: NDArray[np.int64], twins: Twins) -> list[int]:
    """Of masks in order those of which no earlier one that stayed is a twin."""
    said = np.zeros(len(twins), np.bool_)
    kept = []
    for i in ordered.tolist():
        if not said[i]:
            kept.append(i)
            said[twins[i]] = True
    return kept
