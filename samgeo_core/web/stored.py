"""Objects of a run as its GeoPackage holds them, of which only some are read at a time.

What goes region by region may have found more than fits into memory, or onto a map.
"""

from __future__ import annotations

import gzip
import json
import math
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samgeo_core.errors import NotFoundError, ParameterError
from samgeo_core.web.cache import LruCache
from samgeo_core.web.layers import features_of, for_display
from samgeo_core.web.records import Run
from samgeo_core.web.results import ResultPlace, result_place

MOST_OUTLINES = 3_000
"""How many outlines are drawn of what is in sight, the largest first."""

TABLE_ROWS = 1_000
VIEWS_CACHE_BYTES = 32 << 20

_LAYER = "objects"
_PROBES = 17
_FINEST_PX = 0.5

LatLng = tuple[float, float]


@dataclass(frozen=True)
class ViewBox:
    """What a map shows.

    Attributes:
        west, south, east, north: in the frame of the map, see `frame`.
        zoom: of the map.
    """

    west: float
    south: float
    east: float
    north: float
    zoom: float

    @classmethod
    def parse(cls, bbox: str | None, zoom: str | None) -> ViewBox:
        """Read one from an address.

        Args:
            bbox: "west,south,east,north".
            zoom: a number.

        Raises:
            ParameterError: these are other texts.
        """
        try:
            west, south, east, north = (float(part) for part in (bbox or "").split(","))
            box = cls(west, south, east, north, float(zoom or ""))
        except ValueError as error:
            raise ParameterError(
                "A view needs bbox=west,south,east,north and zoom, all numbers, got "
                f"bbox={(bbox or '')[:80]!r} and zoom={(zoom or '')[:20]!r}."
            ) from error
        if not np.isfinite([west, south, east, north, box.zoom]).all():
            raise ParameterError("A view's numbers must be finite; ask with other ones.")
        return box


_views: LruCache[tuple[str, int, ViewBox], bytes] = LruCache(VIEWS_CACHE_BYTES, len)
_tables: LruCache[tuple[str, int], Any] = LruCache(16)


def view_layer(run: Run, view: ViewBox) -> bytes:
    """Polygons that a view meets as gzipped GeoJSON, largest first, simplified to its zoom.

    Features are as those of `layers.objects_layer`. The collection tells in "total" how many
    objects the view meets; of those it holds the `MOST_OUTLINES` with the largest extent.

    Raises:
        NotFoundError: the run has no result.
    """
    place = result_place(run)
    return _views.get((run.run_id, place.version, view), lambda: _make_view(run, place, view))


def largest_objects(run: Run) -> Any:
    """Attributes of the `TABLE_ROWS` largest objects, largest first, as a DataFrame.

    Raises:
        NotFoundError: the run has no result.
    """
    import pandas as pd

    def read() -> Any:
        with _database(run) as database:
            # NOTE: the name of the geometry's column is the layer's own; it is left out by name.
            names = [str(row[1]) for row in database.execute(f"PRAGMA table_info({_LAYER})")]
            kept = [name for name in names if name not in ("fid", _geometry_name(database))]
            columns = ", ".join(f'"{name}"' for name in kept)
            query = f"SELECT {columns} FROM {_LAYER} ORDER BY area_px DESC, object_id LIMIT ?"
            rows = database.execute(query, (TABLE_ROWS,)).fetchall()
        # Columns without any number would be of objects, not of NaN.
        return pd.DataFrame(rows, columns=kept).astype(dict.fromkeys(_measures(kept), float))

    return _tables.get((run.run_id, result_place(run).version), read)


