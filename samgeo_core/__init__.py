"""Segment rasters with the Segment Anything Model and turn the masks into vector layers.

Names are imported on first use, so that ``import samgeo_core`` costs nothing: torch is loaded only
when a model is.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from samgeo_core.api.basemaps import get_basemaps, tms_to_geotiff
    from samgeo_core.api.samgeo import SamGeo
    from samgeo_core.config import AutomaticConfig, SegmentConfig
    from samgeo_core.errors import SamGeoError
    from samgeo_core.geogrid import GeoGrid
    from samgeo_core.models.loading import load_model
    from samgeo_core.objects import ObjectSet
    from samgeo_core.picking.batch import segment_prompts
    from samgeo_core.pipeline import Segmentation, segment, write_run
    from samgeo_core.progress import CancelToken, Monitor
    from samgeo_core.reading.raster import Raster
    from samgeo_core.results.export import write_vector
    from samgeo_core.windows import Window

__version__ = "0.1.0"

_HOMES = {
    "AutomaticConfig": "config",
    "CancelToken": "progress",
    "GeoGrid": "geogrid",
    "Monitor": "progress",
    "ObjectSet": "objects",
    "Raster": "reading.raster",
    "SamGeo": "api.samgeo",
    "SamGeoError": "errors",
    "SegmentConfig": "config",
    "Segmentation": "pipeline",
    "Window": "windows",
    "get_basemaps": "api.basemaps",
    "load_model": "models.loading",
    "segment": "pipeline",
    "segment_prompts": "picking.batch",
    "tms_to_geotiff": "api.basemaps",
    "write_run": "pipeline",
    "write_vector": "results.export",
}

__all__ = [
    "AutomaticConfig",
    "CancelToken",
    "GeoGrid",
    "Monitor",
    "ObjectSet",
    "Raster",
    "SamGeo",
    "SamGeoError",
    "SegmentConfig",
    "Segmentation",
    "Window",
    "__version__",
    "get_basemaps",
    "load_model",
    "segment",
    "segment_prompts",
    "tms_to_geotiff",
    "write_run",
    "write_vector",
]


def __getattr__(name: str) -> object:
    """Import a public name from its module, once."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
