"""Which of the masks that windows of several scales offer is the object somebody pointed at.

A model's own estimate of its masks says little across scales. What tells more is agreement: each
mask j is taken for the object with some probability, its weight w_j, and worth choosing is the mask
i of the highest expected IoU with the object, sum_j w_j IoU(i, j). A mask that other scales return,
too, gains; one that a single scale makes up doesn't. How probable it is itself counts by the root
of its weight. docs/picking.md has what each part is good for. No torch here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_OFFERED = 3

TYPICAL_SHARE, SHARE_SPREAD = 0.05, 1.0
"""Side of an object (root of its area) over that of the view, or without one of the window, that
shows it well; and how far, as the logarithm of their ratio, it may well lie from that."""
DISOBEDIENT_WEIGHT = 0.05
"""Of a mask that leaves out a foreground point or holds a background point."""


@dataclass(frozen=True, eq=False)
class Ballot:
    """What is known of N masks before they are compared.

    Attributes:
        scores: float64 [N], predicted IoU.
        shares: float64 [N], root of the mask's area over the side of view or window; 0 if empty.
        obeys: bool [N], whether it holds all foreground points and no background point.
        fits: float64 [N], IoU of its bounds with the box that was asked for; None without a box.
    """

    scores: NDArray[np.float64]
    shares: NDArray[np.float64]
    obeys: NDArray[np.bool_]
    fits: NDArray[np.float64] | None = None

    def weights(self) -> NDArray[np.float64]:
        """How probably each mask is the object, up to a factor, float64 [N]; 0 if empty."""
        weights = np.clip(self.scores, 0.0, 1.0) ** 2
        weights *= np.where(self.obeys, 1.0, DISOBEDIENT_WEIGHT)
        if self.fits is not None:
            weights *= self.fits**2
        else:
            away = np.log(np.maximum(self.shares, 1e-9) / TYPICAL_SHARE) / SHARE_SPREAD
            weights *= np.exp(-0.5 * away**2)
        return np.where(self.shares > 0, weights, 0.0)


def choose(agreement: NDArray[np.float64], weights: NDArray[np.float64]) -> int:
    """Index of the best mask.

    Args:
        agreement: [N, N], IoU of masks with each other.
        weights: [N], of `Ballot.weights`.
    """
    return int((np.sqrt(weights) * (agreement @ weights)).argmax())


def offer(agreement: NDArray[np.float64], weights: NDArray[np.float64]) -> list[int]:
    """The chosen mask and those that add most to the chance that one of them is the object.

    Args:
        agreement: [N, N], IoU of masks with each other.
        weights: [N], of `Ballot.weights`.

    Returns:
        Indices, the chosen one first, at most `MOST_OFFERED`.
    """
    offered = [choose(agreement, weights)]
    covered = agreement[offered[0]]
    for _ in range(MOST_OFFERED - 1):
        gains = (np.maximum(agreement - covered, 0.0) * weights).sum(1)
        gains[weights <= 0] = 0.0
        best = int(gains.argmax())
        if gains[best] <= 0.0:
            break
        offered.append(best)
        covered = np.maximum(covered, agreement[best])
    return offered
