"""The whole server in a process of its own, as people start it; tests end it as they like."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from samgeo_core.settings import PROJECT_DIR
from tests.web.serving import free_port

WAIT_S = 180


@contextmanager
def app_server(
    data_dir: Path, log: Path, inside: Sequence[str] = (), *, base: str = "", **settings: str
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Start it, and end it if it still runs; its process and address.

    Args:
        data_dir: of the app.
        log: what it writes is added there.
        inside: a command that runs the server's, such as ``unshare``.
        base: the path below which the environment puts the app.
        settings: more of the environment.
    """
    port = free_port()
    command = [*inside, sys.executable, "-m", "streamlit", "run", "app.py"]
    command += ["--server.address=127.0.0.1", "--server.headless=true", f"--server.port={port}"]
    ours = {"SAMGEO_DATA_DIR": str(data_dir), "SAMGEO_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, cwd=PROJECT_DIR, env=os.environ | ours | settings,
            stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + WAIT_S
        while not answers(f"{address}/{base}" if base else address):
            told = log.read_text(errors="replace")[-3000:]
            assert process.poll() is None and time.monotonic() < end, told
            time.sleep(0.1)
        yield process, address
    finally:
        process.terminate()
        process.wait(WAIT_S)


def answers(address: str) -> bool:
    """Whether a server is alive."""
    try:
        return httpx.get(f"{address}/healthz", timeout=5).is_success
    except httpx.HTTPError:
        return False
