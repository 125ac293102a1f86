"""Large files by the network: checked, resumable, and fetched once however many ask."""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import requests
from filelock import FileLock, Timeout

from samgeo_core.errors import WeightsError
from samgeo_core.progress import SILENT, Monitor

logger = logging.getLogger(__name__)

STAGE = "download"
CHUNK_BYTES = 1 << 18
CONNECT_TIMEOUT_S = 4.0
READ_TIMEOUT_S = 20.0
ANSWER_TIMEOUT_S = 10.0
POLL_S = 0.25
BREAKS_ALLOWED = 5


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def download_file(
    url: str,
    target: Path,
    *,
    sha256: str,
    size_bytes: int | None = None,
    monitor: Monitor = SILENT,
) -> Path:
    """Fetch a file unless it is there already; it appears whole and checked, or not at all.

    What a broken connection leaves behind stays in ``<target>.part`` and is resumed. Of several
    processes that ask for one target, one downloads and the others wait for it.

    Args:
        url: where from.
        target: where to.
        sha256: hash that the file must have, hexadecimal.
        size_bytes: size that the file must have, if known.
        monitor: hears of bytes done and may cancel.

    Raises:
        WeightsError: the server can't be reached or the file is not what was expected.
        CancelledError: the monitor says so; the part stays for the next time.
    """
    part = target.with_name(f"{target.name}.part")
    with only_one(target, monitor=monitor, part=part, size_bytes=size_bytes):
        if target.is_file() and sha256_of(target) == sha256:
            return target
        resumed = part.is_file() and part.stat().st_size > 0
        _fill(url, part, size_bytes, monitor)
        if resumed and sha256_of(part) != sha256:
            logger.warning("%s was left by another version of the file; starting over.", part)
            part.unlink()
            _fill(url, part, size_bytes, monitor)
        found = sha256_of(part)
        if found != sha256:
            part.unlink()
            raise WeightsError(
                f"{url} should have SHA-256 {sha256}, but what came has {found}; it was thrown "
                "away. Try again, or get the file another way and name it as the checkpoint."
            )
        part.replace(target)
    return target


@contextmanager
def only_one(
    target: Path,
    *,
    monitor: Monitor = SILENT,
    part: Path | None = None,
    size_bytes: int | None = None,
) -> Iterator[None]:
    """Hold the lock that belongs to a target; while waiting, report how far its owner is.

    Raises:
        WeightsError: the folder can't be written.
        CancelledError: the monitor says so.
    """
    lock = FileLock(target.with_name(f"{target.name}.lock"))
    while True:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=POLL_S)
            break
        except Timeout:
            done = part.stat().st_size if part is not None and part.exists() else 0
            monitor.step(STAGE, done, size_bytes or 0)
        except OSError as error:
            raise WeightsError(
                f"Weights are kept in {target.parent}, which can't be written ({error}); choose "
                "another folder by SAMGEO_CACHE_DIR."
            ) from error
    try:
        yield
    finally:
        lock.release()


def _fill(url: str, part: Path, size_bytes: int | None, monitor: Monitor) -> None:
    """Download until the part is complete, going on where a connection broke."""
    breaks = 0
    while True:
        start = part.stat().st_size if part.exists() else 0
        if size_bytes is not None and start == size_bytes:
            return
        if size_bytes is not None and start > size_bytes:
            part.unlink()
            start = 0
        try:
            _receive(url, part, start, size_bytes, monitor)
            return
        except requests.RequestException as error:
            breaks += 1
            grown = part.exists() and part.stat().st_size > start
            if not grown or breaks > BREAKS_ALLOWED:
                raise WeightsError(f"{url} can't be downloaded: {_reason(error)}.") from error
            logger.info("The connection to %s broke (%s); resuming.", url, error)
        # NOTE: only after the clause above, as errors of requests are OSErrors too.
        except OSError as error:
            raise WeightsError(f"{part} can't be written ({error}); is the disk full?") from error


def _receive(url: str, part: Path, start: int, size_bytes: int | None, monitor: Monitor) -> None:
    """One request: append to the part, or write it anew if the server doesn't resume."""
    with _request(url, start, lambda: monitor.step(STAGE, start, size_bytes or 0)) as response:
        if response.status_code == requests.codes.requested_range_not_satisfiable and start:
            part.unlink()
            return _receive(url, part, 0, size_bytes, monitor)
        response.raise_for_status()
        if response.status_code != requests.codes.partial_content:
            start = 0
        length = response.headers.get("Content-Length")
        total = start + int(length) if length else size_bytes
        if size_bytes is not None and total != size_bytes:
            raise WeightsError(
                f"{url} should have {size_bytes} bytes, but the server offers {total}; that is "
                "another file (a proxy's page, perhaps)."
            )
        done = start
        with part.open("ab" if start else "wb") as file:
            for chunk in response.iter_content(CHUNK_BYTES):
                done += len(chunk)
                if total is not None and done > total:
                    raise WeightsError(f"{url} sends more than the {total} bytes it announced.")
                file.write(chunk)
                monitor.step(STAGE, done, total or 0)
            file.flush()
            os.fsync(file.fileno())
        if total is not None and done < total:
            raise requests.ConnectionError(f"the connection ended at {done} of {total} bytes")


def _request(url: str, start: int, waiting: Callable[[], None]) -> requests.Response:
    """Ask for a file from a byte on; ``waiting`` is called now and then until the answer comes.

    NOTE: in a thread of its own, because the timeouts of requests cover neither name look-up nor
    the sum over a host's addresses, and behind a firewall those take minutes.
    """
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    outcome: list[requests.Response | requests.RequestException] = []

    def ask() -> None:
        try:
            timeout = (CONNECT_TIMEOUT_S, READ_TIMEOUT_S)
            outcome.append(requests.get(url, headers=headers, stream=True, timeout=timeout))
        except requests.RequestException as error:
            outcome.append(error)

    thread = threading.Thread(target=ask, daemon=True, name="download-request")
    thread.start()
    end = time.monotonic() + ANSWER_TIMEOUT_S
    while thread.is_alive() and time.monotonic() < end:
        waiting()
        thread.join(POLL_S)
    if not outcome:
        raise requests.ConnectTimeout(f"no answer within {ANSWER_TIMEOUT_S:.0f} s")
    answer = outcome[0]
    if isinstance(answer, requests.RequestException):
        raise answer
    return answer


def _reason(error: requests.RequestException) -> str:
    """The cause in a few words, not the library's nest of exceptions."""
    if error.response is not None:
        return f"the server answers {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    text = str(error)
    if "NameResolutionError" in text:
        return "its address is unknown here (no internet?)"
    return "no connection" if "Max retries exceeded" in text else text
