"""What the header of an image file says, and whether to believe it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import rasterio.transform
import rasterio.windows
from affine import Affine
from rasterio.enums import Interleaving

from samgeo_core.errors import RasterTooLargeError, UnsupportedFormatError
from samgeo_core.geogrid import GeoGrid, is_invertible
from samgeo_core.reading.remote import RemoteFile
from samgeo_core.reading.source import Source

_log = logging.getLogger(__name__)

_MAX_BLOCK_BYTES = 2**30
_MAX_ATTRIBUTION = 300
_MAX_WITHOUT_OVERVIEWS = 64_000_000
_MAX_GCP_RESIDUAL_PX = 2.0


def check_header(dataset: Any, name: str, max_pixels: int) -> None:
    """Refuse what can't become a picture or doesn't fit into memory, before pixels are read.

    Raises:
        UnsupportedFormatError: the values are complex numbers.
        RasterTooLargeError: more pixels than accepted, or blocks too large to read in parts.
    """
    if any(dtype.startswith("complex") for dtype in dataset.dtypes):
        raise UnsupportedFormatError(
            f"{name} holds complex numbers ({dataset.dtypes[0]}), which are no picture; "
            "convert them to amplitudes first."
        )
    pixels = dataset.width * dataset.height
    if pixels > max_pixels:
        raise RasterTooLargeError(
            f"{name} has {dataset.width} x {dataset.height} = {pixels:,} px, more than the "
            f"{max_pixels:,} px accepted here; cut it into parts or reduce its resolution."
        )
    together = dataset.count if dataset.interleaving == Interleaving.pixel else 1
    height, width = dataset.block_shapes[0]
    block_bytes = height * width * together * np.dtype(dataset.dtypes[0]).itemsize
    if block_bytes > _MAX_BLOCK_BYTES:
        raise RasterTooLargeError(
            f"{name} is stored in blocks of {block_bytes / 2**30:.1f} GiB, too large to read in "
            "parts; rewrite it as a tiled file (gdal_translate -of COG)."
        )


def check_reach(dataset: Any, source: Source) -> None:
    """Refuse a large file at an address whose preview would need all of its bytes.

    Raises:
        RasterTooLargeError: it has no overviews.
    """
    if not isinstance(source, RemoteFile) or source.size_bytes <= _MAX_WITHOUT_OVERVIEWS:
        return
    if not dataset.overviews(1):
        raise RasterTooLargeError(
            f"{source.name} has {source.size_bytes / 1e9:,.2f} GB and no overviews, so that a "
            "look at it would fetch all of it; make it a COG (gdal_translate -of COG)."
        )


def probe(dataset: Any, *, sparing: bool = False) -> None:
    """Read pixels far apart, and one of each overview, so that a file cut short shows at once.

    Args:
        dataset: an open dataset.
        sparing: read one pixel of the coarsest overview only, as bytes come over a network.
    """
    if sparing:
        dataset.read(1, out_shape=(1, 1))
        return
    bands = [1] if dataset.interleaving == Interleaving.pixel else dataset.indexes
    right, bottom = dataset.width - 1, dataset.height - 1
    # From top to bottom: PNG and JPEG can only be decoded in this order.
    for x, y in ((0, 0), (right, 0), (right // 2, bottom // 2), (0, bottom), (right, bottom)):
        dataset.read(bands, window=rasterio.windows.Window(x, y, 1, 1))
    # Only a TIFF stores them; JPEG and JPEG 2000 compute theirs from the image.
    stored = dataset.overviews(1) if dataset.driver == "GTiff" else ()
    for factor in stored:
        width, height = min(factor, dataset.width), min(factor, dataset.height)
        corner = rasterio.windows.Window(right + 1 - width, bottom + 1 - height, width, height)
        dataset.read(bands, window=corner, out_shape=(len(bands), 1, 1))


def attribution_of(dataset: Any) -> str | None:
    """Whom a file wants to be named for it, as one line of text; None where it doesn't say."""
    tags = dataset.tags()
    told = next((tags[name] for name in ("ATTRIBUTION", "TIFFTAG_COPYRIGHT") if name in tags), "")
    line = " ".join("".join(c if c.isprintable() else " " for c in told).split())
    return line[:_MAX_ATTRIBUTION] or None


def grid_of(dataset: Any) -> GeoGrid:
    """The grid of a dataset: its transform, else one fitted to its ground control points."""
    shape = (int(dataset.height), int(dataset.width))
    transform, crs = dataset.transform, dataset.crs
    if transform == Affine.identity():
        points, gcps_crs = dataset.gcps
        fitted = _fit_gcps(points) if points else None
        if fitted is not None:
            return GeoGrid(shape, fitted, gcps_crs)
    if transform == Affine.identity() or not is_invertible(transform):
        if crs:
            _log.info("%s has a CRS but no usable transform: no georeference", dataset.name)
        return GeoGrid(shape, Affine.identity(), None)
    return GeoGrid(shape, transform, crs or None)


def _fit_gcps(points: Sequence[Any]) -> Affine | None:
    """The affine transform through ground control points; None where it misses them by pixels."""
    if len(points) < 3:
        return None
    fitted = rasterio.transform.from_gcps(points)
    if not is_invertible(fitted):
        return None
    found = [~fitted @ (point.x, point.y) for point in points]
    residuals = [
        np.hypot(x - point.col, y - point.row) for (x, y), point in zip(found, points, strict=True)
    ]
    return fitted if max(residuals) <= _MAX_GCP_RESIDUAL_PX else None
