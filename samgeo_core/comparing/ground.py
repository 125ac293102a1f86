"""What a reference is laid over: an image, or the plane that objects lie in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from pyproj import CRS
from rasterio.features import rasterize

from samgeo_core.geogrid import GeoGrid
from samgeo_core.objects import BoolMask
from samgeo_core.results.geodesy import pyproj_crs
from samgeo_core.vectors.mosaic import ReadValid
from samgeo_core.windows import Window


@dataclass(frozen=True, eq=False)
class Ground:
    """What a reference is laid over.

    Attributes:
        crs: of all coordinates, as pyproj knows it; None where there is none.
        grid: of the image; None where only objects are at hand.
        valid: reads where the image carries data; None takes every pixel.
    """

    crs: CRS | None
    grid: GeoGrid | None = None
    valid: ReadValid | None = None

    @classmethod
    def of_image(cls, grid: GeoGrid, valid: ReadValid | None = None) -> Ground:
        """The ground of an image."""
        return cls(pyproj_crs(grid.crs), grid, valid)

    def frame(self, shrunk_px: float = 0.0) -> shapely.Polygon | None:
        """The image's outline in the CRS, moved inwards by some px; None without an image."""
        if self.grid is None:
            return None
        height, width = self.grid.shape_hw
        box = shapely.box(shrunk_px, shrunk_px, width - shrunk_px, height - shrunk_px)
        return shapely.transform(box, self.grid.to_crs_xy)


def share_with_data(polygon: Any, grid: GeoGrid, valid: ReadValid) -> float:
    """Share of a polygon's pixels that carry data; 1 where it holds none."""
    mask, window = drawn_mask(polygon, grid)
    n_pixels = int(np.count_nonzero(mask))
    return float(np.count_nonzero(mask & valid(window)) / n_pixels) if n_pixels else 1.0


def drawn_mask(polygon: Any, grid: GeoGrid) -> tuple[BoolMask, Window]:
    """The pixels of a grid whose centres lie in a polygon of its CRS, and the window they fill."""
    in_px = shapely.transform(polygon, grid.to_px_xy)
    height, width = grid.shape_hw
    left, top, right, bottom = shapely.bounds(in_px)
    x0, y0 = (int(np.clip(np.floor(v), 0, n - 1)) for v, n in ((left, width), (top, height)))
    x1, y1 = (int(np.clip(np.ceil(v), 1, n)) for v, n in ((right, width), (bottom, height)))
    window = Window(x0, y0, max(x1 - x0, 1), max(y1 - y0, 1))
    shifted = shapely.transform(in_px, lambda xy: xy - (x0, y0))
    return rasterize([shifted], out_shape=window.shape_hw).astype(np.bool_), window
