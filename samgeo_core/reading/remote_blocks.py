"""Bytes of files at addresses: blocks fetched by range requests, kept, and counted."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import lru_cache

from samgeo_core.errors import FetchError, RasterError
from samgeo_core.net.client import Answer, shared_client

BLOCK_BYTES = 1 << 14
HEAD_BYTES = 1 << 16
"""What is fetched first: the header of most Cloud Optimized GeoTIFFs."""

_MOST_BYTES = 2 << 20
_KEPT_BYTES = 128 << 20
_TIMEOUT_S = 120.0
_TRIES = 3
_PAUSE_S = 0.5
_TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_AT_A_TIME = 6


@dataclass(frozen=True)
class Version:
    """Which bytes lie at an address.

    Attributes:
        url: the address.
        size_bytes: length of the file.
        etag: what the server calls this version of it; None where it doesn't say.
        modified: when it was last changed, as the server says it; None likewise.
    """

    url: str
    size_bytes: int
    etag: str | None = None
    modified: str | None = None

    @classmethod
    def of(cls, url: str, answer: Answer) -> Version | None:
        """The version that a partial answer is of; None where it doesn't tell the length."""
        total = answer.headers.get("content-range", "").rpartition("/")[2]
        if not (total.isascii() and total.isdigit()):
            return None
        headers = answer.headers
        return cls(url, int(total), headers.get("etag"), headers.get("last-modified"))

    def agrees(self, other: Version) -> bool:
        """Whether another answer is of the same version, as far as both say."""
        named = (self.etag, other.etag), (self.modified, other.modified)
        return self.size_bytes == other.size_bytes and all(
            a is None or b is None or a == b for a, b in named
        )


@dataclass
class Traffic:
    """What was received of one file since this process began.

    Attributes:
        received_bytes: of bodies.
        requests: that were answered.
    """

    received_bytes: int = 0
    requests: int = 0


