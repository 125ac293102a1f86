from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from streamlit.testing.v1 import AppTest

from samgeo_core.config import SegmentConfig
from samgeo_core.progress import Monitor
from samgeo_core.web import ladder
from samgeo_core.web.context import AppContext
from samgeo_core.web.ladder import rungs_of, scales_of_rung
from samgeo_core.web.records import Run, Scene
from samgeo_core.windows import Window
from tests.factories import MakeRaster
from tests.pages.conftest import OWNER, OpenPage


def _text(app: AppTest) -> str:
    return "\n".join(
        [element.value for element in (*app.markdown, *app.caption)]
        + [element.proto.body for element in app.get("html")]
    )


def _keys(app: AppTest) -> set[str]:
    return {button.key for button in app.button if button.key}


@pytest.fixture
def poor(context: AppContext, make_raster: MakeRaster) -> Scene:
    """Dark, fine, mostly without data, with a near infrared band."""
    data = np.zeros((4, 600, 900), np.uint8)
    data[:, 100:400, 200:500] = np.random.default_rng(0).integers(20, 60, (4, 300, 300))
    path = make_raster(
        data=data, nodata=0, transform=Affine(0.1, 0, 500_000, 0, -0.1, 5_000_000),
        descriptions=("blue", "green", "red", "nir"),
    )  # fmt: skip
    return context.store.add_scene(path, "poor.tif", OWNER)


def test_the_card_tells_and_its_remedies_act(
    open_page: OpenPage, context: AppContext, poor: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page("segment.py", scene=poor, owner=OWNER)
    text = _text(app)
    for part in ("Ground resolution", "10 cm per pixel", "Objects seen well", "Memory", "Disk"):
        assert part in text
    assert {"remedy_dark", "remedy_nodata", "remedy_infrared", "remedy_too_fine"} <= _keys(app)

    app.button(key="remedy_dark").click().run()
    assert context.store.scene(poor.scene_id).display.stretch == "percentile"
    assert "remedy_dark" not in _keys(app)
    app.button(key="remedy_infrared").click().run()
    assert context.store.scene(poor.scene_id).display.bands == (4, 3, 2)
    assert "remedy_infrared" not in _keys(app)

    app.button(key="remedy_nodata").click().run()
    started: list[Window | None] = []

    def start(*_: object, area: Window | None, **__: object) -> Run:
        started.append(area)
        run = context.store.new_run(poor, {}, OWNER, area=area)
        return context.store.set_run_state(run.run_id, "cancelled")

    monkeypatch.setattr("samgeo_core.web.work.start_segmentation", start)
    app.button(key="run").click().run()
    ((window),) = started
    assert window is not None
    data = Window(200, 100, 300, 300)
    assert window.intersection(data) == data
    assert window.width < 320

    app.button(key="remedy_too_fine").click().run()
    assert not app.exception
    (copy,) = [s for s in context.store.scenes(OWNER) if s.scene_id != poor.scene_id]
    assert copy.raster.grid.gsd_m == pytest.approx(0.3, rel=0.01)
    assert copy.display.bands == (4, 3, 2)
    assert app.session_state["studio"].scene_id == copy.scene_id


def test_others_images_are_not_changed_by_a_remedy(
    open_page: OpenPage, context: AppContext, poor: Scene
) -> None:
    app = open_page("segment.py", scene=poor, owner="somebody else")
    app.button(key="remedy_dark").click().run()
    assert app.error
    assert context.store.scene(poor.scene_id).display.stretch == "auto"


def test_the_ladder_shows_three_scales_and_the_run_follows_the_one_taken(
    open_page: OpenPage, context: AppContext, make_raster: MakeRaster,
    monkeypatch: pytest.MonkeyPatch, default_model: object,
) -> None:  # fmt: skip
    monkeypatch.setattr(ladder, "AREA_PX", 192)
    random = np.random.default_rng(0)
    data = random.normal(90, 6, (3, 400, 400)).clip(0, 255).astype(np.uint8)
    for y in range(72, 400, 64):
        for x in range(72, 400, 64):
            data[:, y - 12 : y + 12, x - 12 : x + 12] = random.integers(150, 250, (3, 1, 1))
    scene = context.store.add_scene(make_raster(data=data), "blocks.tif", OWNER)
    app = open_page("segment.py", scene=scene, owner=OWNER)
    app.button(key="ladder_start").click().run()
    assert not app.exception
    run_id = app.session_state[f"ladder_run_{scene.scene_id}"]
    context.jobs.wait(run_id, timeout_s=240)
    run = context.store.run(run_id)
    assert run.state == "done", run.error
    rungs = rungs_of(run)
    assert [rung.window_px for rung in rungs] == [384, 192, 96]
    # Blocks of 24 px: nine of them lie in the middle of the image.
    assert rungs[1].objects >= 6
    assert rungs[1].median_px == pytest.approx(24 * 24, rel=0.3)
    app.run()
    assert sum('class="studio-rung"' in e.proto.body for e in app.get("html")) == 3
    app.button(key="take_scale_192").click().run()
    assert "192 px and larger" in _text(app)
    configs: list[SegmentConfig] = []

    def start(context: AppContext, scene: Scene, config: SegmentConfig, *_: object, **__: object):  # type: ignore[no-untyped-def]
        configs.append(config)
        return run

    monkeypatch.setattr("samgeo_core.web.work.start_segmentation", start)
    app.button(key="run").click().run()
    assert configs[0].scales == scales_of_rung(192)


def test_a_ladder_can_be_cancelled(
    open_page: OpenPage, context: AppContext, poor: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    from samgeo_core.web import work

    begun, may_end = threading.Event(), threading.Event()

    def climb(_context: object, _run: object, _raster: object, monitor: Monitor) -> None:
        begun.set()
        while not may_end.wait(0.01):
            monitor.step("decode", 1, 4)

    monkeypatch.setattr(work, "KINDS", {**work.KINDS, ladder.KIND: climb})
    app = open_page("segment.py", scene=poor, owner=OWNER)
    try:
        app.button(key="ladder_start").click().run()
        assert begun.wait(20)
        app.run()
        app.button(key="ladder_cancel").click().run()
        run_id = app.session_state[f"ladder_run_{poor.scene_id}"]
        assert context.jobs.wait(run_id, timeout_s=20).state.value == "cancelled"
    finally:
        may_end.set()
    app.run()
    assert any("ladder was cancelled" in info.value for info in app.info)
