"""Objects as rasters: who owns each pixel, and whether anyone does."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from samgeo_core.errors import ParameterError
from samgeo_core.geogrid import GeoGrid
from samgeo_core.objects import BoolMask, ObjectSet, SegObject
from samgeo_core.results.colors import object_colors
from samgeo_core.results.geotiff import ColorTable, write_geotiff, writing_geotiff
from samgeo_core.windows import ShapeHW, Window

Labels = NDArray[Any]
"""Whole numbers [H, W]: the id of the object each pixel belongs to, 0 for none."""

_MASK_COLORS: ColorTable = {0: (0, 0, 0, 0), 255: (255, 255, 255, 255)}
"""As programs that know no table show a mask, so that both show the same."""


def label_raster(objects: ObjectSet, *, step: int = 1, window: Window | None = None) -> Labels:
    """Paint object ids, the largest object first, so that smaller ones lie on top.

    Args:
        objects: N objects of a raster [H, W].
        step: take every step-th pixel of each row and column only.
        window: paint only this part of the raster.

    Returns:
        [H, W] of the raster or window (divided by ``step``, rounded up), uint8, uint16 or uint32 by
        the number of objects.
    """
    if step < 1:
        raise ParameterError(f"The step between pixels must be 1 or more, got {step}.")
    window = window or Window.whole(objects.shape_hw)
    left, top, right, bottom = window.box_xyxy
    sides = -(-window.height // step), -(-window.width // step)
    labels = np.zeros(sides, label_dtype(len(objects)))
    boxes = objects.boxes_xyxy
    seen = (boxes[:, :2] < (right, bottom)).all(1) & (boxes[:, 2:] > (left, top)).all(1)
    for index in np.flatnonzero(seen)[::-1].tolist():
        offset_xy = boxes[index, 0] - left, boxes[index, 1] - top
        paint(labels, objects.masks[index], offset_xy, index + 1, step=step)
    return labels


def paint(
    labels: Labels, mask: BoolMask, offset_xy: tuple[int, int], value: int, *, step: int = 1
) -> None:
    """Give the pixels of a mask a value, in place; what lies outside is cut off.

    Args:
        labels: [H, W], every step-th pixel of each row and column.
        mask: bool [h, w].
        offset_xy: column and row of the mask's first pixel, px before thinning, may be negative.
        value: what is written.
        step: distance of the pixels of ``labels``.
    """
    x, y = offset_xy
    # The first multiple of step at or after the offset is where the taken pixels begin.
    row, column = max(-(-y // step), 0), max(-(-x // step), 0)
    mask = mask[row * step - y :: step, column * step - x :: step]
    view = labels[row : row + mask.shape[0], column : column + mask.shape[1]]
    view[mask[: view.shape[0], : view.shape[1]]] = value


def nearest_labels(labels: Labels, reach_px: float | None = None) -> Labels:
    """Give pixels without a label that of the nearest one that has one.

    Args:
        labels: [H, W], 0 for none.
        reach_px: how far away it may be; None: however far.

    Returns:
        [H, W] of the same type.
    """
    import cv2  # heavy, and most pages do without

    free = labels == 0
    if reach_px == 0 or not free.any() or free.all():
        return labels
    # DIST_LABEL_PIXEL numbers the labelled pixels and says for all others which is nearest.
    distance, nearest = cv2.distanceTransformWithLabels(
        free.view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    owners = np.zeros(int(nearest.max()) + 1, labels.dtype)
    owners[nearest[~free]] = labels[~free]
    spread: Labels = owners[nearest]
    return spread if reach_px is None else np.where(distance <= reach_px, spread, 0)


def binary_mask(
    objects: ObjectSet,
    *,
    foreground: bool = True,
    border_erosion_px: int = 0,
    valid: BoolMask | None = None,
) -> NDArray[np.uint8]:
    """Paint whether a pixel belongs to any object.

    Args:
        objects: N objects of a raster [H, W].
        foreground: True marks objects, False what lies between them.
        border_erosion_px: width of the border that every object loses on its inside, so that
            neighbours part; objects aren't cut along the edge of the raster.
        valid: bool [H, W]; pixels without data are marked in neither case.

    Returns:
        uint8 [H, W], 255 where marked, else 0.

    Raises:
        ParameterError: a negative border, or ``valid`` of another shape.
    """
    if border_erosion_px < 0:
        raise ParameterError(f"border_erosion_px must be 0 or more, got {border_erosion_px}.")
    if valid is not None and valid.shape != objects.shape_hw:
        raise ParameterError(
            f"valid must have the shape of the raster, {list(objects.shape_hw)}, "
            f"got {list(valid.shape)}."
        )
    marked = np.zeros(objects.shape_hw, np.bool_)
    borders = np.zeros(objects.shape_hw, np.bool_)
    for item in objects:
        marked[item.slices] |= item.mask
        if border_erosion_px:
            borders[item.slices] |= _border(item, objects.shape_hw, border_erosion_px)
    marked &= ~borders
    if not foreground:
        marked = ~marked
    if valid is not None:
        marked &= valid
    return marked.astype(np.uint8) * np.uint8(255)


def write_label_raster(path: str | Path, labels: Labels, grid: GeoGrid) -> None:
    """Write a label raster as GeoTIFF, see `writing_labels`.

    Raises:
        ParameterError: the grid has another shape.
        ExportError: the file can't be written.
    """
    write_geotiff(path, labels, grid, nodata=0, color_table=_color_table(labels.dtype))


def writing_labels(
    path: str | Path, grid: GeoGrid, dtype: DTypeLike
) -> AbstractContextManager[Any]:
    """Write a label raster part by part: nodata 0, and for uint8 a colour for every id.

    Yields and raises what `writing_geotiff` does.
    """
    return writing_geotiff(path, grid, dtype, nodata=0, color_table=_color_table(dtype))


def write_mask_raster(path: str | Path, mask: NDArray[np.uint8], grid: GeoGrid) -> None:
    """Write a binary mask as GeoTIFF with nodata 0 and a table of two colours.

    Raises:
        ParameterError: the grid has another shape.
        ExportError: the file can't be written.
    """
    write_geotiff(path, mask, grid, nodata=0, color_table=_MASK_COLORS)


def writing_mask(path: str | Path, grid: GeoGrid) -> AbstractContextManager[Any]:
    """Write a binary mask part by part; yields and raises what `writing_geotiff` does."""
    return writing_geotiff(path, grid, np.uint8, nodata=0, color_table=_MASK_COLORS)


def label_dtype(highest: int) -> type[np.unsignedinteger[Any]]:
    """The smallest unsigned type that holds an id.

    Raises:
        ParameterError: none holds it that every program reads.
    """
    for kind in (np.uint8, np.uint16, np.uint32):
        if highest <= np.iinfo(kind).max:
            return kind
    raise ParameterError(f"A label raster holds ids up to 4294967295, got {highest}.")


def _border(item: SegObject, shape_hw: ShapeHW, width_px: int) -> BoolMask:
    """Pixels of an object at most ``width_px`` rows and columns from one that isn't its own."""
    import cv2  # heavy, and most pages do without

    x, y = item.offset_xy
    height, width = item.mask.shape
    # Beyond the raster nobody knows, so an object doesn't end there.
    beyond_top, beyond_left = y == 0, x == 0
    beyond_bottom, beyond_right = y + height == shape_hw[0], x + width == shape_hw[1]
    padded = np.pad(
        item.mask.astype(np.uint8),
        1,
        constant_values=((beyond_top, beyond_bottom), (beyond_left, beyond_right)),
    )
    kernel = np.ones((2 * width_px + 1, 2 * width_px + 1), np.uint8)
    # cv2 takes what lies outside its input for set, so the padding alone decides at the rim.
    kept = cv2.erode(padded, kernel)[1:-1, 1:-1].astype(np.bool_)
    return item.mask & ~kept


def _color_table(dtype: DTypeLike) -> ColorTable | None:
    if np.dtype(dtype) != np.uint8:
        return None
    colors = {i: (r, g, b, 255) for i, (r, g, b) in enumerate(object_colors(255).tolist(), start=1)}
    return {0: (0, 0, 0, 0), **colors}
