"""Runs of what is larger than a region: through the job runner, ended and gone on with."""

import dataclasses
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import rasterio
import shapely
from distributed import LocalCluster

from samgeo_core.area import AreaOfInterest
from samgeo_core.candidates import CandidateSet
from samgeo_core.config import AutomaticConfig, SegmentConfig, SelectionRule
from samgeo_core.engine.ladder import Place
from samgeo_core.errors import NotFoundError, ParameterError
from samgeo_core.progress import SILENT, Monitor
from samgeo_core.reading.generated_scene import generated_scene
from samgeo_core.settings import PROJECT_DIR, get_settings
from samgeo_core.streaming.region_work import ModelFinder
from samgeo_core.streaming.run_folder import finished_regions
from samgeo_core.tile import TileImage
from samgeo_core.web.context import AppContext
from samgeo_core.web.jobs import JobState
from samgeo_core.web.records import Run, Scene
from samgeo_core.web.store import Store
from samgeo_core.web.stored import largest_objects
from samgeo_core.web.work import choose_again, go_on, start_segmentation
from samgeo_core.windows import Window
from tests.stand_in import BrightPartsFinder
from tests.web.conftest import OWNER, MakeScene

WAIT_S = 120
REGION_PX = 128
RESULTS = ("labels.tif", "mask.tif", "objects.gpkg")


@pytest.fixture
def context(store: Store) -> Iterator[AppContext]:
    settings = dataclasses.replace(get_settings(), data_dir=store.root, region_px=REGION_PX)
    context = AppContext.create(settings)
    yield context
    context.jobs.close(WAIT_S)


class PausingFinder(BrightPartsFinder):
    """Finds bright parts, but after some regions only when it may."""

    def __init__(self, free: int) -> None:
        super().__init__()
        object.__setattr__(self, "left", free)
        object.__setattr__(self, "reached", threading.Event())
        object.__setattr__(self, "may", threading.Event())

    def __call__(self, tile: TileImage, monitor: Monitor, place: Place) -> CandidateSet:
        object.__setattr__(self, "left", self.left - 1)
        if self.left < 0:
            self.reached.set()
            while not self.may.wait(0.01):
                monitor.step("decode", 0, 1)
        return super().__call__(tile, monitor, place)


def use(monkeypatch: pytest.MonkeyPatch, finder: Any) -> None:
    """Let streamed runs ask this finder instead of a model."""
    monkeypatch.setattr(ModelFinder, "of", classmethod(lambda cls, *args: finder))


def finished(context: AppContext, run: Run) -> Run:
    context.jobs.wait(run.run_id, WAIT_S)
    return context.store.run(run.run_id)