class BlockCache:
    """Keeps the blocks used last; each is fetched once, however many ask for it.

    Args:
        kept_bytes: the most to keep.
    """

    def __init__(self, kept_bytes: int = _KEPT_BYTES) -> None:
        self._kept_bytes = kept_bytes
        self._lock = threading.Lock()
        self._blocks: OrderedDict[tuple[Version, int], bytes] = OrderedDict()
        self._cost = 0
        self._pending: dict[tuple[Version, int], Future[bytes]] = {}
        self._traffic: dict[Version, Traffic] = {}
        self._workers: ThreadPoolExecutor | None = None

    def traffic(self, version: Version) -> Traffic:
        """What was received of a file so far."""
        with self._lock:
            known = self._traffic.get(version, Traffic())
            return Traffic(known.received_bytes, known.requests)

    def count(self, version: Version, answer: Answer) -> None:
        """Take note of an answer."""
        with self._lock:
            traffic = self._traffic.setdefault(version, Traffic())
            traffic.received_bytes += answer.received
            traffic.requests += 1

    def put(self, version: Version, start: int, body: bytes) -> None:
        """Keep bytes that came with the first look at a file; ``start`` is that of a block."""
        end = min(start + len(body), version.size_bytes)
        for at in range(start, end, BLOCK_BYTES):
            block = body[at - start : at - start + BLOCK_BYTES]
            if len(block) == min(BLOCK_BYTES, version.size_bytes - at):
                with self._lock:
                    self._keep((version, at // BLOCK_BYTES), block)

    def read(self, version: Version, places: Sequence[tuple[int, int]]) -> list[bytes]:
        """Bytes of a file, each place as (offset, length); cut at the end of the file.

        Neighbouring blocks come in one request, and several requests go out at a time.

        Raises:
            RasterError: the file has changed, or can't be fetched.
        """
        blocks = self._blocks_of(version, {n for place in places for n in _numbers(version, place)})
        found = []
        for offset, length in places:
            numbers = _numbers(version, (offset, length))
            skipped = offset - numbers.start * BLOCK_BYTES
            together = b"".join(blocks[n] for n in numbers)
            found.append(together[skipped : skipped + length])
        return found

    def _blocks_of(self, version: Version, numbers: set[int]) -> dict[int, bytes]:
        found: dict[int, bytes] = {}
        mine: dict[int, Future[bytes]] = {}
        theirs: dict[int, Future[bytes]] = {}
        with self._lock:
            for n in numbers:
                key = (version, n)
                if key in self._blocks:
                    self._blocks.move_to_end(key)
                    found[n] = self._blocks[key]
                elif key in self._pending:
                    theirs[n] = self._pending[key]
                else:
                    mine[n] = self._pending[key] = Future()
        self._fetch(version, mine)
        return found | {n: future.result() for n, future in (mine | theirs).items()}

    def _fetch(self, version: Version, wanted: dict[int, Future[bytes]]) -> None:
        """Fulfil the futures of blocks."""

        runs = _runs(wanted)
        if len(runs) == 1:
            self._fetch_run(version, runs[0], wanted)
        elif runs:
            wait([self._pool().submit(self._fetch_run, version, run, wanted) for run in runs])

    def _fetch_run(self, version: Version, run: range, wanted: dict[int, Future[bytes]]) -> None:
        """Fulfil the futures of neighbours by one request; what goes wrong is what they give."""
        first = run.start * BLOCK_BYTES
        last = min(run.stop * BLOCK_BYTES, version.size_bytes) - 1
        try:
            body = self._range(version, first, last)
        except BaseException as error:
            with self._lock:
                for n in run:
                    del self._pending[version, n]
            for n in run:
                wanted[n].set_exception(error)
            return
        for n in run:
            start = (n - run.start) * BLOCK_BYTES
            block = body[start : start + BLOCK_BYTES]
            with self._lock:
                self._keep((version, n), block)
                del self._pending[version, n]
            wanted[n].set_result(block)

    def _range(self, version: Version, first: int, last: int) -> bytes:
        """The bytes from first to last, both included."""
        answer = ask_range(version.url, first, last)
        self.count(version, answer)
        now = Version.of(version.url, answer) if answer.status == 206 else None
        if answer.status in (404, 410, 412, 416) or (now and not version.agrees(now)):
            raise RasterError(
                "The file at this address has changed or is gone since it was opened; open the "
                "address again."
            )
        if now is None or len(answer.body) != last - first + 1:
            raise RasterError(
                "The server of this address didn't send the part of the file that was asked for "
                f"(status {answer.status}); try again later."
            )
        return answer.body

    def _keep(self, key: tuple[Version, int], block: bytes) -> None:
        self._cost += len(block) - len(self._blocks.pop(key, b""))
        self._blocks[key] = block
        while self._cost > self._kept_bytes:
            _, dropped = self._blocks.popitem(last=False)
            self._cost -= len(dropped)

    def _pool(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._workers is None:
                self._workers = ThreadPoolExecutor(_AT_A_TIME, thread_name_prefix="ranges")
            return self._workers


def ask_range(url: str, first: int, last: int) -> Answer:
    """Ask for bytes from first to last; again after a while where that may help.

    Raises:
        AddressError: the address may not be fetched from.
        FetchError: nothing whole came.
    """
    headers = {"Range": f"bytes={first}-{last}"}
    for tries_left in reversed(range(_TRIES)):
        try:
            answer = shared_client().get(
                url, headers=headers, max_bytes=last - first + 1, total_s=_TIMEOUT_S
            )
        except FetchError:
            if not tries_left:
                raise
        else:
            if answer.status not in _TRY_AGAIN or not tries_left:
                return answer
        time.sleep(_PAUSE_S * 2 ** (_TRIES - 1 - tries_left))
    raise FetchError("Nothing was asked for.")  # not reached: the last try returns or raises


def _numbers(version: Version, place: tuple[int, int]) -> range:
    """Numbers of the blocks that a place meets."""
    offset, length = place
    end = min(offset + length, version.size_bytes)
    if offset < 0 or end <= offset:
        return range(0)
    return range(offset // BLOCK_BYTES, -(-end // BLOCK_BYTES))


def _runs(numbers: Iterable[int]) -> list[range]:
    """Numbers as ranges of neighbours, none longer than one request may be."""
    runs: list[range] = []
    for n in sorted(numbers):
        last = runs[-1] if runs else None
        if last is not None and last.stop == n and len(last) < _MOST_BYTES // BLOCK_BYTES:
            runs[-1] = range(last.start, n + 1)
        else:
            runs.append(range(n, n + 1))
    return runs


@lru_cache(maxsize=1)
def shared_blocks() -> BlockCache:
    """The blocks of this process."""
    return BlockCache()
