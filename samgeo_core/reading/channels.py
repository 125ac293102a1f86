"""What may stand for red, green or blue: a band by number or name, an index, an expression.

Whatever somebody writes becomes canonical once: a band's number, or an expression on bands by
number (``b4``), so that equal channels are equal wherever they are kept and compared.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from samgeo_core.errors import ParameterError
from samgeo_core.reading.band_roles import Roles, bands_of_roles, role_named
from samgeo_core.reading.expressions import FUNCTIONS, Expression

Channel = int | str
ChannelTriple = tuple[Channel, Channel, Channel]

INDICES: dict[str, str] = {
    "ndvi": "(nir - red) / (nir + red)",
    "gndvi": "(nir - green) / (nir + green)",
    "ndre": "(nir - rededge) / (nir + rededge)",
    "savi": "1.5 * (nir - red) / (nir + red + 0.5)",
    "osavi": "(nir - red) / (nir + red + 0.16)",
    "msavi": "(2 * nir + 1 - sqrt((2 * nir + 1) ** 2 - 8 * (nir - red))) / 2",
    "ndwi": "(green - nir) / (green + nir)",
    "mndwi": "(green - swir1) / (green + swir1)",
    "ndmi": "(nir - swir1) / (nir + swir1)",
    "ndbi": "(swir1 - nir) / (swir1 + nir)",
    "nbr": "(nir - swir2) / (nir + swir2)",
    "ndsi": "(green - swir1) / (green + swir1)",
    "exg": "(2 * green - red - blue) / (red + green + blue)",
    "vari": "(green - red) / (green + red - blue)",
    "brightness": "(red + green + blue) / 3",
}
"""Formulas by name; docs/channels.md says where each comes from."""

COMPOSITES: dict[str, tuple[str, str, str]] = {
    "natural": ("red", "green", "blue"),
    "false_colour": ("nir", "red", "green"),
    "ndvi": ("ndvi", "ndvi", "ndvi"),
    "ndvi_nir_red": ("ndvi", "nir", "red"),
}
"""Well-known ways to look at an image, by what stands for red, green and blue."""

_NUMBER = re.compile(r"b?(\d{1,5})")


@dataclass(frozen=True)
class BandBook:
    """The bands of a raster, by all their names.

    Attributes:
        names: descriptions, "Band 1" and so on where there is none.
        roles: what each band shows, see `band_roles.roles_of`.
    """

    names: tuple[str, ...]
    roles: Roles

    def channel(self, given: Channel) -> Channel:
        """The canonical form of a channel.

        Args:
            given: a band's number, its description, what it shows ("nir"), an index ("ndvi"), or
                an expression on these.

        Raises:
            ParameterError: it is none of these, or names a band that isn't there.
        """
        if not isinstance(given, str):
            return self._number(int(given))
        text = given.strip()
        if text.isdecimal():
            return self._number(int(text[:6]))
        if (band := self._band(text)) is not None:
            return band
        expression = Expression(text).with_names(self._meaning)
        if not expression.names:
            raise ParameterError(f"The expression {text!r} names no band, such as b1 or nir.")
        alone = _NUMBER.fullmatch(expression.text)
        return int(alone[1]) if alone else expression.text

    def triple(self, given: Sequence[Channel]) -> ChannelTriple:
        """The canonical form of three channels, or of one that stands for all three.

        Raises:
            ParameterError: neither one nor three, or see `channel`.
        """
        if len(given) not in (1, 3):
            raise ParameterError(
                f"Bands must be one or three numbers from 1 to {len(self.names)}, names or "
                f"expressions, got {', '.join(map(str, given)) or 'none'}."
            )
        found = [self.channel(channel) for channel in given]
        return (found[0], found[1], found[2]) if len(found) == 3 else (found[0],) * 3

    def has(self, given: Channel) -> bool:
        """Whether this raster has the bands of a channel."""
        try:
            self.channel(given)
        except ParameterError:
            return False
        return True

    def _number(self, band: int) -> int:
        if not 1 <= band <= len(self.names):
            raise ParameterError(
                f"Bands must be one or three numbers from 1 to {len(self.names)}, got {band}."
            )
        return band

    def _band(self, text: str) -> int | None:
        """The band that a text names; None where it names none.

        ``b4`` is always the fourth band. A file whose bands are called B2, B3 … has B4 (as it is
        written there) for the one of that name.
        """
        if text in self.names:
            return self.names.index(text) + 1
        if match := _NUMBER.fullmatch(text):
            return self._number(int(match[1]))
        wanted = _plain(text)
        plain = [_plain(name) for name in self.names]
        if wanted and plain.count(wanted) == 1:
            return plain.index(wanted) + 1
        role = role_named(text) if len(text) > 1 else None
        if role and (band := bands_of_roles(self.roles).get(role)):
            return band
        return self._number(int(text[1:])) if _NUMBER.fullmatch(text.lower()) else None

    def _meaning(self, name: str) -> str:
        """The expression, on bands by number, that a name in an expression stands for."""
        if name in FUNCTIONS:
            raise ParameterError(f"{name} is a function: write such as {name}(b1, b2).")
        if (band := self._band(name)) is not None:
            return f"b{band}"
        if (formula := INDICES.get(name.lower())) is not None:
            try:
                return Expression(formula).with_names(self._meaning).text
            except ParameterError as error:
                raise ParameterError(f"{name} is {formula}. {error}") from error
        raise ParameterError(
            f"No band is called {name!r}: this image has {self._told()}. Bands by number are "
            "b1, b2 and so on."
        )

    def _told(self) -> str:
        """The bands in words."""
        known = bands_of_roles(self.roles)
        told = [f"b{i}" for i in range(1, len(self.names) + 1)][:12]
        return ", ".join([*told, *known])


def is_plain(bands: Sequence[Channel]) -> bool:
    """Whether these channels are bands as they are stored."""
    return all(isinstance(band, int) for band in bands)


def bands_in(channels: Sequence[Channel]) -> list[int]:
    """Numbers of the bands that canonical channels are computed from, sorted, each once."""
    found: set[int] = set()
    for channel in channels:
        if isinstance(channel, int):
            found.add(channel)
        else:
            found |= {int(name[1:]) for name in Expression(channel).names}
    return sorted(found)


def channels_of_text(text: str) -> tuple[Channel, ...]:
    """One or three channels with commas between them; commas inside parentheses don't part.

    Raises:
        ParameterError: neither one nor three.
    """
    parts, depth, begin = [], 0, 0
    for i, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            parts.append(text[begin:i])
            begin = i + 1
    found = [part.strip() for part in (*parts, text[begin:])]
    if len(found) not in (1, 3) or not all(found):
        raise ParameterError(
            f"One or three bands are needed, such as 1,2,3 or nir,red,green or ndvi; got {text!r}."
        )
    return tuple(int(part) if part.isdecimal() else part for part in found)


def as_channels(values: Sequence[object]) -> tuple[Channel, ...]:
    """Channels of JSON: numbers stay numbers, texts texts."""
    return tuple(value if isinstance(value, str) else int(value) for value in values)  # type: ignore[call-overload]


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
