"""A resampled copy of a visitor's image, as a scene of its own."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from samgeo_core.errors import DiskFullError
from samgeo_core.preflight.resample import Resampled, write_resampled
from samgeo_core.web.limits import check_storage
from samgeo_core.web.records import Scene

if TYPE_CHECKING:
    from samgeo_core.web.context import AppContext


def add_resampled(context: AppContext, scene: Scene, factor: float, owner: str) -> Scene:
    """Make a copy of a scene that has more or fewer pixels, shown as the scene is.

    Args:
        context: the process's context.
        scene: the image.
        factor: pixels of the copy along one of the image's.
        owner: token of the visitor, whose the copy is.

    Raises:
        ParameterError: it would be too large, or more than a visitor may have.
        DiskFullError: the disk has no room for it.
        RasterError, ExportError: the image can't be read, or the copy not written.
    """
    raster = scene.raster
    to = Resampled.by_factor(raster, factor)
    most = to.shape_hw[0] * to.shape_hw[1] * raster.band_count * np.dtype(raster.dtype).itemsize
    check_storage(context.store, context.settings, owner, most)
    free = shutil.disk_usage(context.store.root).free - context.settings.free_disk_bytes
    if 2 * most > free:
        raise DiskFullError(
            f"The server's disk has no room for a resampled image of {most / 1e6:,.0f} MB: run on "
            "the image as it is, or on an area."
        )
    with tempfile.TemporaryDirectory(dir=context.store.root, prefix=".resample-") as folder:
        path = Path(folder) / "resampled.tif"
        write_resampled(raster, to, path)
        made = context.store.add_scene(path, _name(scene, factor), owner)
    display = scene.display
    if display.bands is not None or display.stretch != "auto":
        made = context.store.set_display(made.scene_id, display.bands, display.stretch, owner)
    return made


def _name(scene: Scene, factor: float) -> str:
    stem = scene.name.rsplit(".", 1)[0]
    gsd_m = scene.raster.grid.gsd_m
    scale = f"x{factor:.3g}" if gsd_m is None else f"{gsd_m / factor:.3g} m"
    return f"{stem} {scale}.tif"
