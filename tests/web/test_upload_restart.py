"""The whole server, killed while a file is on its way: the upload goes on where it was."""

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest

from samgeo_core.reading.first_bytes import HEAD_BYTES
from samgeo_core.settings import PROJECT_DIR
from samgeo_core.web.ids import new_id
from samgeo_core.web.store import Store
from samgeo_core.web.upload_routes import PIECE_BYTES
from samgeo_core.web.visitors import COOKIE
from tests.factories import MakeRaster
from tests.web.serving import free_port

WAIT_S = 120
SIDE_PX = 2000


@contextmanager
def _server(store: Store, log: Path) -> "Iterator[tuple[subprocess.Popen[bytes], str]]":
    port = free_port()
    command = [sys.executable, "-m", "streamlit", "run", "app.py", f"--server.port={port}"]
    command += ["--server.address=127.0.0.1", "--server.headless=true"]
    environment = {**os.environ, "SAMGEO_DATA_DIR": str(store.root), "SAMGEO_OFFLINE": "1"}
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, cwd=PROJECT_DIR, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    address, deadline = f"http://127.0.0.1:{port}", time.monotonic() + WAIT_S
    try:
        while not _answers(f"{address}/healthz"):
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()[-3000:]
            time.sleep(0.1)
        yield process, address
    finally:
        process.terminate()
        process.wait(WAIT_S)


def _answers(address: str) -> bool:
    try:
        return httpx.get(address, timeout=2).is_success
    except httpx.HTTPError:
        return False


def test_an_upload_outlives_a_kill(store: Store, make_raster: MakeRaster, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (3, SIDE_PX, SIDE_PX)).astype(np.uint8)
    content = make_raster(data=noise).read_bytes()
    asked = {"name": "noise.tif", "size": str(len(content)), "modified": "7"}
    visitor, log = {COOKIE: new_id()}, tmp_path / "server.log"

    def begin(client: httpx.Client) -> dict[str, int | str]:
        told = client.post("/uploads", params=asked, content=content[:HEAD_BYTES])
        return dict(told.raise_for_status().json())

    with _server(store, log) as (process, address):
        with httpx.Client(base_url=address, cookies=visitor, timeout=60) as client:
            first = begin(client)
            source = store.root / "uploads" / str(first["id"]) / "source"

            def pieces() -> Iterator[bytes]:
                yield content[HEAD_BYTES : len(content) // 2]
                deadline = time.monotonic() + WAIT_S
                while source.stat().st_size < HEAD_BYTES + PIECE_BYTES:
                    assert time.monotonic() < deadline
                    time.sleep(0.01)
                process.kill()
                yield content[len(content) // 2 :]

            with pytest.raises(httpx.TransportError):
                client.patch(
                    f"/uploads/{first['id']}", params={"offset": HEAD_BYTES}, content=pieces()
                ).raise_for_status()
        process.wait(WAIT_S)
    kept = source.stat().st_size
    assert HEAD_BYTES + PIECE_BYTES <= kept < len(content)

    with (
        _server(store, log) as (_, address),
        httpx.Client(base_url=address, cookies=visitor, timeout=60) as client,
    ):
        again = begin(client)
        assert (again["id"], again["offset"]) == (first["id"], kept)
        place = f"/uploads/{again['id']}"
        client.patch(place, params={"offset": kept}, content=content[kept:]).raise_for_status()
        summed = {"X-File-SHA256": hashlib.sha256(content).hexdigest()}
        scene_id = client.post(f"{place}/finish", headers=summed).raise_for_status().json()["scene"]
    assert store.scene(scene_id).source.read_bytes() == content
    assert list((store.root / "uploads").iterdir()) == []
    assert "Traceback" not in log.read_text(errors="replace")
