"""Long work in background threads, a few runs at a time, whoever watches or not.

Where a run stands is in the book (`RunBook`), which outlives pages and servers; what it tells on
its way lives here. A job is a run's id and the name of the work, so that any server can do it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import filelock

from samgeo_core.errors import NotFoundError, ParameterError, SamGeoError
from samgeo_core.web.queue_book import Entry, JobState, RunBook
from samgeo_core.web.queue_job import Job, Live, Work, do_work
from samgeo_core.web.queue_order import starts_in_s

logger = logging.getLogger(__name__)

__all__ = ["Job", "JobRunner", "JobState", "Work"]

KEPT_JOBS = 1000
POLL_S = 2.0
"""After how long the book is asked again, as another process may have written in it."""


class JobRunner:
    """Does what stands in the book, in turns.

    Args:
        book: where runs wait.
        work: does it; called in threads of the runner.
        workers: how many jobs run at the same time; a model uses every core already.
        lock: a file that only one process holds: the one that works. None needs none.
        recover: called once, before the first job, to put in order what a former process left.
        on_done: called with the id of each run that has ended well.
    """

    def __init__(
        self,
        book: RunBook,
        work: Work,
        workers: int = 1,
        *,
        lock: Path | None = None,
        recover: Callable[[], object] | None = None,
        on_done: Callable[[str], None] | None = None,
    ) -> None:
        if workers < 1:
            raise ParameterError(f"A job runner needs at least one worker, got {workers}.")
        self._book, self._work, self._workers = book, work, workers
        self._recover, self._on_done = recover, on_done
        self._lock = None if lock is None else filelock.FileLock(lock, thread_local=False)
        self._changed = threading.Condition()
        self._news = 0
        self._live: dict[str, Live] = {}
        self._threads: list[threading.Thread] = []
        self._may_work = threading.Lock()
        self._in_order = False
        self._closed = False
        self._trouble: str | None = None

    def start(self) -> None:
        """Begin to do what waits, also from before; returns at once."""
        with self._changed:
            while not self._closed and len(self._threads) < self._workers:
                thread = threading.Thread(target=self._serve, name="samgeo-job", daemon=True)
                self._threads.append(thread)
                thread.start()

    def submit(
        self,
        run_id: str,
        kind: str,
        owner: str,
        *,
        expected_s: float = 0.0,
        most: int | None = None,
    ) -> Job:
        """Queue work for a run; it is kept on the disk when this returns.

        Arguments and errors as of `RunBook.accept`; `ParameterError` also where this is closed.
        """
        if self._closed:
            raise ParameterError("The server is shutting down; start the run again later.")
        self._book.accept(run_id, owner, kind, expected_s, most)
        with self._changed:
            self._live.pop(run_id, None)
        self.start()
        self._tell()
        return self.job(run_id) or Job(run_id, JobState.QUEUED)

    def job(self, run_id: str) -> Job | None:
        """A snapshot of a run's job; None where it never had one."""
        entry = self._book.entry(run_id)
        if entry is None or entry.kind is None:
            if (live := self._live.get(run_id)) is None:
                return None
            # The run was deleted, and its work stops at the next step.
            return live.last or Job(run_id, JobState.RUNNING, cancelling=True)
        job = self._snapshot(entry)
        if job.state is not JobState.QUEUED:
            return job
        return next((waiting for waiting in self._line() if waiting.run_id == run_id), job)

    def active_jobs(self) -> list[Job]:
        """Running jobs, then queued ones in their order."""
        return [*map(self._snapshot, self._book.running()), *self._line()]

    def cancel(self, run_id: str) -> bool:
        """Drop a queued job at once, ask a running one to stop; False if nothing is under way."""
        state = self._book.cancel(run_id)
        if state is JobState.RUNNING and (live := self._live.get(run_id)) is not None:
            live.cancel.cancel()
        self._tell()
        return state is not None

    def note(
        self,
        run_id: str,
        *,
        resumed: tuple[int, int] | None = None,
        dashboard: str | None = None,
    ) -> None:
        """Keep what the work of a run tells of itself, see `Job`."""
        live = self._live[run_id]
        with live.changing:
            live.resumed = resumed or live.resumed
            live.dashboard = dashboard or live.dashboard

    @property
    def closed(self) -> bool:
        """Whether the runner takes no more work and has told all jobs to stop."""
        return self._closed

    def wait(self, run_id: str, timeout_s: float | None = None) -> Job:
        """Block until a job is finished or the time is over; raises `NotFoundError` for none."""
        end = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            seen = self._news
            job = self.job(run_id)
            if job is None:
                raise NotFoundError("No work is under way for this run.")
            left = POLL_S if end is None else min(POLL_S, end - time.monotonic())
            if job.state.finished or left <= 0:
                return job
            self._wait_for_news(seen, left, even_if_closed=True)

    def close(self, timeout_s: float = 10.0) -> None:
        """Take no more work; what is under way stops at its next step and is back in line."""
        self._closed = True
        with self._changed:
            for live in self._live.values():
                live.cancel.cancel()
        self._tell()
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        if not any(thread.is_alive() for thread in self._threads):
            self._release()
            return
        try:
            for entry in self._book.running():
                if entry.run_id in self._live:
                    self._put_back(entry)
        except SamGeoError:
            logger.exception("What is under way isn't back in line; the next start puts it there")

    def _line(self) -> list[Job]:
        running = [self._snapshot(entry) for entry in self._book.running()]
        waiting = [self._snapshot(entry) for entry in self._book.line()]
        left = [j.left_s or max(0.0, j.expected_s - j.elapsed_s) for j in running]
        begins = starts_in_s(left, (job.expected_s for job in waiting), self._workers)
        return [
            replace(job, position=i, starts_in_s=begin, trouble=self._trouble)
            for i, (job, begin) in enumerate(zip(waiting, begins, strict=True), start=1)
        ]

    def _snapshot(self, entry: Entry) -> Job:
        return (self._live.get(entry.run_id) or Live()).job(entry)

    def _tell(self) -> None:
        with self._changed:
            self._news += 1
            self._changed.notify_all()

    def _wait_for_news(self, seen: int, timeout_s: float, even_if_closed: bool = False) -> None:
        def is_new() -> bool:
            return self._news != seen or (self._closed and not even_if_closed)

        with self._changed:
            self._changed.wait_for(is_new, timeout_s)

    def _serve(self) -> None:
        while not self._closed:
            seen = self._news
            if (entry := self._next()) is None:
                self._wait_for_news(seen, POLL_S)
            else:
                self._do(entry)

    def _next(self) -> Entry | None:
        """Begin the next run; None where there is none, or it can't be begun for the moment."""
        try:
            entry = self._book.take() if self._may_begin() else None
        except SamGeoError as refusal:
            if self._trouble is None:
                logger.warning("The next run can't be begun yet. %s", refusal)
            self._trouble = str(refusal)
            return None
        except Exception:
            # NOTE: the thread must outlive whatever happens, or the line stands still.
            logger.exception("The next run can't be begun; next try in %.0f s", POLL_S)
            return None
        self._trouble = None
        return entry

    def _may_begin(self) -> bool:
        """Whether this is the process that works; it puts things in order first."""
        with self._may_work:
            if not self._in_order and self._is_ours():
                if self._recover is not None:
                    self._recover()
                self._in_order = True
            return self._in_order

    def _is_ours(self) -> bool:
        if self._lock is None or self._lock.is_locked:
            return True
        try:
            self._lock.acquire(timeout=0)
        except filelock.Timeout:
            logger.debug("Another process works on the runs; waiting for it to end.")
            return False
        except NotImplementedError:
            logger.warning("The data folder's disk has no locks: let only one server use it.")
        return True

    def _release(self) -> None:
        with self._may_work:
            if self._lock is not None:
                self._lock.release()
            self._in_order = False

    def _do(self, entry: Entry) -> None:
        live = Live()
        with self._changed:
            self._live[entry.run_id] = live
            for run_id in [*self._live][: max(0, len(self._live) - KEPT_JOBS)]:
                if self._live[run_id].last is not None:
                    del self._live[run_id]
        if self._closed or self._is_unwanted(entry):
            live.cancel.cancel()
        self._tell()
        state, error = do_work(self._work, entry, live)
        parked = self._closed and state is JobState.CANCELLED and not self._is_unwanted(entry)
        while not self._keep(entry, live, None if parked else state, error):
            if self._closed:
                return  # the next start finds the run's files, or does it again
            self._wait_for_news(self._news, POLL_S)
        if state is JobState.DONE and self._on_done is not None:
            try:
                self._on_done(entry.run_id)
            except Exception:
                logger.exception("Nothing was learned of run %s", entry.run_id)
        self._tell()

    def _is_unwanted(self, entry: Entry) -> bool:
        """Whether its owner has cancelled or deleted it."""
        try:
            known = self._book.entry(entry.run_id)
        except SamGeoError:
            return False
        return known is None or known.cancelling

    def _keep(self, entry: Entry, live: Live, state: JobState | None, error: str | None) -> bool:
        """Note how a job ended, None to put it back in line; whether the disk took it."""
        ended = replace(self._snapshot(entry), error=error, ended=time.time(), cancelling=False)
        try:
            if state is None:
                self._put_back(entry)
                return True
            self._book.set_state(entry.run_id, state, error)
        except SamGeoError as refusal:
            if live.trouble is None:
                logger.warning("How run %s ended can't be kept yet. %s", entry.run_id, refusal)
            live.trouble = str(refusal)
            return False
        live.trouble, live.last = None, replace(ended, state=state)
        return True

    def _put_back(self, entry: Entry) -> None:
        """Back in line; stopping it was the server's wish, so that this attempt doesn't count."""
        self._book.wait_again(entry.run_id, max(0, entry.attempts - 1), entry.parts)
