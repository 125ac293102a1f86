"""What the map is told about a picking session: small JSON, outlines in the frame of the map."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samgeo_core.web.cache import LruCache
from samgeo_core.web.frame import MapFrame
from samgeo_core.web.pick_objects import KeptMask, PickedObject
from samgeo_core.web.pick_sessions import PickSession
from samgeo_core.web.records import Scene

TOLERANCE_PX = 0.75
"""How far a drawn outline may leave the mask's edge: enough to smooth the steps of pixels."""

OUTLINES_CACHE_BYTES = 32 << 20

_outlines: LruCache[tuple[str, str], str] = LruCache(OUTLINES_CACHE_BYTES, len)


def told_session(scene: Scene, session: PickSession, *, all_outlines: bool = False) -> str:
    """Where a session stands, as JSON.

    Each mask has a key. The outline of the object at hand is told, as it is new to the map, and
    those of others where ``all_outlines`` asks for them; see `told_candidates`.

    Args:
        scene: the scene of the session.
        session: hold its lock.
        all_outlines: tell the outlines of accepted objects too.
    """
    picks = session.picks
    now = picks.at_hand
    items = list(picks)
    areas = _areas(scene, [item.mask for item in items])
    shown = items if all_outlines else [now] if now is not None else []
    values = {
        "revision": session.revision,
        "can_undo": session.can_undo,
        "can_redo": session.can_redo,
        "active": None if now is None else _at_hand(scene, now),
        "objects": [_object(item, area) for item, area in zip(items, areas, strict=True)],
    }
    return _with_outlines(values, scene, [item.mask for item in shown])


def told_candidates(scene: Scene, item: PickedObject | None) -> str:
    """The outlines of all that an object may be, as JSON.

    Nobody waits for them: most are larger than the one that was chosen, in many pieces, and take
    several times as long.
    """
    return _with_outlines({}, scene, [] if item is None else item.candidates)


def told_preview(scene: Scene, mask: KeptMask) -> str:
    """A mask that a click would give, as JSON."""
    return _with_outlines({"ready": True, "key": mask.key, "score": mask.score}, scene, [mask])


def outline(scene: Scene, mask: KeptMask) -> str:
    """GeoJSON geometry of a mask in the frame of the scene's map."""
    return _outlines.get((scene.scene_id, mask.key), lambda: _trace(mask, scene.frame))


def _trace(mask: KeptMask, frame: MapFrame) -> str:
    import shapely

    from samgeo_core.results.outlines import trace

    polygons = trace([mask.pixels()], np.array([mask.offset_xy], np.int64))
    # NOTE: what is not asked to stay valid is simplified ten times as fast; to be looked at, an
    # outline may touch itself, but nothing may vanish.
    simple = shapely.simplify(polygons, TOLERANCE_PX, preserve_topology=False)
    simple = np.where(shapely.is_empty(simple), polygons, simple)
    on_map = shapely.transform(simple, frame.to_lnglat)
    # NOTE: 7 decimals of a degree are 1 cm; in the frame of CRS.Simple far less than a px.
    text: str = shapely.to_geojson(shapely.set_precision(on_map, 1e-7, mode="pointwise"))[0]
    return text


def _with_outlines(values: dict[str, Any], scene: Scene, masks: Iterable[KeptMask]) -> str:
    """JSON of values with the outlines by their keys, which are JSON already."""
    outlines = {mask.key: outline(scene, mask) for mask in masks}
    inner = ",".join(f'"{key}":{text}' for key, text in outlines.items())
    head = "".join(f"{json.dumps(name)}:{json.dumps(value)}," for name, value in values.items())
    return f'{{{head}"outlines":{{{inner}}}}}'


def _object(item: PickedObject, area_m2: float) -> dict[str, Any]:
    mask = item.mask
    return {
        "number": item.number,
        "key": mask.key,
        "accepted": item.accepted,
        "score": round(mask.score, 4),
        "area_px": mask.area_px,
        "area_m2": area_m2 if math.isfinite(area_m2) else None,
    }


def _at_hand(scene: Scene, item: PickedObject) -> dict[str, Any]:
    areas = _areas(scene, item.candidates)
    return {
        "number": item.number,
        "accepted": item.accepted,
        "chosen": item.chosen,
        "candidates": [
            {
                "key": mask.key,
                "score": round(mask.score, 4),
                "area_px": mask.area_px,
                "area_m2": area if math.isfinite(area) else None,
            }
            for mask, area in zip(item.candidates, areas, strict=True)
        ],
        "prompts": _prompts_on_map(scene.frame, item),
    }


def _prompts_on_map(frame: MapFrame, item: PickedObject) -> dict[str, Any]:
    """What points at an object, in the frame of the map."""
    prompts = item.prompts
    places = frame.to_lnglat(prompts.points_xy).tolist()
    told: dict[str, Any] = {"box": None, "polygon": None}
    told["points"] = [
        [lng, lat, label] for (lng, lat), label in zip(places, prompts.labels.tolist(), strict=True)
    ]
    if prompts.box_xyxy is not None:
        x0, y0, x1, y1 = prompts.box_xyxy
        corners = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
        told["box"] = frame.to_lnglat(corners).tolist()
    if prompts.polygon_xy is not None:
        told["polygon"] = frame.to_lnglat(prompts.polygon_xy).tolist()
    return told


def _areas(scene: Scene, masks: Iterable[KeptMask]) -> list[float]:
    """Sizes on the ground, m²; NaN where the place on Earth is unknown."""
    masks = list(masks)
    boxes = np.array([mask.packed.box for mask in masks], np.float64).reshape(-1, 4)
    each: NDArray[np.float64] = scene.raster.grid.pixel_areas_m2((boxes[:, :2] + boxes[:, 2:]) / 2)
    sizes = np.array([mask.area_px for mask in masks], np.float64) * each
    return [float(f"{size:.6g}") for size in sizes.tolist()]
