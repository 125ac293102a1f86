"""From what was picked to a run: the same files as any other, and the prompts beside them."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import numpy as np

from samgeo_core.clock import Clock, peak_memory_bytes
from samgeo_core.config import SegmentConfig, SelectionRule
from samgeo_core.errors import ParameterError
from samgeo_core.objects import ObjectSet
from samgeo_core.reading.raster import Raster
from samgeo_core.results.files import replacing
from samgeo_core.results.nesting import parent_ids
from samgeo_core.settings import Settings
from samgeo_core.streaming.options import StreamOptions
from samgeo_core.web.context import AppContext
from samgeo_core.web.pick_objects import PickedObject
from samgeo_core.web.pick_sessions import PickSession
from samgeo_core.web.records import Run, Scene
from samgeo_core.wholes import WholeObject
from samgeo_core.windows import Window

logger = logging.getLogger(__name__)

PROMPTS = "prompts.geojson"
_MARGIN_PX = 32
"""How much of a large raster is shown round the objects."""


def save_picks(context: AppContext, scene: Scene, session: PickSession, owner: str) -> Run:
    """Make a finished run of what was picked; an object at hand is accepted for it.

    Of a raster larger than a region the run shows the part that holds the objects.

    Args:
        context: the process's context.
        scene: the scene of the session.
        session: it goes on unchanged.
        owner: token of the visitor.

    Raises:
        ParameterError: nothing was picked.
        RasterError, WeightsError, ExportError: what is needed for it is gone, or can't be written.
    """
    with session.lock:
        if session.picks.at_hand is not None:
            session.step(session.picks.accept())
        items = _smallest_first(session.picks.accepted)
    if not items:
        raise ParameterError("Nothing is picked yet: click an object on the image first.")
    raster = scene.raster
    regions = StreamOptions.of_region(context.settings.region_px)
    area = _around(items, raster) if regions.cuts(raster.shape_hw) else None
    config = _config(context.settings, scene)
    is_large = regions.cuts((area or Window.whole(raster.shape_hw)).shape_hw)
    run = context.store.new_run(
        scene, config.to_dict(), owner, area=area, regions=regions if is_large else None
    )
    try:
        write = _write_large if is_large else _write_whole
        write(run, scene, items, config)
        _write_prompts(run, raster, items)
        return context.store.set_run_state(run.run_id, "done")
    except BaseException:
        context.store.delete_run(run.run_id)
        raise


def _smallest_first(items: Sequence[PickedObject]) -> list[PickedObject]:
    """In the order in which `ObjectSet.build` numbers them."""
    return sorted(items, key=lambda item: (item.mask.area_px, *item.mask.offset_xy[::-1]))


def _config(settings: Settings, scene: Scene) -> SegmentConfig:
    display = scene.display
    bands = None if display.bands is None else (*display.bands[:3],)
    return SegmentConfig(
        model=settings.model,
        bands=bands,  # type: ignore[arg-type]  # a display has three
        stretch=display.stretch,
        selection=SelectionRule.keep_all(),
    )


def _around(items: Sequence[PickedObject], raster: Raster) -> Window:
    """The part of a raster that holds all objects, with a margin."""
    boxes = np.array([item.mask.packed.box for item in items])
    height, width = raster.shape_hw
    x0, y0 = np.maximum(boxes[:, :2].min(0) - _MARGIN_PX, 0).tolist()
    x1, y1 = np.minimum(boxes[:, 2:].max(0) + _MARGIN_PX, (width, height)).tolist()
    return Window(x0, y0, x1 - x0, y1 - y0)


def _object_set(items: Sequence[PickedObject], window: Window) -> ObjectSet:
    """Objects in px of a window that holds them."""
    corner = np.array([window.x, window.y])
    return ObjectSet.build(
        window.shape_hw,
        [item.mask.pixels() for item in items],
        np.array([item.mask.offset_xy for item in items]) - corner,
        [item.mask.score for item in items],
        [item.mask.stability for item in items],
        np.array([_first_point(item) for item in items]) - corner,
    )


def _first_point(item: PickedObject) -> tuple[float, float]:
    """The first click on an object; NaN where it was only drawn round."""
    on_it = item.prompts.points_xy[item.prompts.labels == 1]
    return (float(on_it[0, 0]), float(on_it[0, 1])) if len(on_it) else (np.nan, np.nan)


def _write_whole(
    run: Run, scene: Scene, items: Sequence[PickedObject], config: SegmentConfig
) -> None:
    from samgeo_core.pipeline import Segmentation, object_figures, write_run

    raster, clock = scene.raster, Clock()
    window = run.area or Window.whole(raster.shape_hw)
    with clock.stage("read"):
        tile = raster.read(window, stretch=scene.stretch)
    objects = _object_set(items, window)
    record = {
        **_record(run, scene, items, config),
        "n_candidates": len(objects),
        **object_figures(objects, tile.valid, config.rule),
        "seconds": clock.seconds,
        "peak_memory_bytes": peak_memory_bytes(),
    }
    segmentation = Segmentation(objects, raster.grid.window(window), tile, config, record)
    write_run(segmentation, run.folder)


def _write_large(
    run: Run, scene: Scene, items: Sequence[PickedObject], config: SegmentConfig
) -> None:
    from samgeo_core.pipeline import write_record
    from samgeo_core.results.stream_results import write_results

    window, clock = run.area or Window.whole(scene.raster.shape_hw), Clock()
    with clock.stage("write"):
        objects = _object_set(items, window)
        wholes = list(_wholes(objects, window))
        write_results([wholes], run.folder, scene.raster.grid, window)
    record = {
        **_record(run, scene, items, config),
        "selection": asdict(config.rule),
        "n_objects": len(wholes),
        "seconds": clock.seconds,
        "peak_memory_bytes": peak_memory_bytes(),
    }
    write_record(record, run.folder / "run.json")


def _wholes(objects: ObjectSet, window: Window) -> Iterator[WholeObject]:
    """Objects of a window in px of the raster."""
    corner = np.array([window.x, window.y])
    offsets, boxes = objects.offsets_xy + corner, objects.boxes_xyxy + np.tile(corner, 2)
    points, parents = objects.points_xy + corner, parent_ids(objects)
    for i, item in enumerate(objects):
        (x, y), (x0, y0, x1, y1) = offsets[i].tolist(), boxes[i].tolist()
        yield WholeObject(
            item.object_id,
            int(parents[i]),
            [((x, y), item.mask)],
            item.score,
            item.stability,
            (float(points[i, 0]), float(points[i, 1])),
            item.area_px,
            (x0, y0, x1, y1),
        )


def _record(
    run: Run, scene: Scene, items: Sequence[PickedObject], config: SegmentConfig
) -> dict[str, Any]:
    """What run.json says of how the objects came about."""
    from samgeo_core.models.loading import weights_sha256

    raster = scene.raster
    window = run.area or Window.whole(raster.shape_hw)
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "picked": {"objects": len(items), "prompts": PROMPTS},
        # NOTE: the name on disk is ours; people know the image by theirs.
        "raster": scene.name,
        "raster_sha256": raster.sha256,
        **({} if raster.attribution is None else {"attribution": raster.attribution}),
        "area_px": list(window.box_xyxy),
        "model": config.model,
        "model_sha256": weights_sha256(config.model),
        "parameters": config.to_dict(),
        "bands": list(scene.stretch.bands),
        "stretch": scene.stretch.to_dict(),
    }


def _write_prompts(run: Run, raster: Raster, items: Sequence[PickedObject]) -> None:
    """Write what pointed at the objects, by their ids in the result.

    Coordinates are longitude and latitude; px of the raster, x right and y down, where its place
    on Earth is unknown.
    """
    features = [
        {"type": "Feature", "properties": properties, "geometry": geometry}
        for object_id, item in enumerate(items, start=1)
        for properties, geometry in _prompt_features(object_id, item, raster)
    ]
    text = json.dumps({"type": "FeatureCollection", "features": features})
    with replacing(run.folder / PROMPTS) as partial:
        partial.write_text(text + "\n", "utf-8")


def _prompt_features(
    object_id: int, item: PickedObject, raster: Raster
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    def placed(xy: Any) -> list[list[float]]:
        points = np.asarray(xy, np.float64).reshape(-1, 2)
        if raster.grid.is_georeferenced:
            points = raster.grid.to_lonlat(points)
        return [[float(x), float(y)] for x, y in points]

    prompts = item.prompts
    for place, label in zip(placed(prompts.points_xy), prompts.labels.tolist(), strict=True):
        yield (
            {"object_id": object_id, "prompt": "point", "label": label},
            {"type": "Point", "coordinates": place},
        )
    rings: list[tuple[str, Any]] = []
    if prompts.box_xyxy is not None:
        x0, y0, x1, y1 = prompts.box_xyxy
        rings.append(("box", [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]))
    if prompts.polygon_xy is not None:
        rings.append(("polygon", prompts.polygon_xy))
    for kind, ring in rings:
        corners = placed(ring)
        yield (
            {"object_id": object_id, "prompt": kind, "label": 1},
            {"type": "Polygon", "coordinates": [[*corners, corners[0]]]},
        )
