import dataclasses
from collections.abc import Iterator

import pytest

from samgeo_core.config import SegmentConfig
from samgeo_core.errors import ExportError, ParameterError
from samgeo_core.settings import get_settings
from samgeo_core.web.context import AppContext
from samgeo_core.web.limits import check_storage, folder_bytes, used_bytes
from samgeo_core.web.store import Store
from samgeo_core.web.work import go_on, start_segmentation
from samgeo_core.windows import Window
from tests.web.conftest import OWNER, MakeScene

MOST_RUNS = 3
WAIT_S = 20


@pytest.fixture
def context(store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[AppContext]:
    """A context that accepts runs and begins none."""
    settings = dataclasses.replace(
        get_settings(),
        data_dir=store.root,
        max_unfinished_runs=MOST_RUNS,
        max_run_pixels=2_500,
        max_visitor_bytes=100_000,
    )
    context = AppContext.create(settings)
    monkeypatch.setattr(context.jobs, "start", lambda: None)
    yield context
    context.jobs.close(WAIT_S)


def test_one_visitor_cannot_fill_the_queue(context: AppContext, make_scene: MakeScene) -> None:
    scene = make_scene()
    runs = [start_segmentation(context, scene, SegmentConfig(), OWNER) for _ in range(MOST_RUNS)]
    with pytest.raises(
        ParameterError,
        match="3 of your runs are waiting or under way, and a visitor may have 3 at a time: wait",
    ):
        start_segmentation(context, scene, SegmentConfig(), OWNER)
    assert len(list((context.store.root / "runs").iterdir())) == MOST_RUNS
    start_segmentation(context, scene, SegmentConfig(), "somebody else")
    context.jobs.cancel(runs[0].run_id)
    start_segmentation(context, scene, SegmentConfig(), OWNER)
    context.store.set_run_state(runs[0].run_id, "interrupted")
    with pytest.raises(ParameterError, match="wait for one"):
        go_on(context, runs[0].run_id, OWNER)
    assert context.store.run(runs[0].run_id).state == "interrupted"


def test_a_run_may_not_be_too_large(context: AppContext, make_scene: MakeScene) -> None:
    scene = make_scene(shape_hw=(60, 50))
    with pytest.raises(ParameterError, match=r"0\.00 megapixels here.*50 x 60 px.*smaller area"):
        start_segmentation(context, scene, SegmentConfig(), OWNER)
    start_segmentation(context, scene, SegmentConfig(), OWNER, area=Window(0, 0, 50, 50))


def test_images_and_results_of_a_visitor_have_a_limit(
    context: AppContext, make_scene: MakeScene
) -> None:
    scene = make_scene()
    run = start_segmentation(context, scene, SegmentConfig(), OWNER)
    used = used_bytes(context.store, OWNER)
    assert used > scene.source.stat().st_size
    check_storage(context.store, context.settings, OWNER, 100_000 - used)
    with pytest.raises(ParameterError, match=r"MB of the 0\.1 MB.*on top: delete"):
        check_storage(context.store, context.settings, OWNER, 100_001 - used)
    (run.folder / "labels.tif").write_bytes(bytes(100_000))
    with pytest.raises(ParameterError, match=r"take 0\.1 MB of the 0\.1 MB.*delete some"):
        start_segmentation(context, scene, SegmentConfig(), OWNER)
    start_segmentation(context, scene, SegmentConfig(), "somebody else")


def test_what_results_share_counts_once(context: AppContext, make_scene: MakeScene) -> None:
    folders = [context.store.new_run(make_scene(), {}, OWNER).folder for _ in range(2)]
    before = folder_bytes(folders)
    (folders[0] / "a").write_bytes(bytes(1000))
    (folders[1] / "a").hardlink_to(folders[0] / "a")
    assert folder_bytes(folders) == before + 1000


def test_a_full_disk_is_a_sentence_and_changes_nothing(
    context: AppContext, make_scene: MakeScene
) -> None:
    scene = make_scene()
    accepted = [start_segmentation(context, scene, SegmentConfig(), f"{i}") for i in range(2)]
    with context.store.database.writing() as book:
        (pages,) = book.execute("PRAGMA page_count").fetchone()
    context.store.database._writer.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(ExportError, match="disk is full"):
        accepted.extend(
            start_segmentation(context, scene, SegmentConfig(), f"{i}") for i in range(2, 1000)
        )
    assert {run.run_id for run in context.store.runs()} == {run.run_id for run in accepted}
    assert {j.run_id for j in context.jobs.active_jobs()} == {run.run_id for run in accepted}
    assert len(list((context.store.root / "runs").iterdir())) == len(accepted)
