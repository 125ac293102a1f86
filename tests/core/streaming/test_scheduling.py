"""Regions are worked on here or on a cluster, each once, and none waits in a long queue."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from samgeo_core.errors import CancelledError, ParameterError, RasterError, SamGeoError
from samgeo_core.progress import SILENT, CancelToken, Monitor, Progress
from samgeo_core.streaming.regions import Region, RegionPlan
from samgeo_core.streaming.scheduling import map_regions

PLAN = RegionPlan((300, 500), 60, 5)


@dataclass(frozen=True)
class Shout:
    """Work whose results tell where and how they were made (a `scheduling.RegionWork`)."""

    folder: Path
    pause_s: float = 0.0
    kill_at: int | None = None
    always: bool = False
    fail_at: int | None = None

    def read(self, region: Region) -> str:
        (self.folder / f"read-{region.index}").touch()
        return f"{region.index}:{threading.current_thread().name}"

    def find(self, region: Region, tile: str, monitor: Monitor = SILENT) -> bytes:
        monitor.step("decode", 0, 1)
        time.sleep(self.pause_s)
        if region.index == self.kill_at:
            mark = self.folder / "killed"
            if self.always or not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        if region.index == self.fail_at:
            raise RasterError("The scene is damaged.")
        return f"{tile}:{os.getpid()}:{os.environ.get('OMP_NUM_THREADS')}".encode()

    def deliver(self, region: Region, data: bytes) -> bytes | None:
        return None if region.index % 5 == 0 else data

    def part(self, region: Region) -> Shout:
        return replace(self)


def test_here_every_region_comes_once_in_order_with_the_next_one_read_ahead(
    tmp_path: Path,
) -> None:
    seen: list[Progress] = []
    taken: list[int] = []

    def regions() -> Iterator[Region]:
        for region in PLAN:
            taken.append(region.index)
            yield region

    results = map_regions(
        Shout(tmp_path), regions(), done=3, total=len(PLAN) + 3, monitor=Monitor(seen.append)
    )
    first, data = next(results)
    assert first.index == 0
    assert data is not None
    assert b"samgeo-read" in data
    assert taken == [0, 1], "no more than the next is taken"
    rest = [region.index for region, _ in results]
    assert rest == list(range(1, len(PLAN)))
    shares = [step.fraction for step in seen]
    assert shares == sorted(shares)
    assert seen[0].done == 3
    assert shares[-1] == 1.0


def test_here_nothing_to_do_is_done(tmp_path: Path) -> None:
    assert list(map_regions(Shout(tmp_path), [])) == []


def test_here_work_stops_when_cancelled_and_errors_travel_up(tmp_path: Path) -> None:
    token = CancelToken()
    results = map_regions(Shout(tmp_path), PLAN, monitor=Monitor(cancel=token))
    next(results)
    token.cancel()
    with pytest.raises(CancelledError):
        next(results)
    with pytest.raises(RasterError, match="damaged"):
        list(map_regions(Shout(tmp_path, fail_at=2), PLAN))


@pytest.mark.parametrize("address", ["localhost:8786", "http://localhost:8786", ""])
def test_an_address_that_is_none_is_refused(address: str, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="address begins with tcp"):
        map_regions(Shout(tmp_path), PLAN, scheduler=address)


@pytest.fixture
def strange_scheduler(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A scheduler that was started elsewhere and knows nothing of this library; its address."""
    file = tmp_path / "scheduler.json"
    command = ["-m", "distributed.cli.dask_scheduler", "--no-dashboard"]
    process = subprocess.Popen(
        [sys.executable, *command, "--port", "0", "--scheduler-file", str(file)],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        stderr=subprocess.DEVNULL,
    )
    try:
        end = time.monotonic() + 60
        while not file.exists() and time.monotonic() < end:
            time.sleep(0.1)
        yield json.loads(file.read_text())["address"], process
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait(timeout=30)


def test_a_scheduler_without_this_library_is_told(
    tmp_path: Path, strange_scheduler: tuple[str, subprocess.Popen[bytes]]
) -> None:
    with pytest.raises(SamGeoError, match="with samgeo_core on their path"):
        list(map_regions(Shout(tmp_path), PLAN, scheduler=strange_scheduler[0]))


