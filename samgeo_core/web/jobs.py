"""Long work in background threads, one run at a time, whoever watches or not.

A page script ends and starts again with every click, so the work can't live in one. The runner
belongs to the process; pages ask it by run id and get a snapshot.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from samgeo_core.errors import CancelledError, NotFoundError, ParameterError, SamGeoError
from samgeo_core.progress import CancelToken, Monitor, Progress

logger = logging.getLogger(__name__)

Work = Callable[[Monitor], None]
KEPT_JOBS = 1000


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen."""
        return self in (JobState.DONE, JobState.FAILED, JobState.CANCELLED)


@dataclass(frozen=True)
class Job:
    """A snapshot of one job; ask the runner again for a newer one.

    Attributes:
        run_id: the run it works for.
        state: where it stands.
        progress: the last step it reported; None before the first.
        error: a sentence for the user where it failed, else None.
        position: 0 unless queued; then 1 for the next to start, 2 for the one after, …
        submitted: seconds since 1970.
        started: seconds since 1970, None while queued.
        stage_started: when the stage of ``progress`` began, seconds since 1970, else None.
        ended: seconds since 1970, None while not finished.
        cancelling: the user asked to stop, the work has not noticed yet.
        resumed: of how many parts how many were finished by an earlier start, (done, total).
        dashboard: address where the cluster that works for it can be watched.
    """

    run_id: str
    state: JobState
    progress: Progress | None = None
    error: str | None = None
    position: int = 0
    submitted: float = 0.0
    started: float | None = None
    stage_started: float | None = None
    ended: float | None = None
    cancelling: bool = False
    resumed: tuple[int, int] | None = None
    dashboard: str | None = None

    @property
    def elapsed_s(self) -> float:
        """Seconds of work so far, 0 while queued."""
        if self.started is None:
            return 0.0
        return (self.ended or time.time()) - self.started


@dataclass
class _Entry:
    job: Job
    work: Work | None
    cancel: CancelToken


