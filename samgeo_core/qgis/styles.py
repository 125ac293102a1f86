"""How layers look in QGIS: renderers as QML, QGIS's own style documents (format of 3.22)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element, SubElement, tostring

import numpy as np

VERSION = "3.22.0"

_CLASSES = 5
_RAMP = ("#f2f0c4", "#b7d9a8", "#6fb8a0", "#2f8a90", "#1c4f74")
"""From small to large: light to dark, so that it reads in grey, too."""

_OUTLINE, _FAINT = "#0f6e66", "#9aa5a2"


@dataclass(frozen=True)
class Part:
    """Some rows of a layer, and how they are drawn.

    Attributes:
        label: for the legend.
        color: of the area, #rrggbb.
        value: of the attribute, where each value has a part.
        span: least and greatest value of the attribute, where numbers have parts.
        alpha: opacity of the area, 0 to 1.
        outline: colour of the outline, #rrggbb.
    """

    label: str
    color: str
    value: str = ""
    span: tuple[float, float] | None = None
    alpha: float = 0.4
    outline: str = _OUTLINE


@dataclass(frozen=True)
class Style:
    """A renderer.

    Attributes:
        kind: "categorizedSymbol", "graduatedSymbol" or "singleSymbol", as QGIS calls them.
        parts: of which it consists; one for "singleSymbol".
        attribute: column or expression that decides; empty for "singleSymbol".
    """

    kind: str
    parts: Sequence[Part] = field(default_factory=tuple)
    attribute: str = ""

    def renderer(self) -> Element:
        """Its element in documents of QGIS."""
        attributes = {
            "type": self.kind,
            "symbollevels": "0",
            "enableorderby": "0",
            "forceraster": "0",
        }
        if self.attribute:
            attributes["attr"] = self.attribute
        renderer = Element("renderer-v2", attributes)
        if self.kind == "categorizedSymbol":
            group = SubElement(renderer, "categories")
            for i, part in enumerate(self.parts):
                told = {
                    "value": part.value,
                    "label": part.label,
                    "symbol": str(i),
                    "render": "true",
                }
                SubElement(group, "category", {**told, "type": "string"})
        elif self.kind == "graduatedSymbol":
            renderer.set("graduatedMethod", "GraduatedColor")
            group = SubElement(renderer, "ranges")
            for i, part in enumerate(self.parts):
                low, high = part.span or (0.0, 0.0)
                told = {"lower": f"{low:.15g}", "upper": f"{high:.15g}", "symbol": str(i)}
                SubElement(group, "range", {**told, "label": part.label, "render": "true"})
        symbols = SubElement(renderer, "symbols")
        for i, part in enumerate(self.parts):
            symbols.append(_symbol(str(i), part))
        return renderer

    def qml(self) -> str:
        """A style document, as `layer_styles` of a GeoPackage holds it."""
        document = Element("qgis", {"version": VERSION, "styleCategories": "Symbology"})
        document.append(self.renderer())
        text = tostring(document, encoding="unicode")
        return f"<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n{text}"


def by_class(classes: Sequence[tuple[str, str]]) -> Style:
    """Each class in its colour, everything else faint.

    Args:
        classes: name and colour (#rrggbb) of each.
    """
    parts = [Part(name, color, value=name, outline=color) for name, color in classes]
    other = Part("no class", _FAINT, value="", alpha=0.15, outline=_FAINT)
    return Style("categorizedSymbol", [*parts, other], "class_name")


def by_size(column: str, sizes: Sequence[float], unit: str) -> Style:
    """From small to large in as many classes as there are sizes for, each with as many objects.

    Args:
        column: of the sizes.
        sizes: of all objects; those that are no number are left out.
        unit: for the legend.
    """
    values = np.asarray(sizes, np.float64)
    values = values[np.isfinite(values)]
    if not len(values):
        return outlines_only()
    edges = np.unique(np.quantile(values, np.linspace(0, 1, _CLASSES + 1)))
    if len(edges) < 2:
        edges = np.array([edges[0], edges[0]])
    spans = list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))
    colors = [
        _RAMP[round(i * (len(_RAMP) - 1) / max(len(spans) - 1, 1))] for i in range(len(spans))
    ]
    parts = [
        Part(f"{low:,.4g} to {high:,.4g} {unit}", color, span=(low, high))
        for (low, high), color in zip(spans, colors, strict=True)
    ]
    return Style("graduatedSymbol", parts, column)


def partition_style() -> Style:
    """Objects as areas, the background between them faint."""
    parts = [
        Part("object", "#7fb8a8", value="1", alpha=0.45),
        Part("background", "#ffffff", value="0", alpha=0.05, outline=_FAINT),
    ]
    return Style("categorizedSymbol", parts, "if(\"object_id\" > 0, '1', '0')")


def outlines_only() -> Style:
    """Lines, nothing within."""
    return Style("singleSymbol", [Part("", "#ffffff", alpha=0.0)])


def _symbol(name: str, part: Part) -> Element:
    symbol = Element(
        "symbol",
        {"type": "fill", "name": name, "alpha": "1", "clip_to_extent": "1", "force_rhr": "0"},
    )
    layer = SubElement(
        symbol, "layer", {"class": "SimpleFill", "enabled": "1", "locked": "0", "pass": "0"}
    )
    options = {
        "color": _rgba(part.color, part.alpha),
        "style": "solid" if part.alpha > 0 else "no",
        "outline_color": _rgba(part.outline, 1.0),
        "outline_style": "solid",
        "outline_width": "0.3",
        "outline_width_unit": "MM",
        "joinstyle": "round",
    }
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
