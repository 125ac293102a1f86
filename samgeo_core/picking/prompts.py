"""What points at one object: points, a box, a polygon, in px of the raster. No torch here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray

from samgeo_core.errors import ParameterError
from samgeo_core.windows import ShapeHW
from samgeo_core.words import N_

MOST_POINTS = 256
MOST_CORNERS = 10_000

BoxXYXY = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class ObjectPrompts:
    """What points at one object; px of the raster, x right, y down, fractions allowed.

    Attributes:
        points_xy: float64 [K, 2].
        labels: int64 [K], 1 on the object, 0 beside it.
        box_xyxy: left, top, right, bottom around the object, or None.
        polygon_xy: float64 [P, 2], corners of its rough outline (a mask prompt), or None.
    """

    points_xy: NDArray[np.float64]
    labels: NDArray[np.int64]
    box_xyxy: BoxXYXY | None = None
    polygon_xy: NDArray[np.float64] | None = None

    @classmethod
    def of(
        cls,
        points: Sequence[Sequence[float]] | NDArray[np.float64] | None = None,
        box: Sequence[float] | NDArray[np.float64] | None = None,
        polygon: ArrayLike | None = None,
    ) -> ObjectPrompts:
        """Check prompts and make them canonical.

        Args:
            points: of x, y and label each: 1 on the object, 0 beside it.
            box: two opposite corners, x, y, x, y.
            polygon: [P, 2], corners of a ring.

        Raises:
            ParameterError: nothing says where the object is, or numbers that can't be.
        """
        table = np.zeros((0, 3)) if points is None else _numbers(points, "Points", 3)
        if len(table) > MOST_POINTS:
            raise ParameterError(
                f"An object takes at most {MOST_POINTS} points, got {len(table)}: remove some."
            )
        if not np.isin(table[:, 2], (0, 1)).all():
            raise ParameterError("The label of a point must be 1 (object) or 0 (background).")
        corners = None if box is None else _box(box)
        ring = None if polygon is None else _ring(polygon)
        if corners is None and ring is None and not (table[:, 2] == 1).any():
            raise ParameterError(
                "An object needs a point on it, a box or a polygon: background points alone "
                "don't say where it is."
            )
        return cls(table[:, :2].copy(), table[:, 2].astype(np.int64), corners, ring)

    @property
    def extent_xyxy(self) -> BoxXYXY:
        """Bounds of all that lies on the object: box, polygon, foreground points."""
        return self._bounds(self.points_xy[self.labels == 1])

    @property
    def reach_xyxy(self) -> BoxXYXY:
        """Bounds of all prompts, background points too."""
        return self._bounds(self.points_xy)

    @property
    def has_size(self) -> bool:
        """Whether a box or a polygon tells how large the object is."""
        return self.box_xyxy is not None or self.polygon_xy is not None

    def check_inside(self, shape_hw: ShapeHW) -> None:
        """Refuse prompts that point at nothing of a raster.

        Raises:
            ParameterError: a point lies outside, or box or polygon don't touch the raster.
        """
        height, width = shape_hw
        outside = ((self.points_xy < 0) | (self.points_xy > (width, height))).any(axis=1)
        if outside.any():
            x, y = self.points_xy[outside][0]
            raise ParameterError(
                f"The point ({x:.1f}, {y:.1f}) lies outside the raster of {width} x {height} px: "
                "move it in."
            )
        for name, array in ((N_("box"), self.box_xyxy), (N_("polygon"), self.polygon_xy)):
            if array is None:
                continue
            xy = np.asarray(array).reshape(-1, 2)
            if (xy.max(0) <= 0).any() or (xy.min(0) >= (width, height)).any():
                raise ParameterError(
                    f"The {name} lies outside the raster of {width} x {height} px: draw it on the "
                    "raster."
                )

    def _bounds(self, points_xy: NDArray[np.float64]) -> BoxXYXY:
        parts = [points_xy]
        if self.box_xyxy is not None:
            parts.append(np.reshape(self.box_xyxy, (2, 2)))
        if self.polygon_xy is not None:
            parts.append(self.polygon_xy)
        xy = np.concatenate(parts)
        (x0, y0), (x1, y1) = xy.min(0).tolist(), xy.max(0).tolist()
        return x0, y0, x1, y1


def _numbers(values: ArrayLike, name: str, columns: int) -> NDArray[np.float64]:
    """Finite numbers [N, columns]."""
    try:
        array = np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise ParameterError(f"{name} must be numbers, {columns} each.") from error
    if array.size == 0:
        array = array.reshape(0, columns)
    if array.ndim != 2 or array.shape[1] != columns:
        raise ParameterError(f"{name} must be [N, {columns}], got {list(array.shape)}.")
    if not np.isfinite(array).all():
        raise ParameterError(f"{name} must be finite numbers.")
    return array


def _box(box: Sequence[float] | NDArray[np.float64]) -> BoxXYXY:
    (corners,) = _numbers([list(box)], "A box", 4)
    x0, x1 = sorted(corners[0::2].tolist())
    y0, y1 = sorted(corners[1::2].tolist())
    if x1 <= x0 or y1 <= y0:
        raise ParameterError("A box needs a width and a height: draw it larger.")
    return x0, y0, x1, y1


def _ring(polygon: ArrayLike) -> NDArray[np.float64]:
    corners = _numbers(polygon, "A polygon", 2)
    if len(corners) > MOST_CORNERS:
        raise ParameterError(
            f"A polygon takes at most {MOST_CORNERS} corners, got {len(corners)}: simplify it."
        )
    if len(np.unique(corners, axis=0)) < 3 or shapely.Polygon(corners).convex_hull.area <= 0:
        raise ParameterError("A polygon needs at least three corners that enclose an area.")
    return corners
