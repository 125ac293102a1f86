from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, cast

import pytest

from samgeo_core.errors import RasterError
from samgeo_core.progress import Monitor
from samgeo_core.web.pick_work import Ahead, AheadWorker
from samgeo_core.web.records import Scene
from samgeo_core.windows import Window
from tests.web.conftest import MakeScene

WAIT_S = 30


class Recorder:
    """Stands in for pickers: each view has three windows, each waits until it is let go."""

    def __init__(self) -> None:
        self.done: list[tuple[Window, int]] = []
        self.begun = threading.Semaphore(0)
        self.go = threading.Semaphore(0)

    def prepare(self, view: Window, monitor: Monitor) -> None:
        for i in range(3):
            monitor.step("encode", i, 3)
            self.begun.release()
            assert self.go.acquire(timeout=WAIT_S)
            if view.width == 13:
                raise RasterError("The file is damaged.")
            if view.width == 14:
                raise ZeroDivisionError
            self.done.append((view, i))

    def let_go(self, windows: int) -> None:
        """Wait for windows to begin, one after the other, and let each end."""
        for _ in range(windows):
            assert self.begun.acquire(timeout=WAIT_S)
            self.go.release()


def view(width: int) -> Window:
    return Window(0, 0, width, 10)


def settle(ahead: Ahead) -> Ahead:
    tick = threading.Event()
    for _ in range(WAIT_S * 100):
        if ahead.is_over:
            return ahead
        tick.wait(0.01)
    raise AssertionError(f"still {ahead.state}")


@pytest.fixture
def scene(make_scene: MakeScene) -> Scene:
    return make_scene()


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def worker(recorder: Recorder) -> Iterator[AheadWorker]:
    worker = AheadWorker(lambda scene: cast(Any, recorder))
    yield worker
    worker.close()
    recorder.go.release(1000)


def test_the_newest_view_comes_first_and_a_former_one_of_the_same_visitor_goes(
    worker: AheadWorker, recorder: Recorder, scene: Scene
) -> None:
    one = worker.want("a", scene, view(1))
    assert recorder.begun.acquire(timeout=WAIT_S)
    of_b, of_c = worker.want("b", scene, view(2)), worker.want("c", scene, view(3))
    newer = worker.want("a", scene, view(4))
    assert worker.want("a", scene, view(4)) is newer
    newest_of_b = worker.want("b", scene, view(5))
    recorder.go.release()
    recorder.let_go(9)
    assert settle(one).state == settle(of_b).state == "dropped"
    assert settle(of_c).state == settle(newer).state == settle(newest_of_b).state == "ready"
    order = [seen.width for seen, i in recorder.done if i == 0]
    # The window that was under way is kept; nothing more of its view is begun.
    assert order == [1, 5, 4, 3]
    assert [i for seen, i in recorder.done if seen.width == 1] == [0]


def test_no_window_is_begun_while_a_click_is_answered(
    worker: AheadWorker, recorder: Recorder, scene: Scene
) -> None:
    ahead = worker.want("a", scene, view(1))
    recorder.let_go(1)
    with worker.clicking():
        # The second window may have begun just before the click; no third one does.
        second = recorder.begun.acquire(timeout=0.5)
        recorder.go.release(2)
        assert not recorder.begun.acquire(timeout=0.3)
        assert len(recorder.done) == 1 + second
    recorder.go.release(2)
    assert settle(ahead).state == "ready"


def test_what_fails_is_told_and_the_next_one_goes_on(
    worker: AheadWorker, recorder: Recorder, scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    recorder.go.release(100)
    damaged = settle(worker.want("a", scene, view(13)))
    assert (damaged.state, damaged.note) == ("failed", "The file is damaged.")
    broken = settle(worker.want("a", scene, view(14)))
    assert broken.state == "failed"
    assert "could not be prepared" in str(broken.note)
    assert "ZeroDivisionError" in caplog.text
    assert settle(worker.want("a", scene, view(1))).state == "ready"
