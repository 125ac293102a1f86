"""Starting a segmentation in the background."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from samgeo_core.errors import ParameterError
from samgeo_core.progress import Monitor
from samgeo_core.web.context import AppContext
from samgeo_core.web.records import Run, Scene
from samgeo_core.windows import Window

if TYPE_CHECKING:
    from samgeo_core.pipeline import SegmentConfig

MOST_UNFINISHED_RUNS = 5
"""How many runs of one owner may be queued or running."""


def start_segmentation(
    context: AppContext,
    scene: Scene,
    config: SegmentConfig,
    owner: str,
    *,
    area: Window | None = None,
) -> Run:
    """Make a run and queue the work for it; ask ``context.jobs.job(run.run_id)`` how it goes.

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
    run = context.store.new_run(scene, config.to_dict(), owner, area=area)

    def work(monitor: Monitor) -> None:
        from samgeo_core.pipeline import segment, write_run

        segmentation = segment(raster, config, area=area, monitor=monitor)
        # NOTE: the name on disk is ours; people know the image by theirs.
        record = {**segmentation.record, "raster": scene.name}
        write_run(replace(segmentation, record=record), run.folder, monitor)

    context.jobs.submit(run.run_id, work)
    return run


def _check_queue(context: AppContext, owner: str) -> None:
    """One visitor can't fill the queue for everybody."""
    waiting = {job.run_id for job in context.jobs.active_jobs()}
    mine = [run for run in context.store.runs(owner) if run.run_id in waiting]
    if len(mine) >= MOST_UNFINISHED_RUNS:
        raise ParameterError(
            f"{len(mine)} of your runs are waiting or under way, which is the most at a time; "
            "wait for one to end, or cancel one."
        )
