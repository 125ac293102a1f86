"""A raster of any size to files: region by region, in flat memory, resumable, on many machines.

    plan → missing regions → candidates → choose and join across seams → writers → run.json

`pipeline.segment` is the same for what fits into memory in one piece.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from samgeo_core.area import AreaOfInterest
from samgeo_core.clock import Clock, peak_memory_bytes
from samgeo_core.config import SegmentConfig
from samgeo_core.geogrid import GeoGrid
from samgeo_core.pool import CandidatePool
from samgeo_core.progress import SILENT, Monitor
from samgeo_core.reading.raster import Raster
from samgeo_core.reading.source import stamp_of
from samgeo_core.reading.stretch import StretchMode
from samgeo_core.results.files import folder_beside
from samgeo_core.results.kept_masks import ValidParts
from samgeo_core.results.stream_results import LABELS, Figures, put_in_place, write_results
from samgeo_core.streaming.joining import join_pools
from samgeo_core.streaming.options import StreamOptions
from samgeo_core.streaming.region_work import Finder, ModelFinder, RasterWork, block_hw, window_of
from samgeo_core.streaming.regions import Region, RegionPlan
from samgeo_core.streaming.run_folder import RunFolder, clear, locked, plan_note, unpack
from samgeo_core.streaming.scheduling import map_regions
from samgeo_core.windows import Window

logger = logging.getLogger(__name__)

_SHARED_STORAGE_S = 90.0
"""How long a file that a worker has written may take to appear here (NFS remembers for 60 s)."""


@dataclass
class Tally:
    """What happened to the regions of a run.

    Attributes:
        regions: in the plan.
        resumed: finished by an earlier start of the same run.
        skipped: beside the area of interest.
        n_candidates, n_valid_px: found and seen so far, the latter within cores.
    """

    regions: int
    resumed: int = 0
    skipped: int = 0
    n_candidates: int = 0
    n_valid_px: int = 0


def segment_to_folder(
    raster: Raster,
    out_dir: Path,
    config: SegmentConfig | None = None,
    options: StreamOptions | None = None,
    *,
    area: Window | AreaOfInterest | None = None,
    finder: Finder | None = None,
    monitor: Monitor = SILENT,
    tell: Callable[[str], None] = logger.info,
) -> dict[str, Any]:
    """Segment a raster into a folder, or go on where an earlier start of the same run ended.

    Args:
        raster: the source.
        out_dir: the folder; it keeps the candidates of finished regions beside the results.
        config: what to do. Another `SegmentConfig.selection` chooses again among what is there.
        options: how the raster is cut, and where its regions are segmented.
        area: only this part: a window, or a polygon of which the pixels inside count as data.
        finder: finds candidates; None asks the model that ``config`` names.
        monitor: hears of the stages "read", "load model", "join" (what was finished before),
            "segment" and "write labels"; may cancel.
        tell: takes sentences for the person who waits.

    Returns:
        What run.json says.

    Raises:
        ParameterError: options that contradict each other, or another run is at work there.
        RasterError, WeightsError: as in `pipeline.segment`.
        ExportError: the disk refuses; finished regions stay.
        CancelledError: the monitor says so; finished regions stay.
    """
    config, options = config or SegmentConfig(), options or StreamOptions()
    clock = Clock()
    with locked(out_dir), ExitStack() as stack:
        if options.restart:
            clear(out_dir)
        with clock.stage("read"):
            work, sha256 = _begin(raster, out_dir, config, options, area, finder, monitor)
        plan = work.plan
        tally = Tally(len(plan), resumed=work.folder.count())
        if tally.resumed:
            tell(f"Going on: {tally.resumed} of {len(plan)} regions were finished before.")
        offered = _offered(plan, work, raster.grid, tally, clock, options, monitor, tell)
        valid = ValidParts()
        with clock.stage("regions to files"), closing(offered):
            counted = _counted(offered, tally, valid)
            partial = stack.enter_context(folder_beside(out_dir / LABELS))
            wholes = join_pools(plan, counted, config, raster.grid)
            figures = write_results(
                wholes, partial, raster.grid, plan.extent, monitor, valid,
                fill_gaps=config.rule.overlap == "partition",
            )  # fmt: skip
        record = _record(raster, sha256, config, options, work, tally, figures, clock)
        put_in_place(partial, out_dir, json.dumps(record, indent=2) + "\n")
        work.folder.forget_others()
    return record


def _begin(
    raster: Raster,
    out_dir: Path,
    config: SegmentConfig,
    options: StreamOptions,
    area: Window | AreaOfInterest | None,
    finder: Finder | None,
    monitor: Monitor,
) -> tuple[RasterWork, str]:
    """What is done with which regions, as the run's folder says from now on; the source's hash."""
    monitor.step("read", 0, 1)
    stretch = raster.stretch(config.bands, cast(StretchMode, config.stretch))
    finder = finder or ModelFinder.of(config, monitor)
    polygon = area if isinstance(area, AreaOfInterest) else None
    plan = RegionPlan(
        raster.shape_hw,
        options.region_px,
        options.margin_px,
        window_of(raster, area),
        block_hw(raster),
    )
    source = _source(raster, out_dir)
    question = {
        "raster_sha256": source["sha256"],
        "bands": list(stretch.bands),
        "stretch": stretch.to_dict(),
        "finder": finder.identity,
        "plan": json.loads(json.dumps(asdict(plan))),
        "area": polygon.digest if polygon else None,
    }
    folder = RunFolder.begin(out_dir, question, {"source": source, "raster": raster.name})
    source_, size = raster.source, raster.size_bytes
    work = RasterWork(source_, size, stretch.bands, stretch, finder, plan, folder, polygon)
    return work, source["sha256"]


def _source(raster: Raster, out_dir: Path) -> dict[str, Any]:
    """Size, time and hash of the source; a file that has not been touched isn't hashed again."""
    changed, size = stamp_of(raster.source)
    stamp = {"size": size, "mtime_ns": changed}
    known = plan_note(out_dir).get("source", {})
    if {key: known.get(key) for key in stamp} == stamp and "sha256" in known:
        return dict(known)
    return {**stamp, "sha256": raster.sha256}


