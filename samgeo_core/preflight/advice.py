"""Plain advice before a run: what is unusual, what follows, and the remedy that mends it.

Thresholds and their reasons: docs/preflight.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from samgeo_core.config import SegmentConfig
from samgeo_core.preflight.look import PixelLook
from samgeo_core.preflight.needs import Needs
from samgeo_core.reading.raster import Raster
from samgeo_core.words import _

AdviceKind = Literal["note", "warning", "stop"]
Action = Literal["resample", "bands", "stretch", "preset", "extent", "try_area"]

FINE_GSD_M = 0.15
TARGET_GSD_M = 0.3
COARSE_GSD_M = 5.0
MUCH_NODATA_SHARE = 0.3
SPARSE_EXTENT_SHARE = 0.8
FEW_PIXELS_SIDE = 256
LONG_S = 900.0
MEMORY_SHARE = 0.9


@dataclass(frozen=True)
class Remedy:
    """What a click does about it.

    Attributes:
        action: resample (value: factor), bands (three band numbers), stretch (a mode), preset
            (quick or large), extent (window as x, y, width, height, px), try_area (nothing).
        label: of the button.
        value: see ``action``; JSON-ready.
    """

    action: Action
    label: str
    value: Any = None


@dataclass(frozen=True)
class Advice:
    """One thing worth knowing; "stop" means that a run makes no sense.

    Attributes:
        key: a name for it.
        kind: how grave it is.
        text: a sentence.
        remedy: what mends it; None where nothing does.
    """

    key: str
    kind: AdviceKind
    text: str
    remedy: Remedy | None = None


@dataclass(frozen=True)
class Situation:
    """What advice follows from.

    Attributes:
        raster: the source.
        config: what is to be done.
        look: what its pixels say.
        needs: of the run.
        seconds: that the run will take.
        free_memory_bytes, free_disk_bytes: that can be had; None where unknown.
        is_part: whether only an area is to be segmented.
    """

    raster: Raster
    config: SegmentConfig
    look: PixelLook
    needs: Needs
    seconds: float
    free_memory_bytes: int | None
    free_disk_bytes: int | None
    is_part: bool = False


def advice_for(situation: Situation) -> list[Advice]:
    """All that is worth knowing, the gravest first."""
    if situation.look.valid_share <= 0:
        text = _("No pixel carries data, so there is nothing to segment.")
        return [Advice("empty", "stop", text)]
    found = [
        *_about_room(situation),
        *_about_pixels(situation),
        *_about_scale(situation),
        *_about_time(situation),
        *_notes(situation.raster),
    ]
    order: list[AdviceKind] = ["stop", "warning", "note"]
    return sorted(found, key=lambda advice: order.index(advice.kind))


def _about_room(s: Situation) -> list[Advice]:
    found = []
    smaller = Remedy("try_area", _("Run on a small area"))
    memory, disk = s.free_memory_bytes, s.free_disk_bytes
    if memory is not None and s.needs.memory_bytes > MEMORY_SHARE * memory:
        text = _(
            "About {needed:.1f} GB of memory are needed and {free:.1f} GB are free: the system "
            "may end the run. Choose a smaller model or a smaller area."
        )
        values = {"needed": s.needs.memory_bytes / 1e9, "free": memory / 1e9}
        found.append(Advice("memory", "warning", text.format(**values), smaller))
    if disk is not None and s.needs.disk_bytes > disk:
        text = _(
            "The result takes about {needed:,.0f} MB on the disk and {free:,.0f} MB are free: "
            "delete what you don't need any more, or choose a smaller area."
        )
        values = {"needed": s.needs.disk_bytes / 1e6, "free": disk / 1e6}
        found.append(Advice("disk", "warning", text.format(**values), smaller))
    return found


def _about_pixels(s: Situation) -> list[Advice]:
    found = []
    if s.look.is_dark and s.config.stretch in {"auto", "none"}:
        text = _("The image is dark, and the model sees it as dark: stretch its brightness.")
        remedy = Remedy("stretch", _("Stretch brightness"), "percentile")
        found.append(Advice("dark", "warning", text, remedy))
    if 1 - s.look.valid_share > MUCH_NODATA_SHARE:
        text = _("{share} % of the pixels carry no data; they are left out.")
        share = 100 * (1 - s.look.valid_share)
        told = f"{share:.0f}" if share < 99.5 else f"{min(share, 99.9):.1f}"  # some carry data
        found.append(Advice("nodata", "warning", text.format(share=told), _extent(s)))
    if (bands := _false_colour(s.raster)) is not None and s.config.bands != bands:
        names = "-".join(map(str, bands))
        text = _(
            "The image has a near infrared band: in the bands {bands} plants stand out from roofs "
            "and water."
        )
        remedy = Remedy("bands", _("Use bands {bands}").format(bands=names), list(bands))
        found.append(Advice("infrared", "note", text.format(bands=names), remedy))
    return found


def _extent(s: Situation) -> Remedy | None:
    window, (height, width) = s.look.data_window, s.raster.shape_hw
    if window is None or s.is_part:
        return None
    if window.width * window.height > SPARSE_EXTENT_SHARE * height * width:
        return None
    value = [window.x, window.y, window.width, window.height]
    return Remedy("extent", _("Run on the data's extent"), value)


def _about_scale(s: Situation) -> list[Advice]:
    gsd_m, found = s.raster.grid.gsd_m, []
    if gsd_m is not None and gsd_m < FINE_GSD_M:
        text = _(
            "One pixel covers {gsd:.1f} cm of ground: for roofs, trees and fields that is finer "
            "than needed, and takes {times:.0f} times the time. For things below a metre keep it."
        )
        remedy = Remedy(
            "resample", _("Resample to {gsd:g} m").format(gsd=TARGET_GSD_M), gsd_m / TARGET_GSD_M
        )
        values = {"gsd": gsd_m * 100, "times": (TARGET_GSD_M / gsd_m) ** 2}
        found.append(Advice("too_fine", "note", text.format(**values), remedy))
    elif gsd_m is not None and gsd_m > COARSE_GSD_M:
        text = _(
            "One pixel covers {gsd:.3g} m of ground: expect fields, water and blocks, but no "
            "single houses or trees. Enlarged twice, small fields are told apart better."
        )
        remedy = Remedy("resample", _("Resample to {gsd:.3g} m").format(gsd=gsd_m / 2), 2.0)
        found.append(Advice("too_coarse", "warning", text.format(gsd=gsd_m), remedy))
    if min(s.raster.shape_hw) < FEW_PIXELS_SIDE:
        text = _("The image is very small; the model sees more in larger ones.")
        remedy = Remedy("resample", _("Enlarge twice"), 2.0)
        if not any(advice.remedy and advice.remedy.action == "resample" for advice in found):
            found.append(Advice("small", "note", text, remedy))
    return found


def _about_time(s: Situation) -> list[Advice]:
    if s.seconds < LONG_S or s.config.preset == "fast" or s.is_part:
        return []
    if s.config.preset == "exact":
        text = _("This takes long. A coarse grid of points is about four times faster.")
        return [Advice("slow", "note", text, Remedy("preset", _("Choose Large objects"), "large"))]
    text = _("This takes long. A quick look is several times faster and misses some objects.")
    return [Advice("slow", "note", text, Remedy("preset", _("Choose Quick look"), "quick"))]


def _notes(raster: Raster) -> list[Advice]:
    found = []
    if not raster.grid.is_georeferenced:
        text = _("The image has no coordinate system: sizes and areas are in pixels.")
        found.append(Advice("no_place", "note", text))
    if raster.dtype != "uint8":
        text = _("Values are {dtype}; they are stretched to the 256 steps that the model sees.")
        found.append(Advice("dtype", "note", text.format(dtype=raster.dtype)))
    if raster.band_count == 1 and "palette" not in raster.color_interpretations:
        found.append(
            Advice("one_band", "note", _("There is one band, so the model sees a grey image."))
        )
    return found


def _false_colour(raster: Raster) -> tuple[int, int, int] | None:
    """Near infrared, red and green where the file says which bands those are; else None."""
    from samgeo_core.reading.band_roles import bands_of_roles

    known = bands_of_roles(raster.roles)
    if not {"nir", "red", "green"} <= set(known):
        return None
    return known["nir"], known["red"], known["green"]
