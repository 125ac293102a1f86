"""Layers in longitude and latitude, for files and maps that know nothing else."""

from __future__ import annotations

from collections.abc import Sequence

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS
from pyproj.exceptions import ProjError

from samgeo_core.errors import ExportError
from samgeo_core.results.geodesy import densified
from samgeo_core.results.outlines import Geometries

_WGS84 = CRS.from_epsg(4326)
_EAST_OF_IT = shapely.box(180, -90, 540, 90)
_WEST_OF_IT = shapely.box(-180, -90, 180, 90)


def to_lonlat(frame: gpd.GeoDataFrame, *, decimals: Sequence[int] = (7, 9, 11)) -> gpd.GeoDataFrame:
    """A polygon layer in WGS 84 as RFC 7946 wants it.

    Longitudes lie between -180 and 180; what crosses the antimeridian is cut there (section 3.1.9);
    outer rings run counterclockwise (3.1.6); coordinates are rounded to the first number of
    ``decimals`` that leaves every polygon valid: 7 is 1 cm (11.2 recommends 6 to 7).

    Raises:
        ExportError: the layer has no CRS, or one that doesn't lead to longitude and latitude.
    """
    if frame.crs is None:
        raise ExportError(
            "This layer has no coordinate reference system, so longitude and latitude are unknown: "
            "take a format that keeps pixel coordinates, such as GeoPackage."
        )
    crs = CRS.from_user_input(frame.crs)
    polygons = np.asarray(frame.geometry.values, object)
    if not crs.is_geographic:
        polygons = densified(polygons, crs)
    try:
        moved = gpd.GeoSeries(polygons, crs=crs).to_crs(_WGS84)
    except ProjError as error:
        raise ExportError(
            f'The coordinate reference system "{crs.name}" doesn\'t lead to longitude and '
            "latitude: take a format that keeps it, such as GeoPackage."
        ) from error
    polygons = np.asarray(moved.values, object)
    filled = polygons[~(shapely.is_missing(polygons) | shapely.is_empty(polygons))]
    if not np.isfinite(shapely.bounds(filled)).all():
        raise ExportError(
            f'Some polygons lie where "{crs.name}" is not defined, so their longitude and latitude '
            "are unknown: take a format that keeps the coordinates, such as GeoPackage."
        )
    if crs.is_projected:
        polygons = _unwrapped(polygons)
    polygons = shapely.orient_polygons(_rounded(_cut(polygons), decimals))
    return frame.set_geometry(gpd.GeoSeries(polygons, index=frame.index, crs=_WGS84))


def _unwrapped(polygons: Geometries) -> Geometries:
    """Let longitudes run beyond 180 where a projected polygon jumps there to the other side."""
    west, _, east, _ = shapely.bounds(polygons).T
    result = polygons.copy()
    for i in np.flatnonzero(east - west > 180):
        parts = [_unwrapped_part(part) for part in shapely.get_parts(polygons[i])]
        result[i] = parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)
    return result


def _unwrapped_part(part: shapely.Polygon) -> shapely.Polygon:
    outer, *holes = (_unwrapped_ring(ring) for ring in shapely.get_rings(part))
    west = outer[:, 0].min()
    # A hole may have begun on the other side; it belongs within its outer ring.
    shifts = [
        np.array([360 * np.ceil((west - hole[:, 0].min()) / 360 - 1e-9), 0]) for hole in holes
    ]
    return shapely.Polygon(outer, [hole + shift for hole, shift in zip(holes, shifts, strict=True)])


def _unwrapped_ring(ring: shapely.LinearRing) -> NDArray[np.float64]:
    coordinates: NDArray[np.float64] = shapely.get_coordinates(ring)
    coordinates[:, 0] = np.unwrap(coordinates[:, 0], period=360)
    return coordinates


def _cut(polygons: Geometries) -> Geometries:
    """Bring longitudes between -180 and 180, in two pieces where a polygon crosses that line."""
    bounds = shapely.bounds(polygons)
    result = polygons.copy()
    for i in np.flatnonzero((bounds[:, 0] < -180) | (bounds[:, 2] > 180)):
        pieces = [piece for part in shapely.get_parts(polygons[i]) for piece in _cut_part(part)]
        result[i] = shapely.union_all(pieces)
    return result


def _cut_part(part: shapely.Polygon) -> list[shapely.Polygon]:
    turns = np.floor((shapely.bounds(part)[0] + 180) / 360) * 360
    moved = shapely.transform(part, lambda xy: xy - (turns, 0))
    west, east = (shapely.intersection(moved, side) for side in (_WEST_OF_IT, _EAST_OF_IT))
    east = shapely.transform(east, lambda xy: xy - (360, 0))
    # Where the line only touches a polygon, a point or a line is left over.
    pieces = [*shapely.get_parts(west), *shapely.get_parts(east)]
    return [piece for piece in pieces if piece.geom_type == "Polygon"]


def _rounded(polygons: Geometries, decimals: Sequence[int]) -> Geometries:
    was_valid = shapely.is_valid(polygons)
    for digits in decimals:
        rounded: Geometries = shapely.transform(polygons, lambda xy, n=digits: np.round(xy, n))
        if (shapely.is_valid(rounded) | ~was_valid).all():
            break
    return rounded
