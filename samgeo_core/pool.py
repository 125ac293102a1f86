"""A run's candidates with all that choosing among them again needs: no model, no image."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from samgeo_core.candidates import CandidateSet
from samgeo_core.config import SelectionRule
from samgeo_core.geogrid import GeoGrid
from samgeo_core.objects import BoolMask, ObjectSet
from samgeo_core.overlap_rules import apply_overlap_rule
from samgeo_core.selection import select

CANDIDATES_FILE = "candidates.npz"


@dataclass(frozen=True, eq=False)
class CandidatePool:
    """What was offered in a place.

    Attributes:
        candidates: the masks.
        valid: bool [H, W], where the raster carries data.
        grid: georeferencing of that raster.
    """

    candidates: CandidateSet
    valid: BoolMask
    grid: GeoGrid

    def objects(self, rule: SelectionRule) -> ObjectSet:
        """What a rule makes of the candidates: the same for a run as for whoever looks later."""
        on_ground = rule.min_area_m2 is not None or rule.max_area_m2 is not None
        chosen = select(self.candidates, rule, self.areas_m2 if on_ground else None)
        return apply_overlap_rule(chosen, rule.overlap, self.valid)

    @cached_property
    def areas_m2(self) -> NDArray[np.float64]:
        """Size of each candidate on the ground, m², NaN where the place on Earth is unknown."""
        boxes = self.candidates.boxes_xyxy
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2
        return self.candidates.areas_px * self.grid.pixel_areas_m2(centres)

    def save(self, path: Path) -> None:
        """Write candidates and valid pixels as one compressed .npz; the grid is the result's."""
        self.candidates.save(path, valid=np.packbits(self.valid))

    @classmethod
    def load(cls, path: Path, grid: GeoGrid) -> CandidatePool:
        """Read what `save` wrote.

        Args:
            path: the file.
            grid: the grid of the run's results.
        """
        height, width = grid.shape_hw
        with np.load(path, allow_pickle=False) as data:
            valid = np.unpackbits(data["valid"], count=height * width)
        return cls(CandidateSet.load(path), valid.view(np.bool_).reshape(height, width), grid)
