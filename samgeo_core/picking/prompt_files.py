"""Files of prompts: points, boxes and polygons with their columns. No torch here."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from samgeo_core.errors import ParameterError
from samgeo_core.reading import vector_files
from samgeo_core.reading.vector_files import read_vector_file

SUFFIXES = (*vector_files.SUFFIXES, ".csv")
MOST_PROMPTS = 1_000_000

_PLACES = (("x", "y"), ("lon", "lat"), ("lng", "lat"), ("longitude", "latitude"))
_BOXES = (("xmin", "ymin", "xmax", "ymax"), ("minx", "miny", "maxx", "maxy"))
_TEXTS = ("wkt", "geometry", "geom")


def read_prompts(
    path: str | Path, *, crs: Any = None, layer: str | None = None
) -> gpd.GeoDataFrame:
    """Read a file of prompts.

    Args:
        path: a GeoJSON, GeoPackage, Shapefile (also zipped), KML, FlatGeobuf or CSV file. A CSV
            has a column of WKT, or columns x, y or lon, lat, or xmin, ymin, xmax, ymax (any letter
            case).
        crs: what coordinates mean, as pyproj takes it, where the file doesn't say.
        layer: which layer of a GeoPackage; None takes the first.

    Returns:
        The rows with all columns; ``frame.crs`` is None where nothing tells it.

    Raises:
        ParameterError: the file is of another kind, can't be read, or has no prompts.
    """
    return read_vector_file(
        Path(path),
        noun="prompts",
        most=MOST_PROMPTS,
        crs=crs,
        layer=layer,
        others={".csv": _read_csv},
    )


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
