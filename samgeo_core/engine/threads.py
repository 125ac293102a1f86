"""How the engine uses a CPU's cores: whole prompts side by side, each on one thread.

Splitting every small product over all cores makes each of them wait for the slowest, which hurts
most where other programs (or other visitors) run; whole prompts need no such meeting points.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TypeVar

import torch

A = TypeVar("A")
B = TypeVar("B")

_here = threading.local()


def core_count() -> int:
    """Cores this process may use."""
    limit = int(os.environ.get("OMP_NUM_THREADS") or 0)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(limit or cores or 1, cores or 1))


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(core_count(), "samgeo-engine", initializer=_begin_in_pool)


def _begin_in_pool() -> None:
    # NOTE: a thread takes over the number that was set last anywhere when it first needs one, and
    # forgets what it was told before; asking makes it do so now.
    torch.get_num_threads()
    torch.set_num_threads(1)
    _here.in_pool = True


def use_all_cores() -> None:
    """Let the calling thread use all cores, unless it is one of those that work side by side.

    Those stay with the one core they have, and never wait for each other.
    """
    if getattr(_here, "in_pool", False):
        return
    # NOTE: torch starts new threads with the number that was set last, by whichever thread.
    if torch.get_num_threads() != core_count():
        torch.set_num_threads(core_count())


def use_one_core() -> None:
    """Let the calling thread work alone, as small operations go faster without meeting points."""
    if torch.get_num_threads() != 1:
        torch.set_num_threads(1)


def side_by_side(work: Callable[[A], B], items: Iterable[A], device: torch.device) -> Generator[B]:
    """Apply `work` to each item, on a CPU one item per core, without gradients.

    Yields the results in the order of the items; closing the iterator drops what has not begun.
    Work that has work of its own does that itself, one item after the other.
    """

    def without_gradients(item: A) -> B:
        with torch.no_grad():
            return work(item)

    if device.type != "cpu" or getattr(_here, "in_pool", False):
        yield from map(without_gradients, items)
        return
    futures = [_pool().submit(without_gradients, item) for item in items]
    try:
        for future in futures:
            yield future.result()
    finally:
        for future in futures:
            future.cancel()
