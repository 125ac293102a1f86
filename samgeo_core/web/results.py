"""Where the result of a run lies: on its scene, and on the map."""

from __future__ import annotations

from dataclasses import dataclass

from affine import Affine

from samgeo_core.errors import NotFoundError
from samgeo_core.geogrid import GeoGrid
from samgeo_core.reading.raster import Raster
from samgeo_core.web.cache import LruCache
from samgeo_core.web.frame import MapFrame, map_frame
from samgeo_core.web.records import Run
from samgeo_core.windows import Window


@dataclass(frozen=True)
class ResultPlace:
    """The place of a result.

    Attributes:
        grid: grid of the result's rasters: the area's, or the whole scene's.
        window: that area in px of the scene.
        frame: the scene's map frame; raster px in it are px of the scene.
        version: changes with the result's files.
    """

    grid: GeoGrid
    window: Window
    frame: MapFrame
    version: int


_places: LruCache[tuple[str, int], ResultPlace] = LruCache(256)


def result_place(run: Run) -> ResultPlace:
    """Where the result of a finished run lies.

    Raises:
        NotFoundError: the run has no result (yet).
    """
    if run.state != "done":
        raise NotFoundError("This run has no result yet; wait until it is done.")
    try:
        version = run.labels_path.stat().st_mtime_ns
    except OSError as error:
        raise NotFoundError("The files of this run are gone; run it again.") from error
    return _places.get((run.run_id, version), lambda: _measure(run, version))


def _measure(run: Run, version: int) -> ResultPlace:
    grid = Raster.open(run.labels_path).grid
    window = run.area or Window.whole(grid.shape_hw)
    to_scene = Affine.translation(-window.x, -window.y)
    scene_grid = GeoGrid(run.scene_shape_hw, grid.transform @ to_scene, grid.crs)
    return ResultPlace(grid, window, map_frame(scene_grid), version)
