"""Memory that goes back to the system."""

from __future__ import annotations

import ctypes
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from samgeo_core.memory import give_back_memory

has_trim = sys.platform == "linux" and hasattr(ctypes.CDLL(None), "malloc_trim")


def resident_kib() -> int:
    text = Path("/proc/self/status").read_text("ascii", "replace")
    return int(text.partition("VmRSS:")[2].split()[0])


def holes(n: int, size: int) -> list[bytes]:
    """Every 64th of n blocks of memory, the others being free again."""
    return [b"x" * size for _ in range(n)][::64]


@pytest.mark.skipif(not has_trim, reason="another C library")
def test_what_a_thread_has_freed_goes_back_though_some_stays_above_it() -> None:
    with ThreadPoolExecutor(1) as thread:
        kept = thread.submit(holes, 2048, 1 << 15).result()
        before = resident_kib()
        give_back_memory()
        assert before - resident_kib() > 2048 * 32 // 2
    assert len(kept) == 32


def test_where_there_is_no_such_call_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("samgeo_core.memory._malloc_trim", lambda: None)
    give_back_memory()
