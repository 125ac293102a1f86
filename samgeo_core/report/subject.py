"""What a report is of: a result with its grid, image, labels, figures and words about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samgeo_core import __version__
from samgeo_core.config import SelectionRule
from samgeo_core.geogrid import GeoGrid
from samgeo_core.report.figures import AreaFigures
from samgeo_core.results.colors import object_colors
from samgeo_core.results.labels import Labels
from samgeo_core.tile import TileImage
from samgeo_core.windows import ShapeHW
from samgeo_core.words import N_, _
from samgeo_core.words.quantities import length_m, significant

_PALETTE = 4096

Facts = tuple[tuple[str, str], ...]


@dataclass(frozen=True, eq=False)
class ReportSubject:
    """A result as it is reported.

    Attributes:
        title: what the page is headed with.
        grid: of the result.
        figures: areas of its objects.
        colors: uint8 [K, 3]; the object with label i has row (i - 1) modulo K.
        read_labels: ids of objects of every so many-th pixel of each row and column.
        read_image: the image below them at a height and width; None where it isn't at hand.
        facts: how it was made, as names and values.
        credits: whom to name.
    """

    title: str
    grid: GeoGrid
    figures: AreaFigures
    colors: NDArray[np.uint8]
    read_labels: Callable[[int], Labels]
    read_image: Callable[[ShapeHW], TileImage | None]
    facts: Facts = ()
    credits: tuple[str, ...] = ()


def colors_of(figures: AreaFigures) -> NDArray[np.uint8]:
    """Colours of objects 1 to N: of their classes where there are some, else many."""
    if not figures.has_classes:
        return object_colors(_PALETTE)
    table = np.array([tuple(bytes.fromhex(g.color[1:7])) for g in figures.groups], np.uint8)
    return table[figures.numbers]


_OVERLAPS = {
    "nested": N_("Nested"),
    "flatten": N_("Flat"),
    "largest": N_("Largest"),
    "partition": N_("Gap-free"),
}


def run_facts(record: Mapping[str, Any], grid: GeoGrid, rule: SelectionRule | None) -> Facts:
    """How a result was made, for people.

    Args:
        record: what run.json says.
        grid: of the result.
        rule: by which its objects were chosen; None leaves it out.
    """
    from samgeo_core.models.registry import MODELS

    parameters = record.get("parameters", {})
    model = str(record.get("model", ""))
    facts = [
        (_("Image"), str(record.get("raster", ""))),
        (
            _("Size"),
            _("{width:,} × {height:,} px").format(width=grid.shape_hw[1], height=grid.shape_hw[0]),
        ),
        (
            _("Ground resolution"),
            "" if grid.gsd_m is None else _("{length} per px").format(length=length_m(grid.gsd_m)),
        ),
        (_("Coordinates"), crs_name(grid)),
        (_("Model"), MODELS[model].title if model in MODELS else model),
        (_("Purpose"), str(parameters.get("purpose") or record.get("purpose") or "")),
        (_("Preset"), "" if "picked" in record else str(parameters.get("preset", ""))),
        *([] if rule is None else _rule_facts(rule)),
        (_("Corrections"), _edits(record)),
        (_("Segmented"), str(record.get("created", "")).replace("T", " ")[:16]),
        (_("Software"), f"SamGeo Studio {__version__}"),
    ]
    return tuple((name, value) for name, value in facts if value)


def _rule_facts(rule: SelectionRule) -> list[tuple[str, str]]:
    least, most, unit = rule.min_area_m2, rule.max_area_m2, "m²"
    if least is None and most is None:
        least, most, unit = rule.min_area_px, rule.max_area_px, "px"
    limits = {
        (True, True): _("{least} to {most} {unit}"),
        (True, False): _("from {least} {unit}"),
        (False, True): _("up to {most} {unit}"),
        (False, False): "",
    }[least is not None, most is not None]
    return [
        (_("Least quality"), significant(rule.least_score)),
        (_("Least stability"), significant(rule.least_stability)),
        (_("Area limits"), limits.format(least=_limit(least), most=_limit(most), unit=unit)),
        (_("Overlaps"), _(_OVERLAPS[rule.overlap]) if rule.overlap in _OVERLAPS else rule.overlap),
    ]  # fmt: skip


def _limit(value: float | None) -> str:
    return "" if value is None else significant(value)


def _edits(record: Mapping[str, Any]) -> str:
    edits = record.get("edits") or {}
    return f"{sum(edits.values()):,}" if edits else ""


def crs_name(grid: GeoGrid) -> str:
    """Name and code of the CRS; says so where there is none."""
    if grid.crs is None:
        return _("pixels; no place on Earth is known")
    from samgeo_core.results.geodesy import pyproj_crs

    crs = pyproj_crs(grid.crs)
    name, code = str(getattr(crs, "name", "")), grid.crs.to_epsg()
    return name if code is None else f"{name} (EPSG:{code})"
