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
        boxes = np.array([views[i].box_xyxy(j) for i, j in places])
        fits = _box_ious(boxes, np.array(prompts.extent_xyxy))
    ballot = Ballot(
        scores=np.concatenate([view.scores for view in views]).astype(np.float64),
        shares=np.array([views[i].root_px(j) / (view_px or views[i].side_px) for i, j in places]),
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
    areas = [_counts(view.seen > 0) * view.cell_px2 for view in views]
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
    fine = (one.seen > 0).flatten(1).float()
    theirs = other.seen if one is other else _on_grid_of(one, other)
    return fine @ (theirs > 0).flatten(1).float().t() * one.cell_px2


def _on_grid_of(one: Decoded, other: Decoded) -> Tensor:
    """The other's logits [N, 256, 256] at the cells of one; below 0 where it shows nothing."""
    rows, columns = _places(one, other)
    upright = _resampled(other.seen.transpose(1, 2), rows).transpose(1, 2)
    return _resampled(upright, columns)


def _resampled(logits: Tensor, places: Tensor) -> Tensor:
    """Logits [N, h, w] at fractional columns, linearly; below 0 beyond the first and last cell."""
    last = logits.shape[2] - 1
    at = places.clamp(0, last)
    low = at.floor().long()
    left, right = logits[:, :, low], logits[:, :, (low + 1).clamp(max=last)]
    between = torch.lerp(left, right, at - low)
    return between.masked_fill((places < -0.5) | (places > last + 0.5), -1.0)


def _places(one: Decoded, other: Decoded) -> tuple[Tensor, Tensor]:
    """Rows and columns of the other's logits at which the cells of one lie, fractions of a cell."""
    window, origin = one.encoded.window, other.encoded.window
    shifts = window.y - origin.y, window.x - origin.x
    rows, columns = (
        ((torch.arange(n, device=one.seen.device) + 0.5) * here + shift) / there - 0.5
        for n, here, there, shift in zip(
            one.seen.shape[1:], one.cell_hw, other.cell_hw, shifts, strict=True
        )
    )
    return rows, columns


def _counts(masks: Tensor) -> Tensor:
    return masks.flatten(1).sum(1).float()