def _offered(
    plan: RegionPlan,
    work: RasterWork,
    grid: GeoGrid,
    tally: Tally,
    clock: Clock,
    options: StreamOptions,
    monitor: Monitor,
    tell: Callable[[str], None],
) -> Generator[tuple[Region, CandidatePool]]:
    """The regions of the area, in the order of the plan, with what each offers."""
    folder = work.folder
    arriving = map_regions(
        work,
        (region for region in plan if work.wants(region) and not folder.has(region)),
        scheduler=options.scheduler,
        done=tally.resumed,
        total=len(plan),
        monitor=monitor,
        on_dashboard=lambda link: tell(f"Dashboard of the cluster: {link}"),
    )
    going_on = True
    with closing(arriving):
        for region in plan:
            if not work.wants(region):
                tally.skipped += 1
                continue
            going_on = going_on and folder.has(region)
            if going_on:
                monitor.step("join", region.index, len(plan))
            # Others may arrive first; they wait on the disk for their turn.
            with clock.stage("segment"):
                while arriving.ready() or not folder.has(region):
                    if (arrived := next(arriving, None)) is None:
                        break
                    made, data = arrived
                    if data is not None:
                        folder.store(made, data)
                pool = _load(region, work, grid, monitor)
            yield region, pool


def _load(region: Region, work: RasterWork, grid: GeoGrid, monitor: Monitor) -> CandidatePool:
    """What a finished region offered; one whose file is damaged or lost is looked at again."""
    patience = time.monotonic() + _SHARED_STORAGE_S
    known = work.folder.has(region)
    while not known and time.monotonic() < patience:
        if monitor.cancel is not None:
            monitor.cancel.raise_if_cancelled()
        time.sleep(0.25)
        known = work.folder.has(region)
    pool = work.folder.load(region, grid) if known else None
    if pool is None:
        data = work.find(region, work.read(region), monitor)
        work.folder.store(region, data)
        pool = unpack(data, grid.window(region.window))
    return pool


def _counted(
    offered: Iterable[tuple[Region, CandidatePool]], tally: Tally, valid: ValidParts
) -> Iterator[tuple[Region, CandidatePool]]:
    for region, pool in offered:
        rows, columns = region.core.slices
        x, y = region.window.x, region.window.y
        core = pool.valid[rows.start - y : rows.stop - y, columns.start - x : columns.stop - x]
        valid.add(core, (columns.start, rows.start))
        tally.n_valid_px += int(core.sum())
        tally.n_candidates += len(pool.candidates)
        yield region, pool


def _record(
    raster: Raster,
    sha256: str,
    config: SegmentConfig,
    options: StreamOptions,
    work: RasterWork,
    tally: Tally,
    figures: Figures,
    clock: Clock,
) -> dict[str, Any]:
    """What run.json says."""
    covered = figures.covered_px / tally.n_valid_px if tally.n_valid_px else 0.0
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "raster": raster.name,
        "raster_sha256": sha256,
        **({} if raster.attribution is None else {"attribution": raster.attribution}),
        "area_px": list(work.plan.extent.box_xyxy),
        **({} if work.area is None else {"area_of_interest_px": work.area.to_geojson()}),
        **{k: v for k, v in work.finder.identity.items() if k in ("model", "model_sha256")},
        "parameters": config.to_dict(),
        "bands": list(work.bands),
        "stretch": work.stretch.to_dict(),
        "streaming": {
            "key": work.folder.key,
            "region_px": work.plan.region_px,
            "margin_px": work.plan.margin_px,
            "scheduler": options.scheduler,
            "regions": tally.regions,
            "resumed": tally.resumed,
            "skipped": tally.skipped,
        },
        "n_candidates": tally.n_candidates,
        "selection": asdict(config.rule),
        "n_objects": figures.n_objects,
        "coverage": round(covered, 4),
        "seconds": clock.seconds,
        "peak_memory_bytes": peak_memory_bytes(),
    }
