"""Objects as numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from samgeo_core.errors import ParameterError
from samgeo_core.teaching.keys import Keys


@dataclass(frozen=True, eq=False)
class ObjectFeatures:
    """N masks as numbers.

    Attributes:
        keys: what each mask is called, see `mask_keys`.
        encoded: float16 [N, 3, C], of the encoder's C features: mean over the mask, mean over a
            ring around it, spread within the mask.
        outlines: float32 [N, 6], see `shapes.shape_of`.
        colours: float32 [N, 6], see `shapes.colours_of`.

    Raises:
        ParameterError: the lengths differ.
    """

    keys: Keys
    encoded: NDArray[np.float16]
    outlines: NDArray[np.float32]
    colours: NDArray[np.float32]

    def __post_init__(self) -> None:
        lengths = {len(self.keys), len(self.encoded), len(self.outlines), len(self.colours)}
        if len(lengths) > 1:
            raise ParameterError(f"Features need arrays of one length, got {sorted(lengths)}.")

    def __len__(self) -> int:
        return len(self.keys)

    def take(self, index: NDArray[np.int64]) -> ObjectFeatures:
        """Some of the rows, in the order of an index."""
        return ObjectFeatures(
            tuple(self.keys[i] for i in index.tolist()),
            self.encoded[index],
            self.outlines[index],
            self.colours[index],
        )

    def joined(self, others: ObjectFeatures) -> ObjectFeatures:
        """These rows, then those of others."""
        return ObjectFeatures(
            self.keys + others.keys,
            np.concatenate([self.encoded, others.encoded]),
            np.concatenate([self.outlines, others.outlines]),
            np.concatenate([self.colours, others.colours]),
        )
