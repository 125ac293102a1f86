"""Masks of several windows, compared: their IoU, each pair on the finer one's grid, and their rank.

A decoder's logits are 256 x 256 whatever the window, so masks are compared there and none has to be
formed at the resolution of the raster.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from samgeo_core.picking.choice import Ballot, offer
from samgeo_core.picking.decoding import Decoded, obedience
from samgeo_core.picking.prompts import ObjectPrompts


def rank(
    views: Sequence[Decoded],
    prompts: ObjectPrompts,
    *,
    view_px: int | None = None,
    by_score: bool = False,
) -> list[tuple[int, int]]:
    """The masks to offer, the best first, as indices of window and mask.

    Args:
        views: what the windows show.
        prompts: what was asked.
        view_px: longer side of what the person sees, px of the raster; None if unknown.
        by_score: all masks by predicted IoU alone.
    """
    places = [(i, j) for i, view in enumerate(views) for j in range(len(view.scores))]
    if by_score:
        return sorted(places, key=lambda at: -views[at[0]].scores[at[1]])
    fits = None
    if prompts.has_size:
        boxes = np.concatenate([view.boxes_xyxy() for view in views])
        fits = _box_ious(boxes, np.array(prompts.extent_xyxy))
    ballot = Ballot(
        scores=np.concatenate([view.scores for view in views]).astype(np.float64),
        shares=np.concatenate([view.roots_px() / (view_px or view.side_px) for view in views]),
        obeys=np.concatenate([obedience(view, prompts) for view in views]),
        fits=fits,
    )
    return [places[i] for i in offer(agreement(views), ballot.weights())]


def _box_ious(boxes: NDArray[np.float64], box: NDArray[np.float64]) -> NDArray[np.float64]:
    """IoU [N] of boxes [N, 4] with one box [4]."""
    sides = np.minimum(boxes[:, 2:], box[2:]) - np.maximum(boxes[:, :2], box[:2])
    common = np.clip(sides, 0, None).prod(1)
    areas, area = (boxes[:, 2:] - boxes[:, :2]).prod(1), (box[2:] - box[:2]).prod()
    ious: NDArray[np.float64] = common / np.maximum(areas + area - common, 1e-9)
    return ious


def agreement(views: Sequence[Decoded]) -> NDArray[np.float64]:
    """IoU [N, N] of all masks of some windows, in the order of windows and masks."""
    areas = [view.masks.flatten(1).sum(1).float() * view.cell_px2 for view in views]
    rows: list[list[Tensor]] = [[torch.empty(0)] * len(views) for _ in views]
    for i, one in enumerate(views):
        for j, other in enumerate(views[: i + 1]):
            common = _common_px2(one, other)
            union = areas[i][:, None] + areas[j][None] - common
            # NOTE: on different grids the common part may come out larger than one of the two.
            ratio = (common / union.clamp(min=1e-9)).clamp(0, 1)
            rows[i][j], rows[j][i] = ratio, ratio.t()
    matrix = torch.cat([torch.cat(row, 1) for row in rows]).cpu().numpy().astype(np.float64)
    # An empty mask agrees with itself all the same.
    np.fill_diagonal(matrix, 1.0)
    return matrix


def _common_px2(one: Decoded, other: Decoded) -> Tensor:
    """Area [M, N] of the intersections, px² of the raster."""
    if one.cell_px2 > other.cell_px2:
        return _common_px2(other, one).t()
    theirs = other.masks if one is other else _on_grid_of(one, other)
    common: Tensor = one.masks.flatten(1).float() @ theirs.flatten(1).float().t()
    return common * one.cell_px2


def _on_grid_of(one: Decoded, other: Decoded) -> Tensor:
    """The other's masks, bool [N, r, c], at the middles of the cells of one, which are finer."""
    window, origin = one.encoded.window, other.encoded.window
    rows, columns = (
        ((torch.arange(n, device=one.masks.device) + 0.5) * here + shift) / there - 0.5
        for n, here, there, shift in zip(
            one.masks.shape[1:],
            one.cell_hw,
            other.cell_hw,
            (window.y - origin.y, window.x - origin.x),
            strict=True,
        )
    )
    height, width = other.masks.shape[1:]
    (down, y), (across, x) = _between(rows, height), _between(columns, width)
    above: Tensor = down @ other.logits[:, y, x] @ across.t() > 0
    inside = [(at > -0.5) & (at < n - 0.5) for at, n in ((rows[:, None], height), (columns, width))]
    return above & inside[0] & inside[1]


def _between(places: Tensor, size: int) -> tuple[Tensor, slice]:
    """Linear interpolation at fractions of cells as a matrix, and the cells that it is of."""
    at = places.clamp(0, size - 1)
    used = slice(int(at[0]), min(int(at[-1]) + 2, size))
    cells = torch.arange(size, device=places.device)[used]
    return (1 - (at[:, None] - cells).abs()).clamp(min=0), used
