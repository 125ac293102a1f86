"""Objects of neighbouring regions become whole objects, while the regions come in."""

from __future__ import annotations

from samgeo_core.wholes import WholeObject

__all__ = ["WholeObject"]
