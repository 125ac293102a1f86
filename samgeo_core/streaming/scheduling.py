"""Work on the regions of a raster: here, one after the other, or on the machines of a cluster.

A cluster is Dask's (`tcp://host:port` of its scheduler). What travels is small: the work's own
values and a region there, a region's candidates back. Regions are handed out as others come back,
so that a million of them never wait in anybody's memory.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import time
import uuid
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeAlias, TypeVar

from samgeo_core.errors import ParameterError, SamGeoError
from samgeo_core.progress import SILENT, Monitor
from samgeo_core.streaming.options import check_address
from samgeo_core.streaming.regions import Region

logger = logging.getLogger(__name__)

STAGE = "segment"
_TILE = TypeVar("_TILE")
_Finished: TypeAlias = "queue.SimpleQueue[Any]"
"""Futures in the order in which they ended."""
_POLL_S = 0.25
_LOOK_AGAIN_S = 5.0
_CONNECT_S = 10.0
_ASK_S = 2.0
_FETCH_S = 20.0
_AHEAD = 2
"""Regions handed out per thread of a cluster: one at work, one waiting beside it."""
_RETRIES = 2


class RegionWork(Protocol[_TILE]):
    """What is done with each region; picklable, and small when pickled."""

    def read(self, region: Region) -> _TILE:
        """What `find` needs from the disk; called ahead of time in a thread of its own."""
        ...

    def find(self, region: Region, tile: _TILE, monitor: Monitor) -> bytes:
        """The result of a region."""
        ...

    def deliver(self, region: Region, data: bytes) -> bytes | None:
        """On a worker: what travels back; None where the result was put in place from there."""
        ...

    def part(self, region: Region) -> RegionWork[_TILE]:
        """As much of the work as this region needs, for the way to a worker."""
        ...


def map_regions(
    work: RegionWork[Any],
    regions: Iterable[Region],
    *,
    scheduler: str | None = None,
    done: int = 0,
    total: int = 0,
    monitor: Monitor = SILENT,
    on_dashboard: Callable[[str], None] | None = None,
) -> Arrivals:
    """Apply work to regions and yield each with its result as it is finished, in any order.

    Args:
        work: what to do.
        regions: taken one by one as others are finished.
        scheduler: address of a Dask scheduler; None works in this process.
        done, total: regions finished before, and in all, for progress.
        monitor: hears of progress, and may cancel between steps.
        on_dashboard: told the address of the cluster's dashboard.

    Raises:
        ParameterError: nobody answers at the scheduler's address, or it is none.
        SamGeoError: what the work raises; or workers died again and again, or the scheduler did.
        CancelledError: the monitor says so.
    """
    if scheduler is None:
        return Arrivals(_here(work, regions, done, total, monitor))
    check_address(scheduler)
    finished: _Finished = queue.SimpleQueue()
    arriving = _on_cluster(work, regions, scheduler, finished, done, total, monitor, on_dashboard)
    return Arrivals(arriving, finished)


class Arrivals:
    """Regions with their results as they are finished; `close` calls off the rest."""

    def __init__(
        self, results: Generator[tuple[Region, bytes | None]], finished: _Finished | None = None
    ) -> None:
        self._results, self._finished = results, finished

    def __iter__(self) -> Arrivals:
        return self

    def __next__(self) -> tuple[Region, bytes | None]:
        return next(self._results)

    def ready(self) -> bool:
        """Whether the next one is there already: taking it lets a worker have another region."""
        return self._finished is not None and not self._finished.empty()

    def close(self) -> None:
        """Leave what is not finished."""
        self._results.close()


def _here(
    work: RegionWork[_TILE], regions: Iterable[Region], done: int, total: int, monitor: Monitor
) -> Generator[tuple[Region, bytes | None]]:
    """One region after the other, as each uses all cores; the next is read meanwhile."""
    with ThreadPoolExecutor(1, "samgeo-read") as reader:
        waiting = iter(regions)
        region = next(waiting, None)
        tile = reader.submit(work.read, region) if region else None
        while region is not None and tile is not None:
            monitor.step(STAGE, done, total)
            pixels = tile.result()
            upcoming = next(waiting, None)
            tile = reader.submit(work.read, upcoming) if upcoming else None
            data = work.find(region, pixels, monitor.part(done, max(total, done + 1)))
            del pixels  # what is done with the result needs none
            done += 1
            yield region, data
            region = upcoming
        monitor.step(STAGE, done, total)


def _on_cluster(
    work: RegionWork[Any],
    regions: Iterable[Region],
    address: str,
    finished: _Finished,
    done: int,
    total: int,
    monitor: Monitor,
    on_dashboard: Callable[[str], None] | None,
) -> Generator[tuple[Region, bytes | None]]:
    client = _connect(address)
    if on_dashboard is not None and client.dashboard_link:
        on_dashboard(client.dashboard_link)
    crowd = _Crowd(client, finished, monitor, done, total)
    run = uuid.uuid4().hex[:8]
    waiting = iter(regions)
    pending: dict[Any, Region] = {}
    try:
        while True:
            while len(pending) < crowd.room() and (region := next(waiting, None)) is not None:
                # NOTE: not pure, and named anew each run: another run's result is none of ours.
                future = client.submit(
                    _on_worker, work.part(region), region,
                    key=f"region-{run}-{region.index}", pure=False, retries=_RETRIES,
                )  # fmt: skip
                pending[future] = region
                future.add_done_callback(crowd.finished.put)
            if not pending:
                return
            future = crowd.wait()
            try:
                data = _result(future, pending[future])
            except _GoneError:
                future.add_done_callback(crowd.finished.put)
                continue
            region = pending.pop(future)
            crowd.done += 1
            future.release()
            yield region, data
    finally:
        _leave(client, list(pending))


class _Crowd:
    """How many regions a cluster can take, and which it has finished."""

    def __init__(
        self, client: Any, finished: _Finished, monitor: Monitor, done: int, total: int
    ) -> None:
        self.client, self.monitor, self.done, self.total = client, monitor, done, total
        self.finished = finished
        self._threads, self._asked = 0, -_LOOK_AGAIN_S
        self._lonely = False

    def room(self) -> int:
        """Regions that may be handed out at a time; grows as workers join."""
        if time.monotonic() - self._asked >= _LOOK_AGAIN_S:
            self._asked = time.monotonic()
            try:
                asked = self.client.sync(self.client.scheduler.ncores, callback_timeout=_ASK_S)
                self._threads = sum(asked.values())
            except TimeoutError:  # it is busy; whoever waits may cancel meanwhile
                return max(_AHEAD * self._threads, 1)
            except OSError as error:
                raise _lost() from error
            if self._threads == 0 and not self._lonely:
                logger.warning("The scheduler has no workers yet: waiting for some.")
            self._lonely = self._threads == 0
        return max(_AHEAD * self._threads, 1)

    def wait(self) -> Any:
        """The next future that is finished."""
        while True:
            self.monitor.step(STAGE, self.done, self.total)
            try:
                return self.finished.get(timeout=_POLL_S)
            except queue.Empty:
                if self.client.status not in ("running", "connecting"):
                    raise _lost() from None
                self.room()


def _connect(address: str) -> Any:
    # Heavy, and only needed by who has a cluster.
    from distributed import Client

    try:
        with ThreadPoolExecutor(1, "samgeo-greet") as own:  # notebooks have a loop in theirs
            own.submit(asyncio.run, _greet(address)).result()
        return Client(address, timeout=_CONNECT_S, set_as_default=False)  # type: ignore[no-untyped-call]
    except Exception as error:  # what answers may be anything, and so are the errors of reading it
        reason = str(error) or type(error).__name__
        raise ParameterError(
            f"No scheduler answers at {address} ({reason}): start one with "
            "dask scheduler, and check address and firewall."
        ) from error


async def _greet(address: str) -> None:
    """Ask a scheduler who it is. NOTE: a client waits without end for one that is silent."""
    from distributed.comm.core import connect

    async with asyncio.timeout(_CONNECT_S + _ASK_S):
        comm = await connect(address, timeout=_CONNECT_S)  # type: ignore[no-untyped-call]
        try:
            await comm.write({"op": "identity", "reply": True})
            told = await comm.read()
        finally:
            comm.abort()
    if not isinstance(told, dict) or told.get("type") != "Scheduler":
        raise ValueError("a worker, or another service")


def _leave(client: Any, pending: list[Any]) -> None:
    """Call off what has not begun; a region under way ends by itself and is forgotten."""
    try:
        if pending:
            client.cancel(pending, force=True)
        client.close(timeout=_ASK_S)
    except OSError as error:
        logger.info("The scheduler was gone before we left: %s", error)


class _GoneError(Exception):
    """A result was lost with its worker before it was fetched: it is being made again."""


def _result(future: Any, region: Region) -> bytes | None:
    """What a worker made of a region."""
    from distributed import CancelledError as FutureCancelled
    from distributed.scheduler import KilledWorker

    try:
        data: bytes | None = future.result(timeout=_FETCH_S)
    except KilledWorker as error:
        raise SamGeoError(
            f"Region {region.index} at {region.window.box_xyxy} px, or one that waited on the same "
            "worker, ended several workers, which mostly means too little memory: take smaller "
            "regions (--region, in the app SAMGEO_REGION_PX) or larger machines. "
            "All regions finished before stay; start the run again to go on with them."
        ) from error
    except RuntimeError as error:
        # The scheduler says so in words only.
        if "deserialization of the task graph" not in str(error):
            raise
        raise SamGeoError(
            "The scheduler can't read what it is asked to do: start scheduler and workers with the "
            "Python environment of this app, and with samgeo_core on their path (pip install -e .)."
        ) from error
    except (FutureCancelled, OSError) as error:
        if future.status == "error":  # raised by the work, not by the way to the scheduler
            raise
        if isinstance(error, TimeoutError):
            raise _GoneError from error
        raise _lost() from error
    return data


def _lost() -> SamGeoError:
    return SamGeoError(
        "The connection to the scheduler was lost: start it again if it ended. "
        "All regions finished before stay; start the run again to go on with them."
    )


def _on_worker(work: RegionWork[Any], region: Region) -> bytes | None:
    """Runs on a worker: read, find, and send back."""
    data = work.find(region, work.read(region), SILENT)
    return work.deliver(region, data)
