"""Round sizes, which limits are chosen among, and other numbers that pages tell."""

from __future__ import annotations

import math

ADVISED_OBJECTS = 10
"""From fewer objects of a reference a proposal is a guess."""

_STEPS = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)


def area_steps(low: float, high: float) -> list[float]:
    """Round sizes, evenly spread on a logarithmic scale, from at most low to at least high."""
    low = max(low, 1e-6)
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(max(high, low))) + 1)
    values = [step * 10.0**decade for decade in decades for step in _STEPS]
    first = max((i for i, value in enumerate(values) if value <= low), default=0)
    last = min((i for i, value in enumerate(values) if value >= high), default=len(values) - 1)
    return values[first : max(last, first + 1) + 1]
