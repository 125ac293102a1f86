"""Progress of long work drawn as bars on a terminal."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self

from tqdm import tqdm

from samgeo_core.progress import Monitor, Progress

_STAGES_IN_BYTES = frozenset({"download"})


class TerminalProgress:
    """Draws one bar a stage on stderr; a context manager, so that the last bar is closed."""

    def __init__(self, enabled: bool = True) -> None:
        self._enabled = enabled
        self._stage = ""
        self._bar: tqdm | None = None  # type: ignore[type-arg]

    @property
    def monitor(self) -> Monitor:
        """The monitor to hand to the work."""
        return Monitor(self._show) if self._enabled else Monitor()

    def _show(self, progress: Progress) -> None:
        if self._bar is None or progress.stage != self._stage:
            self.close()
            self._stage = progress.stage
            in_bytes = progress.stage in _STAGES_IN_BYTES
            self._bar = tqdm(
                total=progress.total,
                desc=progress.stage,
                file=sys.stderr,
                unit="B" if in_bytes else "",
                unit_scale=in_bytes,
                dynamic_ncols=True,
            )
        self._bar.total = progress.total
        self._bar.update(progress.done - self._bar.n)

    def close(self) -> None:
        """Finish the current bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
