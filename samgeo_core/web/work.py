"""Starting a segmentation in the background, and going on with one that ended before its time."""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from samgeo_core.errors import ExportError, ParameterError
from samgeo_core.progress import Monitor
from samgeo_core.streaming.options import StreamOptions
from samgeo_core.streaming.run_folder import finished_regions, share_regions
from samgeo_core.web.context import AppContext
from samgeo_core.web.jobs import Work
from samgeo_core.web.records import Run, Scene
from samgeo_core.windows import Window

if TYPE_CHECKING:
    from samgeo_core.config import SelectionRule
    from samgeo_core.pipeline import SegmentConfig
    from samgeo_core.reading.raster import Raster

logger = logging.getLogger(__name__)

MOST_UNFINISHED_RUNS = 5
"""How many runs of one owner may be queued or running."""

_ADDRESS = re.compile(r"https?://\S+")


def start_segmentation(
    context: AppContext,
    scene: Scene,
    config: SegmentConfig,
    owner: str,
    *,
    area: Window | None = None,
) -> Run:
    """Make a run and queue the work for it; ask ``context.jobs.job(run.run_id)`` how it goes.

    What is larger than a region is segmented region by region, and can go on when it was ended.

    Args:
        context: the process's context.
        scene: what to segment.
        config: model and parameters.
        owner: token of the visitor.
        area: part of the scene in raster px; None for the whole.

    Raises:
        RasterError: the scene's file is gone.
        ParameterError: the owner has as many unfinished runs as one may have.
    """
    raster = scene.raster
    _check_queue(context, owner)
    regions = StreamOptions.of_region(context.settings.region_px)
    is_large = regions.cuts(area.shape_hw if area else raster.shape_hw)
    run = context.store.new_run(
        scene, config.to_dict(), owner, area=area, regions=regions if is_large else None
    )
    if is_large:
        work = _region_by_region(context, run, raster, config)
    else:
        work = _in_one_piece(run, raster, config)
    context.jobs.submit(run.run_id, work)
    return run


def go_on(context: AppContext, run_id: str) -> Run:
    """Queue the rest of a run that was cancelled, failed or interrupted.

    Raises:
        NotFoundError: the run or its scene was deleted.
        RasterError: the scene's file is gone.
        ParameterError: it is under way or done, it doesn't go region by region, or the owner has
            as many unfinished runs as one may have.
    """
    from samgeo_core.pipeline import SegmentConfig

    run = context.store.run(run_id)
    job = context.jobs.job(run_id)
    if not run.can_go_on or (job is not None and not job.state.finished):
        raise ParameterError("Nothing is left to go on with in this run; start a new one.")
    _check_queue(context, run.owner)
    raster = context.store.scene(run.scene_id).raster
    work = _region_by_region(context, run, raster, SegmentConfig.from_dict(run.config))
    queued = context.store.set_run_state(run_id, "queued")
    context.jobs.submit(run_id, work)
    return queued


def choose_again(context: AppContext, run_id: str, rule: SelectionRule, owner: str) -> Run:
    """Queue a run that chooses by another rule among what a run in regions found; asks no model.

    The run itself stays as it is.

    Raises:
        NotFoundError: the run isn't the owner's, or it or its scene was deleted.
        RasterError: the scene's file is gone.
        ExportError: the disk refuses.
        ParameterError: the run has no result yet or doesn't go region by region, or the owner has
            as many unfinished runs as one may have.
    """
    from samgeo_core.pipeline import SegmentConfig

    before = context.store.run(run_id, owner)
    if not before.is_streamed or before.state != "done":
        raise ParameterError("Only among what a finished run in parts found can one choose again.")
    _check_queue(context, owner)
    scene = context.store.scene(before.scene_id)
    config = replace(SegmentConfig.from_dict(before.config), selection=rule)
    run = context.store.new_run(
        scene, config.to_dict(), owner, area=before.area, regions=before.regions
    )
    try:
        share_regions(before.folder, run.folder)
    except ExportError:
        context.store.delete_run(run.run_id)
        raise
    context.jobs.submit(run.run_id, _region_by_region(context, run, scene.raster, config))
    return run


def _in_one_piece(run: Run, raster: Raster, config: SegmentConfig) -> Work:
    def work(monitor: Monitor) -> None:
        from samgeo_core.pipeline import segment, write_run

        segmentation = segment(raster, config, area=run.area, monitor=monitor)
        # NOTE: the name on disk is ours; people know the image by theirs.
        record = {**segmentation.record, "raster": run.scene_name}
        write_run(replace(segmentation, record=record), run.folder, monitor)

    return work


def _region_by_region(context: AppContext, run: Run, raster: Raster, config: SegmentConfig) -> Work:
    regions = replace(run.regions or StreamOptions(), scheduler=context.settings.scheduler)

    def tell(sentence: str) -> None:
        logger.info("Run %s: %s", run.run_id, sentence)
        if address := _ADDRESS.search(sentence):
            context.jobs.note(run.run_id, dashboard=address[0])
        else:
            context.jobs.note(run.run_id, resumed=finished_regions(run.folder))

    def work(monitor: Monitor) -> None:
        from samgeo_core.pipeline import write_record
        from samgeo_core.streaming.run import segment_to_folder

        record = segment_to_folder(
            raster, run.folder, config, regions, area=run.area, monitor=monitor, tell=tell
        )
        write_record({**record, "raster": run.scene_name}, run.folder / "run.json")

    return work


def _check_queue(context: AppContext, owner: str) -> None:
    """One visitor can't fill the queue for everybody."""
    waiting = {job.run_id for job in context.jobs.active_jobs()}
    mine = [run for run in context.store.runs(owner) if run.run_id in waiting]
    if len(mine) >= MOST_UNFINISHED_RUNS:
        raise ParameterError(
            f"{len(mine)} of your runs are waiting or under way, which is the most at a time; "
            "wait for one to end, or cancel one."
        )
