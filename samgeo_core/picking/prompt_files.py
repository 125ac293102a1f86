"""Files of prompts: points, boxes and polygons with their columns. No torch here."""

from __future__ import annotations

import csv
import io
import json
import logging
import re
import zipfile
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
import shapely.geometry
from pyproj import CRS
from pyproj.exceptions import CRSError

from samgeo_core.errors import ParameterError, SamGeoError

logger = logging.getLogger(__name__)

SUFFIXES = (".geojson", ".json", ".gpkg", ".shp", ".zip", ".csv")
MOST_PROMPTS = 1_000_000

CRS_ASSUMED = "crs_assumed"
"""Key of ``frame.attrs``: the CRS is GeoJSON's default, which files in px have, too."""

_SQLITE, _SHAPE = b"SQLite format 3\0", b"\0\0\x27\x0a"
_MOST_UNPACKED_BYTES = 2 << 30

_PLACES = (("x", "y"), ("lon", "lat"), ("lng", "lat"), ("longitude", "latitude"))
_BOXES = (("xmin", "ymin", "xmax", "ymax"), ("minx", "miny", "maxx", "maxy"))
_TEXTS = ("wkt", "geometry", "geom")


def read_prompts(
    path: str | Path, *, crs: Any = None, layer: str | None = None
) -> gpd.GeoDataFrame:
    """Read a file of prompts.

    Args:
        path: a GeoJSON, GeoPackage, Shapefile (also zipped) or CSV file. A CSV has a column of WKT,
            or columns x, y or lon, lat, or xmin, ymin, xmax, ymax (any letter case).
        crs: what coordinates mean, as pyproj takes it, where the file doesn't say.
        layer: which layer of a GeoPackage; None takes the first.

    Returns:
        The rows with all columns; ``frame.crs`` is None where nothing tells it.

    Raises:
        ParameterError: the file is of another kind, can't be read, or has no prompts.
    """
    source = Path(path)
    suffix = source.suffix.lower()
    if suffix not in SUFFIXES:
        raise ParameterError(
            f"Prompts are read from {', '.join(SUFFIXES)}, got {source.name}: save them as one."
        )
    if not source.is_file():
        raise ParameterError(f"The file of prompts {source} is not there: check its name.")
    given = _parsed(crs)
    try:
        frame = _read_csv(source) if suffix == ".csv" else _read_vector(source, suffix, layer)
    except (SamGeoError, MemoryError):
        raise
    except Exception as error:
        # NOTE: GDAL and pandas raise many kinds for files that aren't what their names say.
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ParameterError(
            f"The prompts in {source.name} can't be read ({reason}): save the file again."
        ) from error
    if not 0 < len(frame) <= MOST_PROMPTS:
        raise ParameterError(
            f"{source.name} must hold 1 to {MOST_PROMPTS:,} prompts, got {len(frame):,}."
        )
    return frame if given is None else frame.set_crs(given, allow_override=True)


def _read_vector(path: Path, suffix: str, layer: str | None) -> gpd.GeoDataFrame:
    """A file as its name says it is.

    NOTE: GDAL opens a file by its content, and some formats name further files or addresses. So
    the first bytes are looked at before, and GeoJSON doesn't go through GDAL at all.
    """
    import pyogrio

    if suffix in (".geojson", ".json"):
        return _read_geojson(path)
    if suffix == ".zip":
        name, begin = _zipped_shapefile(path)
    else:
        name = str(path.resolve())
        with path.open("rb") as file:
            begin = file.read(16)
    expected, driver = (_SQLITE, "GPKG") if suffix == ".gpkg" else (_SHAPE, "ESRI Shapefile")
    if not begin.startswith(expected):
        raise ParameterError(f"{path.name} is not what its name says: save it again.")
    found = pyogrio.read_info(name, layer=layer)["driver"]
    if found != driver:
        raise ParameterError(f"{path.name} is not what its name says, but {found}: rename it.")
    frame = pyogrio.read_dataframe(name, layer=layer)
    if not isinstance(frame, gpd.GeoDataFrame):
        raise ParameterError(f"{path.name} has no geometries: choose a layer with points or boxes.")
    return frame


