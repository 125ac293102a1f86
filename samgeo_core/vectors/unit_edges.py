"""Outlines along pixel edges, cut into edges of one pixel that can be told apart by their place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from samgeo_core.results.outlines import Geometries, IntArray, gathered

Keys = NDArray[np.int64]
"""Places in half pixels as numbers, sorted and unique; see `place_keys`."""


def place_keys(xy2: IntArray) -> IntArray:
    """One number for each place, int64 [N].

    Args:
        xy2: int64 [N, 2], twice the position in raster px: whole pixels are even.
    """
    return (xy2[:, 1] << 32) + xy2[:, 0]


def among(keys: IntArray, known: Keys) -> NDArray[np.bool_]:
    """Bool [N]: which keys are among those that are known."""
    if not len(known):
        return np.zeros(len(keys), np.bool_)
    nearest = known[np.searchsorted(known, keys).clip(max=len(known) - 1)]
    return np.asarray(nearest == keys, np.bool_)


@dataclass(frozen=True, eq=False)
class UnitEdges:
    """The rings of N geometries, edge after edge, each one pixel long.

    Attributes:
        corners_xy: int64 [M, 2], where each edge begins, raster px.
        steps_xy: int64 [M, 2], from there to its end: one pixel along an axis.
        begins: int64 [R], the first edge of each ring.
        polygon_of_ring: int64 [R], ascending; the first ring of a polygon is the outer one.
        owner_of_polygon: int64 [P], index of the geometry of each polygon, ascending.
        n_geometries: N.
    """

    corners_xy: IntArray
    steps_xy: IntArray
    begins: IntArray
    polygon_of_ring: IntArray
    owner_of_polygon: IntArray
    n_geometries: int

    @classmethod
    def of(cls, geometries: Geometries) -> UnitEdges:
        """Cut outlines that run along pixel edges, such as `outlines.trace` gives.

        Args:
            geometries: [N], Polygon or MultiPolygon in raster px.
        """
        polygons, owner = shapely.get_parts(geometries, return_index=True)
        rings, polygon = shapely.get_rings(polygons, return_index=True)
        xy, ring = shapely.get_coordinates(rings, return_index=True)
        corners = np.rint(xy).astype(np.int64)
        same = ring[1:] == ring[:-1]
        sides = np.diff(corners, axis=0)[same]
        lengths = np.abs(sides).sum(axis=1)
        first = np.cumsum(lengths) - lengths
        steps = np.repeat(sides // np.maximum(lengths, 1)[:, None], lengths, axis=0)
        along = np.arange(len(steps)) - np.repeat(first, lengths)
        starts = np.repeat(corners[:-1][same], lengths, axis=0) + along[:, None] * steps
        per_ring = np.bincount(np.repeat(ring[:-1][same], lengths), minlength=len(rings))
        begins = np.cumsum(per_ring) - per_ring
        return cls(starts, steps, begins, polygon, owner, len(geometries))

    @property
    def ends(self) -> IntArray:
        """int64 [R], where the edges of each ring end."""
        ends = np.append(self.begins[1:], len(self.corners_xy)).astype(np.int64)
        return ends[: len(self.begins)]

    @property
    def previous(self) -> IntArray:
        """int64 [M], the edge before each on its ring."""
        before = np.arange(len(self.corners_xy)) - 1
        before[self.begins] = self.ends - 1
        return before

    @property
    def following(self) -> IntArray:
        """int64 [M], the edge after each on its ring."""
        after = np.arange(len(self.corners_xy)) + 1
        after[self.ends - 1] = self.begins
        return after

    @property
    def axes(self) -> NDArray[np.int64]:
        """int64 [M], the axis across each edge: 0 where it runs up or down, 1 otherwise."""
        return np.asarray(self.steps_xy[:, 0] != 0, np.int64)

    @property
    def middles_xy(self) -> NDArray[np.float64]:
        """float64 [M, 2], the middle of each edge, raster px."""
        return self.corners_xy + self.steps_xy / 2

    @property
    def edge_keys(self) -> IntArray:
        """int64 [M], keys of the middles."""
        return place_keys(2 * self.corners_xy + self.steps_xy)

    @property
    def corner_keys(self) -> IntArray:
        """int64 [M], keys of the corners."""
        return place_keys(2 * self.corners_xy)

    @property
    def owners(self) -> IntArray:
        """int64 [M], index of the geometry that each edge belongs to."""
        owner_of_ring = self.owner_of_polygon[self.polygon_of_ring]
        return np.repeat(owner_of_ring, self.ends - self.begins)

    def rebuilt(self, xy: NDArray[np.float64], edge: IntArray) -> Geometries:
        """Geometries with other vertices.

        Args:
            xy: float64 [V, 2], in the order of the edges, at least three a ring.
            edge: int64 [V], ascending: the edge that each belongs to.
        """
        if not len(xy):
            return np.full(self.n_geometries, shapely.Polygon(), object)
        ring = np.searchsorted(self.begins, edge, "right") - 1
        rings = shapely.linearrings(xy, indices=ring)
        polygons = shapely.polygons(rings, indices=self.polygon_of_ring)
        return gathered(np.asarray(polygons, object), self.owner_of_polygon, self.n_geometries)
