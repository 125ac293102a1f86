"""Arrays written as the kind of image file that their name asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from samgeo_core.errors import ExportError, ParameterError
from samgeo_core.geogrid import GeoGrid
from samgeo_core.results.files import replacing
from samgeo_core.results.geotiff import write_geotiff

_TIFF_SUFFIXES = {".tif", ".tiff"}


def is_tiff(path: str | Path) -> bool:
    """Whether a file of this name is a GeoTIFF."""
    return Path(path).suffix.lower() in _TIFF_SUFFIXES


def write_picture(
    path: str | Path,
    picture: NDArray[Any],
    grid: GeoGrid | None = None,
    *,
    nodata: float | None = None,
) -> None:
    """Write an image, whole or not at all.

    Args:
        path: .tif keeps values, type and place; .png, .jpg, .webp, … keep what such a file can.
        picture: [H, W], or uint8 [H, W, 3] or [H, W, 4].
        grid: where it lies; needed for .tif only.
        nodata: value that marks missing pixels in a .tif.

    Raises:
        ParameterError: a .tif without a grid, or with one of another shape.
        ExportError: the kind of file is unknown or can't hold these values, or it can't be written.
    """
    target = Path(path)
    if is_tiff(target):
        if grid is None:
            raise ParameterError("A GeoTIFF picture needs the grid of its raster, got none.")
        bands = np.moveaxis(picture, 2, 0) if picture.ndim == 3 else picture
        write_geotiff(target, bands, grid, nodata=nodata)
        return
    kind = Image.registered_extensions().get(target.suffix.lower())
    if kind is None or kind not in Image.SAVE:
        raise ExportError(
            f"A picture's name must end in .tif, .png or .jpg, got {target.name}: rename it."
        )
    deepest = 65535 if kind == "PNG" else 255
    if picture.size and not 0 <= picture.min() <= picture.max() <= deepest:
        raise ExportError(
            f"{kind} holds values from 0 to {deepest}, but {target.name} would need "
            f"{picture.min()} to {picture.max()}: write a .tif."
        )
    small = np.uint8 if not picture.size or picture.max() <= 255 else np.uint16
    image = Image.fromarray(picture.astype(small))
    with replacing(target) as temporary:
        # JPEG knows no transparency: what is transparent elsewhere is black there.
        image = image.convert("RGB") if kind == "JPEG" and image.mode == "RGBA" else image
        image.save(temporary, kind)
