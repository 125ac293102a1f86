"""How layers look in QGIS: renderers as QML, QGIS's own style documents (format of 3.22)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from xml.etree.ElementTree import Element, SubElement, tostring

import numpy as np
from numpy.typing import NDArray

VERSION = "3.22.0"

_CLASSES = 5
_RAMP = ("#fff176", "#ffb13d", "#ff5f5f", "#d81b9a", "#8c52ff")
"""From small to large, light to dark; colours that fields, roofs and water don't have."""

_OUTLINE, _FAINT = "#16d5c0", "#c3cbc9"
_BACKGROUND = "background"
_ANY_SIZE = 1e15
"""More than the Earth has, in m² or in px."""


@dataclass(frozen=True)
class Part:
    """Some rows of a layer, and how they are drawn.

    Attributes:
        label: for the legend.
        color: of the area, #rrggbb.
        value: of the attribute, where each value has a part.
        span: least and greatest value of the attribute, where numbers have parts.
        alpha: opacity of the area, 0 to 1.
        outline: colour of the outline, #rrggbb; "" takes that of the area.
    """

    label: str
    color: str
    value: str = ""
    span: tuple[float, float] | None = None
    alpha: float = 0.16
    outline: str = ""


@dataclass(frozen=True)
class Style:
    """A renderer.

    Attributes:
        kind: "categorizedSymbol", "graduatedSymbol" or "singleSymbol", as QGIS calls them.
        parts: of which it consists; one for "singleSymbol".
        attribute: column or expression that decides; empty for "singleSymbol".
        geometry: "Polygon" or "Point".
        largest_first: column by which rows are sorted, so that small ones lie on large ones.
    """

    kind: str
    parts: Sequence[Part] = field(default_factory=tuple)
    attribute: str = ""
    geometry: str = "Polygon"
    largest_first: str = ""

    def renderer(self) -> Element:
        """Its element in documents of QGIS."""
        renderer = Element("renderer-v2", {"type": self.kind, "symbollevels": "0"})
        if self.attribute:
            renderer.set("attr", self.attribute)
        if self.kind == "categorizedSymbol":
            self._add_categories(SubElement(renderer, "categories"))
        elif self.kind == "graduatedSymbol":
            renderer.set("graduatedMethod", "GraduatedColor")
            self._add_ranges(SubElement(renderer, "ranges"))
        symbols = SubElement(renderer, "symbols")
        symbol = _marker if self.geometry == "Point" else _fill
        symbols.extend(symbol(str(i), part) for i, part in enumerate(self.parts))
        renderer.set("enableorderby", str(int(bool(self.largest_first))))
        if self.largest_first:
            order = SubElement(renderer, "orderby")
            clause = SubElement(order, "orderByClause", {"asc": "0", "nullsFirst": "0"})
            clause.text = f'"{self.largest_first}"'
        return renderer

    def _add_categories(self, group: Element) -> None:
        for i, part in enumerate(self.parts):
            told = {"value": part.value, "label": part.label, "symbol": str(i), "render": "true"}
            SubElement(group, "category", {**told, "type": "string"})

    def _add_ranges(self, group: Element) -> None:
        for i, part in enumerate(self.parts):
            low, high = part.span or (0.0, 0.0)
            told = {"lower": f"{low:.15g}", "upper": f"{high:.15g}", "symbol": str(i)}
            SubElement(group, "range", {**told, "label": part.label, "render": "true"})

    def qml(self) -> str:
        """A style document, as `layer_styles` of a GeoPackage holds it."""
        document = Element("qgis", {"version": VERSION, "styleCategories": "Symbology"})
        document.append(self.renderer())
        text = tostring(document, encoding="unicode")
        return f"<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n{text}"


def by_class(classes: Sequence[tuple[str, str]], *, partition: bool = False) -> Style:
    """Each class in its colour, everything else faint.

    Args:
        classes: name and colour (#rrggbb) of each.
        partition: whether rows with ids below 0 are background.
    """
    parts = [Part(name, color, value=name, alpha=0.3) for name, color in classes]
    parts.append(Part("no class", _FAINT, value="", alpha=0.08))
    if not partition:
        return Style("categorizedSymbol", parts, "class_name", largest_first="area_px")
    parts.append(_background())
    named = f'if("object_id" < 0, \'{_BACKGROUND}\', "class_name")'
    return Style("categorizedSymbol", parts, named)