def stored_areas(run: Run) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Areas of all objects, m² (none where the place on Earth is unknown) and px.

    Raises:
        NotFoundError: the run has no result.
    """
    with _database(run) as database:
        names = {str(row[1]) for row in database.execute(f"PRAGMA table_info({_LAYER})")}
        found = [
            np.fromiter(_column(database, name), np.float64) if name in names else np.zeros(0)
            for name in ("area_m2", "area_px")
        ]
    return found[0], found[1]


def _column(database: sqlite3.Connection, name: str) -> Iterator[float]:
    for (value,) in database.execute(f"SELECT {name} FROM {_LAYER} ORDER BY fid"):
        yield math.nan if value is None else float(value)


def extent_of(run: Run, object_id: int) -> tuple[LatLng, LatLng] | None:
    """South-west and north-east corner of an object on the map; None where there is none such.

    Raises:
        NotFoundError: the run has no result.
    """
    place = result_place(run)
    with _database(run) as database:
        query = (
            f"SELECT minx, miny, maxx, maxy FROM {_index(database)} JOIN {_LAYER} ON fid = id "
            "WHERE object_id = ?"
        )
        row = database.execute(query, (object_id,)).fetchone()
    if row is None:
        return None
    x0, y0, x1, y1 = row
    in_px = place.grid.to_px_xy(_corners(x0, y0, x1, y1)) + _shift(place)
    on_map = place.frame.to_lnglat(in_px)
    (west, south), (east, north) = on_map.min(0).tolist(), on_map.max(0).tolist()
    return (south, west), (north, east)


def _make_view(run: Run, place: ResultPlace, view: ViewBox) -> bytes:
    box = _layer_box(place, view)
    total, fids = (0, []) if box is None else _largest_within(run, box)
    features: Iterator[str] = iter(())
    if fids:
        frame = _read(run, fids)
        # As many raster px as a px of the screen shows, about.
        tolerance = max(_FINEST_PX, 2.0 ** (place.frame.native_zoom - view.zoom) / 2)
        features = features_of(frame, for_display(np.asarray(frame.geometry), place, tolerance))
    inner = ",\n".join(features)
    text = f'{{"type":"FeatureCollection","total":{json.dumps(total)},"features":[\n{inner}\n]}}\n'
    return gzip.compress(text.encode(), compresslevel=1, mtime=0)


def _read(run: Run, fids: list[int]) -> Any:
    """Some objects with their polygons, largest first."""
    import pyogrio

    try:
        frame = pyogrio.read_dataframe(run.objects_path, layer=_LAYER, fids=fids)
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError) as error:
        raise NotFoundError("The files of this run are gone; run it again.") from error
    return frame.sort_values("area_px", ascending=False, kind="stable", ignore_index=True)


def _largest_within(run: Run, box: tuple[float, float, float, float]) -> tuple[int, list[int]]:
    """How many objects a box of the layer's CRS meets, and the rows of the largest of them.

    The spatial index alone answers: by extent, which is near enough, and a hundred times less to
    read than the objects.
    """
    x0, y0, x1, y1 = box
    bounds = (x1, x0, y1, y0)
    where = "WHERE minx <= ? AND maxx >= ? AND miny <= ? AND maxy >= ?"
    with _database(run) as database:
        index = _index(database)
        (total,) = database.execute(f"SELECT count(*) FROM {index} {where}", bounds).fetchone()
        query = (
            f"SELECT id FROM {index} {where} "
            "ORDER BY (maxx - minx) * (maxy - miny) DESC, id LIMIT ?"
        )
        rows = database.execute(query, (*bounds, MOST_OUTLINES)).fetchall()
    return int(total), [int(fid) for (fid,) in rows]


@contextmanager
def _database(run: Run) -> Iterator[sqlite3.Connection]:
    """The run's GeoPackage as the database it is, for reading.

    Raises:
        NotFoundError: it is gone.
    """
    try:
        address = f"{Path(run.objects_path).resolve().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True)) as database:
            yield database
    except sqlite3.Error as error:
        raise NotFoundError("The files of this run are gone; run it again.") from error


def _geometry_name(database: sqlite3.Connection) -> str:
    query = "SELECT column_name FROM gpkg_geometry_columns WHERE table_name = ?"
    (name,) = database.execute(query, (_LAYER,)).fetchone()
    return str(name)


def _index(database: sqlite3.Connection) -> str:
    """Name of the spatial index (GeoPackage 1.3, extension gpkg_rtree_index)."""
    return f'"rtree_{_LAYER}_{_geometry_name(database)}"'


def _measures(names: list[str]) -> list[str]:
    return [name for name in names if name not in ("object_id", "parent_id", "area_px")]


def _layer_box(place: ResultPlace, view: ViewBox) -> tuple[float, float, float, float] | None:
    """The part of a view that the result can fill, in the layer's CRS; None where there is none."""
    (south, west), (north, east) = place.frame.bounds_latlng
    # NOTE: cut before it is projected: far from its home a projection has no answer.
    west, east = max(west, view.west), min(east, view.east)
    south, north = max(south, view.south), min(north, view.north)
    if west >= east or south >= north:
        return None
    lngs, lats = np.meshgrid(np.linspace(west, east, _PROBES), np.linspace(south, north, _PROBES))
    points = place.frame.from_lnglat(np.stack([lngs.ravel(), lats.ravel()], axis=1))
    points = points[np.isfinite(points).all(1)] - _shift(place)
    if len(points) == 0:
        return None
    height, width = place.grid.shape_hw
    (x0, y0), (x1, y1) = points.min(0) - 1, points.max(0) + 1
    x0, y0, x1, y1 = max(x0, 0.0), max(y0, 0.0), min(x1, width), min(y1, height)
    if x0 >= x1 or y0 >= y1:
        return None
    corners = place.grid.to_crs_xy(_corners(x0, y0, x1, y1))
    (left, bottom), (right, top) = corners.min(0).tolist(), corners.max(0).tolist()
    return left, bottom, right, top


def _corners(x0: float, y0: float, x1: float, y1: float) -> NDArray[np.float64]:
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], np.float64)


def _shift(place: ResultPlace) -> NDArray[np.float64]:
    """From px of the result to px of the scene."""
    return np.array([place.window.x, place.window.y], np.float64)