def test_only_what_is_larger_than_a_region_goes_region_by_region(
    context: AppContext, bright: Scene, make_scene: MakeScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(context.jobs, "start", lambda: None)
    small = make_scene("small.tif", shape_hw=(REGION_PX, REGION_PX))

    def is_streamed(scene: Scene, area: Window | None = None) -> bool:
        started = start_segmentation(context, scene, SegmentConfig(), f"{area}", area=area)
        return context.store.run(started.run_id).is_streamed

    assert is_streamed(bright)
    assert is_streamed(bright, Window(0, 0, 129, 20))
    assert not is_streamed(bright, Window(9, 9, 128, 128))
    assert not is_streamed(small)


def test_a_streamed_run_ends_with_its_files(
    context: AppContext, bright: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, BrightPartsFinder())
    run = start_segmentation(context, bright, SegmentConfig(), OWNER, area=Window(10, 20, 300, 280))
    done = finished(context, run)
    assert (done.state, done.error) == ("done", None)
    assert done.record["raster"] == "Bright parts.tif"
    assert done.record["area_px"] == [10, 20, 310, 300]
    assert done.record["streaming"]["region_px"] == REGION_PX
    assert len(largest_objects(done)) == done.record["n_objects"] > 0
    with pytest.raises(ParameterError, match="Nothing is left"):
        go_on(context, run.run_id)


@pytest.mark.parametrize("streamed", [True, False])
def test_a_run_inside_a_polygon_finds_nothing_beside_it(
    context: AppContext, bright: Scene, monkeypatch: pytest.MonkeyPatch, streamed: bool
) -> None:
    triangle = AreaOfInterest(shapely.Polygon([(10, 20), (310, 20), (10, 300)]))
    window = triangle.window(bright.raster.shape_hw)
    finder = BrightPartsFinder()
    if streamed:
        use(monkeypatch, finder)
    else:
        settings = dataclasses.replace(context.settings, region_px=4096)
        context = dataclasses.replace(context, settings=settings)

        def find(model: object, tile: TileImage, *_rest: object) -> CandidateSet:
            height, width = tile.shape_hw
            whole = Window(0, 0, width, height)
            return finder(tile, SILENT, Place(whole, whole, whole, 0))

        monkeypatch.setattr("samgeo_core.pipeline.candidates_of_tile", find)
        monkeypatch.setattr("samgeo_core.models.loading.cached_model", lambda *a, **k: _Model())
    run = start_segmentation(context, bright, SegmentConfig(), OWNER, area=triangle)
    done = finished(context, run)
    assert (done.state, done.error, done.is_streamed) == ("done", None, streamed)
    assert done.is_limited and done.polygon is not None
    assert done.polygon.digest == triangle.digest
    assert done.record["n_objects"] > 0
    assert AreaOfInterest.of_geojson(done.record["area_of_interest_px"]).digest == triangle.digest
    with rasterio.open(done.labels_path) as file:
        labels = file.read(1)
    assert labels.shape == window.shape_hw
    assert not labels[~triangle.mask(window)].any()
    assert labels[triangle.mask(window)].any()


class _Model:
    name, sha256, device = "none", "0" * 64, "cpu"


def test_choosing_again_asks_no_model_and_leaves_the_first_result(
    context: AppContext, bright: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, BrightPartsFinder())
    first = finished(context, start_segmentation(context, bright, SegmentConfig(), OWNER))
    before = {name: (first.folder / name).read_bytes() for name in RESULTS}
    areas = largest_objects(first)["area_px"]
    limit = float(areas.median())
    use(monkeypatch, PausingFinder(free=0))
    rule = SelectionRule(min_area_px=limit)
    again = finished(context, choose_again(context, first.run_id, rule, OWNER))
    assert (again.state, again.error) == ("done", None)
    assert again.record["streaming"]["resumed"] == first.record["streaming"]["regions"]
    assert sorted(largest_objects(again)["area_px"]) == sorted(areas[areas >= limit])
    assert {name: (first.folder / name).read_bytes() for name in RESULTS} == before
    context.store.delete_run(first.run_id)
    thrice = finished(context, choose_again(context, again.run_id, SelectionRule(), OWNER))
    assert sorted(largest_objects(thrice)["area_px"]) == sorted(areas)
    with pytest.raises(NotFoundError):
        choose_again(context, again.run_id, rule, "somebody else")


def test_a_cancelled_run_goes_on_where_it_was(
    context: AppContext, bright: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, BrightPartsFinder())
    unbroken = finished(context, start_segmentation(context, bright, SegmentConfig(), OWNER))

    finder = PausingFinder(free=6)
    use(monkeypatch, finder)
    run = start_segmentation(context, bright, SegmentConfig(), OWNER)
    assert finder.reached.wait(WAIT_S)
    with pytest.raises(ParameterError):
        go_on(context, run.run_id)
    context.jobs.cancel(run.run_id)
    stopped = finished(context, run)
    assert (stopped.state, stopped.can_go_on) == ("cancelled", True)
    assert finished_regions(run.folder) == (6, unbroken.record["streaming"]["regions"])

    use(monkeypatch, BrightPartsFinder())
    assert go_on(context, run.run_id).state == "queued"
    job = context.jobs.wait(run.run_id, WAIT_S)
    assert (job.state, job.resumed) == (JobState.DONE, (6, unbroken.record["streaming"]["regions"]))
    done = context.store.run(run.run_id)
    assert done.record["streaming"]["resumed"] == 6
    for name in RESULTS[:2]:
        assert (run.folder / name).read_bytes() == (unbroken.folder / name).read_bytes()
    assert largest_objects(done).equals(largest_objects(unbroken))


def test_a_failed_run_goes_on(
    context: AppContext, bright: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(BrightPartsFinder):
        def __call__(self, *args: Any) -> CandidateSet:
            raise NotFoundError("The disk went away.")

    use(monkeypatch, Failing())
    run = finished(context, start_segmentation(context, bright, SegmentConfig(), OWNER))
    assert (run.state, run.error, run.can_go_on) == ("failed", "The disk went away.", True)
    use(monkeypatch, BrightPartsFinder())
    go_on(context, run.run_id)
    assert (finished(context, run).state, finished(context, run).error) == ("done", None)


def test_the_end_of_the_server_leaves_all_in_line(
    context: AppContext, bright: Scene, make_scene: MakeScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    finder = PausingFinder(free=2)
    use(monkeypatch, finder)
    under_way = start_segmentation(context, bright, SegmentConfig(), OWNER)
    waiting = start_segmentation(context, bright, SegmentConfig(), OWNER)
    small = start_segmentation(context, make_scene(), SegmentConfig(), OWNER)
    assert finder.reached.wait(WAIT_S)
    context.jobs.close(WAIT_S)
    runs = [under_way, waiting, small]
    assert [context.store.run(run.run_id).state for run in runs] == ["queued"] * 3
    assert finished_regions(under_way.folder) is not None

    use(monkeypatch, BrightPartsFinder())
    again = AppContext.create(context.settings)
    again.jobs.start()
    job = again.jobs.wait(under_way.run_id, WAIT_S)
    assert (job.state, job.error, job.resumed) == (JobState.DONE, None, (2, 64))
    assert again.jobs.wait(waiting.run_id, WAIT_S).resumed is None
    again.jobs.close(WAIT_S)


_UNTIL_KILLED = """
import sys, time
from dataclasses import replace
from pathlib import Path
from samgeo_core.config import SegmentConfig
from samgeo_core.settings import get_settings
from samgeo_core.streaming.region_work import ModelFinder
from samgeo_core.web.context import AppContext
from samgeo_core.web.work import start_segmentation
from tests.stand_in import BrightPartsFinder

ModelFinder.of = classmethod(lambda cls, *args: BrightPartsFinder(pause_s=0.3))
context = AppContext.create(replace(get_settings(), data_dir=Path(sys.argv[1]), region_px=128))
scene, whole = context.store.scene(sys.argv[2]), SegmentConfig()
start_segmentation(context, scene, whole, "x")
for _ in range(2):
    start_segmentation(context, scene, whole, "y")
time.sleep(600)
"""


def _kill_after_three_regions(context: AppContext, scene: Scene) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _UNTIL_KILLED, str(context.store.root), scene.scene_id],
        cwd=PROJECT_DIR,
    )
    end = time.monotonic() + WAIT_S
    try:
        while not any((finished_regions(r.folder) or (0,))[0] >= 3 for r in context.store.runs()):
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.02)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait(WAIT_S)


