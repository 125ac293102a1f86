"""What the archive of a run says about itself."""

from __future__ import annotations

from collections.abc import Sequence

import geopandas as gpd

_FILES = {
    "labels.tif": "raster of object ids; 0 = no object",
    "mask.tif": "raster mask; 255 = an object, 0 = none",
    "annotations.png": "picture of the objects",
    "run.json": "how this was made: model, parameters, hashes, figures",
    "objects.gpkg": "polygons, GeoPackage (QGIS, ArcGIS): the one to open if in doubt",
    "shapefile/objects.shp": "polygons, Shapefile; perimeter_m is called perim_m there",
    "objects.geojson": "polygons, GeoJSON in longitude and latitude (WGS 84)",
    "objects.fgb": "polygons, FlatGeobuf",
    "objects.parquet": "polygons, GeoParquet",
    "objects.kml": "polygons, KML (Google Earth) in longitude and latitude (WGS 84)",
}
_COLUMNS = {
    "object_id": "number of the object, 1 = the smallest; the value in labels.tif",
    "parent_id": "the smallest object that holds at least 90 % of this one; 0 = none",
    "score": "quality that the model predicts (IoU), 0 to 1",
    "stability": "how little the outline depends on the model's threshold, 0 to 1",
    "area_px": "area, pixels of the raster",
    "area_m2": "area on the ground, square metres, geodesic",
    "perimeter_m": "length of the outline, holes included, metres, geodesic",
    "class_name": "class, as taught by marking objects; empty = none of them",
    "class_color": "its colour, #rrggbb; class_rgb in the Shapefile",
    "confidence": "how sure that is, 0 to 1; 1 for marked objects",
}


def bundle_readme(frame: gpd.GeoDataFrame, names: Sequence[str], count: int | None = None) -> str:
    """README.txt of an archive.

    Args:
        frame: the layer in it.
        names: the files in it.
        count: how many objects it has, where ``frame`` is only some of its rows.
    """
    if frame.crs is None:
        place = (
            "none. Coordinates are those of the raster, areas and lengths on the ground unknown,\n"
            "and formats that need longitude and latitude (GeoJSON, KML) are left out."
        )
    else:
        place = str(frame.crs.name)
        code = frame.crs.to_string()
        place += f" ({code})" if len(code) < 20 else ""
    shown = [name for name in _FILES if name in names]
    columns = [name for name in _COLUMNS if name in frame]
    return "\n".join(
        [
            "Objects found in an image with SamGeo Studio and the Segment Anything Model",
            "",
            f"Objects: {len(frame) if count is None else count}",
            f"Coordinate reference system: {place}",
            "",
            "Files",
            *(f"  {name:<22} {_FILES[name]}" for name in shown),
            "",
            "Columns of the polygons",
            *(f"  {name:<12} {_COLUMNS[name]}" for name in columns),
            "",
        ]
    )
