"""From a raster to its objects to files: the stages, joined on one screen."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from samgeo_core.area import AreaOfInterest
from samgeo_core.candidates import CandidateSet
from samgeo_core.clock import Clock, peak_memory_bytes
from samgeo_core.config import SegmentConfig, SelectionRule
from samgeo_core.crossings import CrossingBook
from samgeo_core.edits.history import EDITS_FILE, EditHistory, EditLog
from samgeo_core.errors import ExportError
from samgeo_core.geogrid import GeoGrid
from samgeo_core.merge import merge_windows
from samgeo_core.objects import BoolMask, ObjectSet
from samgeo_core.pool import CANDIDATES_FILE, CandidatePool
from samgeo_core.progress import SILENT, Monitor
from samgeo_core.reading.choosing import Given
from samgeo_core.reading.raster import Raster
from samgeo_core.reading.stretch import StretchMode
from samgeo_core.results.annotate import write_annotation
from samgeo_core.results.files import replacing
from samgeo_core.results.labels import (
    binary_mask,
    label_raster,
    write_label_raster,
    write_mask_raster,
)
from samgeo_core.tile import TileImage
from samgeo_core.windows import Window

if TYPE_CHECKING:
    from samgeo_core.engine.ladder import Place
    from samgeo_core.models.loading import LoadedModel

__all__ = ["SegmentConfig", "Segmentation", "read_record", "reselect", "segment", "write_run"]


@dataclass(frozen=True, eq=False)
class Segmentation:
    """What a run found.

    Attributes:
        objects: of the area that was segmented.
        grid: georeferencing of that area.
        tile: the pixels the model saw, for pictures.
        config: what was asked.
        record: what run.json says: parameters, hashes, counts, coverage, seconds, memory.
        candidates: of which `SegmentConfig.rule` made the objects; None where these are all.
    """

    objects: ObjectSet
    grid: GeoGrid
    tile: TileImage
    config: SegmentConfig
    record: dict[str, Any]
    candidates: CandidateSet | None = None

    @property
    def pool(self) -> CandidatePool:
        """What choosing again needs."""
        candidates = self.candidates
        if candidates is None:
            candidates = CandidateSet.of_objects(self.objects)
        return CandidatePool(candidates, self.tile.valid, self.grid)


def segment(
    raster: Raster | Given,
    config: SegmentConfig | None = None,
    *,
    area: Window | AreaOfInterest | None = None,
    model: LoadedModel | None = None,
    monitor: Monitor = SILENT,
) -> Segmentation:
    """Segment everything in a raster.

    Args:
        raster: the source: opened, or what `Raster.open` takes (path, address, folder, list).
        config: what to do; None is SAM's automatic mode with its defaults.
        area: only this part: a window, px of the raster, or a polygon of which the pixels inside
            count as data, as in `streaming.run.segment_to_folder`; None takes all.
        model: a loaded model; None loads (or reuses) the one that `config` names.
        monitor: hears of the stages "read", "load model", "encode" and "decode"; may cancel.

    Raises:
        RasterError, WeightsError, ParameterError: as their docstrings say.
        CancelledError: the monitor's token was cancelled.
    """
    raster = raster if isinstance(raster, Raster) else Raster.open(raster)
    config = config or SegmentConfig()
    clock = Clock()
    # Read first: what is wrong with source or bands should be told before a large download.
    monitor.step("read", 0, 1)
    with clock.stage("read"):
        stretch = raster.stretch(config.bands, cast(StretchMode, config.stretch))
        polygon = area if isinstance(area, AreaOfInterest) else None
        window = polygon.window(raster.shape_hw) if polygon else area
        place = window if isinstance(window, Window) else Window.whole(raster.shape_hw)
        tile = raster.read(place, stretch=stretch)
        if polygon is not None:
            tile = TileImage(tile.rgb, tile.valid & polygon.mask(place))
    if model is None:
        from samgeo_core.models.loading import cached_model

        monitor.step("load model", 0, 1)
        with clock.stage("load model"):
            model = cached_model(config.model, config.checkpoint, config.device, monitor=monitor)
    with clock.stage("segment"):
        candidates = candidates_of_tile(model, tile, config, monitor)
    grid = raster.grid.window(place)
    with clock.stage("select"):
        objects = CandidatePool(candidates, tile.valid, grid).objects(config.rule)
    record = {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "raster": raster.name,
        "raster_sha256": raster.sha256,
        **({} if raster.attribution is None else {"attribution": raster.attribution}),
        "area_px": list(place.box_xyxy),
        **({} if polygon is None else {"area_of_interest_px": polygon.to_geojson()}),
        "model": model.name,
        "model_sha256": model.sha256,
        "device": str(model.device),
        "parameters": config.to_dict(),
        "bands": list(stretch.bands),
        "stretch": stretch.to_dict(),
        "n_candidates": len(candidates),
        **object_figures(objects, tile.valid, config.rule),
        "seconds": clock.seconds,
        "peak_memory_bytes": peak_memory_bytes(),
    }
    return Segmentation(objects, grid, tile, config, record, candidates)


def object_figures(objects: ObjectSet, valid: BoolMask, rule: SelectionRule) -> dict[str, Any]:
    """What run.json says of the objects that a rule made."""
    covered = label_raster(objects) > 0
    n_valid = int(valid.sum())
    return {
        "selection": asdict(rule),
        "n_objects": len(objects),
        "coverage": round(float(covered[valid].sum()) / n_valid, 4) if n_valid else 0.0,
    }


def candidates_of_tile(
    model: LoadedModel,
    tile: TileImage,
    config: SegmentConfig,
    monitor: Monitor,
    place: Place | None = None,
) -> CandidateSet:
    """What a model offers for a tile, looked at window by window.

    Args:
        model: the model.
        tile: the pixels.
        config: how thoroughly.
        monitor: see `segment`.
        place: of the tile, if it is a region of a raster.
    """
    if config.preset in {"full", "fast"}:
        from samgeo_core.engine.full import generate_full
        from samgeo_core.engine.ladder import FullConfig

        return generate_full(model, tile, FullConfig.of_run(config), monitor, place)
    from samgeo_core.engine.automatic import generate

    windows, book = config.windows(tile.shape_hw), CrossingBook()
    if len(windows) == 1:
        objects = generate(model, tile, config.automatic, monitor, book)
        return CandidateSet.of_objects(objects, book)
    found = []
    for i, window in enumerate(windows):
        part = TileImage(np.ascontiguousarray(tile.rgb[window.slices]), tile.valid[window.slices])
        inner, noted = monitor.part(i, len(windows)), CrossingBook()
        found.append((window, generate(model, part, config.automatic, inner, noted)))
        book.take(noted, window.x, window.y)
    return CandidateSet.of_objects(merge_windows(tile.shape_hw, found), book)


def write_run(segmentation: Segmentation, out_dir: Path, monitor: Monitor = SILENT) -> None:
    """Write labels.tif, mask.tif, annotations.png, objects.gpkg, objects.npz, run.json.

    objects.gpkg holds finished outlines and all columns (`vectors.product.objects_layer`).
    And candidates.npz, of which `reselect` makes other objects without a model.

    Args:
        segmentation: what `segment` found.
        out_dir: an existing folder.
        monitor: hears of the stage "write".

    Raises:
        ExportError: a file can't be written.
    """
    clock = Clock()
    with clock.stage("write"):
        monitor.step("write", 0, 4)
        write_annotation(out_dir / "annotations.png", segmentation.objects, segmentation.tile)
        monitor.step("write", 1, 4)
        pool = segmentation.pool
        _write_objects(segmentation.objects, pool, segmentation.grid, out_dir)
        monitor.step("write", 3, 4)
        with replacing(out_dir / CANDIDATES_FILE) as partial:
            pool.save(partial)
        # Corrections of a run that lay here before are none of this one.
        (out_dir / EDITS_FILE).unlink(missing_ok=True)
    record = segmentation.record
    record = {**record, "seconds": {**record["seconds"], **clock.seconds}}
    write_record(record, out_dir / "run.json")
    monitor.step("write", 4, 4)


def reselect(run_dir: Path, rule: SelectionRule, out_dir: Path) -> dict[str, Any]:
    """Choose among a run's candidates again and write what `write_run` writes, but for pictures.

    Corrections that were made of the run hold for what is chosen now, too.

    Args:
        run_dir: folder of a run.
        rule: which candidates become objects.
        out_dir: an existing folder; not that of the run.

    Returns:
        What run.json says there: the run's record with the new rule, count and coverage.

    Raises:
        ExportError: the folder holds no run with candidates, or a file can't be written.
    """
    record = read_record(run_dir)
    grid = Raster.open(run_dir / "labels.tif").grid
    pool = CandidatePool.load(run_dir / CANDIDATES_FILE, grid)
    edits = EditLog(run_dir / EDITS_FILE).read()
    objects = pool.objects(rule, edits.active)
    _write_objects(objects, pool, grid, out_dir)
    for name in (CANDIDATES_FILE, EDITS_FILE):
        if (run_dir / name).is_file():
            with replacing(out_dir / name) as partial:
                shutil.copyfile(run_dir / name, partial)
    record = reselected_record(record, objects, pool.valid, rule, edits)
    write_record(record, out_dir / "run.json")
    return record


def reselected_record(
    record: dict[str, Any],
    objects: ObjectSet,
    valid: BoolMask,
    rule: SelectionRule,
    edits: EditHistory | None = None,
) -> dict[str, Any]:
    """A run's record with what another rule, and edits, made of its candidates."""
    parameters = {**record.get("parameters", {}), "selection": asdict(rule)}
    changed = {**record, "parameters": parameters, **object_figures(objects, valid, rule)}
    if edits is not None and edits.done:
        changed["edits"] = dict(Counter(edit.kind for edit in edits.active))
    return changed


