import dataclasses
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from streamlit.watcher.folder_black_list import FolderBlackList

from samgeo_core.config import AutomaticConfig, SegmentConfig
from samgeo_core.errors import NotFoundError
from samgeo_core.progress import Monitor
from samgeo_core.reading.generated_scene import generated_scene
from samgeo_core.settings import PROJECT_DIR, get_settings
from samgeo_core.web import context as module
from samgeo_core.web.background import Background, warm_model
from samgeo_core.web.context import AppContext, get_context
from samgeo_core.web.jobs import JobState
from samgeo_core.web.selected import selected
from samgeo_core.web.store import Store
from samgeo_core.web.work import start_segmentation
from samgeo_core.windows import Window
from tests.web.conftest import OWNER, MakeScene
from tests.work import GiveWork

WAIT_S = 120


@pytest.fixture
def context(store: Store) -> Iterator[AppContext]:
    context = AppContext.create(dataclasses.replace(get_settings(), data_dir=store.root))
    yield context
    context.jobs.close(WAIT_S)


def test_all_who_ask_get_the_same_context(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "_context", None)
    settings = dataclasses.replace(get_settings(), data_dir=tmp_path)
    monkeypatch.setattr(module, "get_settings", lambda: settings)
    everybody_asks = threading.Barrier(10)

    def ask() -> int:
        everybody_asks.wait()
        return id(get_context())

    with ThreadPoolExecutor(10) as pool:
        assert len(set(pool.map(lambda _: ask(), range(10)))) == 1
    assert get_context().store.root == tmp_path


def test_states_of_jobs_are_kept(
    context: AppContext, make_scene: MakeScene, give_work: GiveWork
) -> None:
    def fail(monitor: Monitor) -> None:
        raise NotFoundError("The file is gone.")

    for work, expected, error in [
        (lambda monitor: None, "done", None),
        (fail, "failed", "The file is gone."),
    ]:
        run = context.store.new_run(make_scene(), {}, OWNER)
        give_work(context, run, work)
        context.jobs.wait(run.run_id, WAIT_S)
        kept = context.store.run(run.run_id)
        assert (kept.state, kept.error) == (expected, error)


@pytest.mark.parametrize("delete", ["run", "scene"])
def test_deleting_stops_the_work(
    context: AppContext, make_scene: MakeScene, give_work: GiveWork, delete: str
) -> None:
    scene = make_scene()
    run = context.store.new_run(scene, {}, OWNER)
    begun = threading.Event()

    def work(monitor: Monitor) -> None:
        begun.set()
        while True:
            monitor.step("decode", 0, 1)

    give_work(context, run, work)
    begun.wait(WAIT_S)
    with pytest.raises(NotFoundError):
        context.delete_run(run.run_id, "somebody else")
    with pytest.raises(NotFoundError):
        context.delete_scene(scene.scene_id, "somebody else")
    if delete == "run":
        context.delete_run(run.run_id, OWNER)
    else:
        context.delete_scene(scene.scene_id, OWNER)
    assert context.jobs.wait(run.run_id, WAIT_S).state is JobState.CANCELLED
    assert not run.folder.exists()


def test_nothing_heavy_is_imported_at_the_start() -> None:
    code = (
        "import sys, app; "
        "heavy = {'torch', 'torchvision', 'geopandas', 'rio_tiler', 'cv2', 'matplotlib'}; "
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT_DIR, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


class TestBackground:
    def test_old_uploads_go_while_the_server_runs(
        self, context: AppContext, make_scene: MakeScene
    ) -> None:
        scene = make_scene()
        settings = dataclasses.replace(context.settings, keep_days=0)
        background = Background(dataclasses.replace(context, settings=settings), model_after_s=1e6)
        background.start()
        while scene.folder.exists():
            time.sleep(0.01)
        background.stop(WAIT_S)
        assert context.store.scenes() == []

    def test_without_a_limit_everything_stays(
        self, context: AppContext, make_scene: MakeScene
    ) -> None:
        scene = make_scene()
        assert context.settings.keep_days is None
        background = Background(context, libraries_after_s=1e6, model_after_s=1e6)
        background.start()
        background.stop(WAIT_S)
        assert scene.folder.exists()

    def test_without_weights_nothing_is_fetched(self, context: AppContext, tmp_path: Path) -> None:
        settings = dataclasses.replace(context.settings, cache_dir=tmp_path / "empty")
        assert warm_model(dataclasses.replace(context, settings=settings)) is False
        assert not (tmp_path / "empty").exists()


def test_a_file_that_changes_never_leads_to_a_second_context() -> None:
    config = tomllib.loads((PROJECT_DIR / ".streamlit" / "config.toml").read_text())
    unwatched = FolderBlackList(config["server"]["folderWatchBlacklist"])
    assert unwatched.is_blacklisted(str(module.__file__))
    assert not unwatched.is_blacklisted(str(PROJECT_DIR / "pages" / "open.py"))


@pytest.mark.weights
def test_the_model_is_loaded_ahead_where_its_weights_are(
    context: AppContext, default_model: Any
) -> None:
    assert warm_model(context) is True


@pytest.mark.weights
def test_a_segmentation_goes_from_the_scene_to_its_files(
    context: AppContext, tmp_path: Path, default_model: Any
) -> None:
    path = generated_scene(tmp_path / "drawn.tif", size=384).path
    scene = context.store.add_scene(path, "Drawn scene.tif", OWNER)
    config = SegmentConfig(automatic=AutomaticConfig(points_per_side=6))
    run = start_segmentation(context, scene, config, OWNER, area=Window(64, 64, 256, 256))
    job = context.jobs.wait(run.run_id, WAIT_S)
    assert (job.state, job.error) == (JobState.DONE, None)
    assert job.progress is not None
    finished = context.store.run(run.run_id, OWNER)
    assert finished.state == "done"
    assert finished.config == config.to_dict()
    assert finished.record["raster"] == "Drawn scene.tif"
    assert finished.record["model_sha256"] == default_model.sha256
    assert len(selected(finished).objects) == finished.record["n_objects"] > 0
