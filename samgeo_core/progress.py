"""How long work reports where it is and learns that it should stop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from samgeo_core.errors import CancelledError


@dataclass(frozen=True)
class Progress:
    """A step of long work: ``done`` of ``total`` units of the stage named ``stage``."""

    stage: str
    done: int
    total: int

    @property
    def fraction(self) -> float:
        """Share of the stage that is done, 0 to 1."""
        return self.done / self.total if self.total else 1.0


ProgressCallback = Callable[[Progress], None]


class CancelToken:
    """A flag that another thread raises and long work looks at between steps."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Ask the work to stop at its next step."""
        self._event.set()

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._event.is_set()

    def raise_if_cancelled(self) -> None:
        """Raise `CancelledError` once `cancel` was called."""
        if self._event.is_set():
            raise CancelledError("Cancelled.")


@dataclass(frozen=True)
class Monitor:
    """A progress callback and a cancel token that travel together; both optional."""

    on_progress: ProgressCallback | None = None
    cancel: CancelToken | None = None

    def step(self, stage: str, done: int, total: int) -> None:
        """Report a step, then raise `CancelledError` if the work should stop."""
        if self.on_progress is not None:
            self.on_progress(Progress(stage, done, total))
        if self.cancel is not None:
            self.cancel.raise_if_cancelled()

    def part(self, index: int, count: int) -> Monitor:
        """A monitor for the part ``index`` of ``count`` equal parts of the work."""

        def report(progress: Progress) -> None:
            if self.on_progress is not None:
                # Whole steps of the parts, in thousandths, so that parts of any length add up.
                done = index * 1000 + round(1000 * progress.fraction)
                self.on_progress(Progress(progress.stage, done, count * 1000))

        return Monitor(report, self.cancel)


SILENT = Monitor()
