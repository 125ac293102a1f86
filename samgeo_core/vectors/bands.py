"""Mean and standard deviation of each band over each object's own pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import rasterio.windows
import shapely
from numpy.typing import NDArray

from samgeo_core.errors import ParameterError
from samgeo_core.objects import BoolMask
from samgeo_core.reading.raster import Raster, open_dataset
from samgeo_core.results.labels import Labels
from samgeo_core.results.outlines import Geometries, IntArray
from samgeo_core.vectors.mosaic import NOBODY
from samgeo_core.vectors.unit_edges import UnitEdges
from samgeo_core.windows import ShapeHW, Window

_ROWS_PX = 2**22
_TILE_PX = 512


def band_columns(exact: Geometries, raster: Raster) -> dict[str, NDArray[np.float64]]:
    """Columns mean_b1, std_b1, … of valid pixels; opacity is no band.

    The masks are exact, so every pixel counts whole or not at all. Where none is valid: NaN.

    Args:
        exact: [N], along pixel edges, px of the raster.
        raster: the image.
    """
    bands = bands_of(raster)
    sums = np.zeros((len(exact), 3, len(bands)))
    bounds = shapely.bounds(exact)
    # Neighbours follow each other, so that GDAL finds their blocks in its cache.
    order = np.lexsort((bounds[:, 0], bounds[:, 1] // _TILE_PX))
    with open_dataset(raster.source) as dataset:
        for i in order.tolist():
            sums[i] = _sums(dataset, bands, exact[i : i + 1], bounds[i])
    return columns_of_sums(sums, raster)


def bands_of(raster: Raster) -> list[int]:
    """Numbers of the bands that are measured."""
    return [i for i, c in enumerate(raster.color_interpretations, 1) if c != "alpha"]


def columns_of_sums(sums: NDArray[np.float64], raster: Raster) -> dict[str, NDArray[np.float64]]:
    """Columns of `band_columns` of what was summed up.

    Args:
        sums: float64 [N, 3, B]: count, sum and sum of squares of each band.
        raster: the image.
    """
    count = sums[:, 0]
    with np.errstate(invalid="ignore", divide="ignore"):
        means = sums[:, 1] / count
        deviations = np.sqrt(np.maximum(sums[:, 2] / count - means**2, 0.0))
    columns = {}
    for k, band in enumerate(bands_of(raster)):
        columns[f"mean_b{band}"] = means[:, k].round(6)
        columns[f"std_b{band}"] = deviations[:, k].round(6)
    return columns


def _sums(
    dataset: Any, bands: list[int], outline: Geometries, bounds: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Of one object: count, sum and sum of squares, float64 [3, B]."""
    total = np.zeros((3, len(bands)))
    if not np.isfinite(bounds).all():
        return total
    left, top, right, bottom = (int(v) for v in bounds)
    mask = mask_of(outline, (left, top), (bottom - top, right - left))
    rows = max(_ROWS_PX // (right - left), 1)
    for first in range(0, bottom - top, rows):
        part = mask[first : first + rows]
        place = rasterio.windows.Window(left, top + first, part.shape[1], part.shape[0])
        values = dataset.read(bands, window=place)[:, part].astype(np.float64)
        valid = (dataset.read_masks(bands, window=place)[:, part] > 0) & np.isfinite(values)
        values = np.where(valid, values, 0.0)
        total += (valid.sum(axis=1), values.sum(axis=1), (values**2).sum(axis=1))
    return total


def mask_of(outline: Geometries, offset_xy: tuple[int, int], shape_hw: ShapeHW) -> BoolMask:
    """The pixels inside outlines that follow pixel edges, bool [h, w].

    Args:
        outline: one geometry or several that don't overlap.
        offset_xy: column and row of the first pixel of the result.
        shape_hw: its height and width; nothing may lie outside.
    """
    edges = UnitEdges.of(outline)
    upright = edges.steps_xy[:, 0] == 0
    x, y = (edges.corners_xy[upright] - np.array(offset_xy)).T
    y = y + np.minimum(edges.steps_xy[upright, 1], 0)
    turns = np.zeros((shape_hw[0], shape_hw[1] + 1), np.bool_)
    turns[y, x] = True
    inside: BoolMask = np.logical_xor.accumulate(turns, axis=1)[:, :-1]
    return inside


def check_same_grid(raster: Raster, shape_hw: ShapeHW) -> None:
    """Refuse an image whose pixels aren't those of the labels.

    Raises:
        ParameterError: it has another shape.
    """
    if raster.shape_hw != shape_hw:
        raise ParameterError(
            f"The image must have the pixels of the labels, {shape_hw[1]} x {shape_hw[0]}, but has "
            f"{raster.shape_hw[1]} x {raster.shape_hw[0]}: name the raster that was segmented."
        )


def sums_of_pieces(
    owners: Labels, window: Window, exact: Geometries, ranks: IntArray, raster: Raster
) -> NDArray[np.float64]:
    """Count, sum and sum of squares of each band over valid pixels, float64 [N, 3, B].

    What is known of an object stands with its first piece.

    Args:
        owners: [h, w] of a window, see `mosaic.owners_of`.
        window: where it lies, px of the raster.
        exact: [N], connected parts of what owners have there, along pixel edges.
        ranks: int64 [N], whose they are.
        raster: the image.
    """
    bands = bands_of(raster)
    place = rasterio.windows.Window(window.x, window.y, window.width, window.height)
    with open_dataset(raster.source) as dataset:
        values = dataset.read(bands, window=place).astype(np.float64)
        valid = (dataset.read_masks(bands, window=place) > 0) & np.isfinite(values)
    piece = _piece_of_pixels(owners, ranks, exact, (window.x, window.y))
    inside = piece >= 0
    sums = np.zeros((len(ranks), 3, len(bands)))
    for k in range(len(bands)):
        used = inside & valid[k]
        index, some = piece[used], values[k][used]
        for m, weights in enumerate((None, some, some**2)):
            sums[:, m, k] = np.bincount(index, weights, len(ranks))
    return sums


def _piece_of_pixels(
    owners: Labels, ranks: IntArray, exact: Geometries, corner_xy: tuple[int, int]
) -> IntArray:
    """Which piece counts each pixel [h, w]: an object's first one, or nobody's own; -1 for none."""
    known, first = np.unique(ranks, return_index=True)
    at = np.searchsorted(known, owners).clip(max=len(known) - 1)
    piece = np.where(known[at] == owners, first[at], -1)
    nobody = np.flatnonzero(ranks == NOBODY)
    for i in nobody.tolist() if len(nobody) > 1 else []:
        left, top, right, bottom = (int(v) for v in shapely.bounds(exact[i]))
        x, y = corner_xy
        mask = mask_of(exact[i : i + 1], (left, top), (bottom - top, right - left))
        piece[top - y : bottom - y, left - x : right - x][mask] = i
    return np.asarray(piece, np.int64)
