"""Numbers and foreign text as people read them."""

from __future__ import annotations

import html
import math
import re

from samgeo_core.words import _

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|~:$<>])")


def plain(text: str) -> str:
    """Text from a file or a visitor, escaped so that markdown shows it as it is."""
    return _MARKDOWN.sub(r"\\\1", text)


def markup(text: str) -> str:
    """Text from a file or a visitor, escaped for HTML."""
    return html.escape(text, quote=True)


def count(number: int, noun: str) -> str:
    """A number with its noun, as in "1 object" and "1,204 objects"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def size_bytes(number: int) -> str:
    """A file size."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= scale:
            return f"{number / scale:.1f} {unit}"
    return f"{number} bytes"


def length_m(metres: float) -> str:
    """A length on the ground."""
    if metres >= 1000:
        return f"{_significant(metres / 1000)} km"
    return f"{_significant(metres)} m" if metres >= 1 else f"{_significant(metres * 100)} cm"


def area_m2(square_metres: float) -> str:
    """An area on the ground."""
    if square_metres >= 1e6:
        return f"{_significant(square_metres / 1e6)} km²"
    if square_metres >= 1e4:
        return f"{_significant(square_metres / 1e4)} ha"
    return f"{_significant(square_metres)} m²"


def duration_s(seconds: float) -> str:
    """A rough duration: seconds to a minute, then minutes, then hours."""
    if seconds < 1:
        return _("under a second")
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{seconds / 3600:.1f} h"


def percent(share: float) -> str:
    """A share, with a decimal only where it says something; never rounded to 0 or 100 %."""
    if share <= 0 or share >= 1:
        return f"{share * 100:.0f} %"
    value = share * 100
    if value < 0.1:
        return "under 0.1 %"
    if value > 99.9:
        return "over 99.9 %"
    return f"{value:.1f} %" if value < 10 or value > 90 else f"{value:.0f} %"


def _significant(value: float) -> str:
    """Three significant digits without an exponent."""
    if value <= 0 or not math.isfinite(value):
        return f"{value:.0f}"
    decimals = max(0, 2 - math.floor(math.log10(value)))
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
