"""Pictures of objects: each in its colour, over the image or on a transparent ground."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from samgeo_core.errors import ParameterError
from samgeo_core.geogrid import GeoGrid
from samgeo_core.objects import ObjectSet
from samgeo_core.results.colors import object_colors
from samgeo_core.results.labels import label_raster
from samgeo_core.results.pictures import is_tiff, write_picture
from samgeo_core.tile import TileImage

__all__ = ["annotation_image", "object_colors", "write_annotation"]

DEFAULT_ALPHA = 0.35
MAX_PICTURE_PX = 4096

Picture = NDArray[np.uint8]


def annotation_image(
    objects: ObjectSet,
    rgb: Picture | None = None,
    *,
    alpha: float = DEFAULT_ALPHA,
    max_px: int | None = None,
    seed: int = 0,
) -> Picture:
    """Draw every object in its colour, smaller ones over larger ones.

    Args:
        objects: N objects of a raster [H, W].
        rgb: uint8 [H, W, 3], the image to draw over; None draws on a transparent ground.
        alpha: opacity of the colours, 0 to 1.
        max_px: longest side of the picture; larger rasters are shrunk by a whole number.
        seed: another one gives other colours; see `object_colors`.

    Returns:
        uint8 [h, w, 3] over an image, [h, w, 4] without one.

    Raises:
        ParameterError: ``alpha`` or ``max_px`` is out of range, or ``rgb`` has another shape.
    """
    if not 0 <= alpha <= 1:
        raise ParameterError(f"alpha must lie between 0 (invisible) and 1 (solid), got {alpha}.")
    if max_px is not None and max_px < 1:
        raise ParameterError(f"max_px must be 1 or more, got {max_px}.")
    step = 1 if max_px is None else max(1, -(-max(objects.shape_hw) // max_px))
    labels = label_raster(objects, step=step)
    colors = np.zeros((len(objects) + 1, 3), np.uint8)
    colors[1:] = object_colors(len(objects), seed)
    if rgb is None:
        opacity = np.full((len(colors), 1), round(alpha * 255), np.uint8)
        opacity[0] = 0
        picture: Picture = np.concatenate([colors, opacity], axis=1)[labels]
        return picture
    if rgb.shape != (*objects.shape_hw, 3):
        raise ParameterError(
            f"rgb must have the shape of the raster, {[*objects.shape_hw, 3]}, "
            f"got {list(rgb.shape)}."
        )
    return _blend(rgb, labels, colors, alpha, step)


def write_annotation(
    path: str | Path,
    objects: ObjectSet,
    tile: TileImage | None = None,
    *,
    alpha: float = DEFAULT_ALPHA,
    max_px: int = MAX_PICTURE_PX,
    grid: GeoGrid | None = None,
) -> None:
    """Write the picture of `annotation_image` as a file of the kind its name ends in.

    Args:
        path: .png, .jpg, .webp, … or .tif; the file appears whole or not at all.
        objects: N objects of a raster [H, W].
        tile: the image of the whole raster to draw over.
        alpha: opacity of the colours.
        max_px: longest side of the picture. A GeoTIFF keeps all pixels.
        grid: where the raster lies; needed for .tif only.

    Raises:
        ParameterError: see `annotation_image`, or a .tif without a grid.
        ExportError: the kind of file is unknown, or it can't be written.
    """
    rgb = None if tile is None else tile.rgb
    limit = None if is_tiff(path) else max_px
    write_picture(path, annotation_image(objects, rgb, alpha=alpha, max_px=limit), grid)


def _blend(
    rgb: Picture, labels: NDArray[np.uint8], colors: Picture, alpha: float, step: int
) -> Picture:
    """Colours over the image; ``labels`` are of every step-th pixel, the image has them all."""
    share = np.uint16(round(alpha * 256))
    picture = np.array(Image.fromarray(rgb).reduce(step)) if step > 1 else rgb.copy()
    drawn = labels > 0
    mixed = picture[drawn] * (256 - share) + colors[labels[drawn]] * share
    picture[drawn] = (mixed + 128) >> 8
    return picture
