"""Do objects depend on where a raster is cut? Two plans whose borders lie elsewhere, compared.

    python -m benchmarks.seams nl_river --region-px 896 --margin-px 256 --shift 190 150

For each scene and plan: candidates of the regions, those of them that an edge of a window cuts and
those that only fill what windows leave open that lie the same in any plan, the objects they become,
how much of the image these cover; seconds of a core to join them. Then the share of objects that
have a twin in the other plan, and in a run over the whole image in one piece (--whole), which says
how much of what differs is the model's own: it sees other windows there.

Last the objects with a straight side on a line of a window where the image shows no strong edge,
and those of them that are cut there: no window, of either plan, that reaches across the line shows
anything that ends there.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.scenes import Scene, find_scenes
from samgeo_core.candidates import CandidateSet
from samgeo_core.config import PRESETS, SegmentConfig
from samgeo_core.engine.ladder import FullConfig, Place
from samgeo_core.objects import BoolMask
from samgeo_core.overlaps import common_px
from samgeo_core.pool import CandidatePool
from samgeo_core.progress import SILENT
from samgeo_core.purposes import EVERYTHING, PURPOSES
from samgeo_core.reading.raster import Raster
from samgeo_core.streaming.joining import join_pools
from samgeo_core.streaming.regions import Region, RegionPlan
from samgeo_core.streaming.seam_views import Box, Sight, Views
from samgeo_core.wholes import WholeObject
from samgeo_core.windows import ShapeHW, Window

TWIN_IOU = 0.9
LEAST_RUN_PX = 12
"""Shorter straight sides are a matter of pixels, not of plans."""


@dataclass(frozen=True, eq=False)
class Sides:
    """Where masks end.

    Attributes:
        upright: bool [H, W + 1], whether an outline runs along the left side of a pixel.
        lying: bool [H + 1, W], whether one runs along the upper side.
    """

    upright: BoolMask
    lying: BoolMask

    @classmethod
    def seen(cls, shape_hw: ShapeHW, masks: Iterable[tuple[BoolMask, Box, Window]]) -> Sides:
        """Those of masks, with their boxes, but for what lies on an edge of each mask's window."""
        height, width = shape_hw
        upright = np.zeros((height, width + 1), np.bool_)
        lying = np.zeros((height + 1, width), np.bool_)
        for mask, (x0, y0, x1, y1), view in masks:
            left, top, right, bottom = view.box_xyxy
            ends = _changes(mask), _changes(mask.T).T
            ends[0][:, [at - x0 for at in (left, right) if x0 <= at <= x1]] = False
            ends[1][[at - y0 for at in (top, bottom) if y0 <= at <= y1]] = False
            upright[y0:y1, x0 : x1 + 1] |= ends[0]
            lying[y0 : y1 + 1, x0:x1] |= ends[1]
        return cls(upright, lying)

    def __or__(self, other: Sides) -> Sides:
        return Sides(self.upright | other.upright, self.lying | other.lying)


