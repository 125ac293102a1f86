"""Memory of this process, by what the operating system counts."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_STATUS = Path("/proc/self/status")
_CLEAR_REFS = Path("/proc/self/clear_refs")


@dataclass
class Cost:
    """What a piece of work took.

    Attributes:
        seconds: wall clock.
        peak_bytes: most memory the process held until the end of the work.
        own_bytes: most memory held during the work, less what was held when it began.
    """

    seconds: float = 0.0
    peak_bytes: int = 0
    own_bytes: int = 0


@contextmanager
def metered() -> Iterator[Cost]:
    """Measure the work inside; the cost is filled in at its end."""
    cost = Cost()
    peak_before = peak_bytes()
    # Without a fresh start for the peak, loading the model would hide what the work itself needs.
    held = _resident_bytes() if _forget_peak() else peak_before
    start = time.perf_counter()
    yield cost
    cost.seconds = time.perf_counter() - start
    cost.own_bytes = peak_bytes() - held
    cost.peak_bytes = max(peak_before, peak_bytes())


def peak_bytes() -> int:
    """Most memory this process held so far, or since `_forget_peak`."""
    # NOTE: on Linux ru_maxrss of a new process begins at what its parent held; VmHWM doesn't.
    if _STATUS.exists() and (peak := _status_bytes("VmHWM")):
        return peak
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _resident_bytes() -> int:
    return _status_bytes("VmRSS")


def _status_bytes(key: str) -> int:
    """A line of /proc/self/status, 0 where it lacks one."""
    for line in _STATUS.read_text("ascii", "replace").splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    return 0


def _forget_peak() -> bool:
    """Let the peak begin at what is held now; False where the system has no such thing."""
    if not _CLEAR_REFS.exists() or not _status_bytes("VmHWM"):
        return False
    try:
        _CLEAR_REFS.write_text("5")  # proc(5): resets the peak resident set size
    except OSError:
        return False
    # Some systems take the order and do nothing.
    return peak_bytes() <= _resident_bytes() * 1.01
