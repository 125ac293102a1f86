"""Everything in an image, at several scales: ask where nothing good is known yet, keep the best.

A ladder of windows runs from the whole image down to native resolution, coarse to fine. Each
window is asked only on pixels that no confident mask of fitting size explains yet, on a grid that
is coarse where the image is flat. What comes back are candidates; `samgeo_core.selection` says
which of them become objects.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from samgeo_core.candidates import CandidateSet, MaskCandidate
from samgeo_core.config import SelectionRule
from samgeo_core.engine.candidates import Candidate, EncodedWindow, Floor
from samgeo_core.engine.encoder import fast_dtype
from samgeo_core.engine.grid import busy_points, edge_strength, gap_centres
from samgeo_core.engine.ladder import (
    FixedWindows,
    FullConfig,
    Look,
    Place,
    plan_looks,
    plan_region_looks,
)
from samgeo_core.engine.region_masks import as_placed, clipped
from samgeo_core.models.loading import LoadedModel
from samgeo_core.objects import BoolMask
from samgeo_core.progress import SILENT, Monitor
from samgeo_core.results.labels import label_raster
from samgeo_core.selection import select, without_duplicates
from samgeo_core.tile import TileImage
from samgeo_core.windows import Window


def generate_full(
    model: LoadedModel,
    tile: TileImage,
    config: FullConfig | None = None,
    monitor: Monitor = SILENT,
    place: Place | None = None,
) -> CandidateSet:
    """Masks of everything in a tile, looked at from the whole down to native resolution.

    What the model offered, without duplicates within a window; `selection.select` chooses.

    Args:
        model: the model.
        tile: the pixels.
        config: thoroughness and thresholds.
        monitor: told of every batch of prompts; raises `CancelledError` between them.
        place: of the tile, if it is a region of a raster: only its core is asked, though masks may
            reach beyond it, up to an edge that cuts them: of the tile, or of what the largest of
            the fixed windows see (`FixedWindows`).
    """
    config = config or FullConfig()
    if place and not place.is_all:
        config = config.in_regions(place.margin_px)
    # Regions join their masks, which changes them: there nobody would ask for crossings.
    survey = _Survey(tile, config, with_crossings=place is None)
    pool: list[MaskCandidate] = []
    looks = list(plan_region_looks(place, config) if place else plan_looks(tile.shape_hw, config))
    filled = [look for look in looks if look.is_coarsest and not look.is_fixed]
    n_parts = len(looks) + len(filled)
    fixed = None
    if place and not place.is_all:
        # Also where none of them is this region's: what they see is left to its neighbours.
        fixed = FixedWindows.of(place.extent, place.margin_px, config)
    for i, look in enumerate(looks):
        part = monitor.part(i, n_parts)
        part.step("encode", 0, 1)
        if place and fixed and look.is_fixed and look.is_coarsest:
            pool.extend(_look_with_edges(model, tile, look, place, fixed, config, part))
            continue
        if look.is_fixed:
            # What is seen at a fixed place must not depend on what else the region looked at.
            survey.forget()
        found = _look(model, survey, look, part)
        if place and fixed:
            found = as_placed(found, look, place, fixed)
        pool.extend(found)
    for i, look in enumerate(filled, len(looks)):
        pool.extend(_fill_gaps(model, survey, look, pool, monitor.part(i, n_parts)))
    return CandidateSet.collect(tile.shape_hw, pool)


class _Survey:
    """What is known of a tile so far.

    Attributes:
        tile: the pixels.
        config: thoroughness and thresholds.
        with_crossings: whether masks keep where their logits pass (`crossings`).
        edges: float32 [H, W] (`edge_strength`).
        explained: float32 [H, W], area in px of the smallest confident mask on each pixel,
            infinite where there is none, zero where there is no data.
        seen: float32 [H, W], the same for all masks that may become objects.
        left_to_finer: bool [H, W], where the scale above was full of what finer windows show
            better, or where there is none above.
    """

    def __init__(self, tile: TileImage, config: FullConfig, with_crossings: bool = False) -> None:
        self.tile = tile
        self.config = config
        self.with_crossings = with_crossings
        self.edges = edge_strength(tile)
        self.forget()

    def forget(self) -> None:
        """Take back all that was learnt."""
        self.left_to_finer = np.ones(self.tile.shape_hw, np.bool_)
        self.explained = np.where(self.tile.valid, np.float32(np.inf), np.float32(0))
        self.seen = self.explained.copy()

    def encode(self, model: LoadedModel, look: Look, floor: Floor) -> EncodedWindow:
        """Encode the window of a look."""
        dtype = fast_dtype(model.device) if self.config.reduced_precision else torch.float32
        return EncodedWindow.encode(model, self.tile, look.window, floor, dtype)

    def open_points(self, look: Look, step_px: int) -> NDArray[np.float64]:
        """Grid points [K, 2] of a window's core that nothing explains yet, px of the tile."""
        part = look.core.slices
        is_open = self.explained[part] > (self.config.settled_steps * step_px) ** 2
        points = busy_points(self.edges[part], is_open, step_px)
        return points + np.array([look.core.x, look.core.y], np.float64)

    def is_left_out(self, look: Look) -> bool:
        """Whether coarser windows have said all there is."""
        only_some = self.config.finer_where_small and look.is_closeup
        return only_some and not self.left_to_finer[look.core.slices].any()

    def leave_to_finer(self, look: Look, found: list[MaskCandidate]) -> bool:
        """Whether a window is so full of small objects that finer ones should go on."""
        config, side = self.config, max(look.window.shape_hw)
        if look.is_finest:
            return False
        good = [mask.area_px for mask in found if mask.quality >= config.promising]
        limit = (config.small_px * side / (2 * config.finest_px)) ** 2
        small = sum(area < limit for area in good)
        self.left_to_finer[look.core.slices] = small > config.small_share * len(good)
        return small > config.small_share * len(good)

    def still_open(self, points_xy: NDArray[np.float64], step_px: int) -> NDArray[np.float64]:
        """Those of some points that nothing explains yet."""
        columns, rows = points_xy.astype(np.int64).T
        is_open = self.explained[rows, columns] > (self.config.settled_steps * step_px) ** 2
        waiting: NDArray[np.float64] = points_xy[is_open]
        return waiting

    def cleaned(self, candidate: Candidate) -> MaskCandidate | None:
        """What a candidate shows of the data; None if it is too little, or vague and large."""
        config = self.config
        mask = _cleaned(candidate, self.tile.valid, config, self.with_crossings)
        # What is left of an image apart from its objects is for the gaps, where it ends at them.
        drops = not config.vague_stays and mask and self.is_vague(mask, candidate.window)
        return None if drops else mask

    def is_vague(self, mask: MaskCandidate, window: Window) -> bool:
        """Whether a mask is what lies around everything in the window that shows it."""
        return self.config.is_vague(mask.area_px, mask.stability, window)

    def learn(self, mask: MaskCandidate) -> bool:
        """Take note of a mask; whether it says something new."""
        pixels = mask.pixels()
        seen = self.seen[mask.slices]
        known = np.count_nonzero(pixels & (seen <= 1.4 * mask.area_px))
        if mask.quality >= self.config.promising:
            seen[pixels] = np.minimum(seen[pixels], mask.area_px)
        if mask.quality >= self.config.settled:
            explained = self.explained[mask.slices]
            explained[pixels] = np.minimum(explained[pixels], mask.area_px)
        return mask.quality >= self.config.promising and bool(known < 0.5 * mask.area_px)


