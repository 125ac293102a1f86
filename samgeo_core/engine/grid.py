"""Where to ask: a grid of points, dense where the image is busy and coarse where it is flat."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from samgeo_core.tile import TileImage


def edge_strength(tile: TileImage) -> NDArray[np.float32]:
    """Gradient magnitude of lightness and colour, float32 [H, W], in grey levels per px."""
    lab = cv2.cvtColor(tile.rgb, cv2.COLOR_RGB2LAB).astype(np.float32)
    smooth = cv2.GaussianBlur(lab, (0, 0), 1.0)
    dx, dy = (cv2.Scharr(smooth, cv2.CV_32F, *order) / 32 for order in ((1, 0), (0, 1)))
    strength: NDArray[np.float32] = np.sqrt((dx**2 + dy**2).sum(2))
    return strength


def busy_points(
    edges: NDArray[np.float32], valid: NDArray[np.bool_], step_px: int, flat_cells: int = 4
) -> NDArray[np.float64]:
    """One point per cell of a grid, fewer where neighbouring cells are not parted by an edge.

    Cells that join without crossing an edge are one flat patch, which is asked only once per
    ``flat_cells`` cells: what is one patch is mostly one object.

    Args:
        edges: float32 [H, W] (`edge_strength`).
        valid: bool [H, W]; cells whose centre carries no data are not asked.
        step_px: side of a cell, px.
        flat_cells: cells of a flat patch that share one point.

    Returns:
        float64 [K, 2], x right and y down, px.
    """
    height, width = edges.shape
    ys = np.arange(min(step_px // 2, height - 1), height, step_px)
    xs = np.arange(min(step_px // 2, width - 1), width, step_px)
    on_data = valid[np.ix_(ys, xs)]
    if not on_data.any():
        return np.zeros((0, 2))
    level = float(np.median(edges[valid])) * 2
    is_edge = edges > level
    # Edges met from the first row (column) on: where two centres count the same, none is between.
    down = np.cumsum(is_edge, axis=0, dtype=np.int32)[np.ix_(ys, xs)]
    right = np.cumsum(is_edge, axis=1, dtype=np.int32)[np.ix_(ys, xs)]
    index = np.arange(down.size).reshape(down.shape)
    pairs = [
        np.stack([a[joined], b[joined]])
        for a, b, joined in (
            (index[:-1], index[1:], down[:-1] == down[1:]),
            (index[:, :-1], index[:, 1:], right[:, :-1] == right[:, 1:]),
        )
    ]
    rows, columns = np.concatenate(pairs, axis=1)
    graph = sparse.coo_array((np.ones(len(rows)), (rows, columns)), shape=(down.size, down.size))
    _, patch = connected_components(graph, directed=False)
    flat_order = np.argsort(patch, kind="stable")
    starts = np.r_[0, np.flatnonzero(np.diff(patch[flat_order])) + 1]
    rank = np.empty(down.size, np.int64)
    sizes = np.diff(np.r_[starts, down.size])
    rank[flat_order] = np.arange(down.size) - np.repeat(starts, sizes)
    middle = (np.minimum(flat_cells, sizes) // 2)[patch]
    chosen = (rank % flat_cells == middle) & on_data.ravel()
    row, column = np.divmod(np.flatnonzero(chosen), len(xs))
    return np.stack([xs[column] + 0.5, ys[row] + 0.5], axis=1).astype(np.float64)


def gap_centres(gaps: NDArray[np.bool_], least_radius_px: float, most: int) -> NDArray[np.float64]:
    """Middles of the widest gaps, one after the other.

    Args:
        gaps: bool [H, W].
        least_radius_px: narrower places are left alone.
        most: number of points that are enough.

    Returns:
        float64 [K, 2], x right and y down, px.
    """
    # A frame of zeros, so that the edge of the image bounds a gap too.
    framed = np.pad(gaps, 1).view(np.uint8)
    points: list[tuple[float, float]] = []
    distance = cv2.distanceTransform(framed, cv2.DIST_L2, 5)
    while len(points) < most:
        _, radius, _, (x, y) = cv2.minMaxLoc(distance)
        if radius < least_radius_px:
            break
        points.append((x - 0.5, y - 0.5))
        cv2.circle(distance, (x, y), max(int(2 * radius), 1), 0.0, -1)
    return np.array(points, np.float64).reshape(-1, 2)
