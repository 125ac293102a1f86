"""Areas, lengths and shares as people read them, in their language."""

from __future__ import annotations

import math

from samgeo_core.words.catalogue import _


def length_m(metres: float) -> str:
    """A length on the ground."""
    if metres >= 1000:
        return _("{n} km").format(n=significant(metres / 1000))
    if metres >= 1:
        return _("{n} m").format(n=significant(metres))
    return _("{n} cm").format(n=significant(metres * 100))


def area_m2(square_metres: float) -> str:
    """An area on the ground."""
    if square_metres >= 1e6:
        return _("{n} km²").format(n=significant(square_metres / 1e6))
    if square_metres >= 1e4:
        return _("{n} ha").format(n=significant(square_metres / 1e4))
    return _("{n} m²").format(n=significant(square_metres))


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


def significant(value: float) -> str:
    """Three significant digits without an exponent."""
    if value <= 0 or not math.isfinite(value):
        return f"{value:.0f}"
    decimals = max(0, 2 - math.floor(math.log10(value)))
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
