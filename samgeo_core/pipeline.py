"""From a raster to its objects to files: the stages, joined on one screen."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from samgeo_core.config import SegmentConfig
from samgeo_core.geogrid import GeoGrid
from samgeo_core.merge import merge_windows
from samgeo_core.objects import ObjectSet
from samgeo_core.progress import SILENT, Monitor
from samgeo_core.reading.raster import Raster
from samgeo_core.reading.stretch import StretchMode
from samgeo_core.results.annotate import write_annotation
from samgeo_core.results.export import write_vector
from samgeo_core.results.files import replacing
from samgeo_core.results.labels import (
    binary_mask,
    label_raster,
    write_label_raster,
    write_mask_raster,
)
from samgeo_core.results.vectorize import vectorize
from samgeo_core.selection import SelectionRule, select
from samgeo_core.tile import TileImage
from samgeo_core.windows import Window

if TYPE_CHECKING:
    from samgeo_core.models.loading import LoadedModel

__all__ = ["SegmentConfig", "Segmentation", "segment", "write_run"]


@dataclass(frozen=True, eq=False)
class Segmentation:
    """What a run found.

    Attributes:
        objects: of the area that was segmented.
        grid: georeferencing of that area.
        tile: the pixels the model saw, for pictures.
        config: what was asked.
        record: what run.json says: parameters, hashes, counts, coverage, seconds, memory.
    """

    objects: ObjectSet
    grid: GeoGrid
    tile: TileImage
    config: SegmentConfig
    record: dict[str, Any]


class _Clock:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - start, 3)


def segment(
    raster: Raster,
    config: SegmentConfig | None = None,
    *,
    area: Window | None = None,
    model: LoadedModel | None = None,
    monitor: Monitor = SILENT,
) -> Segmentation:
    """Segment everything in a raster.

    Args:
        raster: the source.
        config: what to do; None is SAM's automatic mode with its defaults.
        area: only this part, px of the raster; None takes all.
        model: a loaded model; None loads (or reuses) the one that `config` names.
        monitor: hears of the stages "read", "load model", "encode" and "decode"; may cancel.

    Raises:
        RasterError, WeightsError, ParameterError: as their docstrings say.
        CancelledError: the monitor's token was cancelled.
    """
    config = config or SegmentConfig()
    clock = _Clock()
    # Read first: what is wrong with source or bands should be told before a large download.
    monitor.step("read", 0, 1)
    with clock.stage("read"):
        bands = config.bands or raster.default_bands()
        stretch = raster.stretch(bands, cast(StretchMode, config.stretch))
        tile = raster.read(area, bands=bands, stretch=stretch)
    if model is None:
        from samgeo_core.models.loading import cached_model

        monitor.step("load model", 0, 1)
        with clock.stage("load model"):
            model = cached_model(config.model, config.checkpoint, config.device, monitor=monitor)
    with clock.stage("segment"):
        objects = _segment_tile(model, tile, config, monitor)
    whole = Window.whole(raster.grid.shape_hw)
    grid = raster.grid.window(area or whole)
    covered = label_raster(objects) > 0
    n_valid = int(tile.valid.sum())
    record = {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "raster": raster.path.name,
        "raster_sha256": raster.sha256,
        "area_px": list((area or whole).box_xyxy),
        "model": model.name,
        "model_sha256": model.sha256,
        "device": str(model.device),
        "parameters": config.to_dict(),
        "bands": list(bands),
        "stretch": stretch.to_dict(),
        "n_objects": len(objects),
        "coverage": round(float(covered[tile.valid].sum()) / n_valid, 4) if n_valid else 0.0,
        "seconds": clock.seconds,
        "peak_memory_bytes": _peak_memory_bytes(),
    }
    return Segmentation(objects, grid, tile, config, record)


def _segment_tile(
    model: LoadedModel, tile: TileImage, config: SegmentConfig, monitor: Monitor
) -> ObjectSet:
    """Objects of a tile, looked at window by window."""
    if config.preset == "full":
        from samgeo_core.engine.full import generate_full

        return select(generate_full(model, tile, monitor=monitor), SelectionRule())
    from samgeo_core.engine.automatic import generate

    windows = config.windows(tile.shape_hw)
    if len(windows) == 1:
        return generate(model, tile, config.automatic, monitor)
    found = []
    for i, window in enumerate(windows):
        part = TileImage(np.ascontiguousarray(tile.rgb[window.slices]), tile.valid[window.slices])
        inner = monitor.part(i, len(windows))
        found.append((window, generate(model, part, config.automatic, inner)))
    return merge_windows(tile.shape_hw, found)


def write_run(segmentation: Segmentation, out_dir: Path, monitor: Monitor = SILENT) -> None:
    """Write labels.tif, mask.tif, annotations.png, objects.gpkg, objects.npz and run.json.

    Args:
        segmentation: what `segment` found.
        out_dir: an existing folder.
        monitor: hears of the stage "write".

    Raises:
        ExportError: a file can't be written.
    """
    objects, grid = segmentation.objects, segmentation.grid
    clock = _Clock()
    with clock.stage("write"):
        monitor.step("write", 0, 4)
        write_label_raster(out_dir / "labels.tif", label_raster(objects), grid)
        write_mask_raster(out_dir / "mask.tif", binary_mask(objects), grid)
        monitor.step("write", 1, 4)
        write_annotation(out_dir / "annotations.png", objects, segmentation.tile)
        monitor.step("write", 2, 4)
        write_vector(vectorize(objects, grid), out_dir / "objects.gpkg", layer="objects")
        monitor.step("write", 3, 4)
        with replacing(out_dir / "objects.npz") as partial:
            objects.save(partial)
    record = segmentation.record
    record = {**record, "seconds": {**record["seconds"], **clock.seconds}}
    with replacing(out_dir / "run.json") as partial:
        partial.write_text(json.dumps(record, indent=2) + "\n", "utf-8")
    monitor.step("write", 4, 4)


def _peak_memory_bytes() -> int | None:
    """Most memory this process held so far; None where the system doesn't tell."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
