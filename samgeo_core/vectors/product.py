"""Finished layers: objects, each by itself, or a partition of all valid pixels."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Literal

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from samgeo_core.errors import ParameterError
from samgeo_core.geogrid import GeoGrid
from samgeo_core.progress import SILENT, Monitor
from samgeo_core.reading.raster import Raster
from samgeo_core.results.batches import Batches, arrow_batch
from samgeo_core.results.geodesy import pyproj_crs
from samgeo_core.results.outlines import Geometries
from samgeo_core.results.vectorize import in_crs, measured
from samgeo_core.vectors.attributes import Columns, place_columns, shape_columns, touching
from samgeo_core.vectors.bands import band_columns, check_same_grid, columns_of_sums
from samgeo_core.vectors.fields import FIELDS
from samgeo_core.vectors.mosaic import ReadLabels, ReadValid, border_of, check_fill
from samgeo_core.vectors.outline import drawn
from samgeo_core.vectors.partition import Source, partition
from samgeo_core.vectors.style import OutlineStyle
from samgeo_core.vectors.unit_edges import Keys

Product = Literal["objects", "partition"]
PRODUCTS: tuple[Product, ...] = ("objects", "partition")

FILL_PX = 5.0
"""How wide a gap of a partition may be, to either side, before it counts as background."""

_AT_ONCE = 1024
_ORDER = {item.name: i for i, item in enumerate(FIELDS)}


@dataclass(frozen=True, eq=False)
class PixelObjects:
    """Some objects of a raster by their masks' own outlines.

    Attributes:
        exact: [N], Polygon or MultiPolygon along pixel edges, raster px.
        columns: arrays [N] by name, at least ``object_id``; see `fields.FIELDS`.
        shifts: where the model's logits pass their edges, see `outline.drawn`; None: not known.
    """

    exact: Geometries
    columns: Columns
    shifts: NDArray[np.float64] | None = None


@dataclass(frozen=True, eq=False)
class Surroundings:
    """What objects lie in, and what is wanted of them.

    Attributes:
        grid: of the raster.
        style: how outlines are drawn.
        raster: the image, for means and deviations of its bands; None leaves them out.
        valid: reads where data is; None takes every pixel.
        attributes: whether size, form and place are wanted.

    Raises:
        ParameterError: the image has other pixels.
    """

    grid: GeoGrid
    style: OutlineStyle = field(default_factory=OutlineStyle)
    raster: Raster | None = None
    valid: ReadValid | None = None
    attributes: bool = True

    def __post_init__(self) -> None:
        if self.raster is not None:
            check_same_grid(self.raster, self.grid.shape_hw)


def objects_layer(
    batches: Iterable[PixelObjects], around: Surroundings, monitor: Monitor = SILENT
) -> Batches:
    """Objects, each with an outline of its own; where they overlap, both are whole.

    Memory doesn't depend on how many there are, but on how many come at once.

    Args:
        batches: objects, some at a time.
        around: what they lie in.
        monitor: hears of the stage "outlines", and may cancel.
    """
    border = _border(around)

    def frames() -> Iterator[gpd.GeoDataFrame]:
        for number, some in enumerate(batches):
            monitor.step("outlines", number, number + 1)
            yield finished(some, drawn(some.exact, around.style, some.shifts), around, border)

    return _layer(frames(), around)


def partition_layer(
    labels: ReadLabels,
    around: Surroundings,
    *,
    fill_px: float = FILL_PX,
    known: pd.DataFrame | None = None,
    monitor: Monitor = SILENT,
    workers: int = 1,
    crossings: tuple[Keys, NDArray[np.float64]] | None = None,
) -> Batches:
    """A coverage: every valid pixel belongs to exactly one polygon, and neighbours share edges.

    Pixels without an object join the nearest if it is near enough; what is left is background: one
    row for each connected piece, with object_id -1, -2 and so on. Smoothing and simplification move
    common edges for both sides at once; the edge of the data stays on pixel edges, so that the
    union of all is exactly the valid area.

    Args:
        labels: reads object ids.
        around: what they lie in; a style that asks for regular outlines or circles is refused.
        fill_px: how far away the nearest object may be.
        known: more columns of objects by their object_id, such as score.
        monitor: hears of the stages "outlines" and "attributes", and may cancel.
        workers: processes that draw outlines; with more than 1, a script of yours must do its work
            under ``if __name__ == "__main__"``.
        crossings: where the model's logits pass edges, see `outline.shifts_by_edge`.

    Raises:
        ParameterError: as said.
    """
    style = around.style
    if style.regular or style.circles:
        raise ParameterError(
            "Regular outlines and circles leave gaps and overlaps, which a partition must not "
            "have: ask for objects instead."
        )
    check_fill(fill_px)
    raster = around.raster if around.attributes else None
    source = Source(around.grid.shape_hw, labels, around.valid, raster, fill_px, crossings)

    def frames() -> Iterator[gpd.GeoDataFrame]:
        with tempfile.TemporaryFile(prefix="partition-") as file:
            made = partition(source, style, file, monitor, workers)
            for begin in range(0, len(made), _AT_ONCE):
                monitor.step("attributes", begin, len(made))
                some = slice(begin, begin + _AT_ONCE)
                columns = _known_columns(made.ids[some], known)
                columns["area_px"] = made.areas_px[some]
                lines = made.outlines(some)
                if around.attributes:
                    columns |= _measures(lines, around)
                    columns["touches_edge"] = made.touching[some].astype(np.int32)
                if raster is not None:
                    columns |= columns_of_sums(made.sums[some], raster)
                yield _framed(columns, lines, around)

    return _layer(frames(), around)


def _known_columns(ids: NDArray[np.int64], known: pd.DataFrame | None) -> Columns:
    columns: Columns = {"object_id": ids}
    if known is not None:
        rows = known.set_index("object_id").reindex(ids)
        for name in rows.columns:
            values = rows[name]
            if known[name].dtype.kind in "iu":
                values = values.fillna(0).astype(known[name].dtype)
            columns[str(name)] = values.to_numpy()
    return columns


def finished(
    objects: PixelObjects, lines: Geometries, around: Surroundings, border: Keys
) -> gpd.GeoDataFrame:
    """Rows of a layer: outlines in the CRS of the grid, with all that is said of them.

    Args:
        objects: N objects.
        lines: [N], their outlines as they are drawn, raster px.
        around: what they lie in.
        border: keys of the edges where data ends.
    """
    columns = dict(objects.columns)
    columns["area_px"] = np.rint(shapely.area(objects.exact)).astype(np.int64)
    if around.attributes:
        columns |= _measures(lines, around)
        columns["touches_edge"] = touching(objects.exact, border).astype(np.int32)
    if around.raster is not None:
        columns |= band_columns(objects.exact, around.raster)
    return _framed(columns, lines, around)


def _measures(lines: Geometries, around: Surroundings) -> Columns:
    """Size, form and place of outlines."""
    shapes = shape_columns(lines, measured(lines, around.grid), around.grid)
    columns: Columns = {name: values.round(6) for name, values in shapes.items()}
    return {**columns, **place_columns(lines, around.grid)}


def _framed(columns: Columns, lines: Geometries, around: Surroundings) -> gpd.GeoDataFrame:
    ordered = sorted(columns, key=lambda name: _ORDER.get(name, len(_ORDER)))
    table = {name: columns[name] for name in ordered}
    polygons = in_crs(lines, around.grid)
    return gpd.GeoDataFrame(table, geometry=polygons, crs=pyproj_crs(around.grid.crs))


def _border(around: Surroundings) -> Keys:
    if not around.attributes:
        return np.zeros(0, np.int64)
    return border_of(around.grid.shape_hw, around.valid)


def _layer(frames: Iterator[gpd.GeoDataFrame], around: Surroundings) -> Batches:
    """The first rows decide the types."""
    first = next(frames, None)
    if first is None:
        nothing = PixelObjects(np.empty(0, object), {"object_id": np.zeros(0, np.int64)})
        first = finished(nothing, nothing.exact, around, np.zeros(0, np.int64))
    return Batches(arrow_batch(first).schema, first.crs, chain([first], frames))
