"""Memory that this process has freed, back to the system."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from functools import cache


def give_back_memory() -> None:
    """Give back what is free on the heaps of all threads; nothing but with glibc.

    Best between two pieces of work that each take much: it costs some milliseconds, and the pages
    are cleared anew when they are taken again.

    NOTE: glibc by itself keeps up to 64 MiB free on the heap of each thread (M_TRIM_THRESHOLD is
    twice M_MMAP_THRESHOLD, which grows to 32 MiB as larger arrays are freed, see mallopt(3)), and
    all that lies below anything in use.
    """
    if (trim := _malloc_trim()) is not None:
        trim(0)


@cache
def _malloc_trim() -> Callable[[int], int] | None:
    if sys.platform != "linux":
        return None
    trim: Callable[[int], int] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return trim
