"""The app in a process of its own, as people start it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import requests

from benchmarks.runner import REPOSITORY, MeasurementError

START_S = 120.0


@contextmanager
def running_app(folder: Path, device: str = "cpu") -> Iterator[str]:
    """The app over a folder, on a free port; its address."""
    with running_script("app.py", folder, {"SAMGEO_DEVICE": device}) as (address, _):
        yield address


@contextmanager
def running_script(
    script: str, folder: Path, settings: Mapping[str, str], options: Sequence[str] = ()
) -> Iterator[tuple[str, int]]:
    """A script of Streamlit's, on a free port; its address and the id of its process.

    Args:
        script: the app, or another one.
        folder: data folder of the app; the log is written beside it.
        settings: more of the environment.
        options: more of Streamlit's.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, "-m", "streamlit", "run", script, "--server.port", str(port)]
    command += ["--server.address", "127.0.0.1", *options]
    environment = {"SAMGEO_DATA_DIR": str(folder), "SAMGEO_OFFLINE": "1", **settings}
    is_app, log = script == "app.py", folder.parent / f"{folder.name}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, cwd=REPOSITORY, env=os.environ | environment,
            stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            address = f"http://127.0.0.1:{port}"
            _wait_for(f"{address}/{'healthz' if is_app else '_stcore/health'}", process, log)
            yield address, process.pid
        finally:
            process.terminate()
            process.wait(timeout=30)


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        try:
            if requests.get(address, timeout=2).ok:
                return
        except requests.RequestException:
            time.sleep(0.2)
    raise MeasurementError(f"The app did not start: {log.read_text('utf-8', 'replace')[-2000:]}")
