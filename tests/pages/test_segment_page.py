from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from pages.ui.parameters import CONTROLS
from pages.ui.text import duration_s
from samgeo_core.area import AreaOfInterest
from samgeo_core.config import AutomaticConfig, SegmentConfig
from samgeo_core.errors import WeightsError
from samgeo_core.progress import Monitor
from samgeo_core.web import context as context_module
from samgeo_core.web.context import AppContext
from samgeo_core.web.records import Scene
from samgeo_core.web.recovery import recover_runs
from samgeo_core.web.work import start_segmentation
from samgeo_core.windows import Window
from tests.factories import MakeRaster
from tests.pages.conftest import OWNER, FinishRun, OpenPage
from tests.work import GiveWork


@pytest.fixture
def scene(context: AppContext, make_raster: MakeRaster) -> Scene:
    return context.store.add_scene(make_raster(shape_hw=(600, 900)), "town.tif", OWNER)


class Started(list[tuple[SegmentConfig, Window | AreaOfInterest | None]]):
    """What the page asked to be run."""


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Started:
    """Stands in for the start of the work, which needs a model; the pages' side stays real."""
    calls = Started()

    def start(
        context: AppContext,
        scene: Scene,
        config: SegmentConfig,
        owner: str,
        *,
        area: Window | AreaOfInterest | None,
    ) -> object:
        calls.append((config, area))
        if isinstance(area, AreaOfInterest):
            area = area.window(scene.raster.shape_hw)
        run = context.store.new_run(scene, config.to_dict(), owner, area=area)
        return context.store.set_run_state(run.run_id, "cancelled")

    monkeypatch.setattr("samgeo_core.web.work.start_segmentation", start)
    return calls


def _labels(app: AppTest) -> list[str]:
    return [button.label for button in app.button]


def test_without_an_image_the_page_says_what_to_do(open_page: OpenPage) -> None:
    app = open_page("segment.py")
    assert app.subheader[0].value == "No image is open yet."
    assert "try_out" not in [button.key for button in app.button]


def _choose(app: AppTest, preset: str) -> AppTest:
    return app.get("button_group")[0].set_value(preset).run()


def test_the_page_starts_with_everything_and_no_slider(
    open_page: OpenPage, scene: Scene, started: Started
) -> None:
    app = open_page("segment.py", scene=scene)
    assert not app.slider
    app.button(key="run").click().run()
    assert not app.exception
    ((config, area),) = started
    assert config == SegmentConfig(preset="full")
    assert area is None


def test_sams_own_preset_has_sams_defaults(
    open_page: OpenPage, scene: Scene, started: Started
) -> None:
    app = _choose(open_page("segment.py", scene=scene), "sam")
    app.button(key="run").click().run()
    assert started[0][0] == SegmentConfig(automatic=AutomaticConfig())


def test_a_preset_moves_the_sliders_and_estimates_follow(
    open_page: OpenPage, scene: Scene, started: Started
) -> None:
    app = open_page("segment.py", scene=scene)
    before = _labels(app)
    _choose(app, "small")
    assert app.slider(key="sam_points_per_side").value == 64
    assert _labels(app) != before
    app.button(key="run").click().run()
    assert started[0][0].automatic.pred_iou_thresh == 0.84


def test_a_slider_alone_changes_one_parameter(
    open_page: OpenPage, scene: Scene, started: Started
) -> None:
    app = _choose(open_page("segment.py", scene=scene), "sam")
    app.slider(key="sam_crop_n_layers").set_value(1).run()
    app.slider(key="sam_crop_overlap_ratio").set_value(0.5).run()
    app.button(key="run").click().run()
    expected = AutomaticConfig(crop_n_layers=1, crop_overlap_ratio=0.5)
    assert started[0][0].automatic == expected


def test_every_parameter_of_sam_but_point_grids_has_a_control() -> None:
    names = {control.name for control in CONTROLS}
    assert names == set(AutomaticConfig.__dataclass_fields__) - {"point_grids"}


def test_the_try_out_runs_on_a_square_in_the_middle(
    open_page: OpenPage, scene: Scene, started: Started
) -> None:
    app = open_page("segment.py", scene=scene)
    app.selectbox(key=f"area_{scene.scene_id}").set_value(256).run()
    app.button(key="try_out").click().run()
    assert started[0][1] == Window(322, 172, 256, 256)


