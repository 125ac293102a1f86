"""A cheap, deterministic stand-in for a model, where the plumbing around models is tested."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from scipy import ndimage

from samgeo_core.candidates import CandidateSet, MaskCandidate
from samgeo_core.engine.ladder import Place
from samgeo_core.progress import Monitor
from samgeo_core.tile import TileImage
from tests.factories import write_raster


@dataclass(frozen=True)
class BrightPartsFinder:
    """Finds connected bright parts (a `region_work.Finder`).

    Attributes:
        least: red values from here on are bright.
        pause_s: how long it takes beside the work.
        log: a file to which each call adds a line.
    """

    least: int = 128
    pause_s: float = 0.0
    log: Path | None = None

    @property
    def identity(self) -> dict[str, Any]:
        return {"finder": "bright parts", "least": self.least}

    def __call__(self, tile: TileImage, monitor: Monitor, place: Place) -> CandidateSet:
        monitor.step("decode", 0, 1)
        time.sleep(self.pause_s)
        if self.log is not None:
            with self.log.open("a") as file:
                file.write("called\n")
        parts, _ = ndimage.label((tile.rgb[..., 0] >= self.least) & tile.valid)
        masks = []
        for i, place in enumerate(ndimage.find_objects(parts), start=1):
            rows, columns = place
            mask = parts[place] == i
            y, x = np.argwhere(mask)[0]
            offset = (columns.start, rows.start)
            point = (float(columns.start + x) + 0.5, float(rows.start + y) + 0.5)
            masks.append(MaskCandidate.of(mask, offset, 0.9, 0.95, point))
        return CandidateSet.collect(tile.shape_hw, [mask for mask in masks if mask is not None])


def bright_scene(path: Path, size: int = 512, seed: int = 0, **options: Any) -> Path:
    """A dark scene with bright discs, blocks, and a river across all of it."""
    random = np.random.default_rng(seed)
    picture = np.full((size, size), 20, np.uint8)
    step = 48
    for y in range(step // 2, size, step):
        for x in range(step // 2, size, step):
            dx, dy = random.integers(-6, 7, 2).tolist()
            reach, value = int(random.integers(5, 16)), int(random.integers(140, 250))
            if random.random() < 0.5:
                cv2.circle(picture, (x + dx, y + dy), reach, value, -1)
            else:
                a, b = (x + dx - reach, y + dy - reach // 2), (x + dx + reach, y + dy + reach // 2)
                cv2.rectangle(picture, a, b, value, -1)
    river = np.array([(x, size / 2 + size / 5 * np.sin(x / size * 6)) for x in range(-9, size + 9)])
    cv2.polylines(picture, [river.astype(np.int32)], False, 20, 17)
    cv2.polylines(picture, [river.astype(np.int32)], False, 200, 9)
    data = np.stack([picture, picture // 2, 255 - picture])
    return write_raster(path, data=data, tiled=True, blockxsize=64, blockysize=64, **options)
