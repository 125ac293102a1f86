"""A scene of any size with objects everywhere, and what stands in for the model on it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.windows import Window as RasterioWindow

from samgeo_core.candidates import CandidateSet, MaskCandidate
from samgeo_core.engine.ladder import Place
from samgeo_core.progress import Monitor
from samgeo_core.tile import TileImage

_PATTERN_PX = 2048


@dataclass(frozen=True)
class StandInDecoder:
    """Stands in for the model: connected bright parts (a `region_work.Finder`).

    Attributes:
        pause_s: seconds that a region takes beside that.
    """

    pause_s: float = 0.0

    @property
    def identity(self) -> dict[str, Any]:
        """See `Finder`."""
        return {"finder": "stand-in decoder: connected bright parts"}

    def __call__(self, tile: TileImage, monitor: Monitor, place: Place) -> CandidateSet:
        """See `Finder`."""
        monitor.step("decode", 0, 1)
        time.sleep(self.pause_s)
        bright = ((tile.rgb[..., 0] >= 128) & tile.valid).view(np.uint8)
        _, parts, boxes, _ = cv2.connectedComponentsWithStats(bright, connectivity=4)
        masks = []
        for i, (x, y, width, height, _) in enumerate(boxes[1:].tolist(), start=1):
            mask = parts[y : y + height, x : x + width] == i
            masks.append(MaskCandidate.of(mask, (x, y), 0.9, 0.95, (float(x), float(y))))
        return CandidateSet.collect(tile.shape_hw, [mask for mask in masks if mask is not None])


def write_scene(path: Path, side: int, step: int = 96) -> None:
    """A raster of discs, blocks, and rivers that run through all of it, square by square.

    Args:
        path: a tiled, compressed GeoTIFF of three bands.
        side: px.
        step: from one object to the next, px.
    """
    profile = {
        "driver": "GTiff", "count": 3, "height": side, "width": side, "dtype": "uint8",
        "crs": "EPSG:32633", "transform": Affine(0.5, 0, 400_000, 0, -0.5, 5_800_000),
        "tiled": True, "blockxsize": 512, "blockysize": 512, "interleave": "pixel",
        "compress": "zstd", "zstd_level": 1, "bigtiff": "IF_SAFER",
    }  # fmt: skip
    pattern = _pattern(step)
    with rasterio.open(path, "w", **profile) as target:
        for y in range(0, side, _PATTERN_PX):
            for x in range(0, side, _PATTERN_PX):
                width, height = min(_PATTERN_PX, side - x), min(_PATTERN_PX, side - y)
                part = pattern[:, :height, :width]
                target.write(part, window=RasterioWindow(x, y, width, height))


def _pattern(step: int) -> NDArray[np.uint8]:
    """One square, uint8 [3, H, W], whose river goes on in the next."""
    values = np.random.default_rng(0)
    side = _PATTERN_PX
    picture = np.full((side, side), 30, np.uint8)
    for y in range(step // 2, side, step):
        for x in range(step // 2, side, step):
            reach, bright = (
                int(values.integers(step // 8, step // 3)),
                int(values.integers(140, 250)),
            )
            if values.random() < 0.5:
                cv2.circle(picture, (x, y), reach, bright, -1)
            else:
                cv2.rectangle(picture, (x - reach, y - 5), (x + reach, y + reach), bright, -1)
    columns = np.arange(-50, side + 50)
    rows = side / 2 + 60 * np.sin(columns / side * 2 * np.pi)
    line = np.stack([columns, rows], axis=1).astype(np.int32)
    cv2.polylines(picture, [line], False, 30, 41)
    cv2.polylines(picture, [line], False, 210, 21)
    noise = values.integers(0, 12, (3, side, side)).astype(np.uint8)
    return np.stack([picture, picture // 2 + 40, 255 - picture // 2]) // 8 * 8 + noise // 2
