"""Which objects of a result somebody wants: by size, score and stability."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samgeo_core.errors import ParameterError


@dataclass(frozen=True)
class ObjectFilter:
    """Limits, both ends included; None sets no limit.

    Attributes:
        min_area_m2: least area, m²; an object of unknown area (no CRS) passes no limit in m².
        max_area_m2: greatest area, m².
        min_area_px: least area, px.
        max_area_px: greatest area, px.
        min_score: least predicted quality, 0 to about 1.
        min_stability: least stability, 0 to 1.

    Raises:
        ParameterError: a limit is negative or not a finite number, or nothing can lie between two.
    """

    min_area_m2: float | None = None
    max_area_m2: float | None = None
    min_area_px: float | None = None
    max_area_px: float | None = None
    min_score: float | None = None
    min_stability: float | None = None

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise ParameterError(f"{name} must be a number of 0 or more, got {value}.")
        for unit in ("m2", "px"):
            low, high = getattr(self, f"min_area_{unit}"), getattr(self, f"max_area_{unit}")
            if low is not None and high is not None and low > high:
                raise ParameterError(
                    f"min_area_{unit} must not exceed max_area_{unit}, got {low} and {high}."
                )

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> ObjectFilter:
        """Read the limits among the parameters of an address; others are left alone.

        Raises:
            ParameterError: a limit is not a number, or out of its range.
        """
        limits: dict[str, float] = {}
        for name in (f.name for f in fields(cls)):
            if query.get(name):
                try:
                    limits[name] = float(query[name])
                except ValueError as error:
                    raise ParameterError(
                        f"{name} must be a number, got {query[name][:40]!r}."
                    ) from error
        return cls(**limits)

    @property
    def limits(self) -> dict[str, float]:
        """The limits that are set, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def keeps(self, frame: Any) -> NDArray[np.bool_]:
        """Bool [N]: which rows of a table with the columns of `vectorize` lie within the limits."""
        keep = np.ones(len(frame), np.bool_)
        for name, limit in self.limits.items():
            side, column = name.split("_", 1)
            values = np.asarray(frame[column], np.float64)
            keep &= values >= limit if side == "min" else values <= limit
        return keep
