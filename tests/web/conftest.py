"""Fixtures of the web layer: a store in the test's folder, and scenes in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from samgeo_core.objects import BoolMask, ObjectSet
from samgeo_core.pipeline import Segmentation, SegmentConfig, write_run
from samgeo_core.streaming.options import StreamOptions
from samgeo_core.streaming.run import segment_to_folder
from samgeo_core.web.records import Run, Scene
from samgeo_core.web.store import Store
from samgeo_core.windows import Window
from tests.factories import MakeRaster
from tests.stand_in import BrightPartsFinder, bright_scene
from tests.work import give_work as give_work

MakeScene = Callable[..., Scene]
MakeRun = Callable[..., Run]
Masks = list[tuple[BoolMask, tuple[int, int], float]]

OWNER = "visitor-one"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store", max_pixels=10**8)


@pytest.fixture
def make_scene(store: Store, make_raster: MakeRaster) -> MakeScene:
    """Factory of scenes; options are those of `write_raster`."""

    def make(name: str = "image.tif", **options: object) -> Scene:
        return store.add_scene(make_raster(name, **options), name, OWNER)

    return make


@pytest.fixture
def make_run(store: Store) -> MakeRun:
    """Factory of finished runs with the files that `write_run` writes, of known objects."""

    def make(scene: Scene, masks: Masks | None = None, area: Window | None = None) -> Run:
        window = area or Window.whole(scene.raster.shape_hw)
        run = store.new_run(scene, SegmentConfig().to_dict(), OWNER, area=area)
        boxes = squares() if masks is None else masks
        objects = ObjectSet.build(
            window.shape_hw,
            [mask for mask, _, _ in boxes],
            [offset for _, offset, _ in boxes],
            [score for _, _, score in boxes],
            [0.97] * len(boxes),
        )
        tile = scene.raster.read(window, stretch=scene.stretch)
        grid = scene.raster.grid.window(window)
        record = {"n_objects": len(objects), "seconds": {}}
        write_run(Segmentation(objects, grid, tile, SegmentConfig(), record), run.folder)
        return store.set_run_state(run.run_id, "done")

    return make


@pytest.fixture
def make_streamed_run(store: Store) -> MakeRun:
    """Factory of finished runs that went region by region, of the bright parts of a scene."""

    def make(scene: Scene, area: Window | None = None, region_px: int = 128) -> Run:
        regions = StreamOptions.of_region(region_px)
        config = SegmentConfig().to_dict()
        run = store.new_run(scene, config, OWNER, area=area, regions=regions)
        finder = BrightPartsFinder()
        segment_to_folder(scene.raster, run.folder, options=regions, area=area, finder=finder)
        return store.set_run_state(run.run_id, "done")

    return make


@pytest.fixture
def bright(store: Store, tmp_path: Path) -> Scene:
    """A scene of 512 px with more than a hundred bright parts."""
    return store.add_scene(bright_scene(tmp_path / "bright.tif"), "Bright parts.tif", OWNER)


def squares() -> Masks:
    """Three squares of 10, 20 and 30 px at 10, 20 / 20, 50 / 50, 60 with rising scores."""
    return [
        (np.ones((10, 10), bool), (10, 20), 0.90),
        (np.ones((20, 20), bool), (20, 50), 0.95),
        (np.ones((30, 30), bool), (50, 60), 0.99),
    ]
