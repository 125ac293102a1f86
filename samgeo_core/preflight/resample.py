"""A raster at another ground resolution, as a GeoTIFF of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio.windows
from affine import Affine
from rasterio.enums import Resampling

from samgeo_core.errors import ExportError, ParameterError
from samgeo_core.progress import SILENT, Monitor
from samgeo_core.reading.raster import Raster
from samgeo_core.reading.sources import open_dataset
from samgeo_core.results.files import replacing
from samgeo_core.windows import ShapeHW

MOST_PIXELS = 400_000_000
"""Of the larger of both rasters: more would keep a visitor waiting for minutes."""

_BLOCK_PX = 512


@dataclass(frozen=True)
class Resampled:
    """How a raster looks at another scale.

    Attributes:
        shape_hw: height and width, px.
        factor_yx: how many of its pixels lie along one of the source's, down and across.
    """

    shape_hw: ShapeHW
    factor_yx: tuple[float, float]

    @classmethod
    def to_gsd(cls, raster: Raster, gsd_m: float) -> Resampled:
        """At a ground sample distance, m per px.

        Raises:
            ParameterError: the raster's place on Earth is unknown, or it would be too large or less
                than a pixel.
        """
        if raster.grid.gsd_m is None:
            raise ParameterError(
                "A raster without a place on Earth has no ground resolution: give a factor."
            )
        return cls.by_factor(raster, raster.grid.gsd_m / gsd_m)

    @classmethod
    def by_factor(cls, raster: Raster, factor: float) -> Resampled:
        """Larger or smaller by a factor along each side.

        Raises:
            ParameterError: it would be too large, or less than a pixel.
        """
        height, width = raster.shape_hw
        if not 0.001 <= factor <= 16:
            raise ParameterError(f"The factor must be 0.001 to 16, got {factor:g}.")
        shape_hw = max(1, round(height * factor)), max(1, round(width * factor))
        most = max(height * width, shape_hw[0] * shape_hw[1])
        if most > MOST_PIXELS:
            raise ParameterError(
                f"Only up to {MOST_PIXELS / 1e6:,.0f} megapixels are resampled here, got "
                f"{most / 1e6:,.0f}: use gdalwarp -tr beforehand, or run on an area."
            )
        return cls(shape_hw, (shape_hw[0] / height, shape_hw[1] / width))


def write_resampled(raster: Raster, to: Resampled, path: Path, monitor: Monitor = SILENT) -> None:
    """Write a raster at another scale: all bands, type, nodata, place, names and colours.

    Pixels are averaged on the way down and interpolated (cubic) on the way up; palettes take the
    nearest. What carries no data doesn't mix with what does.

    Raises:
        RasterError: the source is damaged.
        ExportError: the file can't be written.
        CancelledError: the monitor says so.
    """
    height, width = to.shape_hw
    down = min(to.factor_yx) < 1
    resampling = Resampling.average if down else Resampling.cubic
    with open_dataset(raster.source) as source, replacing(path) as partial:
        palette = any(c.name == "palette" for c in source.colorinterp)
        resampling = Resampling.nearest if palette else resampling
        profile = {
            "driver": "GTiff", "width": width, "height": height, "count": source.count,
            "dtype": source.dtypes[0], "crs": source.crs, "nodata": source.nodata,
            "transform": source.transform
            @ Affine.scale(1 / to.factor_yx[1], 1 / to.factor_yx[0]),
            "tiled": True, "blockxsize": _BLOCK_PX, "blockysize": _BLOCK_PX,
            "compress": "deflate", "BIGTIFF": "IF_SAFER",
        }  # fmt: skip
        try:
            with rasterio.open(partial, "w", **profile) as target:
                target.update_tags(**source.tags())
                target.colorinterp = source.colorinterp
                target.descriptions = source.descriptions
                if palette:
                    target.write_colormap(1, source.colormap(1))
                for y in range(0, height, _BLOCK_PX):
                    monitor.step("resample", y, height)
                    rows = min(_BLOCK_PX, height - y)
                    _write_rows(source, target, y, rows, to, resampling)
        except (rasterio.errors.RasterioError, OSError) as error:
            raise ExportError(f"The resampled image can't be written ({error}).") from error


def _write_rows(
    source: rasterio.DatasetReader, target: rasterio.io.DatasetWriter, y: int, rows: int,
    to: Resampled, resampling: Resampling,
) -> None:  # fmt: skip
    """Some rows of the target, and their validity where it isn't in the values."""
    scale = 1 / to.factor_yx[0]
    place = rasterio.windows.Window(0, y * scale, source.width, rows * scale)
    shape = (rows, to.shape_hw[1])
    at = rasterio.windows.Window(0, y, shape[1], rows)
    values = source.read(window=place, out_shape=(source.count, *shape), resampling=resampling)
    target.write(np.asarray(values), window=at)
    flags = source.mask_flag_enums[0]
    if rasterio.enums.MaskFlags.per_dataset in flags and (
        rasterio.enums.MaskFlags.alpha not in flags
    ):
        mask = source.read_masks(1, window=place, out_shape=shape, resampling=Resampling.nearest)
        target.write_mask(mask, window=at)
