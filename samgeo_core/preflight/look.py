"""What a raster's pixels say before a run: where data is, how bright, how busy."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from samgeo_core.preflight.needs import png_bytes_per_px
from samgeo_core.reading.raster import Raster
from samgeo_core.reading.stretch import BandTriple, StretchMode
from samgeo_core.windows import Window

DARK_VALUE = 128
"""Of 255: where 98 % of the values of every band lie below, the image hardly shows."""

_VIEW_PX = 1024
_SAMPLE_PX = 512


@dataclass(frozen=True)
class PixelLook:
    """What a sample of the pixels says.

    Attributes:
        valid_share: share of pixels that carry data, 0 to 1.
        is_dark: whether an 8-bit image hardly shows as it is stored.
        data_window: the smallest window that holds all data, to some pixels; None without any.
        png_bytes_per_px: what a pixel takes as PNG.
    """

    valid_share: float
    is_dark: bool
    data_window: Window | None
    png_bytes_per_px: float


def look_at_pixels(
    raster: Raster, bands: BandTriple | None = None, stretch: StretchMode = "auto"
) -> PixelLook:
    """Look at a sample of a raster's pixels, as the model would see them.

    Raises:
        RasterError: the file is damaged.
        ParameterError: there is no such band.
    """
    dark = raster.dtype == "uint8" and "palette" not in raster.color_interpretations
    dark = dark and max(raster.stretch(bands, "percentile").highs) < DARK_VALUE
    ranges = raster.stretch(bands, stretch)
    height, width = raster.shape_hw
    side_y, side_x = min(_SAMPLE_PX, height), min(_SAMPLE_PX, width)
    valid_share = raster.valid_share()
    window = _data_window(raster) if valid_share < 1 else Window.whole(raster.shape_hw)
    middle = window or Window.whole(raster.shape_hw)
    x = min(max(middle.x + middle.width // 2 - side_x // 2, 0), width - side_x)
    y = min(max(middle.y + middle.height // 2 - side_y // 2, 0), height - side_y)
    sample = raster.read(Window(x, y, side_x, side_y), stretch=ranges)
    return PixelLook(valid_share, dark, window, png_bytes_per_px(sample.rgb))


def _data_window(raster: Raster) -> Window | None:
    """The box of what carries data in a shrunk view, a pixel of that larger on each side."""
    height, width = raster.shape_hw
    valid = raster.preview(_VIEW_PX).valid
    rows, columns = np.flatnonzero(valid.any(1)), np.flatnonzero(valid.any(0))
    if not len(rows):
        return None
    across, down = width / valid.shape[1], height / valid.shape[0]
    x0, y0 = max(0, int((columns[0] - 1) * across)), max(0, int((rows[0] - 1) * down))
    x1 = min(width, math.ceil((columns[-1] + 2) * across))
    y1 = min(height, math.ceil((rows[-1] + 2) * down))
    return Window(x0, y0, x1 - x0, y1 - y0)
