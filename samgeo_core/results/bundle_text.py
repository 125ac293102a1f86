"""What the archive of a run says about itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import geopandas as gpd

from samgeo_core.qgis.commands import prompt_command, python_lines, segment_command
from samgeo_core.vectors.fields import field_of

_FILES = {
    "project.qgz": "project for QGIS 3.22 and later: open this one",
    "image.tif": "the image as the model saw it, 8 bits",
    "labels.tif": "raster of object ids; 0 = no object",
    "mask.tif": "raster mask; 255 = an object, 0 = none",
    "classes.tif": "raster of classes with their colours; run.json names its values",
    "labels.qml": "how QGIS draws labels.tif; those of other rasters likewise",
    "prompts.geojson": "what pointed at the objects, longitude and latitude where they are known",
    "edits.jsonl": "corrections, for the command select",
    "annotations.png": "picture of the objects",
    "report.pdf": "report of one page: map, figures, parameters",
    "quicklook.png": "map with legend and scale bar",
    "run.json": "how this was made: model, parameters, hashes, figures",
    "objects.gpkg": "polygons with styles, GeoPackage; also partition, prompts, edits",
    "shapefile/objects.shp": "polygons, Shapefile; objects.fields.csv tells its short names",
    "objects.geojson": "polygons, GeoJSON in longitude and latitude (WGS 84)",
    "objects.fgb": "polygons, FlatGeobuf",
    "objects.parquet": "polygons, GeoParquet",
    "objects.kml": "polygons, KML (Google Earth) in longitude and latitude (WGS 84)",
    "objects.dxf": "outlines, DXF (CAD), layers by class, without attributes",
}


def bundle_readme(
    frame: gpd.GeoDataFrame,
    names: Sequence[str],
    count: int | None = None,
    record: Mapping[str, Any] | None = None,
) -> str:
    """README.txt of an archive.

    Args:
        frame: the layer in it.
        names: the files in it.
        count: how many objects it has, where ``frame`` is only some of its rows.
        record: its run.json; None leaves out how it is made again.
    """
    if frame.crs is None:
        place = (
            "none. Coordinates are those of the raster, areas and lengths on the ground unknown,\n"
            "and formats that need longitude and latitude (GeoJSON, KML) are left out. Where\n"
            "they are pixels, objects.gpkg has y upwards from the upper edge, so it is below 0,\n"
            "where QGIS shows such images; other files have it downwards."
        )
    else:
        place = str(frame.crs.name)
        code = frame.crs.to_string()
        place += f" ({code})" if len(code) < 20 else ""
    shown = [name for name in _FILES if name in names]
    columns = [(str(name), field_of(str(name))) for name in frame.columns]
    return "\n".join(
        [
            "Objects found in an image with SamGeo Studio and the Segment Anything Model",
            "",
            f"Objects: {len(frame) if count is None else count}",
            f"Coordinate reference system: {place}",
            *_credit(record),
            "",
            "Files",
            *(f"  {name:<22} {_FILES[name]}" for name in shown),
            "",
            "Columns of the polygons",
            *(f"  {name:<15} {column.told}" for name, column in columns if column is not None),
            "",
            *_made_again(record),
        ]
    )


def _credit(record: Mapping[str, Any] | None) -> list[str]:
    """Whom to name for the image, where it says."""
    credit = (record or {}).get("attribution")
    return [f"Image: {credit}"] if credit else []


def _made_again(record: Mapping[str, Any] | None) -> list[str]:
    """How the run is made again."""
    if record is None:
        return []
    told = [
        "Made again",
        f"It was made of {record.get('raster', 'an image')} on {record.get('created', '?')}; "
        "IMAGE.tif stands for that file.",
        "",
    ]
    if "picked" in record:
        told += [
            "Single objects were picked on the map. The command asks for them anew by the same "
            "prompts,",
            "in windows of its own, so that outlines may differ by some pixels:",
            "",
            f"  {prompt_command(record, 'prompts.geojson')}",
        ]
        return [*told, ""]
    told += ["On the command line:", "", f"  {segment_command(record)}"]
    if "edits" in record:
        told += [
            "  cp edits.jsonl results/",
            "  python -m samgeo_core select results corrected",
            "",
            "The last two lines make the corrections, which came later.",
        ]
    told += ["", "In Python:", ""]
    told += [f"  {line}" for line in python_lines(record).splitlines()]
    return [*told, ""]
