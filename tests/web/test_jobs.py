import threading
import time
from collections.abc import Iterator

import pytest

from samgeo_core.errors import NotFoundError, ParameterError, RasterError
from samgeo_core.progress import Monitor, Progress
from samgeo_core.web.jobs import Job, JobRunner, JobState

WAIT_S = 20


@pytest.fixture
def runner() -> Iterator[JobRunner]:
    runner = JobRunner()
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


def test_work_runs_and_reports(runner: JobRunner) -> None:
    gate = Gate()
    assert runner.submit("a", gate).state in (JobState.QUEUED, JobState.RUNNING)
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


def test_jobs_run_one_after_the_other_in_their_order(runner: JobRunner) -> None:
    gate, order = Gate(), []
    runner.submit("first", gate)
    gate.begun.wait(WAIT_S)
    for name in ("b", "c", "d"):
        runner.submit(name, lambda monitor, name=name: order.append(name))
    assert [j.position for n in "bcd" if (j := runner.job(n))] == [1, 2, 3]
    assert [j.run_id for j in runner.active_jobs()] == ["first", "b", "c", "d"]
    runner.cancel("c")
    assert [j.position for n in "bd" if (j := runner.job(n))] == [1, 2]
    gate.open.set()
    runner.wait("d", WAIT_S)
    assert order == ["b", "d"]
    assert runner.wait("c", WAIT_S).state is JobState.CANCELLED
    assert runner.active_jobs() == []


def test_a_running_job_stops_at_its_next_step(runner: JobRunner) -> None:
    gate = Gate()
    runner.submit("a", gate)
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
        (MemoryError(), "The run needed more memory than there is; try a smaller area."),
        (
            ZeroDivisionError("a secret"),
            "The run failed unexpectedly (ZeroDivisionError); see the server's log.",
        ),
    ],
)
def test_a_failure_becomes_a_sentence_and_the_next_job_runs(
    runner: JobRunner, error: BaseException, message: str
) -> None:
    runner.submit("bad", lambda monitor: _raise(error))
    runner.submit("good", lambda monitor: None)
    failed = runner.wait("bad", WAIT_S)
    assert (failed.state, failed.error) == (JobState.FAILED, message)
    assert runner.wait("good", WAIT_S).state is JobState.DONE


def test_who_sees_the_end_finds_it_kept() -> None:
    kept: dict[str, list[JobState]] = {}

    def keep(job: Job) -> None:
        kept.setdefault(job.run_id, []).append(job.state)

    runner = JobRunner(on_change=keep)
    runner.submit("a", lambda monitor: None)
    runner.wait("a", WAIT_S)
    assert kept["a"] == [JobState.RUNNING, JobState.DONE]
    runner.close(WAIT_S)


def test_a_listener_that_fails_does_not_stop_the_queue() -> None:
    def fail(job: Job) -> None:
        raise NotFoundError("gone")

    runner = JobRunner(on_change=fail)
    runner.submit("a", lambda monitor: None)
    runner.submit("b", lambda monitor: None)
    assert runner.wait("b", WAIT_S).state is JobState.DONE
    runner.close(WAIT_S)


def test_what_cannot_be_submitted(runner: JobRunner) -> None:
    gate = Gate()
    runner.submit("a", gate)
    with pytest.raises(ParameterError, match="already"):
        runner.submit("a", gate)
    gate.open.set()
    runner.wait("a", WAIT_S)
    assert runner.submit("a", lambda monitor: None).run_id == "a"
    runner.close(WAIT_S)
    with pytest.raises(ParameterError, match="shutting down"):
        runner.submit("b", gate)
    with pytest.raises(ParameterError, match="at least one"):
        JobRunner(workers=0)


def test_an_unknown_run_has_no_job(runner: JobRunner) -> None:
    assert runner.job("nobody") is None
    with pytest.raises(NotFoundError):
        runner.wait("nobody", 1)


def test_closing_cancels_what_runs_and_what_waits() -> None:
    runner, gate = JobRunner(), Gate()
    runner.submit("a", gate)
    runner.submit("b", gate)
    gate.begun.wait(WAIT_S)
    runner.close(WAIT_S)
    assert runner.wait("a", WAIT_S).state is JobState.CANCELLED
    assert runner.wait("b", WAIT_S).state is JobState.CANCELLED
