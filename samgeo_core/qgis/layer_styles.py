"""Styles within a GeoPackage: the table ``layer_styles``, which QGIS looks for."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from samgeo_core.qgis.styles import Style

_TABLE = """CREATE TABLE IF NOT EXISTS layer_styles (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    f_table_catalog TEXT(256), f_table_schema TEXT(256), f_table_name TEXT(256),
    f_geometry_column TEXT(256), styleName TEXT(30), styleQML TEXT, styleSLD TEXT,
    useAsDefault BOOLEAN, description TEXT, owner TEXT(30), ui TEXT(30),
    update_time DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')))"""
_CONTENTS = """INSERT OR IGNORE INTO gpkg_contents (table_name, data_type, identifier, srs_id)
    VALUES ('layer_styles', 'attributes', 'layer_styles', 0)"""
_STYLE = """INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name,
    f_geometry_column, styleName, styleQML, styleSLD, useAsDefault, description, owner)
    VALUES ('', '', ?, ?, ?, ?, '', 1, ?, '')"""
_GEOMETRY = "SELECT column_name FROM gpkg_geometry_columns WHERE table_name = ?"


def embed_styles(path: Path, styles: Mapping[str, Style]) -> None:
    """Make styles the defaults of layers; QGIS takes them when such a layer is added.

    Args:
        path: a GeoPackage.
        styles: by the layer's name; those of layers that aren't there are left out.
    """
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(_TABLE)
        database.execute(_CONTENTS)
        for layer, style in styles.items():
            found = database.execute(_GEOMETRY, (layer,)).fetchone()
            if found is not None:
                told = (layer, found[0], layer, style.qml(), "SamGeo Studio")
                database.execute(_STYLE, told)
