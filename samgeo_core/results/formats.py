"""The vector formats a layer can be written in."""

from __future__ import annotations

import errno
import io
import json
import math
import os
import struct
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pyogrio
import shapely

from samgeo_core.results.lonlat import to_lonlat

Writer = Callable[[gpd.GeoDataFrame, Path, str], None]
"""Writes a layer of polygons to a path; the last argument names the layer."""

_SHAPEFILE_PARTS = (".shp", ".shx", ".dbf", ".prj", ".cpg")
_FIELD_NAME_LENGTH = 10
_SHORT_NAMES = {"perimeter_m": "perim_m"}


@dataclass(frozen=True)
class VectorFormat:
    """A way to write a layer.

    Attributes:
        key: the name by which it is asked for.
        title: its name for people.
        suffix: how names of such files end.
        media_type: what a server calls it.
        in_lonlat: whether it knows nothing but WGS 84 longitude and latitude.
        write: writes a layer of polygons.
    """

    key: str
    title: str
    suffix: str
    media_type: str
    in_lonlat: bool
    write: Writer


def _write_ogr(
    frame: gpd.GeoDataFrame, path: Path | io.BytesIO, layer: str, **options: Any
) -> None:
    if frame.crs is None:
        # A layer of pixel coordinates is meant, not forgotten. NOTE: catch_warnings isn't safe
        # among threads, so the filter stays.
        warnings.filterwarnings("ignore", message="'crs' was not provided", module="pyogrio")
    pyogrio.write_dataframe(frame, path, layer=layer, **options)


def _write_whole(frame: gpd.GeoDataFrame, path: Path, layer: str, **options: Any) -> None:
    """NOTE: to a full disk GDAL writes half a file and says nothing; hence through memory."""
    document = io.BytesIO()
    _write_ogr(frame, document, layer, **options)
    path.write_bytes(document.getbuffer())


def _write_gpkg(frame: gpd.GeoDataFrame, path: Path, layer: str) -> None:
    options = {"geometry_type": "MultiPolygon", "promote_to_multi": True}
    _write_whole(frame, path, layer, driver="GPKG", **options)


def _write_fgb(frame: gpd.GeoDataFrame, path: Path, layer: str) -> None:
    options = {"geometry_type": "MultiPolygon", "promote_to_multi": True}
    _write_whole(frame, path, layer, driver="FlatGeobuf", **options)


def _write_shp(frame: gpd.GeoDataFrame, path: Path, layer: str) -> None:
    """A plain Shapefile where the name ends in .shp, otherwise its parts in a zip archive."""
    unpacked = path.suffix.lower() == ".shp"
    # GDAL names all parts in lower case, whatever is asked for.
    plain = path.with_suffix(".shp") if unpacked else path.with_name(f"{layer}.shp")
    renamed = frame.rename(columns=_field_names(frame))
    options = {"geometry_type": "Polygon", "encoding": "UTF-8"}
    _write_ogr(renamed, plain, plain.stem, driver="ESRI Shapefile", **options)
    _check_shapefile(plain)
    if unpacked:
        return
    parts = [plain.with_suffix(suffix) for suffix in _SHAPEFILE_PARTS]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in filter(Path.exists, parts):
            archive.write(part, part.name)
            part.unlink()


def _check_shapefile(path: Path) -> None:
    """Compare the sizes of a Shapefile's parts with those in their headers; see `_write_whole`.

    Layout: ESRI Shapefile Technical Description (1998), and the header of dBASE III files.
    """
    for part in (path, path.with_suffix(".shx")):
        with part.open("rb") as file:
            size = 2 * int.from_bytes(file.read(28)[24:], "big")
        _expect_size(part, size)
    table = path.with_suffix(".dbf")
    with table.open("rb") as file:
        _, records, header, record = struct.unpack("<4sIHH", file.read(12))
    _expect_size(table, header + records * record)


def _expect_size(path: Path, size: int) -> None:
    if path.stat().st_size < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _field_names(frame: gpd.GeoDataFrame) -> dict[str, str]:
    """Names of at most 10 characters, all different even where case doesn't count."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for column in frame.columns.drop(frame.geometry.name):
        name = base = _SHORT_NAMES.get(column, str(column))[:_FIELD_NAME_LENGTH]
        number = 0
        while name.lower() in taken:
            number += 1
            name = f"{base[: _FIELD_NAME_LENGTH - len(str(number)) - 1]}_{number}"
        taken.add(name.lower())
        names[column] = name
    return names


def _write_geojson(frame: gpd.GeoDataFrame, path: Path, layer: str) -> None:
    """GeoJSON by RFC 7946. NOTE: GDAL's own writer takes ten times as long."""
    frame = to_lonlat(frame)
    table = frame.drop(columns=frame.geometry.name)
    columns = {str(name): [_json_value(value) for value in table[name].tolist()] for name in table}
    shapes = shapely.to_geojson(frame.geometry.values)
    with path.open("w", encoding="utf-8") as file:
        file.write(f'{{"type":"FeatureCollection","name":{json.dumps(layer)},"features":[')
        for i, shape in enumerate(shapes):
            properties = {name: values[i] for name, values in columns.items()}
            file.write(
                f'{"," if i else ""}\n{{"type":"Feature","properties":{json.dumps(properties)},'
                f'"geometry":{shape or "null"}}}'
            )
        file.write("\n]}\n")


def _json_value(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _write_kml(frame: gpd.GeoDataFrame, path: Path, layer: str) -> None:
    frame = to_lonlat(frame)
    for column in frame.columns.drop(frame.geometry.name):
        values = frame[column]
        # KML has no 64-bit integers; GDAL would write text.
        if values.dtype.kind in "iu" and values.abs().max() <= np.iinfo(np.int32).max:
            frame[column] = values.astype(np.int32)
    if "object_id" in frame and "Name" not in frame:
        frame.insert(0, "Name", frame["object_id"].astype(str))
    drivers = pyogrio.list_drivers(write=True)
    driver = "LIBKML" if "LIBKML" in drivers else "KML"
    _write_whole(frame, path, layer, driver=driver, geometry_type="Unknown")


def _write_parquet(frame: gpd.GeoDataFrame, path: Path, layer: str) -> None:
    frame.to_parquet(path, index=False, compression="zstd")


FORMATS: dict[str, VectorFormat] = {
    item.key: item
    for item in (
        VectorFormat(
            "gpkg", "GeoPackage", ".gpkg", "application/geopackage+sqlite3", False, _write_gpkg
        ),
        VectorFormat("shp", "Shapefile (zip)", ".shp.zip", "application/zip", False, _write_shp),
        VectorFormat(
            "geojson", "GeoJSON", ".geojson", "application/geo+json", True, _write_geojson
        ),
        VectorFormat("fgb", "FlatGeobuf", ".fgb", "application/octet-stream", False, _write_fgb),
        VectorFormat(
            "parquet",
            "GeoParquet",
            ".parquet",
            "application/vnd.apache.parquet",
            False,
            _write_parquet,
        ),
        VectorFormat(
            "kml", "KML", ".kml", "application/vnd.google-earth.kml+xml", True, _write_kml
        ),
    )
}
