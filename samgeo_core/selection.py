"""Which of a model's candidates become objects: a rule, and how it chooses. No model here."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samgeo_core.candidates import Box, CandidateSet, MaskCandidate
from samgeo_core.errors import ParameterError
from samgeo_core.objects import BoolMask, ObjectSet

OVERLAP_RULES = ("nested",)


@dataclass(frozen=True)
class SelectionRule:
    """What a candidate must be to become an object.

    Attributes:
        good_score, good_stability: masks at least this good are kept wherever they are new.
        least_score, least_stability: weaker ones are kept only where nothing good was found, and
            none below this.
        new_share: share of a weaker mask's pixels that nothing else may have covered.
        duplicate_iou: two masks more alike than this say the same thing; 1 keeps both.
        min_area_px, max_area_px: limits of a mask's size, px, both included; None sets none.
        min_area_m2, max_area_m2: the same on the ground, m²; a mask of unknown ground area (no
            CRS) passes no limit in m².
        overlap: what becomes of objects that overlap, one of `OVERLAP_RULES`.

    Raises:
        ParameterError: a number is out of its range, nothing can lie between two limits, or the
            overlap rule is unknown.
    """

    good_score: float = 0.75
    good_stability: float = 0.87
    least_score: float = 0.5
    least_stability: float = 0.6
    new_share: float = 0.25
    duplicate_iou: float = 0.75
    min_area_px: float | None = None
    max_area_px: float | None = None
    min_area_m2: float | None = None
    max_area_m2: float | None = None
    overlap: str = "nested"

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if name == "overlap" or value is None:
                continue
            highest = math.inf if "area" in name or name.endswith(("score", "stability")) else 1.0
            if not (0 <= value <= highest and math.isfinite(value)):
                most = "" if highest == math.inf else " and at most 1"
                raise ParameterError(f"{name} must be a number of 0 or more{most}, got {value}.")
        for unit in ("m2", "px"):
            low, high = getattr(self, f"min_area_{unit}"), getattr(self, f"max_area_{unit}")
            if low is not None and high is not None and low > high:
                raise ParameterError(
                    f"min_area_{unit} must not exceed max_area_{unit}, got {low} and {high}."
                )
        if self.overlap not in OVERLAP_RULES:
            raise ParameterError(
                f"overlap must be one of {', '.join(OVERLAP_RULES)}, got {self.overlap}."
            )

    @classmethod
    def keep_all(cls) -> SelectionRule:
        """The rule that takes every candidate, for those that were chosen before."""
        return cls(
            good_score=0, good_stability=0, least_score=0, least_stability=0, duplicate_iou=1
        )

    def to_dict(self) -> dict[str, Any]:
        """This rule as JSON-ready values."""
        return asdict(self)


def select(
    candidates: CandidateSet,
    rule: SelectionRule,
    areas_m2: NDArray[np.float64] | None = None,
) -> ObjectSet:
    """The objects that a rule makes of candidates.

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
