"""A server whose disk is full, and one that gets no more memory: sentences, and it goes on.

The disk is a small one of its own, which only the server sees mounted (Linux' user namespaces); the
memory is limited from outside while it runs.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from samgeo_core.reading.first_bytes import HEAD_BYTES
from samgeo_core.reading.generated_scene import generated_scene
from samgeo_core.settings import PROJECT_DIR
from samgeo_core.web.ids import new_id
from samgeo_core.web.visitors import COOKIE
from tests.web.app_server import WAIT_S, app_server

pytestmark = [pytest.mark.weights, pytest.mark.skipif(sys.platform != "linux", reason="Linux only")]

DISK_MB = 24
LITTLE_MB = 64
"""So much memory a server gets on top of what it has."""


def _own_disk(folder: Path) -> list[str]:
    """A command that runs another one with a small disk of its own at a folder."""
    mount = f'mount -t tmpfs -o size={DISK_MB}m samgeo "{folder}" && exec "$0" "$@"'
    return ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    made = tmp_path / "data"
    made.mkdir()
    tried = subprocess.run([*_own_disk(made), "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"This system lets nobody mount a disk of their own: {tried.stderr.strip()}")
    yield made


_INSIDE = """
import json, sys, time
from pathlib import Path
from samgeo_core.config import AutomaticConfig, SegmentConfig
from samgeo_core.web.store import Store
store, owner = Store(Path(sys.argv[1]), max_pixels=10**8), sys.argv[2]
for line in sys.stdin:
    scene_id, points = line.split()
    config = SegmentConfig(automatic=AutomaticConfig(points_per_side=int(points)))
    run_id = store.new_run(store.scene(scene_id), config.to_dict(), owner).run_id
    store.book.accept(run_id, owner, "whole")
    while not store.book.entry(run_id).state.finished:
        time.sleep(0.05)
    run = store.run(run_id)
    print(json.dumps([run_id, run.state, run.error]), flush=True)
"""
# A run is handed in by another process that shares the server's folder, which may be.


@dataclass(frozen=True)
class Ended:
    """A run that has ended, and why."""

    run_id: str
    state: str
    error: str | None


class Visitor:
    """Who uses the app.

    Args:
        client: asks the server.
        process_id: of the server; runs are handed in where its disk is to be seen.
        folder: of the app's data, as the server sees it.
    """

    def __init__(self, client: httpx.Client, process_id: int, folder: Path) -> None:
        self.client, self.owner = client, new_id()
        self.root = Path(f"/proc/{process_id}/root{folder}")
        client.cookies.set(COOKIE, self.owner)
        enter = ["nsenter", "-t", f"{process_id}", "-U", "-m", "--preserve-credentials"]
        self._inside = subprocess.Popen(
            [*enter, sys.executable, "-c", _INSIDE, str(folder), self.owner],
            env=os.environ | {"PYTHONPATH": str(PROJECT_DIR)},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        )  # fmt: skip

    def leave(self) -> None:
        """Hand in nothing more."""
        self._inside.communicate(timeout=WAIT_S)

    def send(self, content: bytes) -> httpx.Response:
        """Upload an image; the first answer that is no success, or the last."""
        asked = {"name": "town.tif", "size": str(len(content)), "modified": "0"}
        told = self.client.post("/uploads", params=asked, content=content[:HEAD_BYTES])
        if not told.is_success:
            return told
        upload = told.json()
        place, offset = f"/uploads/{upload['id']}", upload["offset"]
        told = self.client.patch(place, params={"offset": offset}, content=content[offset:])
        return self.client.post(f"{place}/finish") if told.is_success else told

    def segment(self, scene_id: str, points: int = 4) -> Ended:
        """Hand in a run, and wait for its end."""
        assert self._inside.stdin is not None and self._inside.stdout is not None
        self._inside.stdin.write(f"{scene_id} {points}\n")
        return Ended(*json.loads(self._inside.stdout.readline()))

    def export(self, run: Ended, name: str) -> httpx.Response:
        return self.client.get(f"/runs/{run.run_id}/download/{name}")


def _fill(path: Path, but_bytes: int) -> None:
    """Fill the disk but for a little."""
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(1 << 16)):
                pass
        except OSError:
            file.truncate(max(0, file.tell() - but_bytes))


def test_no_disk_and_no_memory_are_sentences_and_the_server_goes_on(
    folder: Path, tmp_path: Path
) -> None:
    image = generated_scene(tmp_path / "town.tif", size=192).path.read_bytes()
    large = generated_scene(tmp_path / "large.tif", size=1400).path.read_bytes()
    log = tmp_path / "server.log"
    with (
        app_server(folder, log, _own_disk(folder), SAMGEO_FREE_DISK_BYTES="1") as (
            process,
            address,
        ),
        httpx.Client(base_url=address, timeout=WAIT_S) as client,
    ):
        visitor = Visitor(client, process.pid, folder)
        scene_id = visitor.send(image).raise_for_status().json()["scene"]
        run = visitor.segment(scene_id)
        assert run.state == "done", run.error
        _no_disk(visitor, scene_id, run, image, visitor.root / "filler")
        _no_memory(visitor, scene_id, large, process.pid)
        visitor.leave()
    assert "Traceback" not in log.read_text(errors="replace")


def _no_disk(visitor: Visitor, scene_id: str, run: Ended, image: bytes, filler: Path) -> None:
    _fill(filler, but_bytes=200_000)  # enough for what is noted of a run, not for its results
    failed = visitor.segment(scene_id)
    assert failed.state == "failed" and "disk is full" in str(failed.error)
    _fill(filler, but_bytes=0)
    for name in ("objects.geojson", "objects.fgb", "bundle.zip"):
        refused = visitor.export(run, name)
        assert (refused.status_code, "disk is full" in refused.text) == (507, True), name
    refused = visitor.send(image + b"other")
    assert (refused.status_code, "disk" in refused.text) == (507, True)
    assert visitor.client.get(f"/tiles/{scene_id}/0/0/0.png").status_code == 200
    assert visitor.client.get("/healthz").status_code == 200
    filler.unlink()
    for name in ("objects.geojson", "bundle.zip"):
        assert visitor.export(run, name).status_code == 200
    assert visitor.segment(scene_id).state == "done"


def _no_memory(visitor: Visitor, scene_id: str, large: bytes, process_id: int) -> None:
    large_id = visitor.send(large).raise_for_status().json()["scene"]
    status = Path(f"/proc/{process_id}/status").read_text()
    size = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmSize"))
    whole = resource.prlimit(process_id, resource.RLIMIT_AS)
    limit = (size << 10) + (LITTLE_MB << 20)
    resource.prlimit(process_id, resource.RLIMIT_AS, (limit, whole[1]))
    try:
        failed = visitor.segment(large_id, points=24)
        assert failed.state == "failed" and "try a smaller area" in str(failed.error)
        assert visitor.client.get("/healthz").status_code == 200
    finally:
        resource.prlimit(process_id, resource.RLIMIT_AS, whole)
    assert visitor.segment(scene_id).state == "done"