def test_the_try_out_can_be_placed_by_numbers(
    open_page: OpenPage, scene: Scene, started: Started
) -> None:
    app = open_page("segment.py", scene=scene)
    app.selectbox(key=f"area_{scene.scene_id}").set_value(256).run()
    app.number_input(key="area_center_x").set_value(200).run()
    app.number_input(key="area_center_y").set_value(9).run()
    app.button(key="try_out").click().run()
    assert started[0][1] == Window(72, 0, 256, 256)


def test_corners_on_the_map_limit_a_run(
    open_page: OpenPage, scene: Scene, started: Started
) -> None:
    app = open_page("segment.py", scene=scene)
    app.session_state[f"inside_way_{scene.scene_id}"] = "drawn"
    app.session_state[f"inside_corners_{scene.scene_id}"] = [(10.0, 10.0), (90.0, 10.0)]
    app.run()
    assert app.button(key="run").label.startswith("Run on whole image")
    app.session_state[f"inside_corners_{scene.scene_id}"] = [
        (10.0, 10.0),
        (90.0, 10.0),
        (10.0, 90.0),
    ]
    app.run()
    assert not app.exception
    assert app.button(key="run").label.startswith("Run inside the area")
    app.button(key="run").click().run()
    area = started[0][1]
    assert isinstance(area, AreaOfInterest)
    assert area.polygon.area == pytest.approx(3200)
    app.session_state[f"inside_corners_{scene.scene_id}"] = [
        (-9.0, -9.0),
        (-5.0, -9.0),
        (-9.0, -5.0),
    ]
    app.run()
    assert "beside the raster" in app.error[0].value


def test_what_was_chosen_outlives_a_visit_to_another_page(
    open_page: OpenPage, scene: Scene
) -> None:
    app = _choose(open_page("segment.py", scene=scene), "sam")
    app.slider(key="sam_points_per_side").set_value(16).run()
    app.switch_page("open.py").run()
    app.switch_page("segment.py").run()
    assert app.slider(key="sam_points_per_side").value == 16


def test_a_small_image_needs_no_try_out(
    open_page: OpenPage, context: AppContext, make_raster: MakeRaster
) -> None:
    small = context.store.add_scene(make_raster(shape_hw=(200, 200)), "small.tif", OWNER)
    keys = [button.key for button in open_page("segment.py", scene=small).button]
    assert "run" in keys
    assert "try_out" not in keys


def test_progress_is_shown_and_a_run_can_be_cancelled(
    open_page: OpenPage, context: AppContext, scene: Scene, give_work: GiveWork
) -> None:
    run = context.store.new_run(scene, SegmentConfig().to_dict(), OWNER)
    half_way, stop_waiting = threading.Event(), threading.Event()

    def work(monitor: Monitor) -> None:
        monitor.step("decode", 512, 1024)
        half_way.set()
        while not stop_waiting.wait(0.01):
            monitor.step("decode", 512, 1024)

    give_work(context, run, work)
    assert half_way.wait(10)
    try:
        # A page opened by the run's address follows the run, as after a reload.
        app = open_page("segment.py", run=run)
        # Whoever has the address may look, and no more.
        assert "cancel" not in [button.key for button in app.button]
        app = open_page("segment.py", run=run, owner=OWNER)
        (bar,) = app.get("progress")
        assert bar.proto.value == 50
        assert "Finding objects" in bar.proto.text
        assert app.button(key="run").disabled
        app.button(key="cancel").click().run()
        assert context.jobs.wait(run.run_id, timeout_s=10).state.value == "cancelled"
    finally:
        stop_waiting.set()
    app.run()
    assert "cancelled" in app.info[0].value
    assert not app.button(key="run").disabled


def test_a_second_visitor_sees_the_place_in_line_and_about_how_long_it_takes(
    open_page: OpenPage, context: AppContext, scene: Scene, give_work: GiveWork
) -> None:
    first = context.store.new_run(scene, {}, "x")
    begun, may_end = threading.Event(), threading.Event()
    give_work(context, first, lambda monitor: (begun.set(), may_end.wait(20)))
    assert begun.wait(20)
    try:
        runs = [
            start_segmentation(context, scene, SegmentConfig(), owner)
            for owner in ("y", OWNER, OWNER)
        ]
        expected_s = context.estimates.seconds(scene.raster.shape_hw, SegmentConfig())
        app = open_page("segment.py", run=runs[1], owner=OWNER)
        (bar,) = app.get("progress")
        assert f"Place 2 in line · starts in about {duration_s(expected_s)}" in bar.proto.text
        told = "\n".join(caption.value for caption in app.caption)
        assert f"done in about {duration_s(2 * expected_s)}" in told
        assert "restarted" not in told
        app.button(key="cancel").click().run()
        assert not app.exception
        assert context.store.run(runs[1].run_id).state == "cancelled"
        # Who is behind moves up.
        app = open_page("segment.py", run=runs[2], owner=OWNER)
        assert "Place 2 in line" in app.get("progress")[0].proto.text
        context.jobs.cancel(runs[0].run_id)
        context.jobs.cancel(runs[2].run_id)
    finally:
        may_end.set()
        context.jobs.wait(first.run_id, 20)


