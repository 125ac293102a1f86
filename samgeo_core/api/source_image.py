"""The image a script names: a file, or an array that becomes one, so that all else knows files."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import rasterio
import rasterio.shutil
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.dtypes import in_dtype_range

from samgeo_core.api.prompts import parse_crs
from samgeo_core.errors import ParameterError
from samgeo_core.reading.channels import Channel
from samgeo_core.reading.choosing import Given
from samgeo_core.reading.raster import Raster
from samgeo_core.reading.sources import accept_pixels_without_place, open_dataset
from samgeo_core.reading.stretch import BandTriple
from samgeo_core.tile import TileImage

Source = str | Path | list[str | Path] | NDArray[Any]

_STORED_AS = {"bool": "uint8", "float16": "float32", "float128": "float64", "longdouble": "float64"}


@dataclass(frozen=True, eq=False)
class SourceImage:
    """An opened source and the bands that are looked at.

    Attributes:
        raster: the file, or the temporary copy of an array.
        bands: three bands, 1-based, shown to the model as red, green, blue.
        name: the path as it was given; None for an array.
    """

    raster: Raster
    bands: BandTriple
    name: str | None

    @classmethod
    def open(
        cls,
        source: Source,
        bands: Sequence[Channel] | None = None,
        *,
        nodata: float | None = None,
        crs: str | int | CRS | None = None,
        transform: Affine | None = None,
    ) -> SourceImage:
        """Open a file or array.

        Args:
            source: path, address, folder or a list of these, or [H, W] or [H, W, bands].
            bands: three bands, or one; the raster's red, green and blue where None.
            nodata: value of pixels without data, if the source doesn't say.
            crs: of an array; a file brings its own.
            transform: pixel to CRS coordinates of an array.

        Raises:
            ParameterError: an argument is wrong.
            RasterError: the file can't be opened.
        """
        name = None if isinstance(source, np.ndarray) else _name(source)
        if name is not None and (crs is not None or transform is not None):
            raise ParameterError("crs and transform place an array; a file brings its own.")
        if name is not None and nodata is None:
            raster = Raster.open(cast(Given, source))
            return cls(raster, raster.stretch(bands, "none").bands, name)
        folder = Path(tempfile.mkdtemp(prefix="samgeo-"))
        try:
            raster = _copy(source, folder / "source.tif", nodata, crs, transform)
            image = cls(raster, raster.stretch(bands, "none").bands, name)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        weakref.finalize(image, shutil.rmtree, folder, ignore_errors=True)
        return image

    @cached_property
    def tile(self) -> TileImage:
        """All of its pixels as the model sees them."""
        return self.raster.read(stretch=self.raster.stretch(self.bands))


def _name(source: Source) -> str:
    """What scripts call a file, an address, or several."""
    return ", ".join(map(str, source)) if isinstance(source, list | tuple) else str(source)


def _copy(
    source: Source,
    path: Path,
    nodata: float | None,
    crs: str | int | CRS | None,
    transform: Affine | None,
) -> Raster:
    """A copy of a source, with nodata or a place that it doesn't have itself."""
    if isinstance(source, np.ndarray):
        write_array(path, source, crs=crs, transform=transform, nodata=nodata)
    elif nodata is not None:
        write_with_nodata(path, Raster.open(cast(Given, source)), nodata)
    return Raster.open(path)


def write_array(
    path: Path,
    array: NDArray[Any],
    *,
    crs: str | int | CRS | None = None,
    transform: Affine | None = None,
    nodata: float | None = None,
) -> None:
    """Write an image array as a GeoTIFF, every band as it is.

    Args:
        path: of the file.
        array: [H, W] or [H, W, bands], numbers of any kind; True becomes 255. NaN is no data.
        crs: coordinate reference system, None for none.
        transform: pixel to CRS coordinates; pixels where None.
        nodata: value of pixels without data.

    Raises:
        ParameterError: the array is no image, or the CRS is unknown.
    """
    bands = _as_bands(array)
    place = parse_crs(crs)
    if (place is None) != (transform is None):
        raise ParameterError("An array's place needs both crs and transform, or neither.")
    if nodata is not None:
        _check_nodata(nodata, bands.dtype.name)
    elif bands.dtype.kind == "f":
        nodata = float("nan")
    # NOTE: without ALPHA=NO a fourth band of uint8 would be taken for opacity.
    options = {"photometric": "RGB", "ALPHA": "NO"} if len(bands) > 2 else {}
    height, width = bands.shape[1:]
    accept_pixels_without_place()
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=height,
        width=width,
        count=len(bands),
        dtype=bands.dtype,
        crs=place,
        transform=Affine.identity() if transform is None else transform,
        nodata=nodata,
        tiled=True,
        bigtiff="IF_SAFER",
        **options,
    ) as dataset:
        dataset.write(bands)


def _as_bands(array: NDArray[Any]) -> NDArray[Any]:
    """Bands [C, H, W] of an image in a type that GeoTIFF stores."""
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or not array.size:
        raise ParameterError(
            f"An image must be an array [H, W] or [H, W, bands], got {list(array.shape)}."
        )
    if array.shape[0] <= 4 and min(array.shape[1:]) > 16:
        raise ParameterError(
            f"An image must have its bands last, [H, W, bands], got {list(array.shape)}: "
            "move the first axis to the end."
        )
    if array.dtype.kind not in "buif":
        raise ParameterError(f"An image must hold numbers, got {array.dtype}.")
    stored = np.dtype(_STORED_AS.get(array.dtype.name, array.dtype.name))
    bands: NDArray[Any] = np.moveaxis(array, -1, 0).astype(stored)
    return bands * stored.type(255) if array.dtype.kind == "b" else bands


def write_with_nodata(path: Path, raster: Raster, nodata: float) -> None:
    """Copy a raster as a GeoTIFF whose nodata is another value.

    Raises:
        ParameterError: the raster's type can't hold the value.
    """
    _check_nodata(nodata, raster.dtype)
    with open_dataset(raster.path) as dataset:
        rasterio.shutil.copy(dataset, path, driver="GTiff", bigtiff="IF_SAFER")
    with rasterio.open(path, "r+") as copy:
        copy.nodata = nodata


def _check_nodata(nodata: float, dtype: str) -> None:
    if not in_dtype_range(nodata, dtype):
        raise ParameterError(f"nodata must be a value of the image's type {dtype}, got {nodata}.")
