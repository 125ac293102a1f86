"""What there is to know about a raster before it is segmented, and plain advice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pages.ui.text import length_m, percent, size_bytes
from samgeo_core.reading.raster import Raster
from samgeo_core.reading.source import Joined, traffic_of
from samgeo_core.words import _, ngettext

COARSE_GSD_M = 5.0
MUCH_NODATA_SHARE = 0.3
MANY_PIXELS = 50_000_000
FEW_PIXELS_SIDE = 256
DARK_VALUE = 128
"""Of 255: where 98 % of the values of every band lie below, the image hardly shows."""

_FORMATS = {"GTiff": "GeoTIFF", "COG": "GeoTIFF (COG)", "JP2OpenJPEG": "JPEG 2000"}


@dataclass(frozen=True)
class Fact:
    """One line about a raster."""

    label: str
    value: str


@dataclass(frozen=True)
class Advice:
    """Something worth knowing before a run; "stop" means that a run makes no sense."""

    kind: Literal["note", "warning", "stop"]
    text: str


@dataclass(frozen=True)
class Look:
    """What a raster's pixels say.

    Attributes:
        valid_share: share of pixels that carry data, 0 to 1.
        dark: whether the image hardly shows as it is stored.
    """

    valid_share: float
    dark: bool

    @classmethod
    def of(cls, raster: Raster) -> Look:
        """Look at a decimated view of a raster."""
        dark = raster.dtype == "uint8" and "palette" not in raster.color_interpretations
        dark = dark and max(raster.stretch(mode="percentile").highs) < DARK_VALUE
        return cls(raster.valid_share(), dark)


def raster_facts(raster: Raster, look: Look) -> list[Fact]:
    """Size, place, values and file of a raster."""
    height, width = raster.shape_hw
    facts = [
        Fact(
            _("Size"),
            f"{width:,} × {height:,} px ({width * height / 1e6:,.1f} MP)",
        )
    ]
    gsd_m = raster.grid.gsd_m
    if gsd_m is not None:
        extent = f"{length_m(width * gsd_m)} × {length_m(height * gsd_m)}"
        facts += [
            Fact(_("Ground resolution"), _("{gsd_m} per pixel").format(gsd_m=length_m(gsd_m))),
            Fact(_("Extent"), extent),
        ]
    facts += [
        Fact(_("Bands"), f"{raster.band_count} × {raster.dtype}"),
        Fact(_("Coordinate system"), _crs_name(raster)),
        Fact(_("Without data"), percent(1 - look.valid_share)),
        _file_fact(raster),
    ]
    traffic = traffic_of(raster.source)
    if traffic is not None:
        # What several images read of one file counts for all of them, so it may be more than that.
        is_part = traffic.received_bytes < raster.size_bytes
        told = _("{read} of {size}; requests: {n:,}") if is_part else _("{read}; requests: {n:,}")
        read = told.format(
            read=size_bytes(traffic.received_bytes),
            size=size_bytes(raster.size_bytes),
            n=traffic.requests,
        )
        facts.append(Fact(_("Fetched so far"), read))
    return facts


def raster_advice(raster: Raster, look: Look, stretch: str = "auto") -> list[Advice]:
    """What is unusual about a raster and what follows from it; the gravest first.

    Args:
        raster: the raster.
        look: what its pixels say.
        stretch: the brightness range in which it is shown.
    """
    if look.valid_share <= 0:
        return [Advice("stop", _("No pixel carries data, so there is nothing to segment."))]
    hidden = look.dark and stretch in {"auto", "none"}
    return [*_warnings(raster, look.valid_share, hidden), *_notes(raster)]


def _warnings(raster: Raster, valid_share: float, hidden: bool) -> list[Advice]:
    found = []
    if hidden:
        found.append(
            _(
                "The image is dark: choose the brightness range *2 to 98 %*, which the model "
                "sees too."
            )
        )
    gsd_m = raster.grid.gsd_m
    if gsd_m is not None and gsd_m > COARSE_GSD_M:
        found.append(
            _(
                "One pixel covers {gsd_m} of ground: expect fields, water and blocks, but no "
                "single houses or trees."
            ).format(gsd_m=length_m(gsd_m))
        )
    if 1 - valid_share > MUCH_NODATA_SHARE:
        found.append(
            _("{valid_share} of the pixels carry no data; they are left out.").format(
                valid_share=percent(1 - valid_share)
            )
        )
    if min(raster.shape_hw) < FEW_PIXELS_SIDE:
        found.append(_("The image is very small; the model sees more in larger ones."))
    return [Advice("warning", text) for text in found]


def _notes(raster: Raster) -> list[Advice]:
    found = []
    height, width = raster.shape_hw
    if not raster.grid.is_georeferenced:
        found.append(
            _(
                "The image has no coordinate system: objects are measured in pixels, and "
                "GeoJSON and KML, which need a place on Earth, can't be written."
            )
        )
    if raster.dtype != "uint8":
        found.append(
            _(
                "Values are {dtype}; they are stretched to the 256 steps that the model sees."
            ).format(dtype=raster.dtype)
        )
    if raster.band_count == 1 and "palette" not in raster.color_interpretations:
        found.append(_("There is one band, so the model sees a grey image."))
    if width * height > MANY_PIXELS:
        found.append(_("This is a large image: try the settings on a small area first."))
    return [Advice("note", text) for text in found]


def _file_fact(raster: Raster) -> Fact:
    size = size_bytes(raster.size_bytes)
    if isinstance(raster.source, Joined):
        n = len(raster.source.parts)
        told = ngettext("{n:,} image, {size}", "{n:,} images, {size}", n).format(n=n, size=size)
        return Fact(_("Files"), told)
    return Fact(_("File"), f"{_format_name(raster)}, {size}")


def _format_name(raster: Raster) -> str:
    return _FORMATS.get(raster.driver, raster.driver)


def _crs_name(raster: Raster) -> str:
    crs = raster.grid.crs
    if crs is None:
        return _("none")
    code = crs.to_string()
    name = _wkt_name(crs.to_wkt())
    if not code.startswith(("EPSG:", "ESRI:", "OGC:")):
        return name or _("custom")
    return f"{code} ({name})" if name else code


def _wkt_name(wkt: str) -> str:
    """The first quoted text of a WKT is the name of the CRS."""
    parts = wkt.split('"', 2)
    name = parts[1] if len(parts) == 3 else ""
    return "" if name.lower() in {"unknown", "unnamed"} else name
