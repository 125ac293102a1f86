"""The columns of finished layers: name, short name, unit, meaning. docs/vectors.md shows them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Field:
    """A column.

    Attributes:
        name: in every format but Shapefile.
        short: in Shapefile, at most ten characters.
        unit: of its values.
        meaning: what it says.
    """

    name: str
    short: str
    unit: str
    meaning: str

    @property
    def told(self) -> str:
        """Meaning, unit and short name in a line."""
        unit = f"; {self.unit}" if self.unit else ""
        short = "" if self.short == self.name else f"; {self.short} in a Shapefile"
        return f"{self.meaning}{unit}{short}"


FIELDS = (
    Field(
        "object_id",
        "object_id",
        "",
        "number of the object in its raster; below 0: background",
    ),
    Field("value", "value", "", "value of the label raster"),
    Field(
        "parent_id",
        "parent_id",
        "",
        "smallest object that holds 90 % of this one, 0: none",
    ),
    Field("class_name", "class_name", "", "class that was taught; empty: none of them"),
    Field("class_color", "class_rgb", "", "its colour, #rrggbb"),
    Field("confidence", "confidence", "0 to 1", "how sure that is; 1 for marked objects"),
    Field("score", "score", "0 to 1", "the model's own estimate of the mask's IoU"),
    Field("stability", "stability", "0 to 1", "IoU of the mask at a higher and a lower threshold"),
    Field("area_px", "area_px", "px", "pixels of the mask"),
    Field("area_m2", "area_m2", "m²", "area of the polygon on the ground (ellipsoid)"),
    Field("perimeter_m", "perim_m", "m", "length of its outline on the ground, holes included"),
    Field("perimeter_px", "perim_px", "px", "length of its outline, holes included"),
    Field("length_m", "length_m", "m", "longer side of its minimum rotated rectangle"),
    Field("width_m", "width_m", "m", "shorter side of that rectangle"),
    Field("length_px", "length_px", "px", "longer side of its minimum rotated rectangle"),
    Field("width_px", "width_px", "px", "shorter side of that rectangle"),
    Field(
        "orientation_deg",
        "orient_deg",
        "°",
        "of the longer side, clockwise from north or up",
    ),
    Field("compactness", "compactnes", "0 to 1", "4 π area / perimeter²: 1 for a circle"),
    Field("elongation", "elongation", "0 to 1", "1 − width / length: 0 for a square"),
    Field(
        "touches_edge",
        "touch_edge",
        "0 or 1",
        "whether it reaches the edge of raster or data",
    ),
    Field("lon", "lon", "°", "longitude (WGS 84) of a point inside"),
    Field("lat", "lat", "°", "latitude (WGS 84) of a point inside"),
)
"""In the order in which they appear."""

_BY_NAME = {field.name: field for field in FIELDS}
_OF_BAND = re.compile(r"(mean|std)_b(\d+)$")


def field_of(name: str) -> Field | None:
    """What is known of a column, None of one that isn't ours."""
    found = _OF_BAND.match(name)
    if found:
        what = "mean" if found[1] == "mean" else "standard deviation"
        meaning = f"{what} of band {found[2]} over the valid pixels of the mask"
        return Field(name, name, "as in the raster", meaning)
    return _BY_NAME.get(name)


def short_name(name: str) -> str:
    """The name of a column in a Shapefile, which may still be too long if it isn't ours."""
    field = field_of(name)
    return name if field is None else field.short


def key_text(names: Sequence[str], stored: Sequence[str]) -> str:
    """A table (CSV) that says what stored names stand for.

    Args:
        names: of columns.
        stored: what they are called in the file.
    """
    lines = ["field,name,unit,meaning"]
    for name, short in zip(names, stored, strict=True):
        field = field_of(name)
        unit, meaning = ("", "") if field is None else (field.unit, field.meaning)
        lines.append(f'{short},{name},{unit},"{meaning}"')
    return "\n".join(lines) + "\n"
