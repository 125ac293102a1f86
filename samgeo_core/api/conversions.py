"""Label and mask rasters to vector files: the conversions of samgeo, for any class to inherit."""

from __future__ import annotations

import math
from pathlib import Path

from samgeo_core.api.prompts import parse_crs
from samgeo_core.errors import ParameterError
from samgeo_core.geogrid import GeoGrid
from samgeo_core.reading.raster import Raster
from samgeo_core.results.export import write_batches
from samgeo_core.results.vectorize import label_batches
from samgeo_core.streaming.options import NO_LIMIT_PX


class Conversions:
    """``raster_to_vector`` and its names for single formats, for rasters of any size.

    Every region of one value becomes a polygon with the columns value, area_px, area_m2,
    perimeter_m; 0 and nodata are background.
    """

    def raster_to_vector(
        self,
        image: str | Path,
        output: str | Path,
        simplify_tolerance: float | None = None,
        dst_crs: str | int | None = None,
    ) -> None:
        """Write the regions of a raster as the kind of vector file that its name asks for.

        Args:
            image: raster of object ids, or a mask.
            output: .gpkg, .shp, .geojson, .fgb, .parquet, .kml.
            simplify_tolerance: in units of the raster's CRS; None keeps pixel edges.
            dst_crs: CRS of the file; that of the raster where None. GeoJSON and KML are always in
                WGS 84, as their standards say.

        Raises:
            RasterError, ParameterError, ExportError: as their docstrings say.
        """
        target_crs = parse_crs(dst_crs)
        grid = Raster.open(image, max_pixels=NO_LIMIT_PX).grid
        if target_crs is not None and grid.crs is None:
            raise ParameterError(
                "dst_crs needs a raster with a CRS, but this one has none: leave it out."
            )
        simplify_px = in_pixels(simplify_tolerance, grid)
        write_batches(label_batches(image, simplify_px=simplify_px, crs=target_crs), output)

    def tiff_to_vector(
        self,
        tiff_path: str | Path,
        output: str | Path,
        simplify_tolerance: float | None = None,
        dst_crs: str | int | None = None,
    ) -> None:
        """The same as `raster_to_vector`."""
        self.raster_to_vector(tiff_path, output, simplify_tolerance, dst_crs)

    def tiff_to_gpkg(
        self,
        tiff_path: str | Path,
        output: str | Path,
        simplify_tolerance: float | None = None,
        dst_crs: str | int | None = None,
    ) -> None:
        """Write a GeoPackage; .gpkg is added to a name without."""
        self.raster_to_vector(tiff_path, _named(output, ".gpkg"), simplify_tolerance, dst_crs)

    def tiff_to_shp(
        self,
        tiff_path: str | Path,
        output: str | Path,
        simplify_tolerance: float | None = None,
        dst_crs: str | int | None = None,
    ) -> None:
        """Write a Shapefile; .shp is added to a name without."""
        self.raster_to_vector(tiff_path, _named(output, ".shp"), simplify_tolerance, dst_crs)

    def tiff_to_geojson(
        self,
        tiff_path: str | Path,
        output: str | Path,
        simplify_tolerance: float | None = None,
    ) -> None:
        """Write GeoJSON in WGS 84; .geojson is added to a name without."""
        self.raster_to_vector(tiff_path, _named(output, ".geojson"), simplify_tolerance)


def in_pixels(tolerance: float | None, grid: GeoGrid) -> float:
    """A length in units of a grid's CRS, in px; 0 for None."""
    return 0.0 if tolerance is None else tolerance / math.sqrt(abs(grid.transform.determinant))


def _named(output: str | Path, suffix: str) -> Path:
    path = Path(output)
    return path if path.suffix.lower() == suffix else path.with_name(path.name + suffix)
