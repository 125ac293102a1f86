"""Pages of runs that go region by region: their panel, and what they found."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from samgeo_core.candidates import CandidateSet
from samgeo_core.config import SegmentConfig
from samgeo_core.errors import CancelledError
from samgeo_core.progress import SILENT, CancelToken, Monitor, Progress
from samgeo_core.streaming.options import StreamOptions
from samgeo_core.streaming.region_work import ModelFinder
from samgeo_core.streaming.run import segment_to_folder
from samgeo_core.streaming.run_folder import finished_regions
from samgeo_core.web import stored
from samgeo_core.web.context import AppContext
from samgeo_core.web.records import Run, RunState, Scene
from samgeo_core.web.work import go_on
from tests.pages.conftest import OWNER, OpenPage
from tests.pages.test_result_page import _links
from tests.stand_in import BrightPartsFinder, bright_scene

WAIT_S = 120
REGIONS = StreamOptions(160, 24)


@pytest.fixture
def scene(context: AppContext, tmp_path: Path) -> Scene:
    return context.store.add_scene(bright_scene(tmp_path / "bright.tif"), "bright.tif", OWNER)


def _begin(context: AppContext, scene: Scene, monitor: Monitor, state: RunState) -> Run:
    config = SegmentConfig().to_dict()
    run = context.store.new_run(scene, config, OWNER, regions=REGIONS)
    finder = BrightPartsFinder()
    with contextlib.suppress(CancelledError):
        segment_to_folder(scene.raster, run.folder, options=REGIONS, finder=finder, monitor=monitor)
    return context.store.set_run_state(run.run_id, state)


def _broken_off(context: AppContext, scene: Scene, state: RunState, after: int = 3) -> Run:
    """A run of which a few parts are finished."""
    token = CancelToken()

    def stop(progress: Progress) -> None:
        if progress.stage == "segment" and progress.done == after:
            token.cancel()

    return _begin(context, scene, Monitor(stop, token), state)


def _texts(app: AppTest) -> str:
    return "\n".join(part.value for part in (*app.caption, *app.info, *app.warning, *app.error))


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("cancelled", "The run was cancelled."),
        ("failed", "The run failed"),
        ("interrupted", "The server was stopped"),
    ],
)
@pytest.mark.parametrize("page", ["segment.py", "result.py"])
def test_what_ended_before_its_time_can_go_on(
    open_page: OpenPage, context: AppContext, scene: Scene, page: str, state: RunState, words: str
) -> None:
    run = _broken_off(context, scene, state)
    app = open_page(page, run=run, owner=OWNER)
    assert words in _texts(app)
    assert "nothing was kept" not in _texts(app)
    done, total = finished_regions(run.folder) or (0, 0)
    assert (done, total > 20) == (3, True)
    assert f"{done} of {total} parts are finished" in _texts(app)
    assert app.button(key="go_on").label == "Go on"


def test_the_button_goes_on_and_the_panel_tells_how_far_it_was(
    open_page: OpenPage, context: AppContext, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = _broken_off(context, scene, "interrupted")
    begun, may_end = threading.Event(), threading.Event()

    class Waiting(BrightPartsFinder):
        def __call__(self, *args: Any) -> CandidateSet:
            begun.set()
            may_end.wait(WAIT_S)
            return super().__call__(*args)

    monkeypatch.setattr(ModelFinder, "of", classmethod(lambda cls, *args: Waiting()))
    app = open_page("segment.py", run=run, owner=OWNER)
    app.button(key="go_on").click().run()
    try:
        assert not app.exception
        assert begun.wait(WAIT_S)
        app.run()
        (bar,) = app.get("progress")
        assert "Finding objects" in bar.proto.text
        assert "3 of 25 parts" in bar.proto.text
        assert "3 of 25 parts were finished before" in _texts(app)
        assert "go_on" not in [button.key for button in app.button]
        context.jobs.note(run.run_id, dashboard="http://10.0.0.1:8787/status")
        app.run()
        (link,) = app.get("link_button")
        assert link.proto.url == "http://10.0.0.1:8787/status"
    finally:
        may_end.set()
    assert context.jobs.wait(run.run_id, WAIT_S).error is None
    app = open_page("result.py", run=run)
    assert app.title[0].value.endswith(" objects")


def test_going_on_twice_is_a_sentence(
    open_page: OpenPage, context: AppContext, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = _broken_off(context, scene, "cancelled")
    monkeypatch.setattr(ModelFinder, "of", classmethod(lambda cls, *args: BrightPartsFinder()))
    app = open_page("segment.py", run=run, owner=OWNER)
    go_on(context, run.run_id)
    context.jobs.wait(run.run_id, WAIT_S)
    app.button(key="go_on").click().run()
    assert not app.exception


def test_a_result_shows_the_largest_objects_and_how_many_there_are(
    open_page: OpenPage, context: AppContext, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "TABLE_ROWS", 50)
    run = _begin(context, scene, Monitor(), "done")
    found = run.record["n_objects"]
    assert found > 100
    app = open_page("result.py", run=run)
    assert app.title[0].value == f"{found} objects"
    table = app.dataframe[0].value
    assert len(table) == 50
    assert table["area_m2"].is_monotonic_decreasing
    assert f"The 50 largest of {found} objects" in _texts(app)
    # Nothing can be chosen again here; sliders are those of the style.
    assert all(str(slider.key).startswith("style_") for slider in app.slider)
    names = {link.rsplit("/", 1)[-1] for link in _links(app)}
    assert {"objects.gpkg", "objects.kml", "labels.tif", "mask.tif", "run.json"} < names
    assert "annotations.png" not in names


def test_a_result_without_objects_is_a_friendly_page(
    open_page: OpenPage, context: AppContext, scene: Scene
) -> None:
    config = SegmentConfig().to_dict()
    run = context.store.new_run(scene, config, OWNER, regions=REGIONS)
    finder = BrightPartsFinder(least=255)
    segment_to_folder(scene.raster, run.folder, options=REGIONS, finder=finder)
    app = open_page("result.py", run=context.store.set_run_state(run.run_id, "done"))
    assert app.subheader[0].value == "No objects were found."


def test_the_page_segment_shows_the_outcome(
    open_page: OpenPage, context: AppContext, scene: Scene
) -> None:
    run = _begin(context, scene, Monitor(), "done")
    app = open_page("segment.py", run=run)
    assert any("objects** in the whole image" in part.value for part in app.markdown)


def test_objects_are_chosen_again_in_the_app(
    open_page: OpenPage, context: AppContext, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    finder = BrightPartsFinder()
    monkeypatch.setattr(ModelFinder, "of", classmethod(lambda cls, *args: finder))
    run = _begin(context, scene, SILENT, "done")
    found = int(run.record["n_objects"])
    app = open_page("result.py", run=run, owner=OWNER)
    at_least = next(box for box in app.number_input if box.label.startswith("At least"))
    at_least.set_value(1e9)
    next(b for b in app.button if b.label == "Choose again").click().run()
    assert not app.exception
    again = next(other for other in context.store.runs(OWNER) if other.run_id != run.run_id)
    assert context.jobs.wait(again.run_id, WAIT_S).error is None
    assert context.store.run(again.run_id).record["n_objects"] == 0
    assert context.store.run(run.run_id).record["n_objects"] == found > 0
    app = open_page("result.py", run=again, owner=OWNER)
    assert "The layers are there all the same, empty." in "\n".join(m.value for m in app.markdown)
    assert any(b.label == "Choose again" for b in app.button)
    app = open_page("result.py", run=run)
    assert not any(b.label == "Choose again" for b in app.button)