@dataclass(frozen=True, eq=False)
class Result:
    """What a plan made of a scene; masks are crops with their boxes.

    Attributes:
        line: for people.
        sides: where masks were seen to end that no window ends; None where nothing was cut.
    """

    masks: list[BoolMask]
    boxes: NDArray[np.int64]
    line: str
    sides: Sides | None = None


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("scenes", nargs="*", default=["nl_river"])
    parser.add_argument("--preset", choices=PRESETS, default="full")
    parser.add_argument("--purpose", choices=PURPOSES, default=EVERYTHING)
    parser.add_argument("--region-px", type=int, default=896)
    parser.add_argument("--margin-px", type=int, default=256)
    parser.add_argument("--shift", type=int, nargs=2, default=(190, 150), metavar=("X", "Y"))
    parser.add_argument("--whole", action="store_true", help="also in one piece")
    parser.add_argument("--cache", type=Path, help="folder that keeps candidates for the next time")
    args = parser.parse_args()
    for scene in find_scenes(args.scenes):
        raster = Raster.open(scene.image)
        grid = raster.grid
        config = SegmentConfig(preset=args.preset).for_purpose(
            args.purpose,
            scene.meta.get("gsd_m") if grid.gsd_m is None else grid.gsd_m,
            on_ground=grid.gsd_m is not None,
        )
        trial = Trial(scene, raster, config, args.cache)
        plans = [
            RegionPlan(grid.shape_hw, args.region_px, args.margin_px, shift_xy=tuple(shift))
            for shift in ((0, 0), args.shift)
        ]
        results = [trial.in_regions(plan) for plan in plans]
        if args.whole:
            results.append(trial.in_one_piece())
        for result in results:
            print(result.line)
        names = ["first", "second", "whole"]
        for i, j in ((0, 1), (1, 0), (0, 2), (2, 0))[: 4 if args.whole else 2]:
            share = twin_share(results[i], results[j])
            print(f"{scene.name}: {share:.1%} of {names[i]} have a twin in {names[j]}")
        edges = image_edges(raster)
        real = edges
        for result in results[:2]:
            real |= result.sides or edges
        for name, plan, result in zip(names, plans, results, strict=False):
            views = trial.views(plan)
            straight, cut = (straight_sides(result, views, sides) for sides in (edges, real))
            print(f"{scene.name}, {name}: {straight} straight on a line; {cut} cut there")


@dataclass(frozen=True, eq=False)
class Trial:
    """A scene that is looked at in several ways.

    Attributes:
        scene: which.
        raster: its image.
        config: how thoroughly.
        cache: folder that keeps candidates; None keeps none.
    """

    scene: Scene
    raster: Raster
    config: SegmentConfig
    cache: Path | None = None

    def views(self, plan: RegionPlan) -> Views:
        """Through which windows the regions of a plan are seen."""
        if self.config.preset == "exact":
            return Views(plan)
        return Views.of_candidates(plan, FullConfig.of_run(self.config))

    def in_regions(self, plan: RegionPlan) -> Result:
        """What it becomes when it is cut."""
        found = [(region, self._offered(region, plan)) for region in plan]
        views = self.views(plan)
        sights = [sight for region, some in found for sight in _sights(views, region, some)]
        masks_seen = ((m, box) for region, some in found for m, box in _placed(region, some))
        sides = Sides.seen(
            plan.shape_hw,
            ((*mask, sight.view) for mask, sight in zip(masks_seen, sights, strict=True)),
        )
        grid = self.raster.grid
        pools = [
            (r, CandidatePool(some, np.ones(some.shape_hw, np.bool_), grid.window(r.window)))
            for r, some in found
        ]
        start = time.process_time()
        joined = join_pools(plan, pools, self.config, grid)
        wholes = [item for items in joined for item in items]
        seconds = time.process_time() - start
        masks = [_mask(item) for item in wholes]
        boxes = np.array([item.box_xyxy for item in wholes], np.int64).reshape(-1, 4)
        line = (
            f"{self.scene.name}, {len(plan)} regions of {plan.region_px} px from {plan.shift_xy}: "
            f"{len(sights)} candidates, {sum(s.is_cut for s in sights)} cut, "
            f"{sum(s.fills for s in sights)} fill; {len(wholes)} objects, "
            f"{sum(len(item.pieces) > 1 for item in wholes)} of several parts; "
            f"coverage {_coverage(self.raster, masks, boxes):.1%}; "
            f"joined in {seconds / len(plan):.2f} s a region"
        )
        return Result(masks, boxes, line, sides)

    def in_one_piece(self) -> Result:
        """What it becomes when it isn't cut."""
        candidates = self._kept("whole", Window.whole(self.raster.shape_hw), None)
        valid = np.ones(candidates.shape_hw, np.bool_)
        objects = CandidatePool(candidates, valid, self.raster.grid).objects(self.config.rule)
        boxes, masks = objects.boxes_xyxy, list(objects.masks)
        covered = _coverage(self.raster, masks, boxes)
        line = f"{self.scene.name} in one piece: {len(masks)} objects; coverage {covered:.1%}"
        return Result(masks, boxes, line)

    def _offered(self, region: Region, plan: RegionPlan) -> CandidateSet:
        place = Place(region.window, region.core, plan.extent, plan.margin_px)
        shift = f"{plan.shift_xy[0]}-{plan.shift_xy[1]}"
        name = f"{plan.region_px}-{plan.margin_px}-{shift}-{region.index}"
        return self._kept(name, region.window, place)

    def _kept(self, name: str, window: Window, place: Place | None) -> CandidateSet:
        """What was found in a window, now or the last time."""
        if self.cache is None:
            return self._find(window, place)
        config = self.config
        stem = f"{self.scene.name}-{config.preset}-{config.purpose or EVERYTHING}-{name}"
        self.cache.mkdir(parents=True, exist_ok=True)
        path = self.cache / f"{stem}.npz"
        if not path.exists():
            self._find(window, place).save(path)
        return CandidateSet.load(path)

    def _find(self, window: Window, place: Place | None) -> CandidateSet:
        from samgeo_core.models.loading import cached_model
        from samgeo_core.pipeline import candidates_of_tile

        model = cached_model(self.config.model, None, None)
        tile = self.raster.read(window, stretch=self.raster.stretch())
        return candidates_of_tile(model, tile, self.config, SILENT, place)


