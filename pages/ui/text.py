"""Numbers and foreign text as people read them."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Callable

from samgeo_core.words import _, ngettext

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|~:$<>])")


def plain(text: str) -> str:
    """Text from a file or a visitor, escaped so that markdown shows it as it is."""
    return _MARKDOWN.sub(r"\\\1", text)


def markup(text: str) -> str:
    """Text from a file or a visitor, escaped for HTML."""
    return html.escape(text, quote=True)


_COUNTED: dict[str, Callable[[int], str]] = {
    "object": lambda n: ngettext("{n:,} object", "{n:,} objects", n),
    "correction": lambda n: ngettext("{n:,} correction", "{n:,} corrections", n),
    "image": lambda n: ngettext("{n:,} image", "{n:,} images", n),
    "result": lambda n: ngettext("{n:,} result", "{n:,} results", n),
    "mark": lambda n: ngettext("{n:,} mark", "{n:,} marks", n),
    "link": lambda n: ngettext("{n:,} link", "{n:,} links", n),
    "download": lambda n: ngettext("{n:,} download", "{n:,} downloads", n),
}


def count(number: int, noun: str) -> str:
    """A number with its noun, as in "1 object" and "1,204 objects"."""
    return _COUNTED[noun](number).format(n=number)


def size_bytes(number: int) -> str:
    """A file size."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= scale:
            return f"{number / scale:.1f} {unit}"
    return ngettext("{n} byte", "{n} bytes", number).format(n=number)


def length_m(metres: float) -> str:
    """A length on the ground."""
    if metres >= 1000:
        return _("{n} km").format(n=_significant(metres / 1000))
    if metres >= 1:
        return _("{n} m").format(n=_significant(metres))
    return _("{n} cm").format(n=_significant(metres * 100))


def area_m2(square_metres: float) -> str:
    """An area on the ground."""
    if square_metres >= 1e6:
        return _("{n} km²").format(n=_significant(square_metres / 1e6))
    if square_metres >= 1e4:
        return _("{n} ha").format(n=_significant(square_metres / 1e4))
    return _("{n} m²").format(n=_significant(square_metres))


def duration_s(seconds: float) -> str:
    """A rough duration: seconds to a minute, then minutes, then hours."""
    if seconds < 1:
        return _("under a second")
    if seconds < 60:
        return _("{n:.0f} s").format(n=seconds)
    minutes = round(seconds / 60)
    if minutes < 90:
        return _("{n} min").format(n=minutes)
    return _("{n:.1f} h").format(n=seconds / 3600)


def percent(share: float) -> str:
    """A share, with a decimal only where it says something; never rounded to 0 or 100 %."""
    if share <= 0 or share >= 1:
        return f"{share * 100:.0f} %"
    value = share * 100
    if value < 0.1:
        return _("under 0.1 %")
    if value > 99.9:
        return _("over 99.9 %")
    return f"{value:.1f} %" if value < 10 or value > 90 else f"{value:.0f} %"


def _significant(value: float) -> str:
    """Three significant digits without an exponent."""
    if value <= 0 or not math.isfinite(value):
        return f"{value:.0f}"
    decimals = max(0, 2 - math.floor(math.log10(value)))
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
