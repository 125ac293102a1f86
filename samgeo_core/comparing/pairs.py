"""Which objects of two layers overlap, and by how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from samgeo_core.objects import BoolMask
from samgeo_core.overlaps import common_px
from samgeo_core.results.outlines import Geometries

Index = NDArray[np.int64]
Floats = NDArray[np.float64]

_AT_ONCE = 4096
_MANY_VERTICES = 2_000
_MUCH_LARGER = 10.0


@dataclass(frozen=True, eq=False)
class Pairs:
    """M pairs of overlapping objects.

    Attributes:
        reference: int64 [M], row in the reference.
        found: int64 [M], row among the objects that were found.
        common: float64 [M], area that both have, in the units of the areas.
        reference_areas: float64 [M].
        found_areas: float64 [M].
    """

    reference: Index
    found: Index
    common: Floats
    reference_areas: Floats
    found_areas: Floats

    @classmethod
    def none(cls) -> Pairs:
        """No pair at all."""
        nobody, nothing = np.zeros(0, np.int64), np.zeros(0)
        return cls(nobody, nobody, nothing, nothing, nothing)

    @classmethod
    def joined(cls, parts: Sequence[Pairs]) -> Pairs:
        """The pairs of several parts, in their order."""
        parts = [cls.none(), *parts]
        return cls(
            np.concatenate([part.reference for part in parts]),
            np.concatenate([part.found for part in parts]),
            np.concatenate([part.common for part in parts]),
            np.concatenate([part.reference_areas for part in parts]),
            np.concatenate([part.found_areas for part in parts]),
        )

    def __len__(self) -> int:
        return len(self.reference)

    @property
    def iou(self) -> Floats:
        """Intersection over union, float64 [M]."""
        return self.common / (self.reference_areas + self.found_areas - self.common)

    @property
    def of_smaller(self) -> Floats:
        """Share of the smaller of the two that both have, float64 [M]."""
        return self.common / np.minimum(self.reference_areas, self.found_areas)

    def take(self, keep: NDArray[np.bool_] | Index) -> Pairs:
        """The pairs of a boolean or index array."""
        return Pairs(
            self.reference[keep],
            self.found[keep],
            self.common[keep],
            self.reference_areas[keep],
            self.found_areas[keep],
        )


def polygon_pairs(
    reference: Geometries, tree: shapely.STRtree, found: Geometries, first: int = 0
) -> Pairs:
    """Pairs of polygons of one plane that overlap.

    Args:
        reference: [N], valid.
        tree: of these.
        found: [K], valid.
        first: row of the first of ``found``.
    """
    found_rows, reference_rows = tree.query(found, predicate="intersects")
    common = np.concatenate(
        [
            np.zeros(0),
            *(
                _common_areas(reference[reference_rows[some]], found[found_rows[some]])
                for some in _slices(len(found_rows))
            ),
        ]
    )
    pairs = Pairs(
        reference_rows.astype(np.int64),
        found_rows.astype(np.int64) + first,
        common,
        shapely.area(reference)[reference_rows],
        shapely.area(found)[found_rows],
    )
    return pairs.take(common > 0)


def _slices(length: int) -> list[slice]:
    return [slice(begin, begin + _AT_ONCE) for begin in range(0, length, _AT_ONCE)]


def _common_areas(a: Geometries, b: Geometries) -> Floats:
    """Areas that polygons have in common, one by one."""
    b = b.copy()
    bounds = shapely.bounds(a)
    huge = (shapely.get_num_coordinates(b) > _MANY_VERTICES) & (
        shapely.area(b) > _MUCH_LARGER * shapely.area(a)
    )
    for i in np.flatnonzero(huge).tolist():
        # What is large and ragged takes long to cut; near the other one little of it is left.
        b[i] = shapely.make_valid(shapely.clip_by_rect(b[i], *bounds[i]))
    return np.asarray(shapely.area(shapely.intersection(a, b)), np.float64)


def mask_pairs(
    reference: Sequence[BoolMask],
    reference_boxes: Index,
    found: Sequence[BoolMask],
    found_boxes: Index,
) -> Pairs:
    """Pairs of masks of one raster that have pixels in common.

    Args:
        reference: N masks, cropped.
        reference_boxes: int64 [N, 4], left, top, right, bottom of each, px; the latter exclusive.
        found: K masks, cropped.
        found_boxes: int64 [K, 4].
    """
    tree = shapely.STRtree(shapely.box(*reference_boxes.T.astype(np.float64)))
    found_rows, rows = tree.query(shapely.box(*found_boxes.T.astype(np.float64)))
    common = np.array(
        [
            common_px(reference[i], reference_boxes[i], found[j], found_boxes[j])
            for i, j in zip(rows.tolist(), found_rows.tolist(), strict=True)
        ],
        np.float64,
    )
    areas = np.array([np.count_nonzero(mask) for mask in reference], np.float64)
    sizes = np.array([np.count_nonzero(mask) for mask in found], np.float64)
    pairs = Pairs(
        rows.astype(np.int64), found_rows.astype(np.int64), common, areas[rows], sizes[found_rows]
    )
    return pairs.take(common > 0)