def test_who_waits_for_a_frozen_scheduler_can_cancel(
    tmp_path: Path,
    strange_scheduler: tuple[str, subprocess.Popen[bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("samgeo_core.streaming.scheduling._LOOK_AGAIN_S", 0)
    monkeypatch.setattr("samgeo_core.streaming.scheduling._ASK_S", 0.5)
    address, process = strange_scheduler
    steps: list[Progress] = []
    token = CancelToken()

    def heard(step: Progress) -> None:
        steps.append(step)
        process.send_signal(signal.SIGSTOP)
        if len(steps) == 3:
            token.cancel()

    results = map_regions(
        Shout(tmp_path), PLAN, scheduler=address, monitor=Monitor(heard, cancel=token)
    )
    with pytest.raises(CancelledError):
        list(results)
    assert len(steps) == 3


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0" * 64])
def test_what_is_no_scheduler_is_told(
    answer: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("samgeo_core.streaming.scheduling._CONNECT_S", 1)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(answer)
                while connection.recv(1000):  # says no more, whatever it is told
                    pass

        threading.Thread(target=serve, daemon=True).start()
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(ParameterError, match="No scheduler answers at"):
            list(map_regions(Shout(tmp_path), PLAN, scheduler=address))


def test_a_worker_is_no_scheduler(cluster: Any, tmp_path: Path) -> None:
    address = next(iter(cluster.scheduler_info["workers"]))
    with pytest.raises(ParameterError, match="a worker, or another service"):
        list(map_regions(Shout(tmp_path), PLAN, scheduler=address))


def test_a_scheduler_that_is_not_there_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("samgeo_core.streaming.scheduling._CONNECT_S", 1)
    with pytest.raises(ParameterError, match=r"No scheduler answers at tcp://127\.0\.0\.1:9 "):
        list(map_regions(Shout(tmp_path), PLAN, scheduler="tcp://127.0.0.1:9"))


def test_a_cluster_gives_the_same_results_lazily_and_tells_its_dashboard(
    cluster: Any, tmp_path: Path
) -> None:
    seen: list[Progress] = []
    links: list[str] = []
    taken: list[int] = []

    def regions() -> Iterator[Region]:
        for region in PLAN:
            taken.append(region.index)
            yield region

    results = map_regions(
        Shout(tmp_path, pause_s=0.01),
        regions(),
        scheduler=cluster.scheduler_address,
        total=len(PLAN),
        monitor=Monitor(seen.append),
        on_dashboard=links.append,
    )
    found = dict([next(results)])
    assert len(taken) <= 6, "a few per worker, not all"
    found |= dict(results)
    assert {region.index for region in found} == set(range(len(PLAN)))
    assert links
    assert links[0].startswith("http://")
    assert seen[-1].done >= len(PLAN) - 1
    processes = set()
    for region, data in found.items():
        assert (data is None) == (region.index % 5 == 0)
        if data is not None:
            index, _, process, threads = data.decode().split(":")
            assert int(index) == region.index
            assert threads == "1", "a worker of one thread computes with one"
            processes.add(process)
    assert len(processes) == 2
    assert str(os.getpid()) not in processes


def test_a_killed_worker_is_survived(cluster: Any, tmp_path: Path) -> None:
    work = Shout(tmp_path, pause_s=0.02, kill_at=7)
    found = dict(map_regions(work, PLAN, scheduler=cluster.scheduler_address))
    assert (tmp_path / "killed").exists()
    assert {region.index for region in found} == set(range(len(PLAN)))


def test_results_lost_with_their_workers_are_made_again(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Shorter than it takes to start a worker: who fetches meanwhile finds nothing.
    monkeypatch.setattr("samgeo_core.streaming.scheduling._FETCH_S", 0.2)
    results = map_regions(Shout(tmp_path), PLAN, scheduler=cluster.scheduler_address)
    found = dict([next(results)])
    end = time.monotonic() + 30
    while not results.ready() and time.monotonic() < end:
        time.sleep(0.05)
    for worker in cluster.workers.values():
        os.kill(worker.pid, signal.SIGKILL)
    found |= dict(results)
    assert {region.index for region in found} == set(range(len(PLAN)))


def test_a_region_that_ends_every_worker_ends_the_run(cluster: Any, tmp_path: Path) -> None:
    work = Shout(tmp_path, kill_at=2, always=True)
    # Dask can't tell which of those that were handed to a worker ended it.
    with pytest.raises(SamGeoError, match=r"Region \d+ at .* ended several workers"):
        list(map_regions(work, PLAN, scheduler=cluster.scheduler_address))


def test_errors_of_a_worker_travel_up_as_they_are(cluster: Any, tmp_path: Path) -> None:
    with pytest.raises(RasterError, match="damaged"):
        list(map_regions(Shout(tmp_path, fail_at=4), PLAN, scheduler=cluster.scheduler_address))


def test_a_cluster_stops_when_cancelled(cluster: Any, tmp_path: Path) -> None:
    token = CancelToken()
    monitor = Monitor(cancel=token)
    results = map_regions(
        Shout(tmp_path, pause_s=0.2), PLAN, scheduler=cluster.scheduler_address, monitor=monitor
    )
    next(results)
    token.cancel()
    with pytest.raises(CancelledError):
        list(results)
    begun = len(list(tmp_path.glob("read-*")))
    time.sleep(1)
    assert len(list(tmp_path.glob("read-*"))) <= begun + 2, "what waited is called off"
