"""What people look for, and what a run does to find it: sizes on the ground decide, not pixels.

A purpose says how large its objects are. Everything else follows: windows through which the model
sees objects of that size well, limits of size for what it offers, and how outlines are drawn. The
numbers are those of the things themselves and weren't fitted to the labelled scenes;
``python -m benchmarks.purposes`` measures there what they do (docs/presets.md).
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from samgeo_core.config import Scales, SegmentConfig, SelectionRule
from samgeo_core.errors import ParameterError
from samgeo_core.words import N_

SCORES_FILE = Path(__file__).with_name("purposes_scores.json")
"""What ``python -m benchmarks.purposes --save`` measured."""

INPUT_PX = 1024
"""Side of what the model sees of a window."""

LEAST_SEEN_PX = 16.0
"""The smallest objects should have this side there, as masks have cells of 4 px."""

MOST_SHARE = 0.6
"""The largest objects should fill no more than this share of a window's side."""

_FINEST_PX, _USUAL_PX, _COARSEST_PX = 256, 512, 4096


@dataclass(frozen=True)
class Purpose:
    """One kind of thing that people look for.

    Attributes:
        name: in commands and addresses.
        title: for people.
        says: one sentence for people.
        least_m2: size of the smallest objects on the ground, m²; None sets no limit.
        most_m2: size of the largest; None sets no limit.
        fill_gaps: whether what nothing was found in is asked again, with lower demands.
        outline: how its outlines are drawn in files: smooth or regular.
        advice: a sentence on bands, for images that have more than colours.
    """

    name: str
    title: str
    says: str
    least_m2: float | None = None
    most_m2: float | None = None
    fill_gaps: bool = False
    outline: str = "smooth"
    advice: str | None = None

    def rule(self, usual: SelectionRule, gsd_m: float | None, *, on_ground: bool) -> SelectionRule:
        """A rule with this purpose's limits of size.

        Args:
            usual: of the preset, for all but sizes.
            gsd_m: ground sample distance, m per px; None where it is unknown: no limits then.
            on_ground: whether the raster knows its place on Earth; limits are in px elsewhere.
        """
        if on_ground:
            return replace(usual, min_area_m2=self.least_m2, max_area_m2=self.most_m2)
        if gsd_m is None:
            return usual
        least, most = (
            None if area is None else float(round(area / gsd_m**2))
            for area in (self.least_m2, self.most_m2)
        )
        return replace(usual, min_area_px=least, max_area_px=most)

    def scales(self, gsd_m: float | None) -> Scales | None:
        """Windows that show the smallest objects large enough and the largest ones whole.

        Args:
            gsd_m: ground sample distance, m per px; None where unknown: all of the preset's then.
        """
        if gsd_m is None or (self.least_m2 is None and self.most_m2 is None):
            return None
        finest, coarsest = _USUAL_PX, _COARSEST_PX
        if self.least_m2 is not None:
            wanted = math.sqrt(self.least_m2) / gsd_m * INPUT_PX / LEAST_SEEN_PX
            finest = _between(_FINEST_PX, 2 ** math.floor(math.log2(max(wanted, 1))), _USUAL_PX)
        if self.most_m2 is not None:
            wanted = math.sqrt(self.most_m2) / gsd_m / MOST_SHARE
            coarsest = _between(finest, 2 ** math.ceil(math.log2(max(wanted, 1))), _COARSEST_PX)
        return Scales(finest, coarsest, self.fill_gaps)

    def applied(
        self, config: SegmentConfig, gsd_m: float | None, *, on_ground: bool = True
    ) -> SegmentConfig:
        """A configuration with this purpose's scales and rule; "everything" changes nothing.

        Args:
            config: model, bands, preset.
            gsd_m: ground sample distance, m per px; None where unknown.
            on_ground: whether the raster knows its place on Earth.
        """
        plain = replace(config, selection=None)
        if self.name == EVERYTHING:
            return replace(plain, scales=None, purpose=None)
        rule = self.rule(plain.rule, gsd_m, on_ground=on_ground)
        scales = None if config.preset == "exact" else self.scales(gsd_m)
        return replace(plain, selection=rule, scales=scales, purpose=self.name)


EVERYTHING = "everything"

PURPOSES = {
    purpose.name: purpose
    for purpose in (
        Purpose(
            EVERYTHING,
            N_("Everything"),
            N_("All that can be told apart, at all scales and of any size."),
            fill_gaps=True,
        ),
        Purpose(
            "roofs",
            N_("Roofs"),
            N_("From a shed to a warehouse, 6 to 5,000 m²; outlines with right angles."),
            6.0,
            5_000.0,
            outline="regular",
        ),
        Purpose(
            "fields",
            N_("Fields"),
            N_("Parcels of 0.15 to 200 ha; woods and yards of that size come along."),
            1_500.0,
            2_000_000.0,
            fill_gaps=True,
            advice=N_("A near-infrared band in place of red shows crops apart from each other."),
        ),
        Purpose(
            "trees",
            N_("Trees"),
            N_("Crowns and clumps of 1 to 300 m²; in closed forest most crowns are missed."),
            1.0,
            300.0,
            advice=N_("A near-infrared band in place of red shows crowns apart from the ground."),
        ),
        Purpose(
            "vehicles",
            N_("Vehicles"),
            N_("From a small car to a lorry, 4 to 60 m²; needs 30 cm per pixel or less."),
            4.0,
            60.0,
            outline="regular",
        ),
        Purpose(
            "water",
            N_("Water"),
            N_("Ponds, rivers and lakes from 100 m² on; other large areas come along."),
            100.0,
            None,
            fill_gaps=True,
            advice=N_("A near-infrared band shows water black; the index NDWI shows it bright."),
        ),
    )
}


def purpose_named(name: str | None) -> Purpose:
    """The purpose of a name; None is everything.

    Raises:
        ParameterError: there is none of that name.
    """
    found = PURPOSES.get(name or EVERYTHING)
    if found is None:
        raise ParameterError(f"purpose must be one of {', '.join(PURPOSES)}, got {name}.")
    return found


@cache
def measured_scores() -> dict[str, list[dict[str, Any]]]:
    """What was measured on labelled scenes, by purpose: a row for each scene.

    Rows hold ``scene``, ``labelled`` and, for the purpose and for the plain preset full, figures by
    name (``purpose``, ``full``).
    """
    if not SCORES_FILE.is_file():
        return {}
    found: dict[str, list[dict[str, Any]]] = json.loads(SCORES_FILE.read_text("utf-8"))["purposes"]
    return found


def _between(low: int, value: int, high: int) -> int:
    return max(low, min(value, high))
