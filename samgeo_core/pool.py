"""A run's candidates with all that choosing among them again needs: no model, no image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from samgeo_core.candidates import CandidateSet
from samgeo_core.config import SelectionRule
from samgeo_core.crossings import CrossingBook
from samgeo_core.edits.apply import Edited, apply_edits
from samgeo_core.edits.edits import Edit
from samgeo_core.geogrid import GeoGrid
from samgeo_core.likeness import Likeness
from samgeo_core.objects import BoolMask, ObjectSet
from samgeo_core.overlap_rules import apply_overlap_rule
from samgeo_core.selection import allowed_by, select

CANDIDATES_FILE = "candidates.npz"


@dataclass(frozen=True, eq=False)
class CandidatePool:
    """What was offered in a place.

    Attributes:
        candidates: the masks.
        valid: bool [H, W], where the raster carries data.
        grid: georeferencing of that raster.
        measured: which candidates say nearly the same, if that is known already.
    """

    candidates: CandidateSet
    valid: BoolMask
    grid: GeoGrid
    measured: Likeness | None = None

    def objects(self, rule: SelectionRule, edits: Sequence[Edit] = ()) -> ObjectSet:
        """What a rule makes of the candidates: the same for a run as for whoever looks later.

        Args:
            rule: the rule.
            edits: corrections of what it chose, see `edits.apply`.
        """
        return self.laid_out(self.edited(self.chosen(rule), rule, edits), rule)

    def chosen(self, rule: SelectionRule) -> ObjectSet:
        """What a rule chooses, before edits and before overlaps are resolved."""
        areas_m2 = self.areas_m2 if _on_ground(rule) else None
        return select(self.candidates, rule, areas_m2, self.likeness)

    def edited(self, chosen: ObjectSet, rule: SelectionRule, edits: Sequence[Edit]) -> Edited:
        """What edits leave of chosen objects, before overlaps are resolved."""
        if not edits:
            return Edited.untouched(chosen)

        def of_size(masks: CandidateSet) -> NDArray[np.bool_]:
            sizes = replace(rule, least_score=0.0, least_stability=0.0)
            areas_m2 = self._areas_m2_of(masks) if _on_ground(rule) else None
            return allowed_by(masks, sizes, areas_m2)

        return apply_edits(chosen, edits, of_size)

    def laid_out(self, edited: Edited, rule: SelectionRule) -> ObjectSet:
        """Objects with their overlaps resolved."""
        in_order = edited.for_rule(rule.overlap).objects
        return apply_overlap_rule(in_order, rule.overlap, self.valid)

    @cached_property
    def likeness(self) -> Likeness:
        """Which candidates say nearly the same."""
        return self.measured or Likeness.measure(self.candidates)

    @cached_property
    def crossings(self) -> CrossingBook:
        """Where the model's logits pass the edges of its masks, as far as that was kept."""
        book = CrossingBook()
        for i, box in enumerate(self.candidates.boxes_xyxy[:, :2].tolist()):
            if (known := self.candidates.crossings_of(i)) is not None:
                book.add(self.candidates.mask(i), (box[0], box[1]), known)
        return book

    @cached_property
    def areas_m2(self) -> NDArray[np.float64]:
        """Size of each candidate on the ground, m², NaN where the place on Earth is unknown."""
        return self._areas_m2_of(self.candidates)

    def _areas_m2_of(self, masks: CandidateSet) -> NDArray[np.float64]:
        centres = (masks.boxes_xyxy[:, :2] + masks.boxes_xyxy[:, 2:]) / 2
        return masks.areas_px * self.grid.pixel_areas_m2(centres)

    def save(self, path: Path | IO[bytes]) -> None:
        """Write candidates and valid pixels as one compressed .npz; the grid is the result's."""
        self.candidates.save(
            path,
            valid=np.packbits(self.valid),
            pairs=self.likeness.pairs.astype(np.int32),
            common_px=self.likeness.common_px,
            floor_iou=self.likeness.floor_iou,
        )

    @classmethod
    def load(cls, path: Path | IO[bytes], grid: GeoGrid) -> CandidatePool:
        """Read what `save` wrote.

        Args:
            path: the file, or an open one.
            grid: the grid of the run's results.
        """
        height, width = grid.shape_hw
        candidates = CandidateSet.load(path)
        if not isinstance(path, Path):
            path.seek(0)
        with np.load(path, allow_pickle=False) as data:
            valid = np.unpackbits(data["valid"], count=height * width).view(np.bool_)
            pairs = data["pairs"].astype(np.int64)
            sums = candidates.areas_px[pairs].sum(axis=1)
            likeness = Likeness(pairs, data["common_px"], sums, float(data["floor_iou"]))
        return cls(candidates, valid.reshape(height, width), grid, likeness)


def _on_ground(rule: SelectionRule) -> bool:
    return rule.min_area_m2 is not None or rule.max_area_m2 is not None
