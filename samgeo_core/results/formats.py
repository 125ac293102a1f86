"""The vector formats a layer can be written in."""

from __future__ import annotations

import errno
import io
import json
import math
import os
import sqlite3
import struct
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyogrio
import shapely
from pyarrow.parquet import ParquetWriter

from samgeo_core.results.batches import Batches, stored_batches, write_ogr_batches
from samgeo_core.results.dxf import write_dxf
from samgeo_core.results.lonlat import to_lonlat
from samgeo_core.vectors.fields import key_text, short_name
from samgeo_core.words import N_

Writer = Callable[[Batches, Path, str], None]
"""Writes a layer of polygons to a path; the last argument names the layer."""

_SHAPEFILE_PARTS = (".shp", ".shx", ".dbf", ".prj", ".cpg")
_FIELD_NAME_LENGTH = 10
_KEY_SUFFIX = ".fields.csv"


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


def _write_gpkg(layer: Batches, path: Path, name: str) -> None:
    n_rows = write_ogr_batches(layer, path, name, "GPKG", geometry_type="MultiPolygon")
    with path.open("rb") as file:
        head = file.read(32)
    # SQLite's file format, 1.3: bytes a page, where 1 means 65536, and the number of pages.
    page, pages = (int.from_bytes(head[a:b], "big") for a, b in ((16, 18), (28, 32)))
    _expect_size(path, (65536 if page == 1 else page) * pages)
    table = name.replace('"', '""')
    index = "SELECT count(*) FROM gpkg_extensions WHERE table_name = ? AND extension_name = ?"
    try:
        with closing(sqlite3.connect(path)) as database:
            (found,) = database.execute(f'SELECT count(*) FROM "{table}"').fetchone()
            (indexes,) = database.execute(index, (name, "gpkg_rtree_index")).fetchone()
    except sqlite3.Error as error:  # a table that had no room, or pages of one
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
    if found != n_rows or not indexes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _write_fgb(layer: Batches, path: Path, name: str) -> None:
    n_rows = write_ogr_batches(layer, path, name, "FlatGeobuf", geometry_type="MultiPolygon")
    _expect_rows(path, name, n_rows)


def _expect_rows(path: Path, name: str, n_rows: int) -> None:
    """Read what was written. NOTE: to a full disk GDAL writes half a file and says nothing."""
    with stored_batches(path, name) as layer:
        if sum(len(frame) for frame in layer.frames) != n_rows:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _write_shp(layer: Batches, path: Path, name: str) -> None:
    """A plain Shapefile where the name ends in .shp, otherwise its parts in a zip archive.

    A table beside it says what its short field names stand for.
    """
    unpacked = path.suffix.lower() == ".shp"
    # GDAL names all parts in lower case, whatever is asked for.
    plain = path.with_suffix(".shp") if unpacked else path.with_name(f"{name}.shp")
    options = {"geometry_type": "Polygon", "encoding": "UTF-8"}
    names = _field_names(layer.columns)
    write_ogr_batches(layer.renamed(names), plain, plain.stem, "ESRI Shapefile", **options)
    _check_shapefile(plain)
    key = plain.with_suffix(_KEY_SUFFIX)
    key.write_text(key_text(layer.columns, [*names.values()]), "utf-8-sig")
    if unpacked:
        return
    parts = [key, *(plain.with_suffix(suffix) for suffix in _SHAPEFILE_PARTS)]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in filter(Path.exists, parts):
            archive.write(part, part.name)
            part.unlink()


def _check_shapefile(path: Path) -> None:
    """Compare the sizes of a Shapefile's parts with those in their headers; see `_expect_rows`.

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


def _field_names(columns: Sequence[str]) -> dict[str, str]:
    """Names of at most 10 characters, all different even where case doesn't count."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for column in columns:
        name = base = short_name(column)[:_FIELD_NAME_LENGTH]
        number = 0
        while name.lower() in taken:
            number += 1
            name = f"{base[: _FIELD_NAME_LENGTH - len(str(number)) - 1]}_{number}"
        taken.add(name.lower())
        names[column] = name
    return names


def _write_geojson(layer: Batches, path: Path, name: str) -> None:
    """GeoJSON by RFC 7946. NOTE: GDAL's own writer takes ten times as long."""
    with path.open("w", encoding="utf-8") as file:
        file.write(f'{{"type":"FeatureCollection","name":{json.dumps(name)},"features":[')
        separator = ""
        for frame in layer.frames:
            for feature in _features(to_lonlat(frame)):
                file.write(f"{separator}\n{feature}")
                separator = ","
        file.write("\n]}\n")


def _features(frame: gpd.GeoDataFrame) -> Iterator[str]:
    table = frame.drop(columns=frame.geometry.name)
    columns = {str(name): [_json_value(value) for value in table[name].tolist()] for name in table}
    for i, shape in enumerate(shapely.to_geojson(frame.geometry.values)):
        properties = json.dumps({name: values[i] for name, values in columns.items()})
        yield f'{{"type":"Feature","properties":{properties},"geometry":{shape or "null"}}}'


def _json_value(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _write_kml(layer: Batches, path: Path, name: str) -> None:
    """NOTE: GDAL keeps all of a KML document in memory until it is written."""
    frame = to_lonlat(layer.whole())
    for column in frame.columns.drop(frame.geometry.name):
        values = frame[column]
        # KML has no 64-bit integers; GDAL would write text.
        if values.dtype.kind in "iu" and values.abs().max() <= np.iinfo(np.int32).max:
            frame[column] = values.astype(np.int32)
    if "object_id" in frame and "Name" not in frame:
        frame.insert(0, "Name", frame["object_id"].astype(str))
    drivers = pyogrio.list_drivers(write=True)
    driver = "LIBKML" if "LIBKML" in drivers else "KML"
    # Written to a full disk, it would be half a document without an error.
    document = io.BytesIO()
    pyogrio.write_dataframe(frame, document, layer=name, driver=driver, geometry_type="Unknown")
    path.write_bytes(document.getbuffer())


def _write_parquet(layer: Batches, path: Path, name: str) -> None:
    """GeoParquet 1.0, https://geoparquet.org/releases/v1.0.0/: what it says of the geometry."""
    geometry: dict[str, object] = {
        "encoding": "WKB",
        "geometry_types": [],  # not known before the end
        "crs": None if layer.crs is None else layer.crs.to_json_dict(),
    }
    meta = {"version": "1.0.0", "primary_column": "geometry", "columns": {"geometry": geometry}}
    schema = layer.schema.with_metadata({"geo": json.dumps(meta)})
    with ParquetWriter(path, schema, compression="zstd") as target:
        for batch in layer.arrow():
            target.write_batch(batch)


FORMATS: dict[str, VectorFormat] = {
    item.key: item
    for item in (
        VectorFormat(
            "gpkg", "GeoPackage", ".gpkg", "application/geopackage+sqlite3", False, _write_gpkg
        ),
        VectorFormat(
            "shp", N_("Shapefile (zip)"), ".shp.zip", "application/zip", False, _write_shp
        ),
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
        VectorFormat(
            "dxf", N_("DXF (outlines for CAD)"), ".dxf", "image/vnd.dxf", False, write_dxf
        ),
    )
}
