"""Sources of tiles as plain values, to be kept as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from samgeo_core.basemap.source import Level, TileSource, WmsLayer


def source_record(source: TileSource) -> dict[str, Any]:
    """A source as plain values; `source_of_record` is its inverse."""
    levels = {str(zoom): asdict(level) for zoom, level in source.levels.items()}
    return {**asdict(source), "levels": levels}


def source_of_record(record: Mapping[str, Any]) -> TileSource:
    """A source of plain values.

    Raises:
        KeyError, TypeError, ValueError: they are none.
    """
    wms, bounds = record["wms"], record["bounds"]
    changed = {
        "subdomains": tuple(record["subdomains"]),
        "levels": {int(zoom): Level(**level) for zoom, level in record["levels"].items()},
        "wms": None if wms is None else WmsLayer(**wms),
        "bounds": None if bounds is None else tuple(bounds),
    }
    return TileSource(**{**record, **changed})
