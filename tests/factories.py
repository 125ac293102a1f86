"""Rasters made to measure."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning

MakeRaster = Callable[..., Path]
"""The fixture `make_raster`: ``make_raster(name="image.tif", **options of write_raster)``."""

UTM_33N = Affine(0.5, 0.0, 500_000.0, 0.0, -0.5, 5_000_000.0)
"""Half a metre per pixel, north up, to go with EPSG:32633."""

_DRIVERS = {".tif": "GTiff", ".png": "PNG", ".jpg": "JPEG", ".jp2": "JP2OpenJPEG"}


def ramp(shape_hw: tuple[int, int], bands: int, dtype: str) -> np.ndarray:
    """Values [bands, H, W] from 1 to 200 (0.01 to 2.00 for floats), another pattern per band."""
    rows, cols = np.mgrid[: shape_hw[0], : shape_hw[1]]
    values = np.stack([(rows * (3 + i) + cols * (2 + 5 * i)) % 200 + 1 for i in range(bands)])
    if np.dtype(dtype).kind in "fc":
        return (values / 100).astype(dtype)
    return np.minimum(values, min(np.iinfo(dtype).max, 200)).astype(dtype)


def write_raster(
    path: Path,
    *,
    shape_hw: tuple[int, int] = (40, 60),
    bands: int = 3,
    dtype: str = "uint8",
    data: np.ndarray | None = None,
    crs: Any = "EPSG:32633",
    transform: Affine | None = UTM_33N,
    nodata: float | None = None,
    alpha: np.ndarray | None = None,
    mask: np.ndarray | None = None,
    colormap: Mapping[int, tuple[int, ...]] | None = None,
    colorinterp: Sequence[ColorInterp] | None = None,
    descriptions: Sequence[str] = (),
    gcps: Sequence[GroundControlPoint] = (),
    overviews: Sequence[int] = (),
    **profile: Any,
) -> Path:
    """Write a raster and return its path.

    Args:
        path: the suffix names the format: .tif, .png, .jpg or .jp2.
        shape_hw, bands, dtype: of the ramp that is written where ``data`` is None.
        data: values [B, H, W].
        crs, transform: where it lies; None leaves it out.
        nodata: value of missing pixels.
        alpha: [H, W], added as a last band of opacity.
        mask: bool [H, W], written as the per-dataset mask, True = valid.
        colormap: palette of band 1.
        colorinterp: meaning of the bands; three are red, green, blue without it, others none.
        descriptions: names of the first bands.
        gcps: ground control points in ``crs``, in place of a transform.
        overviews: decimation factors.
        profile: further creation options of GDAL, such as ``tiled`` or ``compress``.
    """
    values = ramp(shape_hw, bands, dtype) if data is None else data
    meaning = list(colorinterp or _default_meaning(len(values)))
    if alpha is not None:
        values = np.concatenate([values, alpha[None].astype(values.dtype)])
        meaning.append(ColorInterp.alpha)
    options = {
        "driver": _DRIVERS[path.suffix],
        "count": len(values),
        "height": values.shape[1],
        "width": values.shape[2],
        "dtype": values.dtype,
        "nodata": nodata,
        "crs": None if gcps else crs,
        "transform": None if gcps else transform,
        **profile,
    }
    env = rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True, GDAL_PAM_ENABLED=False)
    with warnings.catch_warnings(), env:
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "w", **options) as dataset:
            if path.suffix == ".tif" and colormap is None:
                dataset.colorinterp = meaning
            if gcps:
                dataset.gcps = (list(gcps), CRS.from_user_input(crs))
            if colormap is not None:
                dataset.write_colormap(1, dict(colormap))
            for i, text in enumerate(descriptions, start=1):
                dataset.set_band_description(i, text)
            dataset.write(values)
            if mask is not None:
                dataset.write_mask(mask)
            if overviews:
                dataset.build_overviews(list(overviews))
    return path


def patch_tiff(path: Path, values: Mapping[int, int]) -> None:
    """Overwrite numbers in the header of a little-endian TIFF, by tag."""
    data = bytearray(path.read_bytes())
    (start,) = struct.unpack_from("<I", data, 4)
    (entries,) = struct.unpack_from("<H", data, start)
    for at in range(start + 2, start + 2 + 12 * entries, 12):
        (tag,) = struct.unpack_from("<H", data, at)
        if tag in values:
            struct.pack_into("<I", data, at + 8, values[tag])
    path.write_bytes(data)


def _default_meaning(bands: int) -> list[ColorInterp]:
    if bands == 3:
        return [ColorInterp.red, ColorInterp.green, ColorInterp.blue]
    return [ColorInterp.gray] + [ColorInterp.undefined] * (bands - 1)