def by_size(column: str, sizes: Sequence[float], unit: str, *, partition: bool = False) -> Style:
    """From small to large in as many classes as there are sizes for, each with as many objects.

    Args:
        column: of the sizes.
        sizes: of all objects; those that are no number are left out.
        unit: for the legend.
        partition: whether rows with ids below 0 are background.
    """
    values = np.asarray(sizes, np.float64)
    values = values[np.isfinite(values)]
    if not len(values):
        return outlines_only()
    spans = _spans(values)
    last = max(len(spans) - 1, 1)
    colors = [_RAMP[round(i * (len(_RAMP) - 1) / last)] for i in range(len(spans))]
    parts = [
        Part(f"{_told(low)} to {_told(high)} {unit}", color, span=(low, high))
        for (low, high), color in zip(spans, colors, strict=True)
    ]
    if not partition:
        return Style("graduatedSymbol", parts, column, largest_first=column)
    # No object is that small: what counts as 0 or less is background.
    shown = f'if("object_id" < 0, -1, "{column}")'
    return Style("graduatedSymbol", [_background(), *_open_ended(parts, unit)], shown)


def _open_ended(parts: Sequence[Part], unit: str) -> list[Part]:
    """The same without a least and a greatest size.

    NOTE: QGIS leaves out rows beyond all spans, and in a partition objects are smaller where others
    lie on them, or larger where they fill slits.
    """
    if len(parts) == 1:
        return [replace(parts[0], label="objects", span=(0.0, _ANY_SIZE))]
    first, *inner, last = parts
    low, high = (first.span or (0.0, 0.0))[1], (last.span or (0.0, 0.0))[0]
    return [
        replace(first, label=f"up to {_told(low)} {unit}", span=(0.0, low)),
        *inner,
        replace(last, label=f"over {_told(high)} {unit}", span=(high, _ANY_SIZE)),
    ]


def _spans(values: NDArray[np.float64]) -> list[tuple[float, float]]:
    """Bounds between which lie as many values each; round ones, where they stay apart."""
    inner = np.quantile(values, np.linspace(0, 1, _CLASSES + 1)[1:-1])
    rounded = [float(f"{value:.2g}") for value in inner.tolist()]
    low, high = float(values.min()), float(values.max())
    edges = [low, *sorted({value for value in rounded if low < value < high}), high]
    return [*pairwise(edges)]


def _told(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"


def _background() -> Part:
    return Part(_BACKGROUND, _FAINT, value=_BACKGROUND, span=(-1.0, -1.0), alpha=0.06)


def prompt_style() -> Style:
    """Points on objects green, points beside them red."""
    parts = [
        Part("on the object", "#2ecc71", value="1", alpha=1.0, outline="#ffffff"),
        Part("beside it", "#e74c3c", value="0", alpha=1.0, outline="#ffffff"),
    ]
    return Style("categorizedSymbol", parts, "label", geometry="Point")


def edit_style() -> Style:
    """What corrections added green, what they removed red."""
    parts = [
        Part("added", "#2ecc71", value="added", alpha=0.15),
        Part("removed", "#e74c3c", value="removed", alpha=0.15),
    ]
    return Style("categorizedSymbol", parts, "change")


def outlines_only() -> Style:
    """Lines, nothing within."""
    return Style("singleSymbol", [Part("", "#ffffff", alpha=0.0, outline=_OUTLINE)])


def _fill(name: str, part: Part) -> Element:
    options = {
        "color": _rgba(part.color, part.alpha),
        "style": "solid" if part.alpha > 0 else "no",
        "outline_color": _rgba(part.outline or part.color, 1.0 if part.alpha > 0.1 else 0.6),
        "outline_style": "solid",
        "outline_width": "0.4",
        "outline_width_unit": "MM",
        "joinstyle": "round",
    }
    return _symbol("fill", "SimpleFill", name, options)


def _marker(name: str, part: Part) -> Element:
    options = {
        "name": "circle",
        "color": _rgba(part.color, part.alpha),
        "outline_color": _rgba(part.outline or part.color, 1.0),
        "outline_style": "solid",
        "outline_width": "0.4",
        "outline_width_unit": "MM",
        "size": "2.8",
        "size_unit": "MM",
    }
    return _symbol("marker", "SimpleMarker", name, options)


def _symbol(kind: str, layer_class: str, name: str, options: Mapping[str, str]) -> Element:
    """A symbol of one layer."""
    told = {"type": kind, "name": name, "alpha": "1", "clip_to_extent": "1", "force_rhr": "0"}
    symbol = Element("symbol", told)
    told = {"class": layer_class, "enabled": "1", "locked": "0", "pass": "0"}
    layer = SubElement(symbol, "layer", told)
    table = SubElement(layer, "Option", {"type": "Map"})
    for key, value in options.items():
        SubElement(table, "Option", {"type": "QString", "name": key, "value": value})
    # Versions before 3.20 read these instead.
    for key, value in options.items():
        SubElement(layer, "prop", {"k": key, "v": value})
    return symbol


def _rgba(color: str, alpha: float) -> str:
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return f"{red},{green},{blue},{round(255 * alpha)}"