def test_what_a_killed_server_had_accepted_goes_on_by_itself(
    context: AppContext, bright: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    _kill_after_three_regions(context, bright)
    (run,) = context.store.runs("x")
    waiting = {run.run_id for run in context.store.runs("y")}
    assert (run.state, len(waiting)) == ("running", 2)

    again = AppContext.create(context.settings)
    use(monkeypatch, BrightPartsFinder())
    again.jobs.start()
    job = again.jobs.wait(run.run_id, WAIT_S)
    assert (job.state, job.restarts) == (JobState.DONE, 1)
    assert job.resumed is not None
    assert job.resumed[0] >= 3
    for run_id in waiting:
        ended = again.jobs.wait(run_id, WAIT_S)
        assert (ended.state, ended.restarts, ended.error) == (JobState.DONE, 0, None)
    assert again.jobs.active_jobs() == []
    again.jobs.close(WAIT_S)
    with sqlite3.connect(context.store.root / "studio.sqlite3") as book:
        assert book.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert book.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    book.close()


def test_a_run_whose_image_was_deleted_cannot_go_on(
    context: AppContext, bright: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(context.jobs, "start", lambda: None)
    run = start_segmentation(context, bright, SegmentConfig(), OWNER)
    context.store.set_run_state(run.run_id, "interrupted")
    (bright.folder / "scene.json").unlink()
    with pytest.raises(NotFoundError):
        go_on(context, run.run_id)
    assert context.store.run(run.run_id).state == "interrupted"


def test_the_cluster_of_the_settings_does_the_work(
    store: Store, bright: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, BrightPartsFinder())
    with LocalCluster(
        n_workers=1, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0"
    ) as cluster:
        settings = dataclasses.replace(
            get_settings(),
            data_dir=store.root,
            region_px=REGION_PX,
            scheduler=cluster.scheduler_address,
        )
        context = AppContext.create(settings)
        run = start_segmentation(context, bright, SegmentConfig(), OWNER)
        job = context.jobs.wait(run.run_id, WAIT_S)
        context.jobs.close(WAIT_S)
        assert (job.state, job.error) == (JobState.DONE, None)
        assert job.dashboard == cluster.dashboard_link
    record = context.store.run(run.run_id).record
    assert record["streaming"]["scheduler"] == settings.scheduler


@pytest.mark.weights
def test_with_the_model_parts_become_one_result(
    context: AppContext, tmp_path: Path, default_model: Any
) -> None:
    settings = dataclasses.replace(context.settings, region_px=256)
    context = dataclasses.replace(context, settings=settings)
    path = generated_scene(tmp_path / "drawn.tif", size=400).path
    scene = context.store.add_scene(path, "Drawn scene.tif", OWNER)
    config = SegmentConfig(automatic=AutomaticConfig(points_per_side=4))
    run = start_segmentation(context, scene, config, OWNER)
    done = finished(context, run)
    assert (done.state, done.error) == ("done", None)
    assert done.record["streaming"]["regions"] > 1
    assert done.record["model_sha256"] == default_model.sha256
    assert len(largest_objects(done)) == done.record["n_objects"] > 0
