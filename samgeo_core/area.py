"""The part of a raster that somebody asked for: a polygon in the frame of its pixels."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
import shapely.geometry
from affine import Affine

from samgeo_core.errors import ParameterError
from samgeo_core.geogrid import GeoGrid
from samgeo_core.objects import BoolMask
from samgeo_core.streaming.options import AREA_SUFFIXES
from samgeo_core.windows import ShapeHW, Window

_EDGE_STEPS = 256
_MOST_ROWS = 100_000


@dataclass(frozen=True, eq=False)
class AreaOfInterest:
    """Where to look.

    Attributes:
        polygon: shapely Polygon or MultiPolygon, px of the raster.
    """

    polygon: Any

    @classmethod
    def of_geometry(cls, geometry: Any, grid: GeoGrid, *, lonlat: bool = False) -> AreaOfInterest:
        """The area of a polygon in the CRS of a raster, or in longitude and latitude.

        Args:
            geometry: shapely Polygon or MultiPolygon.
            grid: of the raster.
            lonlat: whether its coordinates are degrees, in the order of x and y.

        Raises:
            ParameterError: no area, or none on the raster, or the raster's place is unknown.
        """
        polygons = shapely.union_all([p for p in _parts(geometry) if p.geom_type == "Polygon"])
        if polygons.is_empty:
            raise ParameterError(
                f"An area of interest must be a polygon, got {geometry.geom_type}: draw one."
            )
        # A straight edge in degrees is a curve in metres, so edges bend at many places.
        left, low, right, high = polygons.bounds
        dense = shapely.segmentize(polygons, max(right - left, high - low) / _EDGE_STEPS)
        place = grid.from_lonlat if lonlat else grid.to_px_xy
        in_px = shapely.make_valid(shapely.transform(dense, place))
        height, width = grid.shape_hw
        seen = shapely.intersection(in_px, shapely.box(0, 0, width, height))
        seen = shapely.union_all([p for p in _parts(seen) if p.geom_type == "Polygon"])
        if seen.is_empty:
            raise ParameterError(
                "The area of interest lies beside the raster: check its reference system."
            )
        return cls(seen)

    @classmethod
    def read(cls, path: Path, grid: GeoGrid, layer: str | None = None) -> AreaOfInterest:
        """The union of the polygons in a file of vectors.

        A file that names no CRS is taken to be in that of the raster; so is GeoJSON, whose default
        is longitude and latitude, for a raster that has none.

        Args:
            path: a GeoJSON, GeoPackage, Shapefile (also zipped), KML, KMZ or FlatGeobuf file.
            grid: of the raster.
            layer: which layer of a GeoPackage; None takes the first.

        Raises:
            ParameterError: it can't be read, or see `of_geometry`.
        """
        if not path.is_file():
            raise ParameterError(f"There is no file {str(path)!r}; check the path.")
        if path.suffix.lower() not in AREA_SUFFIXES:
            raise ParameterError(
                f"An area of interest must be a file of {', '.join(AREA_SUFFIXES)}, got {path}."
            )
        # Whoever gives no file needs no GeoPandas.
        from samgeo_core.reading.vector_files import CRS_ASSUMED, read_vector_file

        frame = read_vector_file(path, noun="areas of interest", most=_MOST_ROWS, layer=layer)
        in_px = grid.crs is None and bool(frame.attrs.get(CRS_ASSUMED))
        if frame.crs is not None and grid.crs is None and not in_px:
            raise ParameterError(
                f"The raster knows no place on Earth, but {path.name} does: give the area in px."
            )
        shapes = frame.geometry.dropna()
        polygons = shapes[shapes.geom_type.isin(["Polygon", "MultiPolygon", "GeometryCollection"])]
        if not len(polygons):
            kinds = ", ".join(sorted(set(shapes.geom_type))) or "nothing"
            raise ParameterError(
                f"The area of interest {path.name} holds no polygon, but {kinds}: draw one."
            )
        known = frame.crs is not None and not in_px
        if known:
            try:
                polygons = polygons.to_crs("OGC:CRS84")
            except Exception as error:
                # NOTE: PROJ raises many kinds for coordinates that aren't of their CRS.
                raise ParameterError(
                    f"The polygons of {path.name} can't be brought to longitude and latitude: "
                    "check its reference system."
                ) from error
        whole = shapely.union_all(shapely.make_valid(polygons.to_numpy()))
        return cls.of_geometry(whole, grid, lonlat=known)

    @classmethod
    def of_geojson(cls, geometry: Any) -> AreaOfInterest:
        """What `to_geojson` gave."""
        return cls(shapely.geometry.shape(geometry))

    def to_geojson(self) -> dict[str, Any]:
        """The polygon, px of the raster, as a geometry of GeoJSON."""
        return dict(shapely.geometry.mapping(self.polygon))

    @property
    def digest(self) -> str:
        """Names this area, hexadecimal."""
        normal = shapely.to_wkb(shapely.normalize(self.polygon), byte_order=1)
        return hashlib.sha256(normal).hexdigest()

    def window(self, shape_hw: ShapeHW) -> Window:
        """The smallest window of a raster of this shape that holds the area."""
        left, top, right, bottom = self.polygon.bounds
        x0, y0 = max(math.floor(left), 0), max(math.floor(top), 0)
        x1, y1 = min(math.ceil(right), shape_hw[1]), min(math.ceil(bottom), shape_hw[0])
        return Window(x0, y0, max(x1 - x0, 1), max(y1 - y0, 1))

    def within(self, window: Window) -> AreaOfInterest | None:
        """The part of the area in a window; None where there is none."""
        part = shapely.intersection(self.polygon, shapely.box(*window.box_xyxy))
        return AreaOfInterest(part) if part.area else None

    def mask(self, window: Window) -> BoolMask:
        """Bool [H, W] of a window: pixels whose centre lies in the area."""
        from rasterio.features import rasterize

        polygons = [p for p in _parts(self.polygon) if p.geom_type == "Polygon"]
        shift = Affine.translation(window.x, window.y)
        if not polygons:
            return np.zeros(window.shape_hw, np.bool_)
        painted = rasterize(polygons, out_shape=window.shape_hw, transform=shift, dtype=np.uint8)
        return np.asarray(painted > 0)


def _parts(geometry: Any) -> list[Any]:
    return list(shapely.get_parts(geometry).ravel())
