"""Progress of long work drawn as bars on a terminal."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self

from tqdm import tqdm

from samgeo_core.progress import Monitor, Progress

# Stages that take turns, once a window, share a bar; of a download people want to see the bytes.
_TAKE_TURNS = frozenset({"encode", "decode"})
_IN_BYTES = frozenset({"download"})
_BAR = "{desc:<10} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}"
_BAR_IN_BYTES = "{desc:<10} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} {elapsed}<{remaining}"


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

    def say(self, sentence: str) -> None:
        """Write a sentence for the person who waits, above the bars."""
        if self._enabled:
            tqdm.write(sentence, file=sys.stderr)

    def _show(self, progress: Progress) -> None:
        stage = "segment" if progress.stage in _TAKE_TURNS else progress.stage
        if self._bar is None or stage != self._stage:
            self._close(done=True)
            self._stage = stage
            in_bytes = stage in _IN_BYTES
            self._bar = tqdm(
                total=progress.total,
                desc=stage,
                file=sys.stderr,
                unit_scale=in_bytes,
                bar_format=_BAR_IN_BYTES if in_bytes else _BAR,
                dynamic_ncols=True,
            )
        self._bar.total = progress.total
        self._bar.update(progress.done - self._bar.n)

    def _close(self, *, done: bool) -> None:
        """Leave the current bar behind; full if its stage is done, whatever it last said."""
        if self._bar is not None:
            if done:
                self._bar.total = self._bar.total or 1
                self._bar.update(self._bar.total - self._bar.n)
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
        self._close(done=kind is None)
