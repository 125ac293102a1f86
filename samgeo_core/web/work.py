"""Runs as jobs: starting one, going on with one that ended before its time, and doing the work."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from samgeo_core.area import AreaOfInterest
from samgeo_core.config import SegmentConfig
from samgeo_core.errors import ExportError, ParameterError, SamGeoError
from samgeo_core.progress import Monitor
from samgeo_core.results.files import replacing
from samgeo_core.streaming.options import StreamOptions
from samgeo_core.streaming.run_folder import finished_regions, share_regions
from samgeo_core.web.ladder import KIND as LADDER
from samgeo_core.web.ladder import climb
from samgeo_core.web.limits import check_run_pixels, check_storage
from samgeo_core.web.records import POLYGON_FILE, Run, Scene
from samgeo_core.web.storage_watch import watched
from samgeo_core.windows import Window

if TYPE_CHECKING:
    from samgeo_core.config import SelectionRule
    from samgeo_core.reading.raster import Raster
    from samgeo_core.web.context import AppContext

logger = logging.getLogger(__name__)

_ADDRESS = re.compile(r"https?://\S+")


def start_segmentation(
    context: AppContext,
    scene: Scene,
    config: SegmentConfig,
    owner: str,
    *,
    area: Window | AreaOfInterest | None = None,
) -> Run:
    """Make a run and queue the work for it; ask ``context.jobs.job(run.run_id)`` how it goes.

    What is larger than a region is segmented region by region, and can go on when it was ended.

    Args:
        context: the process's context.
        scene: what to segment.
        config: model and parameters.
        owner: token of the visitor.
        area: part of the scene in raster px; of a polygon only the pixels inside count as data.
            None for the whole.

    Raises:
        RasterError: the scene's file is gone.
        ParameterError: it would be more than a visitor may have, see `limits`.
        NotReadyError, ExportError: the disk refuses; nothing was started.
    """
    polygon = area if isinstance(area, AreaOfInterest) else None
    window = area if isinstance(area, Window) else None
    if polygon is not None:
        window = polygon.window(scene.raster.shape_hw)
    shape_hw = window.shape_hw if window else scene.raster.shape_hw
    check_run_pixels(context.settings, shape_hw)
    check_storage(context.store, context.settings, owner)
    regions = StreamOptions.of_region(context.settings.region_px)
    is_large = regions.cuts(shape_hw)
    run = context.store.new_run(
        scene, config.to_dict(), owner, area=window, regions=regions if is_large else None
    )
    if polygon is not None:
        _keep_polygon(context, run, polygon)
    return _hand_in(context, run)


def _keep_polygon(context: AppContext, run: Run, polygon: AreaOfInterest) -> None:
    """Write a run's polygon into its folder; the run goes again where the disk refuses."""
    try:
        with replacing(run.folder / POLYGON_FILE) as partial:
            partial.write_text(json.dumps(polygon.to_geojson()), "utf-8")
    except SamGeoError:
        context.store.delete_run(run.run_id)
        raise


def go_on(context: AppContext, run_id: str, owner: str | None = None) -> Run:
    """Queue the rest of a run that was cancelled, failed or interrupted; all of one in one piece.

    Raises:
        NotFoundError: the run isn't the owner's, or it or its scene was deleted.
        RasterError: the scene's file is gone.
        ParameterError: it is under way or done, nothing of it can be taken up, or the owner has as
            many unfinished runs as one may have.
        NotReadyError, ExportError: the disk refuses.
    """
    run = context.store.run(run_id, owner)
    if not run.can_go_on:
        raise ParameterError("Nothing is left to go on with in this run; start a new one.")
    _ = context.store.scene(run.scene_id).raster
    _queue(context, run)
    return context.store.run(run_id)


def choose_again(context: AppContext, run_id: str, rule: SelectionRule, owner: str) -> Run:
    """Queue a run that chooses by another rule among what a run in regions found; asks no model.

    The run itself stays as it is.

    Raises:
        NotFoundError: the run isn't the owner's, or it or its scene was deleted.
        RasterError: the scene's file is gone.
        ExportError: the disk refuses.
        ParameterError: the run has no result yet or doesn't go region by region, or the owner has
            as much as one may have.
    """
    before = context.store.run(run_id, owner)
    if not before.is_streamed or before.state != "done":
        raise ParameterError("Only among what a finished run in parts found can one choose again.")
    check_storage(context.store, context.settings, owner)
    scene = context.store.scene(before.scene_id)
    config = replace(SegmentConfig.from_dict(before.config), selection=rule)
    run = context.store.new_run(
        scene, config.to_dict(), owner, area=before.area, regions=before.regions
    )
    if (polygon := before.polygon) is not None:
        _keep_polygon(context, run, polygon)
    try:
        share_regions(before.folder, run.folder)
    except ExportError:
        context.store.delete_run(run.run_id)
        raise
    return _hand_in(context, run)


def do_job(context: AppContext, kind: str, run_id: str, monitor: Monitor) -> None:
    """Do the work of a kind for a run.

    Raises:
        SamGeoError: it failed.
        CancelledError: the monitor says so.
    """
    run = context.store.run(run_id)
    watching = watched(monitor, context.store, context.settings, run.owner)
    KINDS[kind](context, run, context.store.scene(run.scene_id).raster, watching)


def _hand_in(context: AppContext, run: Run) -> Run:
    """Queue a new run; it goes again if it isn't accepted."""
    try:
        _queue(context, run)
    except SamGeoError:
        context.store.delete_run(run.run_id)
        raise
    return run


def _queue(context: AppContext, run: Run) -> None:
    shape_hw = run.scene_shape_hw if run.area is None else run.area.shape_hw
    config = SegmentConfig.from_dict(run.config)
    context.jobs.submit(
        run.run_id,
        "regions" if run.is_streamed else "whole",
        run.owner,
        expected_s=context.estimates.seconds(shape_hw, config, run.regions, run.scene_id),
        most=context.settings.max_unfinished_runs,
    )


def _in_one_piece(context: AppContext, run: Run, raster: Raster, monitor: Monitor) -> None:
    from samgeo_core.pipeline import segment, write_run

    config = SegmentConfig.from_dict(run.config)
    segmentation = segment(raster, config, area=run.polygon or run.area, monitor=monitor)
    # NOTE: the name on disk is ours; people know the image by theirs.
    record = {**segmentation.record, "raster": run.scene_name}
    write_run(replace(segmentation, record=record), run.folder, monitor)


def _region_by_region(context: AppContext, run: Run, raster: Raster, monitor: Monitor) -> None:
    from samgeo_core.pipeline import write_record
    from samgeo_core.streaming.run import segment_to_folder

    config = SegmentConfig.from_dict(run.config)
    regions = replace(run.regions or StreamOptions(), scheduler=context.settings.scheduler)

    def tell(sentence: str) -> None:
        logger.info("Run %s: %s", run.run_id, sentence)
        if address := _ADDRESS.search(sentence):
            context.jobs.note(run.run_id, dashboard=address[0])
        else:
            context.jobs.note(run.run_id, resumed=finished_regions(run.folder))

    record = segment_to_folder(
        raster, run.folder, config, regions, area=run.polygon or run.area,
        monitor=monitor, tell=tell,
    )  # fmt: skip
    write_record({**record, "raster": run.scene_name}, run.folder / "run.json")


KINDS: Mapping[str, Callable[[AppContext, Run, Raster, Monitor], None]] = {
    "whole": _in_one_piece,
    "regions": _region_by_region,
    LADDER: climb,
}
"""What a job of each kind does."""
