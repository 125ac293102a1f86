"""The pixels a model sees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from samgeo_core.errors import ParameterError
from samgeo_core.windows import ShapeHW


@dataclass(frozen=True, eq=False)
class TileImage:
    """Pixels of one window, ready for a model.

    Attributes:
        rgb: uint8 [H, W, 3].
        valid: bool [H, W], True where the pixel carries data.
    """

    rgb: NDArray[np.uint8]
    valid: NDArray[np.bool_]

    def __post_init__(self) -> None:
        if self.rgb.ndim != 3 or self.rgb.shape[2] != 3 or self.rgb.dtype != np.uint8:
            raise ParameterError(
                f"rgb must be uint8 [H, W, 3], got {self.rgb.dtype} {list(self.rgb.shape)}."
            )
        if self.valid.shape != self.rgb.shape[:2] or self.valid.dtype != np.bool_:
            raise ParameterError(
                f"valid must be bool {list(self.rgb.shape[:2])}, "
                f"got {self.valid.dtype} {list(self.valid.shape)}."
            )

    @classmethod
    def from_rgb(cls, rgb: NDArray[np.uint8]) -> TileImage:
        """A tile of which every pixel is valid."""
        return cls(rgb, np.ones(rgb.shape[:2], np.bool_))

    @property
    def shape_hw(self) -> ShapeHW:
        """Height and width, px."""
        return self.rgb.shape[0], self.rgb.shape[1]
