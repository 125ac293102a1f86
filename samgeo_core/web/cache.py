"""A bounded cache for threads that makes each value once, however many ask for it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class LruCache(Generic[K, V]):
    """Keeps the values used last.

    Args:
        max_cost: the most that all kept values may cost together.
        cost: what one value costs; each counts 1 by default.
    """

    def __init__(self, max_cost: int, cost: Callable[[V], int] = lambda value: 1) -> None:
        self._max_cost = max_cost
        self._cost_of = cost
        self._lock = threading.Lock()
        self._values: OrderedDict[K, V] = OrderedDict()
        self._pending: dict[K, Future[V]] = {}
        self._cost = 0

    def get(self, key: K, make: Callable[[], V]) -> V:
        """The value of a key; the first to ask makes it, others who ask meanwhile wait for it.

        What ``make`` raises goes to all who wait, and the next one to ask tries again.
        """
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
            pending = self._pending.get(key)
            if pending is None:
                mine: Future[V] = Future()
                self._pending[key] = mine
        if pending is not None:
            return pending.result()
        try:
            value = make()
        except BaseException as error:
            with self._lock:
                del self._pending[key]
            mine.set_exception(error)
            raise
        self._keep(key, value)
        mine.set_result(value)
        return value

    @property
    def cost(self) -> int:
        """What the kept values cost together."""
        return self._cost

    def __len__(self) -> int:
        return len(self._values)

    def _keep(self, key: K, value: V) -> None:
        with self._lock:
            del self._pending[key]
            self._values[key] = value
            self._cost += self._cost_of(value)
            while self._cost > self._max_cost:
                _, dropped = self._values.popitem(last=False)
                self._cost -= self._cost_of(dropped)
