"""The pixels of a web map: zoom levels of square tiles in Web Mercator (EPSG:3857).

At zoom z the world is 2^z by 2^z tiles, counted from the north-west corner. Facts: OGC 17-083r4,
annex D.1 (WebMercatorQuad).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from affine import Affine
from rasterio.crs import CRS

from samgeo_core.errors import ParameterError
from samgeo_core.geogrid import BoundsLonLat, GeoGrid

RADIUS_M = 6_378_137.0
HALF_M = math.pi * RADIUS_M
"""Half the side of the world's square, m at the equator."""

MAX_LATITUDE = math.degrees(math.atan(math.sinh(math.pi)))
"""Where the square ends in the north and south, 85.05°."""

MAX_ZOOM = 24
TILE_SIDES_PX = (256, 512, 1024)
# What a box that was drawn on a tile's very edge may miss it by.
_EDGE_PX = 1e-6


@dataclass(frozen=True)
class Tile:
    """One tile: its zoom level, column from the west, row from the north."""

    zoom: int
    x: int
    y: int

    @property
    def bounds_m(self) -> tuple[float, float, float, float]:
        """Left, bottom, right, top in EPSG:3857."""
        side = 2 * HALF_M / 2**self.zoom
        left, top = -HALF_M + self.x * side, HALF_M - self.y * side
        return left, top - side, left + side, top


@dataclass(frozen=True)
class MapBox:
    """A box of whole pixels of a web map.

    Attributes:
        zoom: level.
        tile_px: side of a tile.
        left, top, right, bottom: in pixels of the whole world at that zoom, right and bottom
            exclusive.
    """

    zoom: int
    tile_px: int
    left: int
    top: int
    right: int
    bottom: int

    @classmethod
    def around(cls, bounds: BoundsLonLat, zoom: int, tile_px: int = 256) -> MapBox:
        """The smallest box of whole pixels that holds an area.

        Raises:
            ParameterError: the area isn't one on a web map, or there is no such zoom.
        """
        west, south, east, north = check_bounds(bounds)
        if not 0 <= zoom <= MAX_ZOOM:
            raise ParameterError(f"Zoom must be 0 to {MAX_ZOOM}, got {zoom}.")
        side = tile_px * 2**zoom
        left, top = _pixel(west, north, side)
        right, bottom = _pixel(east, south, side)
        first_x = min(math.floor(left + _EDGE_PX), side - 1)
        first_y = min(math.floor(top + _EDGE_PX), side - 1)
        end_x, end_y = math.ceil(right - _EDGE_PX), math.ceil(bottom - _EDGE_PX)
        return cls(
            zoom,
            tile_px,
            max(0, first_x),
            max(0, first_y),
            min(side, max(end_x, first_x + 1)),
            min(side, max(end_y, first_y + 1)),
        )

    @property
    def shape_hw(self) -> tuple[int, int]:
        """Height and width, px."""
        return self.bottom - self.top, self.right - self.left

    @property
    def pixel_m(self) -> float:
        """Side of a pixel in units of EPSG:3857: metres at the equator."""
        return 2 * HALF_M / float(self.tile_px << self.zoom)

    @property
    def ground_m(self) -> float:
        """Side of a pixel on the ground in the middle of the box, m."""
        middle = HALF_M - (self.top + self.bottom) / 2 * self.pixel_m
        return self.pixel_m / math.cosh(middle / RADIUS_M)

    @property
    def grid(self) -> GeoGrid:
        """Where the pixels lie."""
        pixel = self.pixel_m
        corner = (-HALF_M + self.left * pixel, HALF_M - self.top * pixel)
        transform = Affine(pixel, 0.0, corner[0], 0.0, -pixel, corner[1])
        return GeoGrid(self.shape_hw, transform, CRS.from_epsg(3857))

    @property
    def n_tiles(self) -> int:
        """How many tiles hold its pixels."""
        rows, columns = self._rows, self._columns
        return len(rows) * len(columns)

    def tiles(self) -> Iterator[Tile]:
        """The tiles that hold its pixels, row by row."""
        for y in self._rows:
            for x in self._columns:
                yield Tile(self.zoom, x, y)

    @property
    def middle(self) -> Tile:
        """The tile in its middle."""
        rows, columns = self._rows, self._columns
        return Tile(self.zoom, columns[len(columns) // 2], rows[len(rows) // 2])

    @property
    def _columns(self) -> range:
        return range(self.left // self.tile_px, (self.right - 1) // self.tile_px + 1)

    @property
    def _rows(self) -> range:
        return range(self.top // self.tile_px, (self.bottom - 1) // self.tile_px + 1)


def check_bounds(bounds: BoundsLonLat) -> BoundsLonLat:
    """An area as it is, if it is one on a web map.

    Raises:
        ParameterError: not four numbers in the order west, south, east, north within the map.
    """
    west, south, east, north = bounds
    if not all(map(math.isfinite, bounds)) or not (-180 <= west < east <= 180):
        raise ParameterError(
            "West and east must be degrees from -180 to 180, west the smaller one, got "
            f"{west:g} and {east:g}. An area across the date line needs two boxes."
        )
    if not (-MAX_LATITUDE - 1e-9 <= south < north <= MAX_LATITUDE + 1e-9):
        raise ParameterError(
            "South and north must be degrees from -85.05 to 85.05, south the smaller one, got "
            f"{south:g} and {north:g}."
        )
    return bounds


def _pixel(lon: float, lat: float, side_px: int) -> tuple[float, float]:
    """A place in pixels of the whole world."""
    x = (lon + 180) / 360 * side_px
    y = (1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2 * side_px
    return x, y