def _look(model: LoadedModel, survey: _Survey, look: Look, monitor: Monitor) -> list[MaskCandidate]:
    """Ask one window, pass by pass, until it has nothing new to say."""
    config = survey.config
    window: EncodedWindow | None = None
    found: list[MaskCandidate] = []
    floor = Floor(
        config.floor_score, config.floor_stability, 1.0, 2.0, config.window_share, sketch=True
    )
    origin = np.array([look.window.x, look.window.y])
    if survey.is_left_out(look):
        return []
    for i, step in enumerate(look.steps_px):
        inner = monitor.part(i, len(look.steps_px))
        waiting = _scattered(survey.open_points(look, step))
        total, asked = len(waiting), 0
        while len(waiting):
            points, waiting = waiting[: config.round], waiting[config.round :]
            points = survey.still_open(points, step)
            if not len(points):
                continue
            if window is None:
                window = survey.encode(model, look, floor)
            new = 0
            for mask in window.ask(points - origin, 64, survey.cleaned, inner, asked, total):
                found.append(mask)
                new += survey.learn(mask)
            asked += len(points)
            if survey.leave_to_finer(look, found):
                return without_duplicates(found, config.duplicate_iou)
            # A coarse grid that finds little still leaves small things to a finer one.
            least = config.least_yield if step == look.steps_px[-1] else config.least_yield / 4
            if len(points) >= config.round // 2 and new < least * len(points):
                return without_duplicates(found, config.duplicate_iou)
    return without_duplicates(found, config.duplicate_iou)


