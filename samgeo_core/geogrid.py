"""Georeferencing as a value without pixels: shape, transform and coordinate reference system."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import pyproj
from affine import Affine
from numpy.typing import ArrayLike, NDArray
from pyproj.exceptions import ProjError
from rasterio.crs import CRS
from rasterio.errors import RasterioError

from samgeo_core.errors import ParameterError
from samgeo_core.windows import ShapeHW, Window

Points = NDArray[np.float64]
"""float64 [N, 2], x before y; the frame is in the name of the variable."""

BoundsLonLat = tuple[float, float, float, float]
"""West, south, east, north in degrees."""

_WGS84 = pyproj.Geod(ellps="WGS84")
_EDGE_STEPS = 32


@dataclass(frozen=True)
class GeoGrid:
    """A pixel grid in the world.

    Attributes:
        shape_hw: height and width, px.
        transform: pixel (x right, y down; corner of the first pixel is 0, 0) to CRS coordinates.
        crs: coordinate reference system; None where the raster has none, and then coordinates are
            what the transform makes of pixels (the pixel frame for an identity transform).

    Raises:
        ParameterError: a side is shorter than one pixel, or the transform can't be inverted.
    """

    shape_hw: ShapeHW
    transform: Affine
    crs: CRS | None

    def __post_init__(self) -> None:
        if min(self.shape_hw) < 1:
            raise ParameterError(f"A grid needs at least 1 x 1 px, got shape {self.shape_hw}.")
        if not is_invertible(self.transform):
            raise ParameterError(
                f"A grid needs a transform that can be inverted, got {tuple(self.transform)[:6]}."
            )

    def window(self, window: Window) -> GeoGrid:
        """The grid of a part of this grid."""
        shifted = self.transform @ Affine.translation(window.x, window.y)
        return GeoGrid(window.shape_hw, shifted, self.crs)

    def to_crs_xy(self, points_xy_px: ArrayLike) -> Points:
        """Pixel positions to CRS coordinates, both [N, 2]; `to_px_xy` is its inverse."""
        return _apply(self.transform, points_xy_px)

    def to_px_xy(self, points_crs: ArrayLike) -> Points:
        """CRS coordinates to pixel positions, both [N, 2]; `to_crs_xy` is its inverse."""
        return _apply(~self.transform, points_crs)

    def to_lonlat(self, points_xy_px: ArrayLike) -> Points:
        """Pixel positions to WGS84 longitude and latitude in degrees, both [N, 2].

        Positions outside the domain of the projection become inf.

        Raises:
            ParameterError: the grid's place on Earth is unknown.
        """
        return _reproject(self._transformer, self.to_crs_xy(points_xy_px), inverse=False)

    def from_lonlat(self, lonlat: ArrayLike) -> Points:
        """WGS84 longitude and latitude in degrees to pixel positions, both [N, 2].

        Places outside the domain of the projection become inf.

        Raises:
            ParameterError: the grid's place on Earth is unknown.
        """
        xy_crs = _reproject(self._transformer, _as_points(lonlat), inverse=True)
        with np.errstate(invalid="ignore"):  # a rotation multiplies inf by zero
            points_xy = self.to_px_xy(xy_crs)
        points_xy[~np.isfinite(xy_crs).all(1)] = np.inf
        return points_xy

    @property
    def is_rotated(self) -> bool:
        """Whether rows don't run along the CRS' x axis; a south-up grid is not rotated."""
        return bool(self.transform.b or self.transform.d)

    @cached_property
    def is_georeferenced(self) -> bool:
        """Whether the grid's place on Earth is known: it has a CRS that leads to lon/lat."""
        return (
            self.crs is not None
            and _transformer(_wkt(self.crs)) is not None
            and bool(np.isfinite(self.to_lonlat([self._centre_xy_px])).all())
        )

    @cached_property
    def bounds_lonlat(self) -> BoundsLonLat | None:
        """West, south, east, north in degrees along densified edges; None where unknown.

        A grid across the antimeridian keeps ``west < east`` by an east beyond 180. A grid that
        holds a pole spans all longitudes up to that pole.
        """
        if not self.is_georeferenced:
            return None
        ring = self.to_lonlat(self._edge_xy_px())
        ring = ring[np.isfinite(ring).all(1)]
        if len(ring) < 2:
            return None
        lon, lat = np.unwrap(ring[:, 0], period=360.0), ring[:, 1]
        south, north = float(lat.min()), float(lat.max())
        if abs(lon[-1] - lon[0]) > 180.0:  # the ring goes round a pole
            north_pole = south + north > 0
            return -180.0, south if north_pole else -90.0, 180.0, 90.0 if north_pole else north
        turns = 360.0 * math.floor((float(lon.min()) + 180.0) / 360.0)
        return float(lon.min()) - turns, south, float(lon.max()) - turns, north

    @cached_property
    def pixel_area_m2(self) -> float | None:
        """Ground area of the pixel at the centre, m²; None where unknown. See `pixel_areas_m2`."""
        area = float(self.pixel_areas_m2([self._centre_xy_px])[0])
        return area if math.isfinite(area) and area > 0 else None

    def pixel_areas_m2(self, points_xy_px: ArrayLike) -> NDArray[np.float64]:
        """Ground area of a pixel around each position on the WGS84 ellipsoid, m², float64 [N].

        Geodesic, hence right also where the CRS counts degrees (EPSG:4326) or stretches lengths
        (EPSG:3857: by 1 / cos(latitude)). NaN where the place on Earth is unknown.
        """
        centres = _as_points(points_xy_px)
        if not len(centres) or not self.is_georeferenced:
            return np.full(len(centres), np.nan)
        corners = np.array([(-0.5, -0.5), (0.5, -0.5), (-0.5, 0.5)])
        lonlat = self.to_lonlat((centres[:, None] + corners).reshape(-1, 2)).reshape(-1, 3, 2)
        corner, *ends = np.moveaxis(lonlat, 1, 0)
        # A parallelogram from two of its sides and the angle between them: Geod's own polygon area
        # loses its digits on polygons of some millimetres.
        azimuth, _, side = np.moveaxis(
            np.array([_WGS84.inv(*corner.T, *end.T) for end in ends]), 1, 0
        )
        area = side[0] * side[1] * np.sin(np.radians(azimuth[1] - azimuth[0]))
        return np.abs(np.asarray(area, np.float64))

    @cached_property
    def gsd_m(self) -> float | None:
        """Ground sample distance at the centre, m per px: side of a square of `pixel_area_m2`."""
        area = self.pixel_area_m2
        return None if area is None else math.sqrt(area)

    @property
    def _centre_xy_px(self) -> tuple[float, float]:
        return self.shape_hw[1] / 2, self.shape_hw[0] / 2

    @property
    def _transformer(self) -> Any:
        transformer = None if self.crs is None else _transformer(_wkt(self.crs))
        if transformer is None:
            raise ParameterError(
                "Longitude and latitude are unknown because the raster has no coordinate reference "
                "system that leads to them; give positions in pixels instead."
            )
        return transformer

    def _edge_xy_px(self) -> Points:
        """Positions along the closed outline, first one repeated at the end."""
        height, width = self.shape_hw
        corners = np.array([(0, 0), (width, 0), (width, height), (0, height), (0, 0)], np.float64)
        share = np.arange(_EDGE_STEPS)[:, None] / _EDGE_STEPS
        sides = [a + share * (b - a) for a, b in pairwise(corners)]
        return np.concatenate([*sides, corners[-1:]])


