"""True areas and lengths of polygons, whatever coordinates they are in."""

from __future__ import annotations

import math

import numpy as np
import rasterio.crs
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from samgeo_core.results.outlines import Geometries

FloatArray = NDArray[np.float64]

# Between two vertices this near, a straight line on a map and the shortest line on the ground
# part by about length² / (8 x Earth radius) = 2 cm, a fraction of 2e-5 of the length.
_LONGEST_EDGE_M = 1000.0
_MOST_EDGES = 40_000
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
    lon, lat = _to_lonlat(shapely.get_coordinates(rings), crs).T
    ends = np.cumsum(shapely.get_num_coordinates(rings))
    figures = np.zeros((len(rings), 2))
    for i, (begin, end) in enumerate(zip(ends - np.diff(ends, prepend=0), ends, strict=True)):
        figures[i] = geod.polygon_area_perimeter(lon[begin:end], lat[begin:end])
    areas = np.abs(figures[:, 0]) * np.where(is_outer, 1.0, -1.0)
    owner = owner[part]
    # NOTE: bincount of nothing ignores its weights' type.
    area_m2 = np.bincount(owner, areas, minlength=n).astype(np.float64)
    return area_m2, np.bincount(owner, figures[:, 1], minlength=n).astype(np.float64)
