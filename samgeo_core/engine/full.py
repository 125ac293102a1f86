"""Everything in an image, at several scales: ask where nothing good is known yet, keep the best.

A ladder of windows runs from the whole image down to native resolution, coarse to fine. Each
window is asked only on pixels that no confident mask of fitting size explains yet, on a grid that
is coarse where the image is flat. What comes back are candidates; `samgeo_core.selection` says
which of them become objects.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from samgeo_core.candidates import CandidateSet, MaskCandidate
from samgeo_core.engine.candidates import Candidate, EncodedWindow, Floor
from samgeo_core.engine.grid import busy_points, edge_strength
from samgeo_core.engine.ladder import FullConfig, Look, plan_looks
from samgeo_core.models.loading import LoadedModel
from samgeo_core.objects import BoolMask
from samgeo_core.progress import SILENT, Monitor
from samgeo_core.selection import without_duplicates
from samgeo_core.tile import TileImage


def generate_full(
    model: LoadedModel,
    tile: TileImage,
    config: FullConfig | None = None,
    monitor: Monitor = SILENT,
) -> CandidateSet:
    """Masks of everything in a tile, looked at from the whole down to native resolution.

    What the model offered, without duplicates within a window; `selection.select` chooses.

    Args:
        model: the model.
        tile: the pixels.
        config: thoroughness and thresholds.
        monitor: told of every batch of prompts; raises `CancelledError` between them.
    """
    config = config or FullConfig()
    edges = edge_strength(tile)
    settled = ~tile.valid
    pool: list[MaskCandidate] = []
    looks = list(plan_looks(tile.shape_hw, config))
    for i, look in enumerate(looks):
        part = monitor.part(i, len(looks))
        part.step("encode", 0, 1)
        pool.extend(_look(model, tile, edges, settled, look, config, part))
    return CandidateSet.collect(tile.shape_hw, pool)


def _look(
    model: LoadedModel,
    tile: TileImage,
    edges: NDArray[np.float32],
    settled: BoolMask,
    look: Look,
    config: FullConfig,
    monitor: Monitor,
) -> list[MaskCandidate]:
    """Ask one window, pass by pass, and mark in ``settled`` what it explained."""
    seen: EncodedWindow | None = None
    found: list[MaskCandidate] = []
    floor = Floor(config.floor_score, config.floor_stability, 1.0, 2.0)
    for i, step in enumerate(look.steps_px):
        points = _open_points(edges, settled, look, step)
        if not len(points):
            continue
        if seen is None:
            seen = EncodedWindow.encode(model, tile, look.window, floor)
        largest = (
            4 * (look.steps_px[i + 1] if i + 1 < len(look.steps_px) else look.finer_step_px)
        ) ** 2
        inner = monitor.part(i, len(look.steps_px))
        for candidate in seen.ask(points, 64, inner, 0, len(points)):
            mask = _cleaned(candidate, tile, config)
            if mask is None:
                continue
            found.append(mask)
            if mask.quality >= config.settled and mask.area_px <= largest:
                settled[mask.slices] |= mask.pixels()
    return without_duplicates(found, config.duplicate_iou)


def _open_points(
    edges: NDArray[np.float32], settled: BoolMask, look: Look, step_px: int
) -> NDArray[np.float64]:
    """Grid points of a window's core on pixels that nothing settled yet, px of the window."""
    part = look.core.slices
    points = busy_points(edges[part], ~settled[part], step_px)
    offset = np.array([look.core.x - look.window.x, look.core.y - look.window.y], np.float64)
    return points + offset


def _cleaned(candidate: Candidate, tile: TileImage, config: FullConfig) -> MaskCandidate | None:
    """A candidate's pixels on data, without loose specks; None if little is left."""
    mask, (x, y) = candidate.mask()
    h, w = mask.shape
    mask = mask & tile.valid[y : y + h, x : x + w]
    count, parts, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    if count < 2:
        return None
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    # Loose parts that are small beside the main one are noise of the model.
    keep = areas >= max(config.least_px, 0.02 * areas.max())
    window = candidate.window
    if not keep.any() or areas[keep].sum() > config.window_share * window.width * window.height:
        return None
    return MaskCandidate.of(
        keep[parts], (x, y), candidate.score, candidate.stability, candidate.point_xy
    )