def _zipped_shapefile(path: Path) -> tuple[str, bytes]:
    """GDAL's name of the one Shapefile in an archive, and its first bytes."""
    with zipfile.ZipFile(path) as archive:
        shapes = [item for item in archive.infolist() if item.filename.lower().endswith(".shp")]
        if len(shapes) != 1:
            raise ParameterError(
                f"The archive must hold one Shapefile (.shp), {path.name} has {len(shapes)}."
            )
        if sum(item.file_size for item in archive.infolist()) > _MOST_UNPACKED_BYTES:
            raise ParameterError(f"{path.name} holds more than 2 GB: take a GeoPackage instead.")
        with archive.open(shapes[0]) as file:
            begin = file.read(16)
    return f"/vsizip/{{{path.resolve()}}}/{shapes[0].filename}", begin


def _read_geojson(path: Path) -> gpd.GeoDataFrame:
    """Features in longitude and latitude (RFC 7946), or in the CRS of the older member "crs"."""
    content = json.loads(path.read_text("utf-8-sig"))
    kind = content.get("type") if isinstance(content, dict) else None
    if kind == "Feature":
        content = {"features": [content]}
    elif kind != "FeatureCollection":
        raise ParameterError(f"{path.name} must be a GeoJSON FeatureCollection, got {kind}.")
    features = [item for item in content["features"] if isinstance(item, dict)]
    named = ((content.get("crs") or {}).get("properties") or {}).get("name")
    frame = gpd.GeoDataFrame(
        pd.DataFrame([item.get("properties") or {} for item in features], range(len(features))),
        geometry=[_shape_of(item.get("geometry")) for item in features],
        crs=_parsed(named or "OGC:CRS84"),
    )
    frame.attrs[CRS_ASSUMED] = named is None
    return frame


def _shape_of(geometry: Any) -> Any:
    """A GeoJSON geometry; None where it can't be understood, which is told of its row later."""
    try:
        return None if geometry is None else shapely.geometry.shape(geometry)
    except Exception:
        logger.info("A geometry of GeoJSON can't be read.", exc_info=True)
        return None


def _read_csv(path: Path) -> gpd.GeoDataFrame:
    text = path.read_bytes()
    try:
        content = text.decode("utf-8-sig")
    except UnicodeDecodeError:
        content = text.decode("cp1252", "replace")
    try:
        separator = csv.Sniffer().sniff(content[:4096], ",;\t|").delimiter
    except csv.Error:
        separator = ","
    table = pd.read_csv(io.StringIO(content), sep=separator)
    lower = {str(name).strip().lower(): name for name in table.columns}
    for corners in _BOXES:
        if set(corners) <= set(lower):
            values = [_floats(table[lower[name]]) for name in corners]
            return gpd.GeoDataFrame(
                table.drop(columns=[lower[name] for name in corners]), geometry=shapely.box(*values)
            )
    for names in _PLACES:
        if set(names) <= set(lower):
            x, y = (_floats(table[lower[name]]) for name in names)
            crs = None if names == ("x", "y") else "EPSG:4326"
            rest = table.drop(columns=[lower[name] for name in names])
            return gpd.GeoDataFrame(rest, geometry=shapely.points(x, y), crs=crs)
    for text_column in _TEXTS:
        if text_column in lower:
            words = table[lower[text_column]].fillna("").astype(str)
            # PostGIS writes the CRS before the geometry; the option crs tells it here.
            words = words.map(lambda word: re.sub(r"^\s*SRID=\d+;", "", word))
            shapes = shapely.from_wkt(words.tolist(), on_invalid="ignore")
            return gpd.GeoDataFrame(table.drop(columns=lower[text_column]), geometry=shapes)
    raise ParameterError(
        f"{path.name} needs columns x and y, lon and lat, xmin, ymin, xmax and ymax, or wkt; "
        f"it has {', '.join(map(str, table.columns[:8]))}."
    )


def _floats(values: pd.Series[Any]) -> Any:
    if values.dtype == object or pd.api.types.is_string_dtype(values):
        values = values.astype(str).str.replace(",", ".", regex=False)  # decimal commas
    return pd.to_numeric(values, errors="coerce").to_numpy(np.float64)


def _parsed(crs: Any) -> CRS | None:
    try:
        return None if crs is None else CRS.from_user_input(crs)
    except CRSError as error:
        raise ParameterError(f"{crs!r} is no CRS that is known; such as EPSG:4326 is.") from error
