"""One job: what is told of it, and how its work is done and ends."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field

from samgeo_core.errors import CancelledError, DiskFullError, MemoryFullError, SamGeoError
from samgeo_core.progress import CancelToken, Monitor, Progress
from samgeo_core.web.queue_book import Entry, JobState
from samgeo_core.web.refusals import refusal_of
from samgeo_core.words import N_

logger = logging.getLogger(__name__)

Work = Callable[[str, str, Monitor], None]
"""Does the work of a kind for a run: (kind, run_id, monitor)."""

MAIN_STAGES = frozenset({"encode", "decode", "segment"})
"""The stages that take nearly all the time and count from the first to the last window."""

_NO_MEMORY = N_(
    "The run needed more memory than there is: try a smaller area, or ask who runs the server to "
    "lower SAMGEO_REGION_PX."
)
_NO_ROOM = N_("The server's disk is full; ask who runs the server to make room, and run it again.")


@dataclass(frozen=True)
class Job:
    """A snapshot of one job; ask the runner again for a newer one.

    Attributes:
        run_id: the run it works for.
        state: where it stands.
        progress: the last step it reported; None before the first.
        error: a sentence for the user where it failed, else None.
        position: 0 unless queued; then 1 for the next to start, 2 for the one after, …
        starts_in_s: seconds until its turn comes, as far as one can tell; None unless queued.
        expected_s: seconds it is thought to take; 0 where nobody knows.
        submitted: seconds since 1970.
        started: seconds since 1970, None while queued.
        stage_started: when the stage of ``progress`` began, seconds since 1970, else None.
        ended: seconds since 1970, None while not finished.
        cancelling: the user asked to stop, the work has not noticed yet.
        resumed: of how many parts how many were finished by an earlier start, (done, total).
        restarts: how often the server ended while it was under way.
        dashboard: address where the cluster that works for it can be watched.
        trouble: why it can't be begun, or its end noted, for the moment, a sentence; else None.
    """

    run_id: str
    state: JobState
    progress: Progress | None = None
    error: str | None = None
    position: int = 0
    starts_in_s: float | None = None
    expected_s: float = 0.0
    submitted: float = 0.0
    started: float | None = None
    stage_started: float | None = None
    ended: float | None = None
    cancelling: bool = False
    resumed: tuple[int, int] | None = None
    restarts: int = 0
    dashboard: str | None = None
    trouble: str | None = None

    @property
    def elapsed_s(self) -> float:
        """Seconds of work so far, 0 while queued."""
        if self.started is None:
            return 0.0
        return (self.ended or time.time()) - self.started

    @property
    def left_s(self) -> float | None:
        """Seconds left by the pace so far; None while that says little."""
        if self.progress is None or self.progress.stage not in MAIN_STAGES:
            return None
        before = self.resumed[0] / self.resumed[1] if self.resumed else 0.0
        spent, share = self.elapsed_s, self.progress.fraction - before
        return spent * (1 - share - before) / share if share >= 0.05 and spent >= 2 else None


@dataclass
class Live:
    """What a job that was begun here tells on its way."""

    changing: threading.Lock = field(default_factory=threading.Lock)
    cancel: CancelToken = field(default_factory=CancelToken)
    progress: Progress | None = None
    stage_started: float | None = None
    resumed: tuple[int, int] | None = None
    dashboard: str | None = None
    trouble: str | None = None
    last: Job | None = None
    """Its end, for who asks after the run was deleted."""

    def report(self, progress: Progress) -> None:
        """Take in a step of the work."""
        with self.changing:
            same_stage = self.progress is not None and self.progress.stage == progress.stage
            self.stage_started = self.stage_started if same_stage else time.time()
            self.progress = progress

    def job(self, entry: Entry) -> Job:
        """All that is known of the job."""
        return Job(
            entry.run_id,
            entry.state,
            progress=self.progress,
            error=entry.error,
            expected_s=entry.expected_s,
            submitted=entry.submitted,
            started=entry.started,
            stage_started=self.stage_started,
            ended=entry.ended,
            cancelling=entry.cancelling,
            resumed=self.resumed,
            restarts=entry.restarts,
            dashboard=self.dashboard,
            trouble=self.trouble,
        )


def do_work(work: Work, entry: Entry, live: Live) -> tuple[JobState, str | None]:
    """Do the work of an entry; tells how it ended, and why it failed."""
    try:
        live.cancel.raise_if_cancelled()
        work(entry.kind or "", entry.run_id, Monitor(live.report, live.cancel))
    except CancelledError:
        return JobState.CANCELLED, None
    except Exception as error:
        told = _sentence(error)
        if isinstance(error, SamGeoError) or told in (_NO_MEMORY, _NO_ROOM):
            logger.info("Run %s failed: %s", entry.run_id, error)
        else:
            # NOTE: the thread must outlive any failure of one run, or the queue stands still.
            logger.exception("Run %s failed", entry.run_id)
        # What the work held in memory goes now, not with the error.
        traceback.clear_frames(error.__traceback__)
        return JobState.FAILED, told
    return JobState.DONE, None


def _sentence(error: Exception) -> str:
    """What went wrong, for the user."""
    refusal = refusal_of(error)
    if isinstance(refusal, MemoryFullError):
        return _NO_MEMORY
    if isinstance(refusal, DiskFullError):
        return _NO_ROOM
    if isinstance(error, SamGeoError):
        return str(error)
    name = type(error).__name__
    return N_("The run failed unexpectedly ({name}); see the server's log.").format(name=name)
