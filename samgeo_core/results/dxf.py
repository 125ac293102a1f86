"""A layer of polygons as DXF for programs that draw: a closed polyline for each ring.

Written is release 12 (AC1009) of the format, which every program reads, one row after the other;
GDAL would need all of them at once. Group codes: AutoCAD 2012 DXF Reference (Autodesk).
"""

from __future__ import annotations

import colorsys
import re
import shutil
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from samgeo_core.results.batches import Batches

BACKGROUND, UNCLASSED = "background", "no class"
_NAME_LENGTH = 31
_WHITE, _GREY = 7, 8
_LEAST_SATURATION = 0.15


def write_dxf(layer: Batches, path: Path, name: str) -> None:
    """Write the rings of polygons, in layers of the drawing by class, each in its colour.

    Without classes there is one layer of the name given. The background of a partition has a layer
    of its own. Coordinates are those of the polygons, as DXF knows no reference system; of
    attributes it holds the class alone.

    Args:
        layer: the polygons.
        path: the file.
        name: of the drawing's layer where there are no classes.
    """
    colors: dict[str, int] = {}
    entities = path.with_name(f"{path.name}.entities")
    with entities.open("w", encoding="ascii") as file:
        for frame in layer.frames:
            names = _layer_names(frame, name, colors)
            file.writelines(_polylines(frame, names))
    with path.open("w", encoding="ascii") as file, entities.open(encoding="ascii") as drawn:
        file.write(_section("HEADER", "9\n$ACADVER\n1\nAC1009\n"))
        file.write(_section("TABLES", _layer_table(colors)))
        file.write("0\nSECTION\n2\nENTITIES\n")
        shutil.copyfileobj(drawn, file, 1 << 20)
        file.write("0\nENDSEC\n0\nEOF\n")
    entities.unlink()


def _section(name: str, content: str) -> str:
    return f"0\nSECTION\n2\n{name}\n{content}0\nENDSEC\n"


def _layer_table(colors: dict[str, int]) -> str:
    """The drawing's layers; colours are numbers of AutoCAD's index."""
    layers = "".join(
        f"0\nLAYER\n2\n{name}\n70\n0\n62\n{color}\n6\nCONTINUOUS\n"
        for name, color in colors.items()
    )
    return f"0\nTABLE\n2\nLAYER\n70\n{len(colors)}\n{layers}0\nENDTAB\n"


def _polylines(frame: gpd.GeoDataFrame, names: list[str]) -> Iterator[str]:
    parts, owner = shapely.get_parts(np.asarray(frame.geometry.values), return_index=True)
    rings, part = shapely.get_rings(parts, return_index=True)
    for ring, row in zip(rings, owner[part].tolist(), strict=True):
        # A closed polyline comes back to its first vertex by itself.
        yield _polyline(shapely.get_coordinates(ring)[:-1], names[row])


def _polyline(xy: NDArray[np.float64], name: str) -> str:
    vertices = "".join(
        f"0\nVERTEX\n8\n{name}\n10\n{x!r}\n20\n{y!r}\n30\n0.0\n" for x, y in xy.tolist()
    )
    start = f"0\nPOLYLINE\n8\n{name}\n66\n1\n70\n1\n10\n0.0\n20\n0.0\n30\n0.0\n"
    return f"{start}{vertices}0\nSEQEND\n8\n{name}\n"


def _layer_names(frame: gpd.GeoDataFrame, name: str, colors: dict[str, int]) -> list[str]:
    """The drawing's layer for each row; notes the colours of new ones."""
    empty: list[Any] = [None] * len(frame)
    classes = frame["class_name"].fillna("") if "class_name" in frame else empty
    shades = frame["class_color"].fillna("") if "class_color" in frame else empty
    ids = frame["object_id"] if "object_id" in frame else [1] * len(frame)
    names = []
    for class_name, shade, object_id in zip(classes, shades, ids, strict=True):
        found, color = _clean(class_name or name), _color_index(shade or "")
        if object_id < 0:
            found, color = BACKGROUND, _GREY
        elif class_name == "":
            found, color = UNCLASSED, _GREY
        colors.setdefault(found, color)
        names.append(found)
    return names


def _clean(name: str) -> str:
    """A name that drawing programs take: ASCII, without the signs that they forbid."""
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss"))
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    plain = "".join(c if c.isascii() else f"u{ord(c):04x}" for c in plain)
    return re.sub(r"[^\w $-]+", "_", plain)[:_NAME_LENGTH].strip() or "objects"


def _color_index(color: str) -> int:
    """The pure colour of AutoCAD's index with the hue of #rrggbb: 10, 20 … 240 go round by 15°."""
    if not re.fullmatch("#[0-9a-fA-F]{6}", color):
        return _WHITE
    red, green, blue = (value / 255 for value in bytes.fromhex(color[1:]))
    hue, saturation, _ = colorsys.rgb_to_hsv(red, green, blue)
    return 10 + 10 * (round(hue * 24) % 24) if saturation >= _LEAST_SATURATION else _GREY
