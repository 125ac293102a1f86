"""Finished vectors of a run as it is shown (rule, edits, classes), drawn as a visitor asks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from samgeo_core.errors import ParameterError
from samgeo_core.vectors.style import OutlineStyle, tolerance_in_px
from samgeo_core.web.classes import classes_version, classified
from samgeo_core.web.selected import Selected
from samgeo_core.windows import Window

if TYPE_CHECKING:
    from samgeo_core.reading.raster import Raster
    from samgeo_core.results.batches import Batches
    from samgeo_core.vectors.product import PixelObjects, Surroundings

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
    from samgeo_core.vectors.product import Surroundings, objects_layer

    grid, valid = chosen.source.place.grid, chosen.source.pool.valid
    image = raster if choice.bands else None
    around = Surroundings(grid, choice.style(grid), image, lambda window: valid[window.slices])
    if choice.product == "partition":
        return _partition(chosen, choice, around)
    return objects_layer(_objects(chosen), around)


def crop_layer(chosen: Selected, choice: ExportChoice, part: Window) -> Batches:
    """The same for a part of a result, without figures; objects that reach into it are whole.

    Args:
        chosen: objects of a run in one piece.
        choice: what is wanted.
        part: px of the result.

    Raises:
        ParameterError: see `ExportChoice.style`.
    """
    from samgeo_core.vectors.product import Surroundings, objects_layer

    grid, valid = chosen.source.place.grid, chosen.source.pool.valid
    if choice.product == "partition":
        within = valid[part.slices]
        cut = grid.window(part)
        style = choice.style(grid)
        around = Surroundings(cut, style, None, lambda w: within[w.slices], attributes=False)
        return _partition(chosen, choice, around, part)
    left, top, right, bottom = chosen.objects.boxes_xyxy.T
    x1, y1 = part.x + part.width, part.y + part.height
    inside = np.flatnonzero((left < x1) & (right > part.x) & (top < y1) & (bottom > part.y))
    around = Surroundings(grid, choice.style(grid), None, None, attributes=False)
    return objects_layer(_objects(chosen, inside), around)


def _objects(chosen: Selected, index: NDArray[np.int64] | None = None) -> Iterator[PixelObjects]:
    """Objects of a result with their classes; those at some indices only, without classes."""
    from samgeo_core.vectors.sources import objects_in_memory

    book = chosen.source.pool.crossings
    if index is not None:
        return objects_in_memory(chosen.objects.select(index), None, book)
    return objects_in_memory(chosen.objects, _classes(chosen), book)


def _partition(
    chosen: Selected, choice: ExportChoice, around: Surroundings, part: Window | None = None
) -> Batches:
    import pandas as pd

    from samgeo_core.results.labels import label_raster
    from samgeo_core.vectors.outline import shifts_by_edge
    from samgeo_core.vectors.product import partition_layer

    objects, dx, dy = chosen.objects, *((part.x, part.y) if part else (0, 0))
    known = chosen.frame[[name for name in _KNOWN if name in chosen.frame]]
    # NOTE: edges are numbered by the whole raster's width, so that a part does without logits.
    crossings = None if part else shifts_by_edge(objects, chosen.source.pool.crossings)
    return partition_layer(
        lambda window: label_raster(objects, window=window.moved(dx, dy)),
        around,
        fill_px=choice.fill,
        known=pd.DataFrame(known).assign(**_classes(chosen)),
        crossings=crossings,
    )


def _classes(chosen: Selected) -> dict[str, Any]:
    return classified(chosen).columns() if classes_version(chosen.source.run) else {}


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
