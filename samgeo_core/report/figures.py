"""Figures of the areas of objects: counts, sums, medians, by class, and a histogram."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from samgeo_core.errors import ParameterError

AreaUnit = Literal["m2", "px"]

PLAIN_COLOR = "#2f7f79"
"""Of objects where nobody taught classes."""

_MOST_BINS = 24
_PER_DECADE = (10, 5, 2, 1)
"""Bins to a power of ten, of which the finest that makes few enough bins is taken."""


@dataclass(frozen=True)
class Group:
    """Objects that are counted together.

    Attributes:
        name: of the class; empty for all objects, or for those without a class.
        color: "#rrggbb".
    """

    name: str
    color: str


@dataclass(frozen=True)
class GroupFigures:
    """What is known of a group.

    Attributes:
        group: which.
        count: number of objects.
        total, median: area in the unit of the figures, NaN where there is no object.
    """

    group: Group
    count: int
    total: float
    median: float


@dataclass(frozen=True, eq=False)
class Histogram:
    """Numbers of objects by area.

    Attributes:
        edges: float64 [B + 1], rising, each the same factor above the one before.
        counts: int64 [G, B], objects of each group from one edge up to the next.
    """

    edges: NDArray[np.float64]
    counts: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class AreaFigures:
    """Areas of N objects in G groups.

    Attributes:
        areas: float64 [N].
        unit: of the areas: m² on the ground, or px where the place on Earth is unknown.
        numbers: int64 [N], the group of each object.
        groups: G of them, at least one.
        coverage: share of the pixels with data that an object covers; None where unknown.

    Raises:
        ParameterError: the lengths differ, or a group isn't there.
    """

    areas: NDArray[np.float64]
    unit: AreaUnit
    numbers: NDArray[np.int64]
    groups: tuple[Group, ...]
    coverage: float | None = None

    def __post_init__(self) -> None:
        if self.areas.shape != self.numbers.shape or self.areas.ndim != 1:
            raise ParameterError(
                f"Figures need one group for each area, got {self.numbers.shape} for "
                f"{self.areas.shape}."
            )
        highest = int(self.numbers.max(initial=-1))
        if not self.groups or highest >= len(self.groups) or self.numbers.min(initial=0) < 0:
            raise ParameterError(
                f"Figures of {len(self.groups)} groups got an object of group {highest}."
            )

    @classmethod
    def of(
        cls,
        areas_m2: ArrayLike,
        areas_px: ArrayLike,
        classes: tuple[Sequence[str], Sequence[str]] | None = None,
        coverage: float | None = None,
    ) -> AreaFigures:
        """Figures of objects as tables have them.

        Args:
            areas_m2: [N], NaN where the place on Earth is unknown.
            areas_px: [N].
            classes: names and colours [N] of the objects' classes, empty for none; None where
                there are no classes.
            coverage: see the class.
        """
        on_ground = np.asarray(areas_m2, np.float64).reshape(-1)
        in_px = np.asarray(areas_px, np.float64).reshape(-1)
        is_known = len(on_ground) == len(in_px) and bool(np.isfinite(on_ground).all())
        areas, unit = (on_ground, "m2") if is_known and len(in_px) else (in_px, "px")
        numbers, groups = _grouped(len(in_px), classes)
        return cls(areas, "m2" if unit == "m2" else "px", numbers, groups, coverage)

    def __len__(self) -> int:
        return len(self.areas)

    @property
    def total(self) -> float:
        """Sum of all areas; objects inside others count in both."""
        return float(self.areas.sum())

    @property
    def median(self) -> float:
        """NaN where there is no object."""
        return float(np.median(self.areas)) if len(self.areas) else float("nan")

    @property
    def has_classes(self) -> bool:
        """Whether objects are counted by class."""
        return any(group.name for group in self.groups)

    @cached_property
    def rows(self) -> tuple[GroupFigures, ...]:
        """Figures of each group, in their order."""
        made = []
        for number, group in enumerate(self.groups):
            areas = self.areas[self.numbers == number]
            median = float(np.median(areas)) if len(areas) else float("nan")
            made.append(GroupFigures(group, len(areas), float(areas.sum()), median))
        return tuple(made)

    @cached_property
    def histogram(self) -> Histogram:
        """All objects by area, in bins of equal width on a logarithmic scale."""
        if not len(self.areas):
            return Histogram(np.array([1.0, 10.0]), np.zeros((len(self.groups), 1), np.int64))
        edges = _edges(float(self.areas.min()), float(self.areas.max()))
        counts = [np.histogram(self.areas[self.numbers == i], edges)[0] for i in range(self._n)]
        return Histogram(edges, np.array(counts, np.int64))

    @property
    def _n(self) -> int:
        return len(self.groups)


def _grouped(
    n: int, classes: tuple[Sequence[str], Sequence[str]] | None
) -> tuple[NDArray[np.int64], tuple[Group, ...]]:
    """The groups that there are: classes by their names, those without any last."""
    if classes is None:
        return np.zeros(n, np.int64), (Group("", PLAIN_COLOR),)
    names, colors = (np.asarray(values, str) for values in classes)
    found = sorted(set(names.tolist()) - {""})
    groups = [Group(name, str(colors[np.argmax(names == name)])) for name in found]
    if not found or (names == "").any():
        groups.append(Group("", _NO_CLASS if found else PLAIN_COLOR))
    known = {group.name: i for i, group in enumerate(groups)}
    return np.array([known[name] for name in names.tolist()], np.int64), tuple(groups)


_NO_CLASS = "#8a9693"


def _edges(smallest: float, largest: float) -> NDArray[np.float64]:
    """Edges at powers of ten and between, from at most the smallest to at least the largest."""
    low, high = np.log10(max(smallest, 1e-12)), np.log10(max(largest, 1e-12))
    steps = next((k for k in _PER_DECADE if (high - low) * k <= _MOST_BINS), _PER_DECADE[-1])
    first = int(np.floor(low * steps))
    last = max(int(np.ceil(high * steps)), first + 1)
    edges = 10.0 ** (np.arange(first, last + 1) / steps)
    # Powers that rounding has moved must not lose the outermost objects.
    edges[0], edges[-1] = min(edges[0], smallest), max(edges[-1], largest)
    return np.asarray(edges, np.float64)
