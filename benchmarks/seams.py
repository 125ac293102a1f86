"""Do objects depend on where a raster is cut? Two plans whose borders lie elsewhere, compared.

    python -m benchmarks.seams nl_river --region-px 896 --margin-px 256 --shift 190 150

For each scene and plan: candidates of the regions, those of them that an edge of a window cuts and
those that only fill what windows leave open that lie the same in any plan, the objects they become,
how much of the image these cover, and how many have a straight side on a line of a window where the
image shows no edge; seconds of a core to join them. Then the share of objects that have a twin in
the other plan, and in a run over the whole image in one piece (--whole), which says how much of
what differs is the model's own: it sees other windows there.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.scenes import Scene, find_scenes
from samgeo_core.candidates import CandidateSet
from samgeo_core.config import SelectionRule
from samgeo_core.engine.ladder import FullConfig, Place
from samgeo_core.objects import BoolMask
from samgeo_core.overlaps import common_px
from samgeo_core.reading.raster import Raster
from samgeo_core.selection import select
from samgeo_core.streaming.regions import Region, RegionPlan
from samgeo_core.streaming.seam_views import Views
from samgeo_core.streaming.seams import WholeObject, join_candidates
from samgeo_core.tile import TileImage

TWIN_IOU = 0.9
LEAST_RUN_PX = 12
"""Shorter straight sides are a matter of pixels, not of plans."""

Find = Callable[[TileImage, Place | None], CandidateSet]


@dataclass(frozen=True, eq=False)
class Result:
    """What a plan made of a scene; masks are crops with their boxes."""

    masks: list[BoolMask]
    boxes: NDArray[np.int64]
    line: str


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("scenes", nargs="*", default=["nl_river"])
    parser.add_argument("--region-px", type=int, default=896)
    parser.add_argument("--margin-px", type=int, default=256)
    parser.add_argument("--shift", type=int, nargs=2, default=(190, 150), metavar=("X", "Y"))
    parser.add_argument("--whole", action="store_true", help="also in one piece")
    parser.add_argument("--cache", type=Path, help="folder that keeps candidates for the next time")
    args = parser.parse_args()
    find = _model_finder()
    for scene in find_scenes(args.scenes):
        raster = Raster.open(scene.image)
        plans = [
            RegionPlan(raster.grid.shape_hw, args.region_px, args.margin_px, shift_xy=tuple(shift))
            for shift in ((0, 0), args.shift)
        ]
        results = [_of_plan(scene, raster, plan, find, args.cache) for plan in plans]
        if args.whole:
            results.append(_of_whole(scene, raster, find, args.cache))
        for result in results:
            print(result.line)
        names = ["first", "second", "whole"]
        for i, j in ((0, 1), (1, 0), (0, 2), (2, 0))[: 4 if args.whole else 2]:
            share = twin_share(results[i], results[j])
            print(f"{scene.name}: {share:.1%} of {names[i]} have a twin in {names[j]}")


def _model_finder() -> Find:
    from samgeo_core.engine.full import generate_full
    from samgeo_core.models.loading import cached_model

    def find(tile: TileImage, place: Place | None) -> CandidateSet:
        model = cached_model("vit_t", None, None)
        return generate_full(model, tile, FullConfig(), place=place)

    return find


def _of_plan(
    scene: Scene, raster: Raster, plan: RegionPlan, find: Find, cache: Path | None
) -> Result:
    stretch = raster.stretch()

    def look(region: Region) -> CandidateSet:
        place = Place(region.window, region.core, plan.extent, plan.margin_px)
        return find(raster.read(region.window, stretch=stretch), place)

    found: list[tuple[Region, CandidateSet]] = []
    n_cut = n_fills = 0
    views = Views.of_candidates(plan)
    for region in plan:
        name = (
            f"{scene.name}-{plan.region_px}-{plan.margin_px}"
            f"-{plan.shift_xy[0]}-{plan.shift_xy[1]}-{region.index}"
        )
        candidates = _kept(cache, name, lambda region=region: look(region))  # type: ignore[misc]
        found.append((region, candidates))
        x, y = region.window.x, region.window.y
        boxes = (candidates.boxes_xyxy + np.array([x, y, x, y])).tolist()
        points = (candidates.points_xy + np.array([x, y])).tolist()
        sights = [
            views.sight(region, tuple(b), tuple(p)) for b, p in zip(boxes, points, strict=True)
        ]
        n_cut += sum(sight.is_cut for sight in sights)
        n_fills += sum(sight.fills for sight in sights)
    start = time.process_time()
    wholes = [item for items in join_candidates(plan, found) for item in items]
    seconds = time.process_time() - start
    masks = [_mask(item) for item in wholes]
    boxes = np.array([item.box_xyxy for item in wholes], np.int64).reshape(-1, 4)
    straight = straight_sides(plan, masks, boxes, _busy(raster))
    covered = _coverage(raster, masks, boxes)
    offered = sum(len(candidates) for _, candidates in found)
    line = (
        f"{scene.name}, {len(plan)} regions of {plan.region_px} px from {plan.shift_xy}: "
        f"{offered} candidates, {n_cut} cut, {n_fills} fill; {len(wholes)} objects, "
        f"{sum(len(item.pieces) > 1 for item in wholes)} of several parts; "
        f"coverage {covered:.1%}; straight on a line of a window: {straight}; "
        f"joined in {seconds / len(plan):.2f} s a region"
    )
    return Result(masks, boxes, line)


def _of_whole(scene: Scene, raster: Raster, find: Find, cache: Path | None) -> Result:
    def look() -> CandidateSet:
        return find(raster.read(stretch=raster.stretch()), None)

    objects = select(_kept(cache, f"{scene.name}-whole", look), SelectionRule())
    boxes = objects.boxes_xyxy
    masks = list(objects.masks)
    covered = _coverage(raster, masks, boxes)
    line = f"{scene.name} in one piece: {len(masks)} objects; coverage {covered:.1%}"
    return Result(masks, boxes, line)


def _kept(cache: Path | None, name: str, look: Callable[[], CandidateSet]) -> CandidateSet:
    if cache is None:
        return look()
    cache.mkdir(parents=True, exist_ok=True)
    path = cache / f"{name}.npz"
    if not path.exists():
        look().save(path)
    return CandidateSet.load(path)


def twin_share(one: Result, other: Result) -> float:
    """Share of objects that have one of IoU >= 0.9 in another result."""
    if not one.masks:
        return 1.0
    areas = np.array([mask.sum() for mask in other.masks])
    have = 0
    for mask, box in zip(one.masks, one.boxes, strict=True):
        sides = np.minimum(other.boxes[:, 2:], box[2:]) - np.maximum(other.boxes[:, :2], box[:2])
        room = sides.clip(0).prod(axis=1)
        for i in np.flatnonzero(room >= TWIN_IOU * np.maximum(mask.sum(), areas)).tolist():
            both = common_px(mask, box, other.masks[i], other.boxes[i])
            if both >= TWIN_IOU * (mask.sum() + areas[i] - both):
                have += 1
                break
    return have / len(one.masks)


def straight_sides(
    plan: RegionPlan, masks: Sequence[BoolMask], boxes: NDArray[np.int64], busy: BoolMask
) -> int:
    """Objects with a straight side on a line of the plan where the image shows no edge.

    Args:
        plan: the edges of its windows and cores, and of the fixed windows, are the lines.
        masks, boxes: of the objects.
        busy: bool [H, W], where the image shows edges.
    """
    lines: tuple[set[int], set[int]] = set(), set()
    fixed = Views.of_candidates(plan).fixed
    windows = [window for region in plan for window in (region.window, region.core)]
    for window in (*windows, *(fixed.meeting(plan.extent) if fixed else ())):
        x0, y0, x1, y1 = window.box_xyxy
        lines[0].update((x0, x1))
        lines[1].update((y0, y1))
    count = 0
    for mask, (x, y, right, bottom) in zip(masks, boxes.tolist(), strict=True):
        sides = (
            (np.pad(mask, 1), lines[0], x, busy[y:bottom].T),
            (np.pad(mask, 1).T, lines[1], y, busy[:, x:right]),
        )
        count += any(
            _is_straight(crop, at - start + 1, edges[at - 1 : at + 1])
            for crop, ats, start, edges in sides
            for at in ats
            if 0 < at < len(edges) and 0 < at - start + 1 < crop.shape[1]
        )
    return count


def _is_straight(crop: BoolMask, column: int, edges: BoolMask) -> bool:
    """Whether a mask's outline follows a column for long where the image shows no edge."""
    follows = (crop[:, column - 1] != crop[:, column])[1:-1]
    follows &= ~edges.any(axis=0)
    padded = np.concatenate([[False], follows, [False]])
    changes = np.flatnonzero(padded[1:] != padded[:-1])
    return bool((changes[1::2] - changes[::2] >= LEAST_RUN_PX).any())


def _busy(raster: Raster) -> BoolMask:
    from samgeo_core.engine.grid import edge_strength

    edges = edge_strength(raster.read(stretch=raster.stretch()))
    busy: BoolMask = edges > 2 * np.median(edges)
    return busy


def _mask(item: WholeObject) -> BoolMask:
    x0, y0, x1, y1 = item.box_xyxy
    mask = np.zeros((y1 - y0, x1 - x0), np.bool_)
    for (x, y), piece in item.pieces:
        mask[y - y0 : y - y0 + piece.shape[0], x - x0 : x - x0 + piece.shape[1]] |= piece
    return mask


def _coverage(raster: Raster, masks: Sequence[BoolMask], boxes: NDArray[np.int64]) -> float:
    covered = np.zeros(raster.grid.shape_hw, np.bool_)
    for mask, (x0, y0, x1, y1) in zip(masks, boxes.tolist(), strict=True):
        covered[y0:y1, x0:x1] |= mask
    return float(covered.mean())


if __name__ == "__main__":
    main()
