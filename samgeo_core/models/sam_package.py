"""Modules of segment-anything-py without what its package's `__init__` imports.

NOTE: ``import segment_anything`` brings torchvision along, and that torch's compiler, for a resize
and a suppression of boxes that take a few lines here: in every process and worker as much time as
torch itself (docs/benchmarks.md). So its modules are found below a package of another name.
"""

from __future__ import annotations

import importlib
import sys
from importlib.util import find_spec
from types import ModuleType

_PACKAGE = "samgeo_core.models._segment_anything"


def sam_module(name: str) -> ModuleType:
    """A module of segment-anything-py, such as ``build_sam`` or ``utils.amg``.

    Its classes are not those of ``import segment_anything``, but made of the same lines.

    Raises:
        ModuleNotFoundError: segment-anything-py is not installed, or has no such module.
    """
    if _PACKAGE not in sys.modules:
        spec = find_spec("segment_anything")
        if spec is None or spec.submodule_search_locations is None:
            raise ModuleNotFoundError("No module named 'segment_anything'", name="segment_anything")
        package = ModuleType(_PACKAGE)
        package.__path__ = list(spec.submodule_search_locations)
        sys.modules[_PACKAGE] = package
    return importlib.import_module(f"{_PACKAGE}.{name}")
