"""Layers of polygons that are passed on some rows at a time, so that none is ever held whole."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyogrio
import shapely
from pyproj import CRS

_ROWS = 4096
_GEOMETRY = "geometry"


@dataclass(frozen=True, eq=False)
class Batches:
    """A layer of polygons.

    Attributes:
        schema: columns and their types; polygons as WKB under the name "geometry".
        crs: a `pyproj.CRS`, None where there is none.
        frames: the rows, to be gone through once.
    """

    schema: pa.Schema
    crs: Any
    frames: Iterable[gpd.GeoDataFrame]

    @classmethod
    def of(cls, frame: gpd.GeoDataFrame) -> Batches:
        """A layer that is held whole."""
        return cls(arrow_batch(frame).schema, frame.crs, [frame])

    @property
    def columns(self) -> list[str]:
        """Names of the attributes."""
        return [name for name in self.schema.names if name != _GEOMETRY]

    def renamed(self, names: Mapping[str, str]) -> Batches:
        """The same layer with other names of attributes."""
        schema = pa.schema(
            [item.with_name(names.get(item.name, item.name)) for item in self.schema]
        )
        return Batches(schema, self.crs, (frame.rename(columns=names) for frame in self.frames))

    def whole(self) -> gpd.GeoDataFrame:
        """All rows in memory."""
        none = [pa.RecordBatch.from_pylist([], schema=self.schema)]
        return pd.concat([*self.frames] or [*frames_of(none, self.crs)], ignore_index=True)

    def arrow(self, *, multi: bool = False) -> pa.RecordBatchReader:
        """The rows as Arrow knows them.

        Args:
            multi: make a MultiPolygon of every Polygon.
        """
        rows = (arrow_batch(frame, self.schema, multi=multi) for frame in self.frames)
        return pa.RecordBatchReader.from_batches(self.schema, rows)


def arrow_batch(
    frame: gpd.GeoDataFrame, schema: pa.Schema | None = None, *, multi: bool = False
) -> pa.RecordBatch:
    """Rows as Arrow knows them, polygons as WKB; NaN becomes null.

    Args:
        frame: the rows.
        schema: types to be kept to; None takes those that follow from the values.
        multi: make a MultiPolygon of every Polygon.
    """
    polygons = np.asarray(frame.geometry.values, object)
    if multi:
        polygons = np.array([_multi(polygon) for polygon in polygons], object)
    columns = {
        str(name): pa.array(frame[name], from_pandas=True)
        for name in frame.columns.drop(frame.geometry.name)
    }
    columns[_GEOMETRY] = pa.array(shapely.to_wkb(polygons), pa.binary())
    batch = pa.RecordBatch.from_pydict(columns)
    return batch if schema is None else batch.cast(schema)


def _multi(polygon: Any) -> Any:
    return shapely.MultiPolygon([polygon]) if isinstance(polygon, shapely.Polygon) else polygon


def frames_of(batches: Iterable[pa.RecordBatch], crs: Any) -> Iterator[gpd.GeoDataFrame]:
    """Rows that `arrow_batch` made."""
    for batch in batches:
        table = batch.to_pandas()
        polygons = shapely.from_wkb(table.pop(_GEOMETRY).to_numpy())
        yield gpd.GeoDataFrame(table, geometry=polygons, crs=crs)


@contextmanager
def stored_batches(path: Path, layer: str) -> Iterator[Batches]:
    """A layer of a GeoPackage, read as it is gone through.

    Raises:
        pyogrio.errors.DataSourceError, DataLayerError: it is missing or damaged.
    """
    with pyogrio.open_arrow(path, layer=layer, batch_size=_ROWS, use_pyarrow=True) as (meta, rows):
        stored = meta["geometry_name"] or "wkb_geometry"
        names = [_GEOMETRY if name == stored else name for name in rows.schema.names]
        crs = None if meta["crs"] is None else CRS.from_user_input(meta["crs"])
        schema = pa.schema(
            [(name, item.type) for name, item in zip(names, rows.schema, strict=True)]
        )
        yield Batches(schema, crs, frames_of((b.rename_columns(names) for b in rows), crs))


def write_ogr_batches(layer: Batches, path: Path, name: str, driver: str, **options: Any) -> int:
    """Write a layer through GDAL.

    Args:
        layer: the rows.
        path: the file.
        name: of the layer.
        driver: GDAL's name of the format.
        options: of `pyogrio.write_arrow`, among them ``geometry_type``.

    Returns:
        How many rows there were.

    Raises:
        Exception: what going through the rows raises.
    """
    if layer.crs is None:
        # A layer of pixel coordinates is meant, not forgotten. NOTE: catch_warnings isn't safe
        # among threads, so the filter stays.
        warnings.filterwarnings("ignore", message="'crs' was not provided", module=__name__)
    count = 0
    failure: BaseException | None = None

    def counted(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        nonlocal count, failure
        try:
            for batch in reader:
                count += batch.num_rows
                yield batch
        except Exception as error:
            failure = error
            raise

    multi = options.get("geometry_type") == "MultiPolygon"
    rows = pa.RecordBatchReader.from_batches(layer.schema, counted(layer.arrow(multi=multi)))
    crs = None if layer.crs is None else layer.crs.to_wkt()
    try:
        pyogrio.write_arrow(
            rows, path, layer=name, driver=driver, geometry_name=_GEOMETRY, crs=crs, **options
        )
    except RuntimeError:
        # GDAL only says that there was no next batch.
        if failure is not None:
            raise failure from None
        raise
    return count
