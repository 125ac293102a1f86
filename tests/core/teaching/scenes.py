"""A drawn scene whose objects are known by kind, as masks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.features import rasterize

from samgeo_core.objects import ObjectSet
from samgeo_core.reading.generated_scene import generated_scene
from samgeo_core.reading.raster import Raster

ROOF, TANK, FIELD = 1, 2, 3


@dataclass(frozen=True, eq=False)
class KnownScene:
    raster: Raster
    objects: ObjectSet
    kinds: NDArray[np.int64]


def known_scene(path: Path, *, seed: int = 4, size: int = 768) -> KnownScene:
    scene = generated_scene(path, seed=seed, size=size)
    masks = [rasterize([shape], out_shape=(size, size)).astype(bool) for shape in scene.truth_px]
    n = len(masks)
    objects = ObjectSet.build(
        (size, size), masks, [(0, 0)] * n, np.linspace(0.8, 0.95, n), np.linspace(0.9, 0.99, n)
    )
    middles = np.array([shape.centroid.coords[0] for shape in scene.truth_px])
    kinds = []
    for box in objects.boxes_xyxy:
        nearest = np.hypot(*(middles - (box[:2] + box[2:]) / 2).T).argmin()
        kinds.append(_kind(scene.truth_px[nearest]))
    return KnownScene(Raster.open(path), objects, np.array(kinds, np.int64))


def _kind(shape: Any) -> int:
    if len(shape.exterior.coords) > 50:
        return TANK
    left, top, right, bottom = shape.bounds
    upright = shape.area > 0.999 * (right - left) * (bottom - top)
    return FIELD if upright and right - left > 1.3 * (bottom - top) else ROOF