def test_a_refusal_says_the_limit_and_starts_nothing(
    open_page: OpenPage, context: AppContext, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(context.settings, max_run_pixels=1_000)
    monkeypatch.setattr(context_module, "_context", replace(context, settings=settings))
    app = open_page("segment.py", scene=scene, owner=OWNER)
    app.button(key="run").click().run()
    assert "choose a smaller area" in app.error[0].value
    assert context.store.runs() == []


def test_after_a_restart_the_page_says_what_happened(
    open_page: OpenPage, context: AppContext, scene: Scene
) -> None:
    run = context.store.new_run(scene, {}, OWNER)
    context.store.book.accept(run.run_id, OWNER, "whole")
    context.store.book.take()  # by a server that isn't there any more
    recover_runs(context.store)
    app = open_page("segment.py", run=run, owner=OWNER)
    assert "Next in line" in app.get("progress")[0].proto.text
    assert any("goes on by itself" in caption.value for caption in app.caption)
    context.jobs.cancel(run.run_id)

    context.store.set_run_state(run.run_id, "interrupted")
    app = open_page("segment.py", run=run, owner=OWNER)
    assert "The server was stopped" in app.warning[0].value
    assert app.button(key="go_on").label == "Start again"
    app = open_page("segment.py", run=run, owner="somebody else")
    assert "go_on" not in [button.key for button in app.button]


def test_a_failure_is_told_in_its_own_words(
    open_page: OpenPage, context: AppContext, scene: Scene, give_work: GiveWork
) -> None:
    run = context.store.new_run(scene, SegmentConfig().to_dict(), OWNER)

    def work(monitor: Monitor) -> None:
        raise WeightsError("The weights can't be found.")

    give_work(context, run, work)
    context.jobs.wait(run.run_id, timeout_s=10)
    app = open_page("segment.py", run=run)
    assert app.error[0].value == "The weights can't be found\\."


def test_the_outcome_of_a_try_out_is_told(
    open_page: OpenPage, scene: Scene, finish_run: FinishRun
) -> None:
    app = open_page("segment.py", run=finish_run(scene, 3, area=Window(0, 0, 256, 256)))
    assert any("**3 objects** in the try-out area" in part.value for part in app.markdown)


def test_no_objects_is_no_failure(open_page: OpenPage, scene: Scene, finish_run: FinishRun) -> None:
    app = open_page("segment.py", run=finish_run(scene, 0, area=Window(0, 0, 256, 256)))
    assert app.info[0].value.startswith("No objects in the try-out area.")


def test_missing_weights_are_explained_offline(
    open_page: OpenPage, scene: Scene, context: AppContext, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    settings = replace(context.settings, cache_dir=tmp_path / "nothing")
    monkeypatch.setattr(context_module, "_context", replace(context, settings=settings))
    app = open_page("segment.py", scene=scene)
    app.selectbox(key="model").set_value("vit_h").run()
    assert "models fetch vit_h" in app.warning[0].value
    assert app.button(key="run").disabled


def test_own_checkpoints_appear_only_where_the_owner_set_a_folder(
    open_page: OpenPage, scene: Scene, context: AppContext, tmp_path: Path, started: Started,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    app = open_page("segment.py", scene=scene)
    assert "checkpoint" not in [box.key for box in app.selectbox]
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    (folder / "mine.pth").write_bytes(b"x")
    (folder / "readme.txt").write_text("x")
    settings = replace(context.settings, checkpoint_dir=folder)
    monkeypatch.setattr(context_module, "_context", replace(context, settings=settings))
    app = open_page("segment.py", scene=scene)
    assert app.selectbox(key="checkpoint").options == ["The model's own", "mine.pth"]
    app.selectbox(key="checkpoint").set_value("mine.pth").run()
    app.button(key="run").click().run()
    assert started[0][0].checkpoint == str(folder / "mine.pth")
