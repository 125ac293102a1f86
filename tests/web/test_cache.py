import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from samgeo_core.web.cache import LruCache


def test_a_value_is_made_once_however_many_threads_ask() -> None:
    cache: LruCache[str, object] = LruCache(10)
    made = []
    everybody_asks = threading.Barrier(8)

    def make() -> object:
        made.append(threading.get_ident())
        return object()

    def ask() -> object:
        everybody_asks.wait()
        return cache.get("key", make)

    with ThreadPoolExecutor(8) as pool:
        values = {id(future.result()) for future in [pool.submit(ask) for _ in range(8)]}
    assert len(made) == 1
    assert len(values) == 1


def test_the_value_used_longest_ago_goes_first() -> None:
    cache: LruCache[str, bytes] = LruCache(10, len)
    cache.get("a", lambda: b"1234")
    cache.get("b", lambda: b"1234")
    cache.get("a", lambda: b"unused")
    cache.get("c", lambda: b"1234")
    assert cache.cost == 8
    assert cache.get("a", lambda: b"new") == b"1234"
    assert cache.get("b", lambda: b"new") == b"new"


def test_a_value_larger_than_the_cache_is_given_and_not_kept() -> None:
    cache: LruCache[str, bytes] = LruCache(10, len)
    assert cache.get("a", lambda: b"x" * 11) == b"x" * 11
    assert len(cache) == 0
    assert cache.cost == 0


def test_a_failure_reaches_who_waits_and_is_tried_again() -> None:
    cache: LruCache[str, int] = LruCache(10)
    started, go_on = threading.Event(), threading.Event()

    def fail() -> int:
        started.set()
        go_on.wait(10)
        raise ValueError("no")

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(cache.get, "key", fail)
        started.wait(10)
        second = pool.submit(cache.get, "key", lambda: 2)
        go_on.set()
        with pytest.raises(ValueError, match="no"):
            first.result(10)
        # The second either waited for the failure or came after it.
        assert second.exception(10) is not None or second.result() == 2
    assert cache.get("key", lambda: 3) in (2, 3)
