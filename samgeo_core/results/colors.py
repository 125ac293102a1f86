"""A colour for every object."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_GOLDEN_RATIO = (5**0.5 - 1) / 2


def object_colors(n: int, seed: int = 0) -> NDArray[np.uint8]:
    """Bright colours for the objects 1 to n; an id keeps its colour whatever n is.

    Hues advance by the golden ratio, which keeps ids near each other far apart in colour;
    saturation and brightness are random.

    Returns:
        uint8 [n, 3] RGB; row i is the colour of object i + 1.
    """
    random = np.random.default_rng(seed).random((n + 1, 2))
    hue = (random[0, 0] + np.arange(1, n + 1) * _GOLDEN_RATIO) % 1
    saturation = 0.55 + 0.45 * random[1:, 0]
    value = 0.75 + 0.25 * random[1:, 1]
    # The HSV colour wheel: each channel is a trapezoid of the hue.
    distance = np.abs(hue[:, None] * 6 - np.array([3.0, 2.0, 4.0]))
    wheel = np.clip(np.array([-1, 2, 2]) + np.array([1, -1, -1]) * distance, 0, 1)
    rgb = value[:, None] * (1 - saturation[:, None] * (1 - wheel))
    colors: NDArray[np.uint8] = np.rint(rgb * 255).astype(np.uint8)
    return colors
