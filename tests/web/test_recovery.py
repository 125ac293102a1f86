"""What a new server finds: runs of a former one, and a list of runs that is lost."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from samgeo_core.errors import CancelledError, NotFoundError, ParameterError
from samgeo_core.progress import CancelToken, Monitor, Progress
from samgeo_core.streaming.options import StreamOptions
from samgeo_core.streaming.run import segment_to_folder
from samgeo_core.web.queue_book import Entry, JobState
from samgeo_core.web.records import Run, Scene
from samgeo_core.web.recovery import MOST_ATTEMPTS, recover_runs
from samgeo_core.web.store import Store
from tests.stand_in import BrightPartsFinder
from tests.web.conftest import OWNER, MakeRun, MakeScene

BOOK = "studio.sqlite3"


def under_way(store: Store, scene: Scene, **options: object) -> Run:
    """A run that this process has begun."""
    run = store.new_run(scene, {}, OWNER, **options)  # type: ignore[arg-type]
    store.book.accept(run.run_id, OWNER, "whole")
    taken = store.book.take()
    assert taken is not None
    assert taken.run_id == run.run_id
    return run


def entry(store: Store, run: Run) -> Entry:
    found = store.book.entry(run.run_id)
    assert found is not None
    return found


def test_what_was_under_way_goes_before_what_waited(store: Store, make_scene: MakeScene) -> None:
    scene = make_scene()
    first = under_way(store, scene)
    waiting = store.new_run(scene, {}, "somebody else")
    store.book.accept(waiting.run_id, "somebody else", "whole")
    again = Store(store.root)
    recover_runs(again)
    assert [item.run_id for item in again.book.line()] == [first.run_id, waiting.run_id]
    assert (entry(again, first).restarts, entry(again, waiting).restarts) == (1, 0)


def test_what_ends_the_server_again_and_again_is_given_up(
    store: Store, make_scene: MakeScene
) -> None:
    run = under_way(store, make_scene())
    for _ in range(MOST_ATTEMPTS - 1):
        recover_runs(store)
        assert store.run(run.run_id).state == "queued"
        assert store.book.take() is not None
    recover_runs(store)
    given_up = store.run(run.run_id)
    assert given_up.state == "failed"
    assert f"The server ended {MOST_ATTEMPTS} times" in str(given_up.error)
    assert store.book.take() is None


def test_a_run_in_parts_that_gets_on_is_not_given_up(store: Store, bright: Scene) -> None:
    regions = StreamOptions.of_region(128)
    run = under_way(store, bright, regions=regions)

    def add_regions(until: int) -> None:
        token = CancelToken()

        def stop(progress: Progress) -> None:
            if progress.stage == "segment" and progress.done >= until:
                token.cancel()

        with pytest.raises(CancelledError):
            segment_to_folder(
                bright.raster, run.folder, options=regions, finder=BrightPartsFinder(),
                monitor=Monitor(stop, token),
            )  # fmt: skip

    for attempt in range(1, MOST_ATTEMPTS + 3):
        add_regions(attempt)
        recover_runs(store)
        assert (entry(store, run).state, entry(store, run).parts) == (JobState.QUEUED, attempt)
        store.book.take()
    for _ in range(MOST_ATTEMPTS):
        recover_runs(store)
        store.book.take()
    assert store.run(run.run_id).state == "failed"
    assert store.run(run.run_id).can_go_on


def test_what_was_finished_or_cancelled_is_not_begun_again(
    store: Store, make_scene: MakeScene, make_run: MakeRun
) -> None:
    done, stopped = make_run(make_scene("a.tif", shape_hw=(100, 100))), make_scene("b.tif")
    store.book.accept(done.run_id, OWNER, "whole")
    store.book.take()
    cancelled = under_way(store, stopped)
    store.book.cancel(cancelled.run_id)
    gone = under_way(store, stopped)
    shutil.rmtree(gone.folder)
    recover_runs(store)
    assert store.run(done.run_id).state == "done"
    assert store.run(cancelled.run_id).state == "cancelled"
    with pytest.raises(NotFoundError):
        store.run(gone.run_id)
    assert store.book.unfinished() == []


def test_what_was_never_handed_in_goes(store: Store, make_scene: MakeScene) -> None:
    left = store.new_run(make_scene(), {}, OWNER)
    again = Store(store.root)
    ours = again.new_run(make_scene("b.tif"), {}, OWNER)
    recover_runs(again)
    assert again.runs() == [ours]
    assert not left.folder.exists()


def _remove(path: Path) -> None:
    for part in path.parent.glob(f"{path.name}*"):
        part.unlink()


def _overwrite(path: Path) -> None:
    _remove(path)
    path.write_bytes(b"this is no database " * 500)


def _damage_pages(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096:] = bytes(255 for _ in data[4096:])
    _remove(path)
    path.write_bytes(data)


@pytest.mark.parametrize("harm", [_remove, _overwrite, _damage_pages])
def test_a_lost_book_is_made_again_from_the_folders(
    store: Store, make_scene: MakeScene, make_run: MakeRun, harm: Callable[[Path], None],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    scene = make_scene(shape_hw=(100, 100))
    done, waiting = make_run(scene), store.new_run(scene, {}, OWNER)
    store.book.accept(waiting.run_id, OWNER, "whole")
    old = store.new_run(scene, {}, "somebody else")
    meta = old.folder / "meta.json"
    before = {"state": "failed", "error": "The disk went away."}
    meta.write_text(json.dumps(json.loads(meta.read_text()) | before))
    store.database.close()
    harm(store.root / BOOK)

    again = Store(store.root)
    assert again.run(done.run_id) == done
    assert (again.run(waiting.run_id).state, again.run(waiting.run_id).can_go_on) == (
        "interrupted",
        True,
    )
    # Of versions that had no book.
    assert (again.run(old.run_id).state, again.run(old.run_id).error) == tuple(before.values())
    assert "made anew from the folders of 3 runs" in caplog.text
    kept = list(store.root.glob("studio.damaged-*"))
    assert bool(kept) == (harm is not _remove)
    again.book.accept(waiting.run_id, OWNER, "whole")
    assert again.book.line()[0].run_id == waiting.run_id


def test_a_book_of_a_newer_version_is_left_alone(store: Store) -> None:
    with store.database.writing() as book:
        book.execute("PRAGMA user_version = 99")
    with pytest.raises(ParameterError, match="newer version"):
        Store(store.root)
    assert not list(store.root.glob("studio.damaged-*"))
