"""The frame of the map a raster is shown on: web mercator, or its own pixels.

Georeferenced rasters lie on a usual web map. A raster without CRS (or one whose CRS has no way to
longitude and latitude) lies on a map of Leaflet's ``CRS.Simple``: there
``lng = x / 2**native_zoom`` and ``lat = -y / 2**native_zoom``, with x right and y down in raster px
and ``native_zoom`` the zoom at which one raster px is one screen px. So zoom 0 shows the whole
raster in one tile of 256 px, and tiles are numbered as on any web map. Either way a place on the
map is a pair (lng, lat), and `MapFrame` turns it into raster px and back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from samgeo_core.errors import SamGeoError
from samgeo_core.geogrid import GeoGrid

TILE_PX = 256
MAX_ZOOM = 26
MAX_LATITUDE = 85.05112878  # where web mercator becomes a square
EARTH_RADIUS_M = 6378137.0  # of EPSG:3857
WORLD_M = 2 * math.pi * EARTH_RADIUS_M

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class MapFrame:
    """Where a raster lies on its map.

    Attributes:
        grid: the raster's grid.
        is_geographic: True on a web-mercator map; False on one of ``CRS.Simple``.
        bounds_latlng: ((south, west), (north, east)), as Leaflet's ``fitBounds`` takes it.
        native_zoom: zoom from which on tiles show every raster px; Leaflet's ``maxNativeZoom``.
    """

    grid: GeoGrid
    is_geographic: bool
    bounds_latlng: tuple[tuple[float, float], tuple[float, float]]
    native_zoom: int

    @property
    def leaflet_crs(self) -> str:
        """Name of the map's CRS in Leaflet (and folium): "EPSG3857" or "Simple"."""
        return "EPSG3857" if self.is_geographic else "Simple"

    @property
    def max_zoom(self) -> int:
        """Deepest zoom of use, at which a raster px is several screen px."""
        return min(self.native_zoom + 4, MAX_ZOOM)

    def to_lnglat(self, points_xy_px: Floats) -> Floats:
        """Raster px [N, 2] to places on the map [N, 2] (lng, lat)."""
        points = np.asarray(points_xy_px, np.float64).reshape(-1, 2)
        if self.is_geographic:
            places = self.grid.to_lonlat(points)
            # NOTE: Leaflet doesn't wrap polygons: 181 and -179 degrees are a world apart.
            places[:, 0] -= 360 * np.round((places[:, 0] - self._middle_lng) / 360)
            return places
        return np.asarray(points * [1.0, -1.0] / 2**self.native_zoom)

    def from_lnglat(self, lnglat: Floats) -> Floats:
        """Places on the map [N, 2] (lng, lat) to raster px [N, 2], also outside of the raster."""
        places = np.asarray(lnglat, np.float64).reshape(-1, 2)
        if self.is_geographic:
            return self._nearest_of_turns(places)
        return np.asarray(places * [1.0, -1.0] * 2**self.native_zoom)

    @property
    def _middle_lng(self) -> float:
        (_, west), (_, east) = self.bounds_latlng
        return (west + east) / 2

    def _nearest_of_turns(self, lonlat: Floats) -> Floats:
        """Px of places whose longitude may be off by a turn from how the raster's CRS counts."""
        turns = np.array([[0.0, 0.0], [-360.0, 0.0], [360.0, 0.0]])
        candidates = np.stack([self.grid.from_lonlat(lonlat + turn) for turn in turns])
        height, width = self.grid.shape_hw
        distances = np.abs(candidates - [width / 2, height / 2]).sum(2)
        nearest = np.argmin(np.where(np.isfinite(distances), distances, np.inf), axis=0)
        return np.asarray(candidates[nearest, np.arange(len(lonlat))])


def map_frame(grid: GeoGrid) -> MapFrame:
    """The map frame of a grid."""
    bounds = _mercator_bounds_lonlat(grid)
    if bounds is None:
        height, width = grid.shape_hw
        zoom = max(0, math.ceil(math.log2(max(height, width) / TILE_PX)))
        return MapFrame(grid, False, ((-height / 2**zoom, 0.0), (0.0, width / 2**zoom)), zoom)
    west, south, east, north = bounds
    return MapFrame(grid, True, ((south, west), (north, east)), _native_zoom(grid))


def mercator_xy(lonlat: Floats) -> Floats:
    """Longitudes and latitudes [N, 2] to EPSG:3857 metres [N, 2].

    Source of the formula: EPSG Guidance Note 7-2, "Popular Visualisation Pseudo Mercator".
    """
    radians = np.radians(np.clip(lonlat, [-np.inf, -89.999999], [np.inf, 89.999999]))
    northing = np.log(np.tan(np.pi / 4 + radians[:, 1] / 2))
    return EARTH_RADIUS_M * np.stack([radians[:, 0], northing], axis=1)


def mercator_lonlat(xy_m: Floats) -> Floats:
    """EPSG:3857 metres [N, 2] to longitudes and latitudes [N, 2]."""
    scaled = np.asarray(xy_m, np.float64) / EARTH_RADIUS_M
    latitude = 2 * np.arctan(np.exp(scaled[:, 1])) - np.pi / 2
    return np.degrees(np.stack([scaled[:, 0], latitude], axis=1))


def tile_bounds_m(z: int, x: int, y: int) -> tuple[float, float, float, float]:
    """Left, bottom, right, top of a web-mercator tile, EPSG:3857 metres."""
    side = WORLD_M / 2**z
    left, top = x * side - WORLD_M / 2, WORLD_M / 2 - y * side
    return left, top - side, left + side, top


def _mercator_bounds_lonlat(grid: GeoGrid) -> tuple[float, float, float, float] | None:
    """West, south, east, north where the raster can be drawn on a web map, else None."""
    if grid.crs is None:
        return None
    try:
        bounds = grid.bounds_lonlat
    except SamGeoError:
        return None
    if bounds is None or not np.isfinite(bounds).all():
        return None
    west, south, east, north = bounds
    south, north = max(south, -MAX_LATITUDE), min(north, MAX_LATITUDE)
    return (west, south, east, north) if south < north else None


def _native_zoom(grid: GeoGrid) -> int:
    """The first zoom whose tiles are at least as fine as the raster at its centre."""
    height, width = grid.shape_hw
    x, y = width / 2, height / 2
    cross = np.array([[x, y], [x + 1, y], [x, y + 1]])
    corner, right, down = mercator_xy(grid.to_lonlat(cross))
    px_m = min(np.hypot(*(right - corner)), np.hypot(*(down - corner)))
    if not np.isfinite(px_m) or px_m <= 0:
        return 18
    # NOTE: a hair of tolerance, so that a raster cut from web tiles keeps their zoom.
    zoom = math.ceil(math.log2(WORLD_M / TILE_PX / px_m) - 1e-3)
    return min(max(zoom, 0), MAX_ZOOM)
