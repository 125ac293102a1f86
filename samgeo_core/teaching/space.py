"""Features on one scale, so that distances between objects mean something."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from samgeo_core.errors import ParameterError
from samgeo_core.teaching.features import ObjectFeatures

Part = Literal["mean", "contrast", "spread", "outlines", "colours"]

PARTS: tuple[Part, ...] = get_args(Part)
"""Mean of the encoder's features over a mask, what it has more of than what lies around it, their
spread within it, its size and shape, and its colours."""

Points = NDArray[np.float32]
"""float32 [N, D], objects as points of a `FeatureSpace`."""


@dataclass(frozen=True, eq=False)
class FeatureSpace:
    """What is usual among some objects: each part counts as much as any other in distances.

    Attributes:
        parts: which parts there are.
        centres: of each part its mean, float64 [D of the part].
        scales: of each part by what it is multiplied, a number for each column or one for all.
    """

    parts: tuple[Part, ...]
    centres: tuple[NDArray[np.float64], ...]
    scales: tuple[NDArray[np.float64], ...]

    @classmethod
    def fit(cls, features: ObjectFeatures, parts: Sequence[Part] = PARTS) -> FeatureSpace:
        """Learn what is usual.

        The mean squared length of each part becomes 1. Columns of shapes and colours, which have
        units of their own, are first brought to one spread; those of the encoder keep theirs.

        Raises:
            ParameterError: there is nothing to learn from.
        """
        if not len(features) or not parts:
            raise ParameterError("A feature space needs at least one object and one part.")
        tables = [_table(features, part) for part in parts]
        centres = tuple(table.mean(0) for table in tables)
        scales = tuple(
            _scale(t - c, part) for t, c, part in zip(tables, centres, parts, strict=True)
        )
        return cls(tuple(parts), centres, scales)

    def points(self, features: ObjectFeatures) -> Points:
        """Objects as points, float32 [N, D]."""
        parts = zip(self.parts, self.centres, self.scales, strict=True)
        columns = [
            ((_table(features, part) - centre) * scale).astype(np.float32)
            for part, centre, scale in parts
        ]
        return np.concatenate(columns, axis=1)


def _table(features: ObjectFeatures, part: Part) -> NDArray[np.float64]:
    if part == "outlines":
        return features.outlines.astype(np.float64)
    if part == "colours":
        return features.colours.astype(np.float64)
    mean, around, spread = (features.encoded[:, i].astype(np.float64) for i in range(3))
    return {"mean": mean, "contrast": mean - around, "spread": spread}[part]


def _scale(centred: NDArray[np.float64], part: Part) -> NDArray[np.float64]:
    squares = (centred**2).mean(0)
    if part in ("outlines", "colours"):
        used = squares > 1e-12
        squares = np.where(used, squares, np.inf)
        return np.asarray(1 / np.sqrt(squares * max(int(used.sum()), 1)))
    return np.asarray(1 / np.sqrt(max(float(squares.sum()), 1e-12)))
