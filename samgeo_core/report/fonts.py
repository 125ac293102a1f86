"""Fonts for drawn pages: one that has Chinese, so that names don't become boxes."""

from __future__ import annotations

import logging
import threading
from functools import cache
from pathlib import Path
from typing import Any

from samgeo_core.results.files import replacing
from samgeo_core.settings import get_settings

logger = logging.getLogger(__name__)

_PACKAGED = "@fontsource/noto-sans-sc/files/noto-sans-sc-chinese-simplified-{w}-normal.woff"
"""Noto Sans SC (SIL Open Font Licence): Latin and the Chinese of daily use, 1.5 MB a weight."""

_SYSTEM = (
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "PingFang SC", "Microsoft YaHei",
    "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "Hiragino Sans GB", "SimHei", "Droid Sans Fallback",
)  # fmt: skip
"""Fonts of systems that have Chinese."""

_ALWAYS = "DejaVu Sans"
"""Comes with matplotlib: all of Latin, Greek and Cyrillic, and no Chinese."""

_lock = threading.Lock()


def font(size: float, *, bold: bool = False) -> Any:
    """A font of the page as `matplotlib.font_manager.FontProperties`.

    Args:
        size: points.
        bold: whether it is heavier.
    """
    from matplotlib.font_manager import FontProperties

    return FontProperties(
        family=[*_families(), _ALWAYS], size=size, weight="bold" if bold else "normal"
    )


def drawable(text: str) -> str:
    """Text without what no font has (such as emoji), of which a page would show boxes."""
    shown = _shown()
    return "".join(c if ord(c) in shown or c == "\n" else "?" for c in text)


@cache
def _families() -> tuple[str, ...]:
    """Font families with Chinese that are here, told to matplotlib."""
    from matplotlib import font_manager

    with _lock:
        for weight in (400, 700):
            if (path := _unpacked(weight)) is not None:
                font_manager.fontManager.addfont(path)
        known = {entry.name for entry in font_manager.fontManager.ttflist}
    found = tuple(name for name in (_FAMILY, *_SYSTEM) if name in known)[:1]
    if not found:
        logger.warning("No font with Chinese is here; run `make assets`, or install one")
    return found


@cache
def _shown() -> frozenset[int]:
    """Code points of which the fonts of a page have pictures."""
    from matplotlib import font_manager

    found: set[int] = set()
    for family in (*_families(), _ALWAYS):
        path = font_manager.findfont(font_manager.FontProperties(family=family))
        found |= set(font_manager.get_font(path).get_charmap())
    return frozenset(found)


def _unpacked(weight: int) -> Path | None:
    """The packaged font as a file that matplotlib reads; made once, None where there is none."""
    source = get_settings().assets_dir / _PACKAGED.format(w=weight)
    if not source.is_file():
        return None
    name = f"NotoSansSC-{weight}-{source.stat().st_size}-{_NAMED}.ttf"
    target = get_settings().cache_dir / "fonts" / name
    if target.is_file():
        return target
    from fontTools.ttLib import TTFont

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with TTFont(source) as packed, replacing(target) as partial:
            packed.flavor = None  # web fonts are compressed
            _name(packed, weight)
            packed.save(partial)
    except OSError as error:
        logger.warning("The font for Chinese can't be unpacked (%s)", error)
        return None
    return target


_FAMILY, _NAMED = "Noto Sans SC", 1


def _name(packed: Any, weight: int) -> None:
    """Call a weight by its name: all weights of the package bear that of the thinnest."""
    style = "Bold" if weight > 400 else "Regular"
    texts = {1: _FAMILY, 2: style, 4: f"{_FAMILY} {style}", 6: f"NotoSansSC-{style}"}
    packed["name"].names = [n for n in packed["name"].names if n.nameID not in {*texts, 16, 17, 25}]
    for number, text in texts.items():
        packed["name"].setName(text, number, 3, 1, 0x409)
    packed["OS/2"].usWeightClass = weight
