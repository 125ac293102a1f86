"""A scale ladder: one small area through windows of three sizes, to pick by eye.

A job like others, in line and cancellable; its run has no result, only pictures and numbers in
ladder.json beside them.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from samgeo_core.config import LEAST_WINDOW_PX, Scales, SegmentConfig
from samgeo_core.errors import ParameterError, SamGeoError
from samgeo_core.reading.stretch import StretchMode
from samgeo_core.results.files import replacing
from samgeo_core.web.limits import check_storage
from samgeo_core.web.records import Run, Scene
from samgeo_core.windows import ShapeHW, Window

if TYPE_CHECKING:
    from samgeo_core.progress import Monitor
    from samgeo_core.reading.raster import Raster
    from samgeo_core.web.context import AppContext

KIND = "ladder"
AREA_PX = 512
"""Greatest side of the area."""
STEPS = (2.0, 1.0, 0.5)
"""Sides of the windows as shares of the area's side, coarse to fine."""

_FILE = "ladder.json"


@dataclass(frozen=True)
class Rung:
    """What one scale shows.

    Attributes:
        window_px: side of its windows, px of the raster.
        objects: how many were found.
        median_px: median size of an object, px; None without any.
        median_m2: the same on the ground, m²; None without any, or without a place on Earth.
        picture: name of a PNG in the run's folder.
    """

    window_px: int
    objects: int
    median_px: float | None
    median_m2: float | None
    picture: str


def ladder_area(area: Window) -> Window:
    """The middle of an area, no larger than a ladder may be."""
    width, height = min(area.width, AREA_PX), min(area.height, AREA_PX)
    x, y = area.x + (area.width - width) // 2, area.y + (area.height - height) // 2
    return Window(x, y, width, height)


def ladder_sides(area: Window) -> tuple[int, ...]:
    """Sides of the windows of the three scales, px, coarse to fine."""
    side = max(area.width, area.height)
    return tuple(max(LEAST_WINDOW_PX, round(step * side)) for step in STEPS)


def scales_of_rung(window_px: int) -> Scales:
    """The scales of a run that sees as a rung does: its windows, and two sizes above."""
    return Scales(finest_px=window_px, coarsest_px=4 * window_px)


def start_ladder(
    context: AppContext, scene: Scene, config: SegmentConfig, owner: str, area: Window
) -> Run:
    """Queue a ladder over the middle of an area.

    Raises:
        RasterError: the scene's file is gone.
        ParameterError: the owner has as much as one may have.
        NotReadyError, ExportError: the disk refuses; nothing was started.
    """
    check_storage(context.store, context.settings, owner)
    area = ladder_area(area)
    config = replace(config, preset="fast", selection=None, scales=None)
    run = context.store.new_run(scene, config.to_dict(), owner, area=area)
    seconds = 3 * context.estimates.seconds(area.shape_hw, config)
    try:
        context.jobs.submit(
            run.run_id, KIND, owner, expected_s=seconds, most=context.settings.max_unfinished_runs
        )
    except SamGeoError:
        context.store.delete_run(run.run_id)
        raise
    return run


def rungs_of(run: Run) -> tuple[Rung, ...]:
    """What a ladder has found so far, coarse to fine."""
    try:
        values: list[dict[str, Any]] = json.loads((run.folder / _FILE).read_text("utf-8"))
        return tuple(Rung(**value) for value in values)
    except (OSError, ValueError, TypeError):
        return ()


def climb(context: AppContext, run: Run, raster: Raster, monitor: Monitor) -> None:
    """Segment a run's area at three scales; each is shown as soon as it is there.

    Raises:
        WeightsError, RasterError, ExportError: as of `pipeline.segment`.
        CancelledError: the monitor says so.
    """
    from samgeo_core.models.loading import cached_model

    if run.area is None:
        raise ParameterError("A scale ladder needs an area.")
    config = SegmentConfig.from_dict(run.config)
    monitor.step("load model", 0, 1)
    model = cached_model(config.model, config.checkpoint, config.device, monitor=monitor)
    found: list[Rung] = []
    sides = ladder_sides(run.area)
    for i, side in enumerate(sides):
        found.append(_rung(run, raster, config, side, model, monitor.part(i, len(sides))))
        with replacing(run.folder / _FILE) as partial:
            partial.write_text(json.dumps([asdict(rung) for rung in found]), "utf-8")


def _rung(
    run: Run, raster: Raster, config: SegmentConfig, side: int, model: Any, monitor: Monitor
) -> Rung:
    """One scale: its windows on the area and, where they are larger, on what lies around."""
    import numpy as np

    from samgeo_core.engine.full import generate_full
    from samgeo_core.engine.ladder import FullConfig, Place
    from samgeo_core.pool import CandidatePool
    from samgeo_core.results.annotate import annotation_image
    from samgeo_core.results.pictures import write_picture

    area = cast(Window, run.area)
    around = _around(area, side, raster.shape_hw)
    bands = config.bands or raster.default_bands()
    stretch = raster.stretch(bands, cast(StretchMode, config.stretch))
    tile = raster.read(around, bands=bands, stretch=stretch)
    # One pass on the coarser grid shows what a scale is good for, in a quarter of the time.
    one_scale = replace(
        FullConfig.of("fast").with_finest(side),
        coarsest_px=side,
        steps_px=FullConfig.steps_px[:1],
        finer_where_small=False,
    )
    place = None if around == area else Place(around, area, around, 0)
    candidates = generate_full(model, tile, one_scale, monitor, place)
    grid = raster.grid.window(around)
    objects = CandidatePool(candidates, tile.valid, grid).objects(config.rule)
    core = area.moved(-around.x, -around.y)
    boxes = objects.boxes_xyxy
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    x0, y0, x1, y1 = core.box_xyxy
    within = ((middles >= (x0, y0)) & (middles < (x1, y1))).all(1)
    mine = objects.select(np.flatnonzero(within))
    picture = f"scale_{side}.png"
    image = annotation_image(mine, tile.rgb)[core.slices]
    write_picture(run.folder / picture, np.ascontiguousarray(image), None)
    areas = mine.areas_px
    median = float(np.median(areas)) if len(areas) else None
    pixel_m2 = grid.pixel_area_m2
    median_m2 = None if median is None or pixel_m2 is None else median * pixel_m2
    return Rung(side, len(mine), median, median_m2, picture)


def _around(area: Window, side: int, shape_hw: ShapeHW) -> Window:
    """The area with as much around it as a window of a side needs, within the raster."""
    height, width = shape_hw
    wide, high = min(max(side, area.width), width), min(max(side, area.height), height)
    x = min(max(area.x - (wide - area.width) // 2, 0), width - wide)
    y = min(max(area.y - (high - area.height) // 2, 0), height - high)
    return Window(x, y, wide, high)
