"""The whole server, ended while runs are under way: they go on by themselves."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from samgeo_core.config import AutomaticConfig, SegmentConfig
from samgeo_core.reading.generated_scene import generated_scene
from samgeo_core.settings import PROJECT_DIR
from samgeo_core.web.queue_book import Entry, JobState
from samgeo_core.web.store import Store
from tests.web.conftest import OWNER
from tests.web.serving import free_port

WAIT_S = 180


def _start(store: Store, log: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "streamlit", "run", "app.py", f"--server.port={free_port()}"]
    command += ["--server.address=127.0.0.1", "--server.headless=true"]
    environment = {
        **os.environ,
        "SAMGEO_DATA_DIR": str(store.root),
        "SAMGEO_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
    }
    with log.open("ab") as output:
        return subprocess.Popen(
            command, cwd=PROJECT_DIR, env=environment, stdout=output, stderr=subprocess.STDOUT
        )


def _until(process: "subprocess.Popen[bytes]", log: Path, is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not is_so():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            pytest.fail(f"It never came to that:\n{log.read_text(errors='replace')[-3000:]}")
        time.sleep(0.02)


@pytest.mark.weights
def test_runs_outlive_an_orderly_end_and_a_kill(store: Store, tmp_path: Path) -> None:
    scene = store.add_scene(generated_scene(tmp_path / "a.tif", size=192).path, "a.tif", OWNER)
    log, runs = tmp_path / "server.log", []
    # Accepted by a server that isn't there any more.
    for owner in (OWNER, OWNER, "somebody else"):
        config = SegmentConfig(automatic=AutomaticConfig(points_per_side=6))
        runs.append(store.new_run(scene, config.to_dict(), owner).run_id)
        store.book.accept(runs[-1], owner, "whole")

    def entries() -> list[Entry]:
        return [entry for run_id in runs if (entry := store.book.entry(run_id)) is not None]

    for ending in (signal.SIGTERM, signal.SIGKILL):
        process = _start(store, log)
        _until(process, log, lambda: entries()[0].state is JobState.RUNNING)
        process.send_signal(ending)
        process.wait(WAIT_S)
        if ending == signal.SIGTERM:
            (first, *waiting) = entries()
            # Stopping it was the server's wish, and doesn't count as an attempt.
            assert (first.state, first.attempts, first.restarts) == (JobState.QUEUED, 0, 1)
            assert {entry.state for entry in waiting} == {JobState.QUEUED}
    assert entries()[0].state is JobState.RUNNING

    process = _start(store, log)
    try:
        _until(process, log, lambda: all(entry.state.finished for entry in entries()))
    finally:
        process.terminate()
        process.wait(WAIT_S)
    assert [(entry.state, entry.error) for entry in entries()] == [(JobState.DONE, None)] * 3
    assert [entry.restarts for entry in entries()] == [2, 0, 0]
    counts = {store.run(run_id).record["n_objects"] for run_id in runs}
    assert len(counts) == 1
    assert "Traceback" not in log.read_text(errors="replace")
