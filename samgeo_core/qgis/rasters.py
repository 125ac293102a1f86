"""Rasters of a result in a project: what they are called, and how they look."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import rasterio

from samgeo_core.qgis.raster_styles import Entry, RasterStyle, labels, mask, picture, values

_TITLES = {
    "image.tif": "Image as the model saw it",
    "classes.tif": "Classes",
    "labels.tif": "Labels (object ids)",
    "mask.tif": "Mask",
}

Styled = dict[str, tuple[str, RasterStyle | None]]


def write_raster_styles(
    files: Mapping[str, Path], folder: Path, record: Mapping[str, Any]
) -> tuple[Styled, dict[str, Path]]:
    """Write how rasters look beside them, where QGIS finds it whoever opens them.

    Args:
        files: files of a result by name.
        folder: where styles are written.
        record: run.json, which names classes and counts objects.

    Returns:
        Title and style of each raster by its name, from the top to the bottom; and the files that
        were written.
    """
    styles = {
        "classes.tif": lambda: values(_classes(record), opacity=0.55),
        "labels.tif": lambda: labels(_highest(files["labels.tif"], record)),
        "mask.tif": mask,
        "image.tif": picture,
    }
    found: Styled = {name: (_TITLES[name], styles[name]()) for name in styles if name in files}
    written = {}
    for name, (_, style) in found.items():
        if style is not None and name != "image.tif":
            path = folder / Path(name).with_suffix(".qml")
            path.write_text(style.qml(), "utf-8")
            written[path.name] = path
    return found, written


def _classes(record: Mapping[str, Any]) -> list[Entry]:
    return [
        Entry(int(item["value"]), str(item["color"]), str(item["name"]))
        for item in record.get("classes", [])
    ]


def _highest(path: Path, record: Mapping[str, Any]) -> int:
    """The highest id that a label raster may hold."""
    known = record.get("n_objects")
    if known is not None:
        return int(known)
    with rasterio.open(path) as dataset:
        return int(np.iinfo(dataset.dtypes[0]).max)
