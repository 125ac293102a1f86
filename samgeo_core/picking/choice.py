"""Which of the masks that windows of several scales offer is the object somebody pointed at.

A model's own estimate of its masks says little across scales. What tells more is agreement: each
mask is taken for the object with some probability, its weight, and chosen is the one of the highest
expected IoU with the object, sum_j weight_j IoU(i, j). A mask that other scales return, too, gains;
one that a single scale makes up doesn't. No torch here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_OFFERED = 3

TYPICAL_SHARE, SHARE_SPREAD = 0.1, 1.2
"""Side of an object (root of its area) over that of a window that shows it well, and how far, as a
ratio's logarithm, it may well lie from that. Measured by benchmarks.prompted: see docs/picking.md.
"""
CUT_WEIGHT = 0.3
DISOBEDIENT_WEIGHT = 0.05


@dataclass(frozen=True, eq=False)
class Ballot:
    """What is known of N masks before they are compared.

    Attributes:
        scores: float64 [N], predicted IoU.
        shares: float64 [N], root of the mask's area over that of its window.
        is_cut: bool [N], whether an edge of its window cuts a mask.
        obeys: bool [N], whether it holds all foreground points and no background point.
        fits: float64 [N], IoU of its bounds with the box that was asked for; None without a box.
    """

    scores: NDArray[np.float64]
    shares: NDArray[np.float64]
    is_cut: NDArray[np.bool_]
    obeys: NDArray[np.bool_]
    fits: NDArray[np.float64] | None = None

    def weights(self) -> NDArray[np.float64]:
        """How probably each mask is the object, up to a factor, [N]."""
        weights = np.clip(self.scores, 0.0, 1.0)
        weights = weights * np.where(self.is_cut, CUT_WEIGHT, 1.0)
        weights *= np.where(self.obeys, 1.0, DISOBEDIENT_WEIGHT)
        if self.fits is not None:
            weights *= self.fits**2
        else:
            away = np.log(np.maximum(self.shares, 1e-6) / TYPICAL_SHARE) / SHARE_SPREAD
            weights *= np.exp(-0.5 * away**2)
        return np.where(self.shares > 0, weights, 0.0)


def choose(agreement: NDArray[np.float64], ballot: Ballot) -> int:
    """Index of the mask of the highest expected IoU with the object.

    Args:
        agreement: [N, N], IoU of masks with each other.
        ballot: what else is known of them.
    """
    weights = ballot.weights()
    expected = agreement @ weights
    if ballot.fits is not None:
        expected *= ballot.fits
    return int(np.where(weights > 0, expected, -1.0).argmax())


def offer(agreement: NDArray[np.float64], ballot: Ballot, chosen: int) -> list[int]:
    """The chosen mask and those that add most to the chance that one of them is the object.

    Returns:
        Indices, the chosen one first, at most `MOST_OFFERED`.
    """
    weights = ballot.weights()
    offered = [chosen]
    covered = agreement[chosen].copy()
    for _ in range(MOST_OFFERED - 1):
        gains = (np.maximum(agreement - covered, 0.0) * weights).sum(1)
        gains[weights <= 0] = 0.0
        best = int(gains.argmax())
        if gains[best] <= 0.0 or best in offered:
            break
        offered.append(best)
        covered = np.maximum(covered, agreement[best])
    return offered