def is_invertible(transform: Affine) -> bool:
    """Whether an affine transform is finite and maps pixels to an area."""
    values = tuple(transform)[:6]
    return all(map(math.isfinite, values)) and transform.determinant != 0


def _as_points(points: ArrayLike) -> Points:
    array = np.asarray(points, np.float64)
    if array.size == 0:
        return np.zeros((0, 2))
    if array.ndim != 2 or array.shape[1] != 2:
        raise ParameterError(f"Points must be a list of x, y pairs, got shape {array.shape}.")
    return array


def _apply(transform: Affine, points: ArrayLike) -> Points:
    a, b, c, d, e, f = tuple(transform)[:6]
    array = _as_points(points)
    matrix = np.array([[a, d], [b, e]], np.float64)
    return np.asarray(array @ matrix + np.array([c, f], np.float64))


def _reproject(transformer: Any, points: Points, *, inverse: bool) -> Points:
    direction = "INVERSE" if inverse else "FORWARD"
    x, y = transformer.transform(points[:, 0], points[:, 1], direction=direction)
    return np.stack([x, y], axis=1)


@lru_cache(maxsize=256)
def _wkt(crs: CRS) -> str:
    try:
        return str(crs.to_wkt(version="WKT2_2019"))
    except RasterioError:
        return str(crs.to_wkt())


@lru_cache(maxsize=64)
def _transformer(wkt: str) -> Any:
    """CRS to WGS84 longitude, latitude; None where no way leads there (a local or lunar CRS).

    NOTE: pyproj keeps one PROJ object per thread inside a Transformer, so one may be shared.
    """
    try:
        source = pyproj.CRS.from_wkt(wkt)
        if source.is_geocentric:  # x, y, z from the Earth's centre: no plane to lay pixels on
            return None
        return pyproj.Transformer.from_crs(source, "OGC:CRS84", always_xy=True)
    except ProjError:
        return None
