"""Pages without a browser: a fresh installation for each test, and runs that are already done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from pages.ui.state import StudioState
from samgeo_core.config import SegmentConfig
from samgeo_core.objects import ObjectSet
from samgeo_core.pipeline import Segmentation, write_run
from samgeo_core.settings import get_settings
from samgeo_core.web import context as context_module
from samgeo_core.web.context import AppContext
from samgeo_core.web.records import Run, Scene
from samgeo_core.windows import ShapeHW, Window
from tests.work import give_work as give_work

NAVIGATION = Path(__file__).resolve().parents[2] / "pages" / "navigation.py"
OWNER = "tester"

OpenPage = Callable[..., AppTest]
FinishRun = Callable[..., Run]


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AppContext]:
    """The app's context over empty folders."""
    settings = replace(
        get_settings(),
        data_dir=tmp_path / "data",
        input_dir=None,
        offline=True,
        checkpoint_dir=None,
    )
    made = AppContext.create(settings)
    monkeypatch.setattr(context_module, "_context", made)
    yield made
    made.jobs.close()


@pytest.fixture
def open_page(context: AppContext) -> OpenPage:
    """Run a page: ``open_page("segment.py", scene=..., run=..., owner=...)``."""

    def open_it(
        page: str = "open.py",
        *,
        scene: Scene | None = None,
        run: Run | None = None,
        owner: str | None = None,
    ) -> AppTest:
        app = AppTest.from_file(str(NAVIGATION), default_timeout=60)
        if owner is not None:
            app.session_state["studio"] = StudioState(owner)
        if scene is not None:
            app.query_params["scene"] = scene.scene_id
        if run is not None:
            app.query_params["run"] = run.run_id
        if page != "open.py":
            app.switch_page(page)
        app.run()
        assert not app.exception
        return app

    return open_it


@pytest.fixture
def finish_run(context: AppContext) -> FinishRun:
    """A run whose files are there: ``finish_run(scene, 3)`` with squares, or with given objects."""

    def finish(scene: Scene, found: int | ObjectSet, area: Window | None = None) -> Run:
        run = context.store.new_run(scene, SegmentConfig().to_dict(), OWNER, area=area)
        raster = scene.raster
        place = area or Window.whole(raster.shape_hw)
        objects = _squares(place.shape_hw, found) if isinstance(found, int) else found
        record = {"n_objects": len(objects), "seconds": {"segment": 1.0}}
        grid, tile = raster.grid.window(place), raster.read(area)
        write_run(Segmentation(objects, grid, tile, SegmentConfig(), record), run.folder)
        return context.store.set_run_state(run.run_id, "done")

    return finish


def _squares(shape_hw: ShapeHW, count: int) -> ObjectSet:
    return ObjectSet.build(
        shape_hw,
        [np.ones((2 + i, 2 + i), np.bool_) for i in range(count)],
        [(5 * i, 3 * i) for i in range(count)],
        [0.9 + 0.01 * i for i in range(count)],
        [0.95 + 0.01 * i for i in range(count)],
    )
