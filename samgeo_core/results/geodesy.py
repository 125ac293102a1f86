"""True areas and lengths of polygons, whatever coordinates they are in."""

from __future__ import annotations

import math

import numpy as np
import rasterio.crs
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Geod, Transformer

from samgeo_core.results.outlines import Geometries

FloatArray = NDArray[np.float64]

# Between two vertices this near, a straight line on a map and the shortest line on the ground
# part by about length² / (8 x Earth radius) = 2 cm, a fraction of 2e-5 of the length.
_LONGEST_EDGE_M = 1000.0
_MOST_EDGES = 40_000
_POLAR_DEG = 88.0
_EARTH_RADIUS_M = 6_371_000.0


def pyproj_crs(crs: rasterio.crs.CRS | None) -> CRS | None:
    """The CRS of a raster as the vector libraries know it."""
    return None if crs is None else CRS.from_wkt(crs.to_wkt(version="WKT2_2019"))


def densified(geometries: Geometries, crs: CRS) -> Geometries:
    """The same shapes with vertices added on long edges, so that they bend with a change of CRS."""
    unit: float = crs.axis_info[0].unit_conversion_factor
    metres_per_unit = unit * _EARTH_RADIUS_M if crs.is_geographic else unit
    west, south, east, north = shapely.bounds(geometries).T
    extent = np.maximum(east - west, north - south)
    # What is larger than the Earth is divided all the same, just not for ever.
    longest = np.maximum(_LONGEST_EDGE_M / metres_per_unit, extent / _MOST_EDGES)
    long = extent > longest
    result = geometries.copy()
    result[long] = shapely.segmentize(geometries[long], longest[long])
    return result


def _to_lonlat(coordinates: FloatArray, crs: CRS) -> FloatArray:
    """Degrees on the CRS's own ellipsoid: only the projection is undone, the datum stays."""
    base = crs.geodetic_crs or crs
    degrees = math.degrees(base.axis_info[0].unit_conversion_factor)
    if crs.is_geographic:
        return coordinates * degrees
    transformer = Transformer.from_crs(crs, base, always_xy=True)
    lon, lat = transformer.transform(coordinates[:, 0], coordinates[:, 1])
    return np.stack([lon, lat], axis=1) * degrees


def measure(polygons: Geometries, crs: CRS | None) -> tuple[FloatArray, FloatArray]:
    """Geodesic area and perimeter, holes counted as `shapely.area` and `shapely.length` count them.

    Lengths and areas on the ellipsoid of the CRS (Karney 2013,
    https://doi.org/10.1007/s00190-012-0578-z), so they are right where a map's own are not:
    EPSG:3857 far from the equator, or degrees. A polygon that crosses the antimeridian is measured
    like any other.

    Args:
        polygons: N polygons or multipolygons in the coordinates of ``crs``.
        crs: None, or one that isn't tied to the Earth, gives NaN.

    Returns:
        float64 [N] m², float64 [N] m.
    """
    n = len(polygons)
    geod = None if crs is None else crs.get_geod()
    if crs is None or geod is None or not (crs.is_projected or crs.is_geographic):
        return np.full(n, np.nan), np.full(n, np.nan)
    parts, owner = shapely.get_parts(densified(polygons, crs), return_index=True)
    rings, part = shapely.get_rings(parts, return_index=True)
    is_outer = np.diff(part, prepend=-1) > 0
    lonlat = _to_lonlat(shapely.get_coordinates(rings), crs)
    lon, lat = lonlat.T
    ends = np.cumsum(shapely.get_num_coordinates(rings))
    begins = ends - np.diff(ends, prepend=0)
    figures, is_short = _short_rings(lonlat, begins, geod)
    for i in np.flatnonzero(~is_short).tolist():
        ring = slice(begins[i], ends[i])
        figures[i] = geod.polygon_area_perimeter(lon[ring], lat[ring])
    areas = np.abs(figures[:, 0]) * np.where(is_outer, 1.0, -1.0)
    owner = owner[part]
    # NOTE: bincount of nothing ignores its weights' type.
    area_m2 = np.bincount(owner, areas, minlength=n).astype(np.float64)
    return area_m2, np.bincount(owner, figures[:, 1], minlength=n).astype(np.float64)


def _short_rings(
    lonlat: FloatArray, begins: NDArray[np.int64], geod: Geod
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Signed area and perimeter of closed rings, all at once, where edges are short.

    Over an edge of a kilometre, length by the radii of curvature in its middle (Gauss's
    mid-latitude formula) is right to 1e-8. Areas follow from the trapezoids below the edges, where
    the height of a place is the area between equator and parallel (Snyder 1987, eq. 3-12). Below
    the shortest line, e to the east and n to the north, lie tan(latitude) (e³ / 12 + e n² / 4) / R
    more (the spherical excess to third order), at most tan(latitude) s³ / 8 R.

    Args:
        lonlat: [N, 2] degrees, ring after ring, each with its first vertex again as the last.
        begins: [R], where each ring begins.
        geod: the ellipsoid.

    Returns:
        float64 [R, 2], m² and m, and bool [R]: for which rings they are right to a millionth; not
        for those with long edges, hardly an area, or a pole inside or near.
    """
    if not len(begins):
        return np.zeros((0, 2)), np.zeros(0, np.bool_)
    degrees = np.diff(lonlat, axis=0, append=lonlat[-1:])
    # NOTE: 359 degrees to the east are one degree to the west.
    degrees[:, 0] = (degrees[:, 0] + 180.0) % 360.0 - 180.0
    # From the last vertex of a ring to the first of the next there is no edge.
    degrees[begins[1:] - 1] = 0.0
    turns_lon, turns_lat = np.radians(degrees).T
    middle = np.radians(lonlat[:, 1]) + turns_lat / 2
    bulge = 1 - geod.es * np.sin(middle) ** 2
    north_m = geod.a * (1 - geod.es) / bulge**1.5 * turns_lat
    east_m = geod.a * np.cos(middle) / np.sqrt(bulge) * turns_lon
    lengths = np.hypot(north_m, east_m)
    first = np.repeat(begins, np.diff(begins, append=len(lonlat)))
    # Relative to the first vertex, so that small rings keep their digits.
    height = _area_below(np.radians(lonlat[:, 1]), geod)
    height -= height[first]
    area = turns_lon * (height + np.roll(height, -1)) / 2
    figures = np.stack([np.add.reduceat(area, begins), np.add.reduceat(lengths, begins)], axis=1)
    closed = np.abs(np.add.reduceat(turns_lon, begins)) < math.pi
    low = np.maximum.reduceat(np.abs(lonlat[:, 1]), begins) < _POLAR_DEG
    short = np.maximum.reduceat(lengths, begins) < 1.5 * _LONGEST_EDGE_M
    bulges = lengths**3 * np.abs(np.tan(middle)) / (8 * geod.a)
    exact = np.add.reduceat(bulges, begins) < 1e-6 * np.abs(figures[:, 0])
    return figures, closed & low & short & exact


def _area_below(lat: FloatArray, geod: Geod) -> FloatArray:
    """Area between equator and latitude (radians) for one radian of longitude, m²."""
    if geod.es == 0:
        return np.asarray(geod.a**2 * np.sin(lat))
    sine, e = np.sin(lat), math.sqrt(geod.es)
    below = sine / (1 - geod.es * sine**2) + np.arctanh(e * sine) / e
    return np.asarray(geod.b**2 / 2 * below)
