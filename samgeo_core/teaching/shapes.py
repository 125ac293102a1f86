"""Size, shape and colours of a mask as numbers."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from samgeo_core.objects import BoolMask

SHAPE_NAMES = ("log_area", "elongation", "compactness", "solidity", "rectangularity", "fullness")


def shape_of(mask: BoolMask) -> NDArray[np.float64]:
    """Six numbers that don't depend on where a mask lies or how it is turned, float64 [6].

    In the order of `SHAPE_NAMES`: logarithm of the area in px; logarithm of the longer over the
    shorter axis of the ellipse with the same second moments; 4 pi area over perimeter squared;
    area over those of the convex hull, of the smallest rectangle, and of the outline without holes.

    Args:
        mask: bool [h, w] with at least one pixel.
    """
    area = int(np.count_nonzero(mask))
    outlines, _ = cv2.findContours(
        np.pad(mask, 1).view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    points = np.concatenate(outlines)
    # Outlines join middles of pixels: half a pixel more on all sides is what pixels cover.
    around = sum(float(cv2.arcLength(ring, True)) + 4 for ring in outlines)
    filled = sum(_with_rim(ring) for ring in outlines)
    hull = _with_rim(cv2.convexHull(points))
    _, (width, height), _ = cv2.minAreaRect(points.astype(np.float32))
    return np.array(
        [
            math.log(area),
            _elongation(mask),
            4 * math.pi * area / around**2,
            area / max(hull, area),
            area / max((width + 1) * (height + 1), area),
            area / max(filled, area),
        ]
    )


def colours_of(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean and spread of each band, as square roots, so that dark tones count too: float64 [6].

    Args:
        pixels: uint8 [N, 3], those of a mask.
    """
    values = pixels.astype(np.float64)
    return np.asarray(np.sqrt(np.concatenate([values.mean(0), values.std(0)])))


def _with_rim(ring: Any) -> float:
    """Area that the pixels of an outline enclose, themselves included."""
    return float(cv2.contourArea(ring) + cv2.arcLength(ring, True) / 2 + 1)


def _elongation(mask: BoolMask) -> float:
    rows, columns = mask.sum(1, dtype=np.int64), mask.sum(0, dtype=np.int64)
    y, x = np.arange(len(rows)), np.arange(len(columns))
    n = rows.sum()
    mean_y, mean_x = rows @ y / n, columns @ x / n
    var_y, var_x = rows @ (y - mean_y) ** 2 / n, columns @ (x - mean_x) ** 2 / n
    # The mean of x y over the mask, row by row.
    both = float((y - mean_y) @ (mask @ (x - mean_x)) / n)
    # A pixel is a square, not a point: its own variance is 1/12.
    middle, half = (var_x + var_y) / 2 + 1 / 12, math.hypot((var_x - var_y) / 2, both)
    return 0.5 * math.log((middle + half) / max(middle - half, 1 / 12))