def read_record(run_dir: Path) -> dict[str, Any]:
    """What run.json says of a run whose candidates are there.

    Raises:
        ExportError: the folder holds none.
    """
    missing = [
        n for n in ("run.json", "labels.tif", CANDIDATES_FILE) if not (run_dir / n).is_file()
    ]
    if missing == [CANDIDATES_FILE] and (run_dir / "regions").is_dir():
        raise ExportError(
            f"The run in {run_dir} went region by region: give the new rule to the command segment "
            "with that OUT_DIR, which chooses again without asking the model."
        )
    if missing:
        raise ExportError(
            f"A folder of results with {', '.join(missing)} is needed, but {run_dir} holds none: "
            "name one that the command segment wrote."
        )
    record: dict[str, Any] = json.loads((run_dir / "run.json").read_text("utf-8"))
    return record


def _write_objects(objects: ObjectSet, pool: CandidatePool, grid: GeoGrid, out_dir: Path) -> None:
    # GeoPandas and what it brings along take 90 MiB, which segmenting can do without.
    from samgeo_core.results.export import write_batches
    from samgeo_core.vectors.product import Surroundings, objects_layer
    from samgeo_core.vectors.sources import objects_in_memory

    write_label_raster(out_dir / "labels.tif", label_raster(objects), grid)
    write_mask_raster(out_dir / "mask.tif", binary_mask(objects), grid)
    around = Surroundings(grid, valid=lambda window: pool.valid[window.slices])
    layer = objects_layer(objects_in_memory(objects, None, pool.crossings), around)
    write_batches(layer, out_dir / "objects.gpkg", layer="objects")
    with replacing(out_dir / "objects.npz") as partial:
        objects.save(partial)


def write_record(record: dict[str, Any], path: Path) -> None:
    """Write what `Segmentation.record` or `reselected_record` says.

    Raises:
        ExportError: the file can't be written.
    """
    with replacing(path) as partial:
        partial.write_text(json.dumps(record, indent=2) + "\n", "utf-8")
