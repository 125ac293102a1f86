"""What a table says of each object besides its outline."""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from samgeo_core.geogrid import GeoGrid
from samgeo_core.results.outlines import Geometries
from samgeo_core.results.vectorize import Outlines
from samgeo_core.vectors.unit_edges import Keys, UnitEdges, among

FloatArray = NDArray[np.float64]
Columns = dict[str, Any]
"""Arrays of one length by the name of their column."""

# WGS 84.
_MAJOR_M, _E2 = 6378137.0, 0.00669437999014


def shape_columns(drawn: Geometries, outlines: Outlines, grid: GeoGrid) -> Columns:
    """Size and form: on the ground where the grid's place on Earth is known, else in pixels.

    Args:
        drawn: [N], raster px.
        outlines: the same in the CRS of the grid.
        grid: of the raster.
    """
    on_ground = grid.is_georeferenced
    unit = "m" if on_ground else "px"
    if on_ground:
        areas, perimeters = outlines.area_m2, outlines.perimeter_m
        columns: Columns = {"area_m2": areas, "perimeter_m": perimeters}
    else:
        areas, perimeters = shapely.area(drawn), shapely.length(drawn)
        columns = {"perimeter_px": perimeters}
    length, width, direction = _rectangles(_local(drawn, grid))
    with np.errstate(invalid="ignore", divide="ignore"):
        compactness = 4 * np.pi * areas / perimeters**2
        elongation = 1 - width / length
    return {
        **columns,
        f"length_{unit}": length,
        f"width_{unit}": width,
        "orientation_deg": direction,
        "compactness": compactness,
        "elongation": elongation,
    }


def _rectangles(shapes: Geometries) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Minimum rotated rectangles of shapes, x to the east and y to the north.

    Returns:
        float64 [N] each: longer side, shorter side, and degrees clockwise from north of the longer.
    """
    length, width, direction = (np.full(len(shapes), np.nan) for _ in range(3))
    boxes = np.asarray(shapely.minimum_rotated_rectangle(shapes), object)
    some = np.flatnonzero(shapely.get_type_id(boxes) == shapely.GeometryType.POLYGON)
    some = some[~shapely.is_empty(boxes[some])]
    corners = shapely.get_coordinates(boxes[some]).reshape(-1, 5, 2)
    sides = np.diff(corners[:, :3], axis=1)
    lengths = np.hypot(sides[..., 0], sides[..., 1])
    longer = lengths.argmax(axis=1)
    east, north = sides[np.arange(len(some)), longer].T
    length[some], width[some] = lengths.max(axis=1), lengths.min(axis=1)
    direction[some] = np.degrees(np.arctan2(east, north)) % 180.0
    return length, width, direction


def _local(drawn: Geometries, grid: GeoGrid) -> Geometries:
    """Each shape in its own plane: metres to the east and north of its centre, or px.

    The plane touches the Earth in the centre of the shape's box; over the kilometres of an object
    the projection of the raster is taken as linear.
    """
    bounds = np.nan_to_num(shapely.bounds(drawn))
    centres = (bounds[:, :2] + bounds[:, 2:]) / 2
    matrices = _metres_per_px(centres, grid)
    xy, owner = shapely.get_coordinates(drawn, return_index=True)
    moved = np.einsum("nij,nj->ni", matrices[owner], xy - centres[owner])
    return np.asarray(shapely.set_coordinates(drawn.copy(), moved), object)


def _metres_per_px(centres: FloatArray, grid: GeoGrid) -> FloatArray:
    """float64 [N, 2, 2]: from px to the right and down to metres to the east and north."""
    if not grid.is_georeferenced:
        return np.broadcast_to(np.array([[1.0, 0.0], [0.0, -1.0]]), (len(centres), 2, 2))
    steps = np.array([(-0.5, 0.0), (0.5, 0.0), (0.0, -0.5), (0.0, 0.5)])
    lonlat = grid.to_lonlat((centres[:, None] + steps).reshape(-1, 2)).reshape(-1, 4, 2)
    degrees = np.stack([lonlat[:, 1] - lonlat[:, 0], lonlat[:, 3] - lonlat[:, 2]], axis=2)
    degrees[:, 0] = (degrees[:, 0] + 180.0) % 360.0 - 180.0
    latitude = np.radians(lonlat[..., 1].mean(axis=1))
    bulge = 1 - _E2 * np.sin(latitude) ** 2
    east = _MAJOR_M * np.cos(latitude) / np.sqrt(bulge)
    north = _MAJOR_M * (1 - _E2) / bulge**1.5
    return np.asarray(np.radians(degrees) * np.stack([east, north], axis=1)[:, :, None])


def touching(exact: Geometries, border: Keys) -> NDArray[np.bool_]:
    """Bool [N]: whether objects touch the edge of raster or data.

    Args:
        exact: [N], along pixel edges.
        border: keys of the edges where data ends, see `mosaic.border_of`.
    """
    edges = UnitEdges.of(exact)
    result = np.zeros(len(exact), np.bool_)
    result[edges.owners[among(edges.edge_keys, border)]] = True
    return result


def place_columns(drawn: Geometries, grid: GeoGrid) -> Columns:
    """A point inside each: longitude and latitude, where the place on Earth is known.

    Args:
        drawn: [N], raster px.
        grid: of the raster.
    """
    if not grid.is_georeferenced:
        return {}
    # NOTE: an empty geometry has no such point; none of ours is.
    lonlat = grid.to_lonlat(shapely.get_coordinates(shapely.point_on_surface(drawn)))
    # Nine digits are a tenth of a millimetre.
    return {"lon": lonlat[:, 0].round(9), "lat": lonlat[:, 1].round(9)}