def _look_with_edges(
    model: LoadedModel,
    tile: TileImage,
    look: Look,
    place: Place,
    fixed: FixedWindows,
    config: FullConfig,
    monitor: Monitor,
) -> list[MaskCandidate]:
    """Ask one fixed window as if it were an image: what its edges cut is a candidate too."""
    part = look.window.slices
    image = TileImage(np.ascontiguousarray(tile.rgb[part]), tile.valid[part])
    survey = _Survey(image, config)
    x, y = look.window.x, look.window.y
    alone = replace(look, window=look.window.moved(-x, -y), core=look.core.moved(-x, -y))
    found = _look(model, survey, alone, monitor.part(0, 2))
    # What lies around everything may turn out to be no object when the next windows are known.
    known = [mask for mask in found if not survey.is_vague(mask, alone.window)]
    found += _fill_gaps(model, survey, alone, known, monitor.part(1, 2))
    middle = place.window.x + look.core.x, place.window.y + look.core.y
    seen = place.local(fixed.answering(*middle)).moved(-x, -y)
    within = (clipped(mask, seen, (x, y)) for mask in found)
    return [mask for mask in within if mask is not None]


def _fill_gaps(
    model: LoadedModel, survey: _Survey, look: Look, pool: list[MaskCandidate], monitor: Monitor
) -> list[MaskCandidate]:
    """Ask once more, with lower demands, in the middle of what nothing covers yet.

    What comes back ends where something better lies: the ground between houses, not below them.
    """
    config, tile = survey.config, survey.tile
    covered = label_raster(select(CandidateSet.collect(tile.shape_hw, pool), SelectionRule())) > 0
    gaps = tile.valid & ~covered
    part = look.core.slices
    if gaps[part].sum() <= config.gap_share * tile.valid[part].sum():
        return []
    least_px = config.gap_width * max(look.window.shape_hw) / config.finest_px
    points = gap_centres(gaps[part], least_px, config.round)
    if not len(points):
        return []
    floor = Floor(config.gap_score, config.gap_stability, 1.0, 2.0, config.window_share)
    window = survey.encode(model, look, floor)
    points += np.array([look.core.x - look.window.x, look.core.y - look.window.y])

    def in_gaps(candidate: Candidate) -> MaskCandidate | None:
        return _cleaned(candidate, gaps, config, survey.with_crossings, at_prompt=True)

    found = list(window.ask(points, 64, in_gaps, monitor, 0, len(points)))
    return without_duplicates(found, config.duplicate_iou)


def _scattered(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points in an order in which any first part of them lies all over the place."""
    return points[np.random.default_rng(0).permutation(len(points))]


def _cleaned(
    candidate: Candidate,
    within: BoolMask,
    config: FullConfig,
    with_crossings: bool,
    *,
    at_prompt: bool = False,
) -> MaskCandidate | None:
    """A candidate's pixels within a mask of the tile, without loose specks; None if few remain.

    Where ``within`` cuts masks into pieces, only the one at the prompt may be wanted.
    """
    logits, (x, y) = candidate.logits()
    h, w = logits.shape
    mask = (logits > 0) & within[y : y + h, x : x + w]
    count, parts, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    if count < 2:
        return None
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    # Loose parts that are small beside the main one are noise of the model.
    keep = areas >= max(config.least_px, 0.02 * areas.max())
    if at_prompt:
        keep &= np.arange(count) == _part_at(parts, areas, candidate.point_xy, (x, y))
    window = candidate.window
    if not keep.any() or areas[keep].sum() > config.window_share * window.width * window.height:
        return None
    return MaskCandidate.of(
        keep[parts],
        (x, y),
        candidate.score,
        candidate.stability,
        candidate.point_xy,
        logits if with_crossings else None,
    )


def _part_at(
    parts: NDArray[Any],
    areas: NDArray[Any],
    point_xy: tuple[float, float],
    offset_xy: tuple[int, int],
) -> int:
    """The number of the part on which a point lies, of the largest where it lies on none."""
    column, row = int(point_xy[0]) - offset_xy[0], int(point_xy[1]) - offset_xy[1]
    is_inside = 0 <= row < parts.shape[0] and 0 <= column < parts.shape[1]
    return int(parts[row, column] if is_inside else 0) or int(areas.argmax())
