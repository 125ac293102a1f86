"""Numbers and foreign text as people read them."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

from samgeo_core.words import _, ngettext
from samgeo_core.words.quantities import area_m2, length_m, percent

__all__ = [
    "area_m2", "count", "duration_s", "length_m", "markup", "percent", "plain", "size_bytes",
]  # fmt: skip

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
