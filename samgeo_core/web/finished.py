"""Finished vectors of a run as it is shown (rule, edits, classes), drawn as a visitor asks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from samgeo_core.errors import ParameterError
from samgeo_core.vectors.style import OutlineStyle, tolerance_in_px
from samgeo_core.web.classes import classes_version, classified
from samgeo_core.web.selected import Selected

if TYPE_CHECKING:
    from samgeo_core.reading.raster import Raster
    from samgeo_core.results.batches import Batches

_PREFIX = "out_"
_MOST_SMOOTHING, _MOST_TOLERANCE, _MOST_FILL_PX = 50, 1000.0, 100.0


@dataclass(frozen=True)
class ExportChoice:
    """How a visitor wants vectors; the defaults are those of the command ``vectorize``.

    Attributes:
        product: "objects", or "partition" for a layer without gaps and overlaps.
        smoothing: how often stairs are smoothed out; 0 follows the edges of pixels.
        tolerance: how far simplification may move outlines.
        unit: of that: "px" of the raster or "m" on the ground.
        regular: right angles, of objects only.
        circles: circles where they fit, of objects only.
        fill: how far pixels of a partition look for an object, px.
        bands: whether means and deviations of the image's bands are wanted.

    Raises:
        ParameterError: a value is out of its range, or none of those to choose from.
    """

    product: str = "objects"
    smoothing: int = 5
    tolerance: float = 0.5
    unit: str = "px"
    regular: bool = False
    circles: bool = False
    fill: float = 5.0
    bands: bool = False

    def __post_init__(self) -> None:
        if self.product not in ("objects", "partition") or self.unit not in ("px", "m"):
            raise ParameterError("A product is objects or partition, a unit px or m.")
        _check("smoothing", self.smoothing, _MOST_SMOOTHING)
        _check("tolerance", self.tolerance, _MOST_TOLERANCE)
        _check("fill", self.fill, _MOST_FILL_PX)

    @property
    def query(self) -> dict[str, str]:
        """What differs from the defaults, for addresses."""
        plain = ExportChoice()
        changed = {
            item.name: getattr(self, item.name)
            for item in fields(self)
            if getattr(self, item.name) != getattr(plain, item.name)
        }
        return {
            f"{_PREFIX}{name}": "1" if value is True else f"{value}"
            for name, value in changed.items()
        }

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> ExportChoice:
        """What an address asks for.

        Raises:
            ParameterError: it asks for something that can't be.
        """
        values: dict[str, Any] = {}
        for item in fields(cls):
            text = query.get(f"{_PREFIX}{item.name}")
            if text is not None:
                values[item.name] = _parsed(item.name, text, getattr(cls, item.name))
        return cls(**values)

    def style(self, grid: Any) -> OutlineStyle:
        """How outlines are drawn.

        Args:
            grid: of the raster, `GeoGrid`.

        Raises:
            ParameterError: a tolerance in metres, and the raster has no CRS.
        """
        in_px = tolerance_in_px(self.tolerance, grid) if self.unit == "m" else self.tolerance
        is_free = self.product == "objects"
        return OutlineStyle(
            self.smoothing, in_px, self.regular and is_free, self.circles and is_free
        )


def finished_layer(chosen: Selected, choice: ExportChoice, raster: Raster | None = None) -> Batches:
    """Objects or a partition of a result, ready to be written.

    Args:
        chosen: objects of a run in one piece.
        choice: what is wanted.
        raster: the image of the run, for its bands; must have the result's own grid.

    Raises:
        ParameterError: see `ExportChoice.style`; or the image has other pixels.
    """
    from samgeo_core.vectors.outline import shifts_by_edge
    from samgeo_core.vectors.product import Surroundings, objects_layer, partition_layer
    from samgeo_core.vectors.sources import labels_in_memory, objects_in_memory

    pool, objects, grid = chosen.source.pool, chosen.objects, chosen.source.place.grid
    valid, image = pool.valid, raster if choice.bands else None
    around = Surroundings(grid, choice.style(grid), image, lambda window: valid[window.slices])
    more = classified(chosen).columns() if classes_version(chosen.source.run) else {}
    book = pool.crossings
    if choice.product == "objects":
        return objects_layer(objects_in_memory(objects, more, book), around)
    import pandas as pd

    known = chosen.frame[[name for name in _KNOWN if name in chosen.frame]]
    known = pd.DataFrame(known).assign(**more)
    crossings = None if book is None else shifts_by_edge(objects, book)
    return partition_layer(
        labels_in_memory(objects), around, fill_px=choice.fill, known=known, crossings=crossings
    )


_KNOWN = ("object_id", "parent_id", "score", "stability")


def _check(name: str, value: float, most: float) -> None:
    if not (math.isfinite(value) and 0 <= value <= most):
        raise ParameterError(f"{name} must be 0 to {most:g}, got {value}.")


def _parsed(name: str, text: str, default: object) -> object:
    try:
        if isinstance(default, bool):
            return {"1": True, "0": False}[text]
        return type(default)(text[:40])  # type: ignore[call-arg]
    except (KeyError, ValueError) as error:
        raise ParameterError(f"{name} can't be {text[:40]!r}; take the page's links.") from error
