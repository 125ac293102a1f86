"""What processes of `benchmarks.writing` measure."""

from __future__ import annotations

import importlib.util
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.memory import Cost, metered
from benchmarks.runner import Measurement
from benchmarks.writing import PX_PER_OBJECT
from samgeo_core.geogrid import GeoGrid
from samgeo_core.wholes import WholeObject

if TYPE_CHECKING:
    from samgeo_core.results.label_writer import LabelWriter
    from samgeo_core.results.vector_writer import VectorWriter

_CELL_PX = math.isqrt(PX_PER_OBJECT)
_REGION_CELLS = 16
"""Objects come in groups, as they do from regions of about 1000 px."""


def labels_of_wholes(count: int, labels: str, mask: str | None = None) -> Measurement:
    """`LabelWriter`: objects of a generated scene to a label raster and, if wanted, a mask."""
    from samgeo_core.results.label_writer import LabelWriter

    grid = _grid(count)
    with metered() as cost:
        seconds = _written(LabelWriter(labels, grid, mask_path=mask), count)
    return Measurement({
        "seconds": seconds, "own_bytes": cost.own_bytes, "peak_bytes": cost.peak_bytes,
        "side_px": grid.shape_hw[0],
    })  # fmt: skip


def signed_labels(labels: str, target: str) -> Measurement:
    """A label raster as int32: rasterio.features.shapes, and so the peer, refuses uint32."""
    import rasterio

    with rasterio.open(labels) as source:
        profile = {**source.profile, "driver": "GTiff", "dtype": "int32"}
        with rasterio.open(target, "w", **profile) as copy:
            for _, window in source.block_windows(1):
                copy.write(source.read(window=window).astype(np.int32), window=window)
    return Measurement({})


def _written(opening: LabelWriter | VectorWriter, count: int) -> float:
    """Seconds of a writer's calls, without making the scene."""
    seconds = 0.0
    with opening as writer:
        for objects in _scene(count):
            start = time.perf_counter()
            writer.append(objects)
            seconds += time.perf_counter() - start
        start = time.perf_counter()
    return seconds + time.perf_counter() - start


def vectors_of_peer(labels: str, peer: str, target: str) -> Measurement:
    """samgeo's raster_to_vector. NOTE: of the package only this module, which needs no others."""
    path = Path(peer) / "samgeo" / "common.py"
    spec = importlib.util.spec_from_file_location("samgeo_common", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no module.")
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with metered() as cost:
        module.raster_to_vector(labels, target)
    return _layer(cost.seconds, cost, Path(target))


def vectors_of_wholes(count: int, target: str) -> Measurement:
    """`VectorWriter`: objects of a generated scene to a GeoPackage."""
    from samgeo_core.results.vector_writer import VectorWriter

    with metered() as cost:
        seconds = _written(VectorWriter(target, _grid(count)), count)
    return _layer(seconds, cost, Path(target))


def vectors_of_labels(labels: str, target: str) -> Measurement:
    """`label_batches` and `write_batches`: from the raster, as the peer does."""
    from samgeo_core.results.export import write_batches
    from samgeo_core.results.vectorize import label_batches

    with metered() as cost:
        write_batches(label_batches(labels), target)
    return _layer(cost.seconds, cost, Path(target))


def _layer(seconds: float, cost: Cost, target: Path) -> Measurement:
    import geopandas as gpd

    frame = gpd.read_file(target)
    target.unlink()
    return Measurement({
        "seconds": seconds, "own_bytes": cost.own_bytes, "peak_bytes": cost.peak_bytes,
        "features": len(frame),
        "invalid": int((~frame.is_valid).sum()), "columns": frame.shape[1] - 1,
    })  # fmt: skip


def _cells(count: int) -> int:
    """Cells a side of a square scene."""
    return math.ceil(math.sqrt(count))


def _grid(count: int) -> GeoGrid:
    from affine import Affine
    from rasterio.crs import CRS

    side = _cells(count) * _CELL_PX
    return GeoGrid(
        (side, side), Affine(0.25, 0, 500_000, 0, -0.25, 5_000_000), CRS.from_epsg(32633)
    )


def _scene(count: int) -> Iterator[list[WholeObject]]:
    """A ragged blob with holes about each cell of a square, region by region, some in two pieces.

    Blobs are larger than cells, so that neighbours overlap.
    """
    from scipy import ndimage

    random, cells, size = np.random.default_rng(0), _cells(count), _CELL_PX
    noise = ndimage.gaussian_filter(random.random((1024, 1024)), 6)
    level = float(np.quantile(noise, 0.35))
    number = 0
    for top in range(0, cells, _REGION_CELLS):
        for left in range(0, cells, _REGION_CELLS):
            objects = []
            for row in range(top, min(top + _REGION_CELLS, cells)):
                for column in range(left, min(left + _REGION_CELLS, cells)):
                    if number == count:
                        break
                    number += 1
                    x, y = column * size, row * size
                    h = min(int(random.integers(20, size * 7 // 5)), cells * size - y)
                    w = min(int(random.integers(20, size * 7 // 5)), cells * size - x)
                    v, u = random.integers(0, 1024 - 100, 2)
                    mask = noise[v : v + h, u : u + w] > level
                    if not mask.any():
                        mask[:] = True
                    cut = w // 2 if random.random() < 0.15 else w
                    pieces = [((x, y), mask[:, :cut]), ((x + cut, y), mask[:, cut:])]
                    objects.append(
                        WholeObject(
                            number, 0, [p for p in pieces if p[1].size], 0.9, 0.95,
                            (x + w / 2, y + h / 2), int(mask.sum()), (x, y, x + w, y + h),
                        )
                    )  # fmt: skip
            yield objects
