"""From any numbers to the 0..255 a model sees: one range per band for the whole raster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from samgeo_core.errors import ParameterError
from samgeo_core.reading.channels import ChannelTriple, as_channels

StretchMode = Literal["auto", "percentile", "minmax", "none", "signed"]

STRETCH_MODES: tuple[StretchMode, ...] = get_args(StretchMode)

BandTriple = ChannelTriple
Triple = tuple[float, float, float]

LOW_PERCENT, HIGH_PERCENT = 2.0, 98.0


@dataclass(frozen=True)
class Stretch:
    """A linear range per band: ``low`` becomes 0, ``high`` 255, what lies beyond is clipped.

    The range 0 to 255 leaves uint8 as it is, and clips and rounds every other type.

    Attributes:
        bands: the three bands (1-based), or expressions on bands, for red, green and blue.
        lows: value of each band that becomes 0.
        highs: value of each band that becomes 255; where it equals ``low``, greater values do.

    Raises:
        ParameterError: a bound is not finite, or a high lies below its low.
    """

    bands: BandTriple
    lows: Triple
    highs: Triple

    def __post_init__(self) -> None:
        if {len(self.bands), len(self.lows), len(self.highs)} != {3}:
            raise ParameterError(
                "A stretch needs three bands, lows and highs, got "
                f"{len(self.bands)}, {len(self.lows)} and {len(self.highs)}."
            )
        for low, high in zip(self.lows, self.highs, strict=True):
            # The width of the range must be finite too, not only its ends.
            if not (np.isfinite(float(high) - float(low)) and low <= high):
                raise ParameterError(f"A stretch needs finite low <= high, got {low} and {high}.")

    @classmethod
    def none(cls, bands: BandTriple) -> Stretch:
        """The stretch that changes nothing on uint8."""
        return cls(bands, (0.0, 0.0, 0.0), (255.0, 255.0, 255.0))

    @classmethod
    def of_ranges(cls, bands: BandTriple, ranges: Sequence[tuple[float, float]]) -> Stretch:
        """The stretch of a low and a high for each band."""
        (low_r, high_r), (low_g, high_g), (low_b, high_b) = ranges
        return cls(bands, (low_r, low_g, low_b), (high_r, high_g, high_b))

    @classmethod
    def fit(
        cls,
        bands: BandTriple,
        values: NDArray[Any],
        valid: NDArray[np.bool_],
        mode: Literal["percentile", "minmax"],
    ) -> Stretch:
        """The range of each band's finite values.

        Args:
            bands: the three bands (1-based) that the values are of.
            values: [3, H, W] of any real dtype.
            valid: bool [3, H, W], True where a value counts.
            mode: percentile takes the 2nd and 98th percentile, minmax the extremes.
        """
        ranges = [_range(v[ok & np.isfinite(v)], mode) for v, ok in zip(values, valid, strict=True)]
        return cls.of_ranges(bands, ranges)

    def apply(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """Stretch [3, H, W] of any real dtype to uint8 [3, H, W]; NaN becomes 0."""
        if values.ndim != 3 or values.shape[0] != 3:
            raise ParameterError(f"Values must be [3, H, W], got {list(values.shape)}.")
        out = np.empty(values.shape, np.uint8)
        for band, low, high, target in zip(values, self.lows, self.highs, out, strict=True):
            target[:] = _scale(band, low, high)
        return out

    def to_dict(self) -> dict[str, list[Any]]:
        """A form that JSON can hold; `from_dict` is its inverse."""
        return {"bands": list(self.bands), "lows": list(self.lows), "highs": list(self.highs)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Stretch:
        """Read what `to_dict` gave."""
        r, g, b = as_channels(data["bands"])
        lows, highs = (tuple(float(v) for v in data[key]) for key in ("lows", "highs"))
        return cls((r, g, b), lows, highs)  # type: ignore[arg-type]  # checked when built


def _range(values: NDArray[Any], mode: Literal["percentile", "minmax"]) -> tuple[float, float]:
    """Low and high of finite values; 0 and 1 where there are none."""
    if not values.size:
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    if mode == "percentile":
        inner = np.percentile(values.astype(np.float64), (LOW_PERCENT, HIGH_PERCENT))
        # NOTE: where nearly all pixels are equal the percentiles meet; the extremes then tell more.
        if inner[1] > inner[0]:
            low, high = float(inner[0]), float(inner[1])
    limit = float(np.finfo(np.float64).max) / 4
    return max(min(low, limit), -limit), max(min(high, limit), -limit)


def _scale(values: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """One band to uint8."""
    if values.dtype == np.uint8 and (low, high) == (0.0, 255.0):
        return values
    if low == high:
        return np.where(values > low, np.uint8(255), np.uint8(0))
    small = values.dtype.itemsize <= 2 or values.dtype == np.float32
    small = small and max(abs(low), abs(high)) < 1e38 and high - low > 1e-30
    work: NDArray[Any] = values.astype(np.float32 if small else np.float64)
    np.clip(work, low, high, out=work)
    np.subtract(work, low, out=work)
    # Divided first: the share is at most 1, however narrow or wide the range.
    np.divide(work, high - low, out=work)
    np.multiply(work, 255.0, out=work)
    np.rint(work, out=work)
    np.nan_to_num(work, copy=False, nan=0.0)
    return work.astype(np.uint8)
