"""Objects and label rasters as polygons with attributes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, compress
from pathlib import Path
from typing import Any, TypeAlias

import geopandas as gpd
import numpy as np
import rasterio
import shapely
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS
from scipy import ndimage

from samgeo_core.errors import ParameterError
from samgeo_core.geogrid import GeoGrid
from samgeo_core.objects import BoolMask, ObjectSet
from samgeo_core.reading.pixels import row_chunks
from samgeo_core.reading.raster import Raster, open_dataset
from samgeo_core.results.batches import Batches, arrow_batch
from samgeo_core.results.geodesy import measure, pyproj_crs
from samgeo_core.results.labels import Labels
from samgeo_core.results.nesting import parent_ids
from samgeo_core.results.outlines import (
    Geometries,
    components,
    contacts,
    gathered,
    joined,
    trace,
    trace_parts,
    trace_wholes,
)
from samgeo_core.streaming.options import NO_LIMIT_PX
from samgeo_core.wholes import WholeObject
from samgeo_core.windows import Window

_MOST_VALUES = 10_000_000
_STRIP_PX = 2**22
"""Pixels of a label raster that are traced at once."""

Strip: TypeAlias = "tuple[int, Labels]"
"""Whole rows of a label raster, after the number of the first."""


@dataclass(frozen=True, eq=False)
class Outlines:
    """N polygons in a CRS with their size on the ground.

    Attributes:
        polygons: [N], Polygon or MultiPolygon, valid, oriented.
        area_m2: float64 [N], geodesic, NaN without a CRS.
        perimeter_m: float64 [N], holes included.
    """

    polygons: Geometries
    area_m2: NDArray[np.float64]
    perimeter_m: NDArray[np.float64]


def outlines_of(objects: ObjectSet, grid: GeoGrid, *, simplify_px: float = 0.0) -> Outlines:
    """Trace and measure objects, see `vectorize`."""
    traced = trace(objects.masks, objects.offsets_xy)
    return measured(_simplified(traced, simplify_px), grid)


def vectorize(
    objects: ObjectSet,
    grid: GeoGrid,
    *,
    simplify_px: float = 0.0,
    outlines: Outlines | None = None,
) -> gpd.GeoDataFrame:
    """Make one polygon of each object, from its own mask: where objects overlap, both are whole.

    Args:
        objects: N objects of a raster.
        grid: the grid of that raster.
        simplify_px: about how far an outline may leave the pixel edges, px; 0 follows them exactly.
        outlines: of these objects, if they are known; None traces them.

    Returns:
        N rows in the CRS of the grid, in the order of the objects, with the columns
        object_id; parent_id, the smallest object that holds at least 90 % of this one, 0 for none;
        score, stability; area_px, pixels of the mask; area_m2 and perimeter_m, geodesic, of the
        geometry as it stands (NaN where the grid has no CRS); geometry, valid Polygon or
        MultiPolygon.

    Raises:
        ParameterError: ``grid`` is not that of the objects, or ``simplify_px`` is negative.
    """
    _check_shape(objects.shape_hw, grid)
    if outlines is None:
        outlines = outlines_of(objects, grid, simplify_px=simplify_px)
    ids = np.arange(1, len(objects) + 1, dtype=np.int64)
    columns = _object_columns(
        ids, parent_ids(objects), objects.scores, objects.stabilities, objects.areas_px
    )
    return _frame(columns, outlines, grid)


def vectorize_wholes(
    objects: Sequence[WholeObject], grid: GeoGrid, *, simplify_px: float = 0.0
) -> gpd.GeoDataFrame:
    """Make one polygon of each object that is given in pieces; rows and columns as `vectorize`.

    Args:
        objects: N objects of a raster.
        grid: the grid of that raster.
        simplify_px: as in `vectorize`.

    Raises:
        ParameterError: ``simplify_px`` is negative.
    """
    traced = trace_wholes(item.pieces for item in objects)
    columns = _object_columns(
        np.array([item.object_id for item in objects], np.int64),
        np.array([item.parent_id for item in objects], np.int64),
        np.array([item.score for item in objects], np.float32),
        np.array([item.stability for item in objects], np.float32),
        np.array([item.area_px for item in objects], np.int64),
    )
    return _frame(columns, measured(_simplified(traced, simplify_px), grid), grid)


def _object_columns(
    ids: NDArray[np.int64],
    parents: NDArray[np.int64],
    scores: NDArray[np.float32],
    stabilities: NDArray[np.float32],
    areas_px: NDArray[np.int64],
) -> dict[str, NDArray[Any]]:
    return {
        "object_id": ids,
        "parent_id": parents,
        # float32 holds 7 digits; those beyond would be noise in every file.
        "score": scores.astype(np.float64).round(6),
        "stability": stabilities.astype(np.float64).round(6),
        "area_px": areas_px,
    }


def vectorize_labels(
    source: str | Path | Labels,
    grid: GeoGrid | None = None,
    *,
    multipart: bool = False,
    simplify_px: float = 0.0,
) -> gpd.GeoDataFrame:
    """Make polygons of a label or mask raster; 0 and nodata are background.

    A file of any size is read in strips: memory is that of the polygons, not of the raster.

    Args:
        source: a raster file, of which the first band is taken, or an array [H, W].
        grid: the grid of an array; by default pixels without CRS. A file brings its own.
        multipart: one geometry for each value, however many parts it has; otherwise one polygon for
            each region of equal value whose pixels are connected by their sides.
        simplify_px: about how far an outline may leave the pixel edges, px.

    Returns:
        Rows by ascending value with the columns value, area_px, area_m2, perimeter_m, geometry; see
        `vectorize`.

    Raises:
        RasterError: the file can't be read.
        ParameterError: the values are not whole numbers, or beyond int64; or the grid has another
            shape.
    """
    if isinstance(source, str | Path):
        path = Path(source)
        grid = Raster.open(path, max_pixels=NO_LIMIT_PX).grid
        strips = _strips_of_file(path)
    else:
        labels = _whole_numbers(np.asarray(source))
        grid = grid or GeoGrid(labels.shape, Affine.identity(), None)
        _check_shape(labels.shape, grid)
        strips = _strips_of_array(labels)
    traced = list(_trace_strips(strips, grid.shape_hw[0]))
    values = np.concatenate([np.empty(0, np.int64), *(found for found, _ in traced)])
    outlines = np.concatenate([np.empty(0, object), *(polygons for _, polygons in traced)])
    order = _by_value_and_place(values, outlines)
    values, outlines = values[order], outlines[order]
    if multipart:
        values, index = np.unique(values, return_inverse=True)
        outlines = gathered(outlines, index, len(values))
    return _label_frame(values, outlines, grid, simplify_px)


def label_batches(path: str | Path, *, simplify_px: float = 0.0, crs: CRS | None = None) -> Batches:
    """The polygons of `vectorize_labels` for files, strip by strip: none but a strip's are held.

    Args:
        path: a raster file, of which the first band is taken.
        simplify_px: as in `vectorize_labels`.
        crs: of the layer; None takes that of the raster.

    Raises:
        RasterError: the file can't be read.
        ParameterError: ``simplify_px`` is negative; or, as the batches are gone through, the values
            are not whole numbers, or beyond int64.
    """
    grid = Raster.open(path, max_pixels=NO_LIMIT_PX).grid

    def frames() -> Iterator[gpd.GeoDataFrame]:
        for values, outlines in _trace_strips(_strips_of_file(Path(path)), grid.shape_hw[0]):
            order = _by_value_and_place(values, outlines)
            yield placed(_label_frame(values[order], outlines[order], grid, simplify_px))

    def placed(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
        return frame if crs is None else frame.to_crs(crs)

    empty = placed(_label_frame(np.empty(0, np.int64), np.empty(0, object), grid, simplify_px))
    return Batches(arrow_batch(empty).schema, empty.crs, frames())


def _label_frame(
    values: NDArray[np.int64], outlines: Geometries, grid: GeoGrid, simplify_px: float
) -> gpd.GeoDataFrame:
    areas = np.rint(shapely.area(outlines)).astype(np.int64)
    return _frame(
        {"value": values, "area_px": areas},
        measured(_simplified(outlines, simplify_px), grid),
        grid,
    )


def _check_shape(shape_hw: tuple[int, ...], grid: GeoGrid) -> None:
    if shape_hw != grid.shape_hw:
        raise ParameterError(
            f"The grid must have the shape of what is vectorised, {list(shape_hw)} px, "
            f"but has {list(grid.shape_hw)}: take the grid of the same raster."
        )


def _simplified(outlines: Geometries, tolerance_px: float) -> Geometries:
    if tolerance_px < 0:
        raise ParameterError(f"simplify_px must be 0 or more, got {tolerance_px}.")
    return shapely.simplify(outlines, tolerance_px) if tolerance_px else outlines


def measured(outlines_px: Geometries, grid: GeoGrid) -> Outlines:
    """Move outlines from pixels to the CRS of the grid and measure them there."""
    polygons = in_crs(outlines_px, grid)
    return Outlines(polygons, *measure(polygons, pyproj_crs(grid.crs)))


def in_crs(outlines_px: Geometries, grid: GeoGrid) -> Geometries:
    """Outlines in raster px, moved to the CRS of the grid and oriented."""
    a, b, c, d, e, f = grid.transform[:6]
    matrix, shift = np.array([[a, b], [d, e]]), np.array([c, f])
    polygons = shapely.transform(outlines_px, lambda xy: xy @ matrix.T + shift)
    return np.asarray(shapely.orient_polygons(polygons), object)


def _frame(columns: dict[str, NDArray[Any]], outlines: Outlines, grid: GeoGrid) -> gpd.GeoDataFrame:
    sizes = {"area_m2": outlines.area_m2, "perimeter_m": outlines.perimeter_m}
    crs = pyproj_crs(grid.crs)
    return gpd.GeoDataFrame({**columns, **sizes}, geometry=outlines.polygons, crs=crs)


def _strips_of_file(path: Path) -> Iterator[Strip]:
    with open_dataset(path) as dataset:
        whole = Window.whole((dataset.height, dataset.width))
        strip_bytes = 3 * _STRIP_PX * max(np.dtype(t).itemsize for t in dataset.dtypes)
        parts = list(row_chunks(whole, dataset, strip_bytes))
    for part in parts:
        # Blocks are read whole; of tall ones that is more than should be traced at once.
        for y, labels in _strips_of_array(_labels_within(path, part)):
            yield part.y + y, labels


def _labels_within(path: Path, part: Window) -> Labels:
    # Opened anew for each: rasterio's environment must not stay while others are entered.
    with open_dataset(path) as dataset:
        window = rasterio.windows.Window(part.x, part.y, part.width, part.height)
        labels: Labels = dataset.read(1, window=window)
        labels[dataset.read_masks(1, window=window) == 0] = 0
    return labels


def _strips_of_array(labels: Labels) -> Iterator[Strip]:
    rows = max(_STRIP_PX // max(labels.shape[1], 1), 1)
    for y in range(0, len(labels), rows):
        yield y, labels[y : y + rows]


def _whole_numbers(labels: Labels) -> Labels:
    if labels.ndim != 2:
        raise ParameterError(f"Labels must be an array [H, W], got {list(labels.shape)}.")
    kind = labels.dtype.kind
    is_whole = kind == "f" and (np.isfinite(labels) & (labels == np.floor(labels))).all()
    if not (is_whole or kind in "bui"):
        raise ParameterError(
            f"Labels must be whole numbers, got {labels.dtype}: "
            "give a raster of object ids or a mask."
        )
    lowest, highest = int(labels.min(initial=0)), int(labels.max(initial=0))
    if lowest < -(2**63) or highest >= 2**63:
        raise ParameterError(
            f"Labels must lie between -2^63 and 2^63 - 1, got {lowest:.4g} to {highest:.4g}: "
            "give a raster of smaller ids."
        )
    return labels.astype(np.int64) if kind == "f" else labels


def _trace_strips(
    strips: Iterable[Strip], height: int
) -> Iterator[tuple[NDArray[np.int64], Geometries]]:
    """Values and polygons of connected parts of equal value, strip by strip, once each is whole.

    Args:
        strips: of a raster, from its top to its bottom.
        height: of the raster, px.
    """
    held = _Held()
    for first, labels in strips:
        values, polygons = _trace_strip(first, labels)
        _, top, _, bottom = shapely.bounds(polygons).T
        last = first + len(labels)
        goes_on = (bottom == last) & (last < height)
        is_cut = goes_on | ((top == first) & (first > 0))
        ended_values, ended = held.add(values[is_cut], polygons[is_cut], goes_on[is_cut])
        yield (
            np.concatenate([ended_values, values[~is_cut]]),
            np.concatenate([ended, polygons[~is_cut]]),
        )


def _trace_strip(first: int, labels: Labels) -> tuple[NDArray[np.int64], Geometries]:
    """Values and polygons within one strip."""
    if not labels.any():
        return np.empty(0, np.int64), np.empty(0, object)
    names, masks, offsets = _masks_by_value(_whole_numbers(labels))
    polygons, owner = trace_parts(masks, offsets + np.array([0, first]))
    return names[owner], polygons


class _Held:
    """Regions that go on below a strip, in pieces that are joined only once a region has ended.

    G regions, of which E pieces reach the strip's lower border.
    """

    def __init__(self) -> None:
        self._values = np.empty(0, np.int64)
        """int64 [G]."""
        self._pieces: list[list[shapely.Polygon]] = []
        """All pieces of each region."""
        self._edge: Geometries = np.empty(0, object)
        """The pieces at the border, [E]."""
        self._region_of_edge = np.empty(0, np.int64)
        """Which region each of them is of, int64 [E]."""

    def add(
        self, values: NDArray[np.int64], polygons: Geometries, goes_on: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], Geometries]:
        """Go on to the next strip.

        Args:
            values: int64 [P], of polygons of that strip.
            polygons: [P], all that touch a border between it and others.
            goes_on: bool [P], which of them reach its lower border.

        Returns:
            Values and polygons of the regions that have ended.
        """
        n_before = len(self._values)
        regions = np.concatenate([self._region_of_edge, n_before + np.arange(len(polygons))])
        met = contacts(
            np.concatenate([self._edge, polygons]),
            np.concatenate([self._values[self._region_of_edge], values]),
        )
        number = components(n_before + len(polygons), regions[met])
        n = int(number.max(initial=-1)) + 1
        all_values = np.empty(n, np.int64)
        all_values[number] = np.concatenate([self._values, values])
        pieces = _chained([*self._pieces, *([polygon] for polygon in polygons)], number.tolist(), n)

        self._edge, edge_number = polygons[goes_on], number[n_before:][goes_on]
        is_open = np.zeros(n, np.bool_)
        is_open[edge_number] = True
        self._region_of_edge = (np.cumsum(is_open) - 1)[edge_number]
        self._values = all_values[is_open]
        self._pieces = list(compress(pieces, is_open))
        ended = list(compress(pieces, ~is_open))
        part = np.repeat(np.arange(len(ended)), [len(item) for item in ended])
        return all_values[~is_open], joined(np.array([*chain(*ended)], object), part)


def _chained(lists: list[list[Any]], number: list[int], n: int) -> list[list[Any]]:
    """Chain lists of the same ``number``, below n; the lists given are used up.

    The shorter is appended to the longer, so that a long one that grows in each of many steps isn't
    copied each time.
    """
    chains: list[list[Any]] = [[] for _ in range(n)]
    for index, more in zip(number, lists, strict=True):
        shorter, longer = sorted((chains[index], more), key=len)
        longer += shorter
        chains[index] = longer
    return chains


def _by_value_and_place(values: NDArray[np.int64], polygons: Geometries) -> NDArray[np.int64]:
    """The order of polygons by their values, then by their first corners, row by row."""
    corners = shapely.get_point(shapely.get_exterior_ring(polygons), 0)
    return np.lexsort((*shapely.get_coordinates(corners).T, values))


def _masks_by_value(
    labels: Labels,
) -> tuple[NDArray[np.int64], list[BoolMask], NDArray[np.int64]]:
    """The pixels of each value but 0, cropped to their extent: values, masks, offsets [N, 2]."""
    ranks = labels.astype(np.int64)
    names = None
    if ranks.min() < 0 or ranks.max() > _MOST_VALUES:
        # find_objects keeps a list as long as the highest value and skips those below 1.
        names, ranks = np.unique(labels, return_inverse=True)
        ranks = np.where(labels == 0, 0, ranks.reshape(labels.shape) + 1)
    found = [(i, s) for i, s in enumerate(ndimage.find_objects(ranks), start=1) if s is not None]
    masks = [ranks[slices] == i for i, slices in found]
    offsets = np.array([(columns.start, rows.start) for _, (rows, columns) in found], np.int64)
    values = np.array([i for i, _ in found], np.int64)
    if names is not None:
        values = names[values - 1].astype(np.int64)
    return values, masks, offsets.reshape(-1, 2)