def _sights(views: Views, region: Region, candidates: CandidateSet) -> list[Sight]:
    points = (candidates.points_xy + np.array([region.window.x, region.window.y])).tolist()
    placed = _placed(region, candidates)
    return [views.sight(region, b, tuple(p)) for (_, b), p in zip(placed, points, strict=True)]


def _placed(region: Region, candidates: CandidateSet) -> Iterator[tuple[BoolMask, Box]]:
    """Masks with their boxes, px of the raster."""
    x, y = region.window.x, region.window.y
    for i, box in enumerate((candidates.boxes_xyxy + np.array([x, y, x, y])).tolist()):
        yield candidates.mask(i), (box[0], box[1], box[2], box[3])


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


def straight_sides(result: Result, views: Views, real: Sides) -> int:
    """Objects with a straight side on a line of a plan where nothing says that it is real.

    Args:
        result: the objects.
        views: of the plan: edges of regions, cores and fixed windows are its lines.
        real: sides that are no cuts.
    """
    windows = [window for region in views.plan for window in (region.window, region.core)]
    windows += views.fixed.meeting(views.plan.extent) if views.fixed else ()
    lefts, tops, rights, bottoms = zip(*(w.box_xyxy for w in windows), strict=True)
    count = 0
    for mask, (x, y, right, bottom) in zip(result.masks, result.boxes.tolist(), strict=True):
        doubtful = (
            (_changes(mask) & ~real.upright[y:bottom, x : right + 1], {*lefts, *rights}, x),
            (_changes(mask.T) & ~real.lying[y : bottom + 1, x:right].T, {*tops, *bottoms}, y),
        )
        count += any(
            _has_run(sides[:, at - start])
            for sides, lines, start in doubtful
            for at in lines
            if 0 <= at - start < sides.shape[1]
        )
    return count


def image_edges(raster: Raster) -> Sides:
    """Where the image shows strong edges, or ends."""
    from samgeo_core.engine.grid import edge_strength

    edges = edge_strength(raster.read(stretch=raster.stretch()))
    busy = np.pad(edges > 2 * np.median(edges), 1, constant_values=True)
    return Sides(busy[1:-1, 1:] | busy[1:-1, :-1], busy[1:, 1:-1] | busy[:-1, 1:-1])


def _changes(mask: BoolMask) -> BoolMask:
    """Bool [h, w + 1]: the left sides of pixels along which a mask's outline runs."""
    framed = np.pad(mask, ((0, 0), (1, 1)))
    changes: BoolMask = framed[:, 1:] != framed[:, :-1]
    return changes


def _has_run(follows: BoolMask) -> bool:
    """Whether enough of them follow each other."""
    changes = np.flatnonzero(np.diff(follows, prepend=False, append=False))
    return bool((changes[1::2] - changes[::2] >= LEAST_RUN_PX).any())


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