class JobRunner:
    """Runs jobs in the order of arrival.

    Args:
        workers: how many jobs run at the same time. One, because a model already uses every core.
        on_change: called with a snapshot when a job starts and before it shows as finished, outside
            of any lock.
    """

    def __init__(self, workers: int = 1, on_change: Callable[[Job], None] | None = None) -> None:
        if workers < 1:
            raise ParameterError(f"A job runner needs at least one worker, got {workers}.")
        self._workers = workers
        self._on_change = on_change
        self._changed = threading.Condition()
        self._entries: dict[str, _Entry] = {}
        self._queue: list[str] = []
        self._threads: list[threading.Thread] = []
        self._closed = False

    def submit(self, run_id: str, work: Work) -> Job:
        """Queue work for a run.

        Raises:
            ParameterError: this run has a job that is not finished, or the runner is closed.
        """
        with self._changed:
            known = self._entries.get(run_id)
            if known is not None and not known.job.state.finished:
                raise ParameterError("This run is already queued or running; cancel it first.")
            if self._closed:
                raise ParameterError("The server is shutting down; start the run again later.")
            job = Job(run_id, JobState.QUEUED, submitted=time.time())
            self._entries.pop(run_id, None)
            self._entries[run_id] = _Entry(job, work, CancelToken())
            self._queue.append(run_id)
            self._forget_old_jobs()
            self._start_threads()
            self._changed.notify_all()
            return self._snapshot(run_id)

    def job(self, run_id: str) -> Job | None:
        """A snapshot of a run's job; None where this process has none."""
        with self._changed:
            return self._snapshot(run_id) if run_id in self._entries else None

    def active_jobs(self) -> list[Job]:
        """Running jobs, then queued ones in their order."""
        with self._changed:
            running = [i for i, e in self._entries.items() if e.job.state is JobState.RUNNING]
            return [self._snapshot(run_id) for run_id in (*running, *self._queue)]

    def cancel(self, run_id: str) -> bool:
        """Drop a queued job at once, ask a running one to stop; False if nothing is under way."""
        with self._changed:
            entry = self._entries.get(run_id)
            if entry is None or entry.job.state.finished:
                return False
            entry.cancel.cancel()
            entry.job = replace(entry.job, cancelling=True)
            queued = run_id in self._queue
            if queued:
                self._queue.remove(run_id)
        if queued:
            self._finish(run_id, JobState.CANCELLED, None)
        return True

    def note(
        self,
        run_id: str,
        *,
        resumed: tuple[int, int] | None = None,
        dashboard: str | None = None,
    ) -> None:
        """Keep what the work of a run tells of itself, see `Job`."""
        with self._changed:
            entry = self._entries[run_id]
            entry.job = replace(
                entry.job,
                resumed=resumed or entry.job.resumed,
                dashboard=dashboard or entry.job.dashboard,
            )

    @property
    def closed(self) -> bool:
        """Whether the runner takes no more work and has told all jobs to stop."""
        return self._closed

    def wait(self, run_id: str, timeout_s: float | None = None) -> Job:
        """Block until a job is finished or the time is over, and return its snapshot.

        Raises:
            NotFoundError: this process has no job for the run.
        """
        with self._changed:
            if run_id not in self._entries:
                raise NotFoundError("No work is under way for this run.")
            self._changed.wait_for(
                lambda: self._entries[run_id].job.state.finished, timeout=timeout_s
            )
            return self._snapshot(run_id)

    def close(self, timeout_s: float = 10.0) -> None:
        """Cancel everything and give the threads a moment to end; the runner takes no more work."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            run_ids = [i for i, e in self._entries.items() if not e.job.state.finished]
        for run_id in run_ids:
            self.cancel(run_id)
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _snapshot(self, run_id: str) -> Job:
        job = self._entries[run_id].job
        if job.state is JobState.QUEUED and run_id in self._queue:
            return replace(job, position=self._queue.index(run_id) + 1)
        return job

    def _forget_old_jobs(self) -> None:
        finished = [i for i, e in self._entries.items() if e.job.state.finished]
        for run_id in finished[: max(0, len(self._entries) - KEPT_JOBS)]:
            del self._entries[run_id]

    def _start_threads(self) -> None:
        while len(self._threads) < self._workers:
            name = f"samgeo-job-{len(self._threads)}"
            thread = threading.Thread(target=self._serve, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._closed)
                if self._closed:
                    return
                run_id = self._queue.pop(0)
                entry = self._entries[run_id]
                entry.job = replace(entry.job, state=JobState.RUNNING, started=time.time())
                work, entry.work = entry.work, None
                snapshot = entry.job
            self._tell(snapshot)
            if work is not None:
                self._finish(run_id, *self._run(entry, work))

    def _run(self, entry: _Entry, work: Work) -> tuple[JobState, str | None]:
        monitor = Monitor(lambda progress: self._report(entry, progress), entry.cancel)
        try:
            work(monitor)
        except CancelledError:
            return JobState.CANCELLED, None
        except SamGeoError as error:
            logger.info("Run %s failed: %s", entry.job.run_id, error)
            return JobState.FAILED, str(error)
        except MemoryError:
            logger.exception("Run %s ran out of memory", entry.job.run_id)
            return JobState.FAILED, "The run needed more memory than there is; try a smaller area."
        except Exception as error:
            # NOTE: the thread must outlive any failure of one run, or the queue stands still.
            logger.exception("Run %s failed unexpectedly", entry.job.run_id)
            name = type(error).__name__
            return JobState.FAILED, f"The run failed unexpectedly ({name}); see the server's log."
        return JobState.DONE, None

    def _report(self, entry: _Entry, progress: Progress) -> None:
        with self._changed:
            last = entry.job.progress
            same_stage = last is not None and last.stage == progress.stage
            since = entry.job.stage_started if same_stage else time.time()
            entry.job = replace(entry.job, progress=progress, stage_started=since)

    def _finish(self, run_id: str, state: JobState, error: str | None) -> None:
        with self._changed:
            entry = self._entries[run_id]
            ended = replace(
                entry.job, state=state, error=error, ended=time.time(), cancelling=False
            )
        # NOTE: told first, so that who sees the job finished finds the run's folder up to date.
        self._tell(ended)
        with self._changed:
            entry.work, entry.job = None, ended
            self._changed.notify_all()

    def _tell(self, job: Job) -> None:
        if self._on_change is None:
            return
        try:
            self._on_change(job)
        except (SamGeoError, OSError):
            logger.exception("The state of run %s could not be kept", job.run_id)
