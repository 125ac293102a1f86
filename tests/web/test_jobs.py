import errno
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from samgeo_core.errors import NotFoundError, NotReadyError, ParameterError, RasterError
from samgeo_core.progress import Monitor, Progress
from samgeo_core.web.jobs import Job, JobRunner, JobState
from samgeo_core.web.queue_book import RunBook
from samgeo_core.web.queue_database import Database

WAIT_S = 20


class Runner(JobRunner):
    """Does work that the test gives it, by the run's id."""

    def __init__(self, database: Database | None = None, workers: int = 1, **options: Any) -> None:
        self.works: dict[str, Callable[[Monitor], object]] = {}
        self.book = RunBook(database or Database())
        super().__init__(self.book, self._do_given, workers, **options)

    def give(self, run_id: str, work: Callable[[Monitor], object], owner: str = "x") -> Job:
        self.works[run_id] = work
        return self.submit(run_id, "given", owner)

    def _do_given(self, kind: str, run_id: str, monitor: Monitor) -> None:
        assert kind == "given"
        self.works[run_id](monitor)


@pytest.fixture
def runner() -> Iterator[Runner]:
    runner = Runner()
    yield runner
    runner.close(WAIT_S)


class Gate:
    """Work that says when it began and ends when it is told to."""

    def __init__(self) -> None:
        self.begun, self.open = threading.Event(), threading.Event()

    def __call__(self, monitor: Monitor) -> None:
        self.begun.set()
        while not self.open.wait(0.01):
            monitor.step("decode", 3, 10)


def test_work_runs_and_reports(runner: Runner) -> None:
    gate = Gate()
    assert runner.give("a", gate).state in (JobState.QUEUED, JobState.RUNNING)
    gate.begun.wait(WAIT_S)
    while (job := runner.job("a")) is None or job.progress is None:
        time.sleep(0.01)
    assert job.state is JobState.RUNNING
    assert job.progress == Progress("decode", 3, 10)
    assert job.stage_started is not None
    assert job.started is not None
    assert job.stage_started >= job.started
    gate.open.set()
    done = runner.wait("a", WAIT_S)
    assert (done.state, done.error, done.position) == (JobState.DONE, None, 0)
    assert done.ended is not None
    assert done.elapsed_s == done.ended - job.started


def test_jobs_run_one_after_the_other_in_their_order(runner: Runner) -> None:
    gate, order = Gate(), []
    runner.give("first", gate)
    gate.begun.wait(WAIT_S)
    for name in ("b", "c", "d"):
        runner.give(name, lambda monitor, name=name: order.append(name))
    assert [j.position for n in "bcd" if (j := runner.job(n))] == [1, 2, 3]
    assert [j.run_id for j in runner.active_jobs()] == ["first", "b", "c", "d"]
    runner.cancel("c")
    assert [j.position for n in "bd" if (j := runner.job(n))] == [1, 2]
    gate.open.set()
    runner.wait("d", WAIT_S)
    assert order == ["b", "d"]
    assert runner.wait("c", WAIT_S).state is JobState.CANCELLED
    assert runner.active_jobs() == []


def test_a_running_job_stops_at_its_next_step(runner: Runner) -> None:
    gate = Gate()
    runner.give("a", gate)
    gate.begun.wait(WAIT_S)
    assert runner.cancel("a") is True
    assert runner.wait("a", WAIT_S).state is JobState.CANCELLED
    assert runner.cancel("a") is False
    assert runner.cancel("unknown") is False


def _raise(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (RasterError("The file is damaged."), "The file is damaged."),
        (OSError(errno.ENOSPC, "No space left"), "The server's disk is full; ask"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "The run needed more memory"),
        (MemoryError(), "The run needed more memory than there is: try a smaller area"),
        (
            ZeroDivisionError("a secret"),
            "The run failed unexpectedly (ZeroDivisionError); see the server's log.",
        ),
    ],
)
def test_a_failure_becomes_a_sentence_and_the_next_job_runs(
    runner: Runner, error: BaseException, message: str
) -> None:
    runner.give("bad", lambda monitor: _raise(error))
    runner.give("good", lambda monitor: None)
    failed = runner.wait("bad", WAIT_S)
    assert failed.state is JobState.FAILED
    assert str(failed.error).startswith(message)
    assert runner.wait("good", WAIT_S).state is JobState.DONE


def test_what_cannot_be_submitted(runner: Runner) -> None:
    gate = Gate()
    runner.give("a", gate)
    with pytest.raises(ParameterError, match="already"):
        runner.give("a", gate)
    gate.open.set()
    runner.wait("a", WAIT_S)
    assert runner.give("a", lambda monitor: None).run_id == "a"
    runner.close(WAIT_S)
    with pytest.raises(ParameterError, match="shutting down"):
        runner.give("b", gate)
    with pytest.raises(ParameterError, match="at least one"):
        Runner(workers=0)


def test_an_unknown_run_has_no_job(runner: Runner) -> None:
    assert runner.job("nobody") is None
    with pytest.raises(NotFoundError):
        runner.wait("nobody", 1)


def test_closing_puts_work_back_in_line_for_the_next_start() -> None:
    database = Database()
    runner, gate = Runner(database), Gate()
    runner.give("waits", gate, owner="y")
    gate.begun.wait(WAIT_S)
    runner.give("second", gate)
    runner.give("cancelled", gate)
    runner.cancel("cancelled")
    runner.close(WAIT_S)
    assert [entry.run_id for entry in runner.book.line()] == ["waits", "second"]
    parked = runner.book.entry("waits")
    assert parked is not None
    # The server's wish to end isn't held against the run.
    assert (parked.state, parked.attempts, parked.restarts) == (JobState.QUEUED, 0, 1)

    order: list[str] = []
    again = Runner(database)
    again.works = {
        name: lambda monitor, name=name: order.append(name) for name in ("waits", "second")
    }
    again.start()
    assert again.wait("second", WAIT_S).state is JobState.DONE
    assert again.wait("waits", WAIT_S).restarts == 1
    assert order == ["waits", "second"]
    again.close(WAIT_S)


