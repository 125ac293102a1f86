"""How rasters look in QGIS: labels, masks, classes, pictures (elements of the format of 3.22).

Colours of labels up to 255 are in the file itself (`results.labels`). A table of colours of 16 bits
can be read, too, but TIFF would repeat 65,536 of them in every overview, and a raster of 32 bits
can't have one; so those get their colours here, and in a .qml beside the file, which QGIS takes by
itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement, tostring

from samgeo_core.qgis.styles import VERSION
from samgeo_core.results.colors import object_colors

MOST_ENTRIES = 4096
"""Of how many ids each has an entry in the legend; beyond that colours follow a ramp."""

_RAMP = ("#e6194b", "#f58231", "#ffe119", "#3cb44b", "#42d4f4", "#4363d8", "#911eb4", "#f032e6")
_ROUNDS = 16
_MASK_COLOR = "#e0218a"


@dataclass(frozen=True)
class Entry:
    """A value of a raster.

    Attributes:
        value: of the pixels.
        color: #rrggbb.
        label: for the legend.
    """

    value: int
    color: str
    label: str


@dataclass(frozen=True, eq=False)
class RasterStyle:
    """How a raster is drawn.

    Attributes:
        renderer: QGIS's element of it.
    """

    renderer: Element

    def pipe(self) -> Element:
        """Its element in a project."""
        pipe = Element("pipe")
        pipe.append(self.renderer)
        return pipe

    def qml(self) -> str:
        """A style document, as it lies beside a raster."""
        document = Element("qgis", {"version": VERSION, "styleCategories": "Symbology"})
        document.append(self.pipe())
        SubElement(document, "blendMode").text = "0"
        text = tostring(document, encoding="unicode")
        return f"<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n{text}"


def picture() -> RasterStyle:
    """Three bands as they are."""
    bands = {"redBand": "1", "greenBand": "2", "blueBand": "3"}
    return RasterStyle(_renderer("multibandcolor", 1.0, bands))


def labels(highest: int) -> RasterStyle:
    """Each id in a colour of its own, the same as in the table of a small label raster.

    Args:
        highest: the highest id; 0 where there is none.
    """
    if highest > MOST_ENTRIES:
        return _many_labels(highest)
    colors = object_colors(highest).tolist()
    return values(
        Entry(i, "#{:02x}{:02x}{:02x}".format(*rgb), str(i)) for i, rgb in enumerate(colors, 1)
    )


def mask() -> RasterStyle:
    """Objects in one colour through which the image is seen."""
    return values([Entry(255, _MASK_COLOR, "object")], opacity=0.45)


def values(entries: Iterable[Entry], opacity: float = 0.65) -> RasterStyle:
    """Some values in colours, everything else clear.

    Args:
        entries: the values.
        opacity: of the layer, 0 to 1.
    """
    renderer = _renderer("paletted", opacity, {"band": "1"})
    palette = SubElement(renderer, "colorPalette")
    for entry in entries:
        told = {"value": str(entry.value), "color": entry.color, "alpha": "255"}
        SubElement(palette, "paletteEntry", {**told, "label": entry.label})
    return RasterStyle(renderer)


def _many_labels(highest: int) -> RasterStyle:
    """Colours go round as ids rise: those that lie near each other differ, as ids follow sizes."""
    bounds = {"classificationMin": "1", "classificationMax": str(highest)}
    renderer = _renderer("singlebandpseudocolor", 0.65, {"band": "1", **bounds})
    shader = SubElement(SubElement(renderer, "rastershader"), "colorrampshader")
    told = {"colorRampType": "INTERPOLATED", "classificationMode": "1", "clip": "0"}
    told |= {"minimumValue": "1", "maximumValue": str(highest)}
    for name, value in told.items():
        shader.set(name, value)
    stops = _ROUNDS * len(_RAMP)
    for i in range(stops + 1):
        value = f"{1 + (highest - 1) * i / stops:.6g}"
        color = _RAMP[i % len(_RAMP)]
        SubElement(shader, "item", {"value": value, "color": color, "alpha": "255", "label": value})
    return RasterStyle(renderer)


def _renderer(kind: str, opacity: float, more: dict[str, str]) -> Element:
    told = {"type": kind, "opacity": f"{opacity:g}", "alphaBand": "-1", "nodataColor": ""}
    return Element("rasterrenderer", {**told, **more})
