"""Georeferencing as a value without pixels: shape, transform and coordinate reference system."""

from __future__ import annotations

from dataclasses import dataclass

from affine import Affine
from rasterio.crs import CRS

from samgeo_core.windows import ShapeHW, Window


@dataclass(frozen=True)
class GeoGrid:
    """A pixel grid in the world.

    Attributes:
        shape_hw: height and width, px.
        transform: pixel (x right, y down; corner of the first pixel is 0, 0) to CRS coordinates.
        crs: coordinate reference system; None where the raster has none, and then coordinates are
            what the transform makes of pixels (the pixel frame for an identity transform).
    """

    shape_hw: ShapeHW
    transform: Affine
    crs: CRS | None

    def window(self, window: Window) -> GeoGrid:
        """The grid of a part of this grid."""
        shifted = self.transform * Affine.translation(window.x, window.y)
        return GeoGrid(window.shape_hw, shifted, self.crs)