def test_work_that_does_not_stop_in_time_is_back_in_line_all_the_same() -> None:
    runner, begun, may_end = Runner(), threading.Event(), threading.Event()
    runner.give("stubborn", lambda monitor: (begun.set(), may_end.wait(WAIT_S)))
    assert begun.wait(WAIT_S)
    runner.close(0.05)
    assert [entry.run_id for entry in runner.book.line()] == ["stubborn"]
    may_end.set()
    # It has ended after all: nothing is left to do again.
    assert runner.wait("stubborn", WAIT_S).state is JobState.DONE


def test_visitors_take_turns(runner: Runner) -> None:
    gate, order = Gate(), []
    runner.give("first", gate, owner="a")
    gate.begun.wait(WAIT_S)
    for owner, run_id in zip("aaabbc", ("a1", "a2", "a3", "b1", "b2", "c1"), strict=True):
        runner.give(run_id, lambda monitor, run_id=run_id: order.append(run_id), owner)
    fair = ["b1", "c1", "a1", "a2", "b2", "a3"]
    places = {job.run_id: job.position for job in runner.active_jobs()}
    assert places == {"first": 0} | {run_id: i for i, run_id in enumerate(fair, start=1)}
    gate.open.set()
    runner.wait("a3", WAIT_S)
    assert order == fair


def test_no_more_run_at_a_time_than_there_are_workers() -> None:
    runner = Runner(workers=2)
    gates = [Gate() for _ in range(5)]
    for i, gate in enumerate(gates):
        runner.give(f"{i}", gate)
    assert gates[0].begun.wait(WAIT_S)
    assert gates[1].begun.wait(WAIT_S)
    assert [job.state.value for job in runner.active_jobs()] == ["running"] * 2 + ["queued"] * 3
    for gate in gates:
        gate.open.set()
    assert {runner.wait(f"{i}", WAIT_S).state for i in range(5)} == {JobState.DONE}
    runner.close(WAIT_S)


def test_the_waiting_time_follows_from_what_is_ahead(runner: Runner) -> None:
    gate = Gate()
    runner.works = {"now": gate, "a": gate, "b": gate}
    runner.submit("now", "given", "x", expected_s=1000)
    gate.begun.wait(WAIT_S)
    runner.submit("a", "given", "x", expected_s=50)
    job = runner.submit("b", "given", "y", expected_s=20)
    # The first run of somebody new goes before the second of who has had a turn in this round.
    assert (job.position, job.expected_s) == (1, 20)
    assert job.starts_in_s == pytest.approx(1000, abs=WAIT_S)
    later = runner.job("a")
    assert later is not None
    assert later.starts_in_s == pytest.approx(1020, abs=WAIT_S)
    gate.open.set()
    runner.wait("a", WAIT_S)


def test_an_end_that_the_disk_refuses_is_kept_as_soon_as_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("samgeo_core.web.jobs.POLL_S", 0.05)
    monkeypatch.setattr("samgeo_core.web.queue_database.BUSY_S", 0.05)
    path = tmp_path / "book.sqlite3"
    runner, gate = Runner(Database(path)), Gate()
    runner.give("a", gate)
    gate.begun.wait(WAIT_S)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(NotReadyError, match="busy"):
        runner.give("b", gate)
    gate.open.set()
    while (job := runner.job("a")) is None or job.trouble is None:
        time.sleep(0.01)
    assert (job.state, "busy" in job.trouble) == (JobState.RUNNING, True)
    other.execute("ROLLBACK")
    other.close()
    assert runner.wait("a", WAIT_S).state is JobState.DONE
    assert runner.give("b", lambda monitor: None).error is None
    assert runner.wait("b", WAIT_S).trouble is None
    runner.close(WAIT_S)


def test_what_cannot_be_begun_for_the_moment_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("samgeo_core.web.jobs.POLL_S", 0.05)
    monkeypatch.setattr("samgeo_core.web.queue_database.BUSY_S", 0.05)
    path = tmp_path / "book.sqlite3"
    runner = Runner(Database(path))
    runner.works["a"] = lambda monitor: None
    runner.book.accept("a", "x", "given")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        runner.start()
        while (job := runner.job("a")) is None or job.trouble is None:
            time.sleep(0.01)
        assert (job.state, job.position, "busy" in job.trouble) == (JobState.QUEUED, 1, True)
    assert runner.wait("a", WAIT_S).trouble is None
    runner.close(WAIT_S)


def test_only_one_process_works_on_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("samgeo_core.web.jobs.POLL_S", 0.05)
    path, lock = tmp_path / "book.sqlite3", tmp_path / "jobs.lock"
    first, second = (Runner(Database(path), lock=lock) for _ in range(2))
    gate = Gate()
    first.give("a", gate)
    gate.begun.wait(WAIT_S)
    second.works["a"] = second.works["b"] = lambda monitor: None
    second.give("b", lambda monitor: None, owner="y")
    time.sleep(0.2)
    assert [job.run_id for job in second.active_jobs()] == ["a", "b"]
    first.close(WAIT_S)
    assert second.wait("b", WAIT_S).state is JobState.DONE
    assert second.wait("a", WAIT_S).state is JobState.DONE
    second.close(WAIT_S)
