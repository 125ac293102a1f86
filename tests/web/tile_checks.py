"""Looking at tiles in tests."""

from __future__ import annotations

import io
import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from samgeo_core.web.frame import TILE_PX, MapFrame

RGBAPixels = NDArray[np.uint8]


def decode(png: bytes) -> RGBAPixels:
    """A tile as uint8 [256, 256, 4]."""
    image = Image.open(io.BytesIO(png))
    assert (image.format, image.mode, image.size) == ("PNG", "RGBA", (TILE_PX, TILE_PX))
    return np.asarray(image)


def place_on_tiles(frame: MapFrame, z: int, x_px: float, y_px: float) -> tuple[int, int, int, int]:
    """Tile column and row, and pixel column and row in it, of a place in the raster.

    Written after Leaflet's own formulas, apart from the code under test.
    """
    lng, lat = frame.to_lnglat(np.array([[x_px, y_px]]))[0]
    if frame.is_geographic:
        sine = math.sin(math.radians(lat))
        right = 0.5 + lng / 360
        down = 0.5 - math.log((1 + sine) / (1 - sine)) / (4 * math.pi)
        world_x, world_y = right * TILE_PX * 2**z, down * TILE_PX * 2**z
    else:
        world_x, world_y = lng * 2**z, -lat * 2**z
    column, row = int(world_x // TILE_PX), int(world_y // TILE_PX)
    return column, row, int(world_x - column * TILE_PX), int(world_y - row * TILE_PX)
