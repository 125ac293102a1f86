"""The whole server killed while it answers, makes files and writes; and out of disk, or memory."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import random
import sqlite3
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import httpx
from websockets.exceptions import WebSocketException

from benchmarks.runner import MeasurementError
from benchmarks.visitors import rerun_pages
from samgeo_core.reading.first_bytes import HEAD_BYTES
from samgeo_core.settings import PROJECT_DIR
from samgeo_core.web import urls
from samgeo_core.web.edit_desk import EDITS_FILE
from samgeo_core.web.ids import new_id
from samgeo_core.web.queue_book import JobState
from samgeo_core.web.records import Run
from samgeo_core.web.selected import edits_of
from samgeo_core.web.store import Store
from samgeo_core.web.visitors import COOKIE, edit_token
from tests.factories import MakeRaster
from tests.web.app_server import WAIT_S, app_server
from tests.web.conftest import MakeRun, MakeScene

KILLS = int(os.environ.get("KILLS", "2"))
"""How often the server is killed; each kill costs a start."""

_ACCEPTING = """
import sys, time
from pathlib import Path
from samgeo_core.config import SegmentConfig
from samgeo_core.web.store import Store
store = Store(Path(sys.argv[1]), max_pixels=10**8)
scene = store.scene(sys.argv[2])
while True:
    run = store.new_run(scene, SegmentConfig().to_dict(), "somebody")
    store.book.accept(run.run_id, "somebody", "whole")
    print(run.run_id, flush=True)
    time.sleep(0.02)
"""


def _client(address: str) -> httpx.Client:
    # Lengths that are told are those of what arrives.
    plain = {"Accept-Encoding": "identity"}
    return httpx.Client(base_url=address, timeout=WAIT_S, headers=plain)


class Client(threading.Thread):
    """Asks a server the same again and again, until it is gone, and notes what was promised."""

    def __init__(self, address: str, ask: Callable[[httpx.Client, int], None]) -> None:
        super().__init__(daemon=True)
        self._address, self._ask = address, ask
        self.asked, self.failure = 0, ""

    def run(self) -> None:
        """Ask; what doesn't hold is kept as a failure."""
        with _client(self._address) as client:
            while not self.failure:
                try:
                    self._ask(client, self.asked)
                    self.asked += 1
                except httpx.ConnectError:
                    return  # the server is gone
                except httpx.TransportError:
                    pass  # an answer that broke off: nobody takes it for whole
                except Exception as error:
                    self.failure = repr(error)


class Storm:
    """All that goes on at once, and what the server has promised so far."""

    def __init__(self, store: Store, runs: tuple[Run, Run], image: bytes) -> None:
        self.store, self.image = store, image
        self.run, self.streamed = runs
        self.scenes: dict[str, str] = {}
        self.accepted: list[str] = []
        self.edits = 0

    def upload(self, client: httpx.Client, number: int) -> None:
        content = self.image + number.to_bytes(8, "big")
        client.cookies.set(COOKIE, OWNER_ID)
        asked = {
            "name": "a.tif",
            "size": str(len(content)),
            "modified": f"{time.time_ns() // 1000}",
        }
        told = client.post("/uploads", params=asked, content=content[:HEAD_BYTES])
        place = f"/uploads/{told.raise_for_status().json()['id']}"
        sent = client.patch(place, params={"offset": HEAD_BYTES}, content=content[HEAD_BYTES:])
        sent.raise_for_status()
        scene = client.post(f"{place}/finish").raise_for_status().json()["scene"]
        self.scenes[scene] = hashlib.sha256(content).hexdigest()

    def edit(self, client: httpx.Client, number: int) -> None:
        history = edits_of(self.run)
        action = "delete" if not history.edits else "redo" if history.can_redo else "undo"
        address = urls.edits_url(self.run, "").replace("{action}", action)
        headers = {"X-Edit-Token": edit_token(self.run)}
        body = {"base": history.revision, "objects": [1]}
        answer = client.post(address, json=body, headers=headers)
        answer.raise_for_status()
        self.edits = len((self.run.folder / EDITS_FILE).read_bytes().splitlines())

    def take_home(self, client: httpx.Client, number: int) -> None:
        names = ("objects.geojson", "objects.gpkg", "bundle.zip")
        name = names[number % 3]
        query = f"?out_smoothing={number % 9}" if name.startswith("objects") else ""
        whole(name, client.get(f"/runs/{self.run.run_id}/download/{name}{query}"))
        whole("bundle.zip", client.get(f"/runs/{self.streamed.run_id}/download/bundle.zip"))

    def look(self, client: httpx.Client, number: int) -> None:
        for kind in (f"tiles/{self.run.scene_id}", f"runs/{self.run.run_id}/labels"):
            whole("tile.png", client.get(f"/{kind}/0/0/0.png"))

    def accept(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout as told:
            for line in told:
                if line.endswith("\n"):
                    self.accepted.append(line.strip())


def whole(name: str, answer: httpx.Response) -> None:
    """That an answer which arrived is a file of its kind from its first to its last byte."""
    assert answer.status_code == 200, answer.text[:300]
    assert len(answer.content) == int(answer.headers.get("content-length", len(answer.content)))
    if name.endswith(".zip"):
        assert zipfile.ZipFile(io.BytesIO(answer.content)).testzip() is None
    elif name.endswith(".geojson"):
        assert json.loads(answer.content)["features"]
    elif name.endswith(".png"):
        assert answer.content.endswith(b"IEND\xaeB`\x82")
    else:
        with sqlite3.connect(":memory:") as database:
            database.deserialize(answer.content)
            assert database.execute("PRAGMA quick_check").fetchone() == ("ok",)


OWNER_ID = new_id()


def _storm(
    storm: Storm, address: str, process: subprocess.Popen[bytes], dice: random.Random
) -> None:
    """Let all ask at once, and kill the server, and who hands in runs, at any moment."""
    asked = [
        Client(address, ask) for ask in (storm.upload, storm.edit, storm.take_home, storm.look)
    ]
    command = [sys.executable, "-c", _ACCEPTING, str(storm.store.root), storm.run.scene_id]
    writer = subprocess.Popen(command, cwd=PROJECT_DIR, stdout=subprocess.PIPE, text=True)
    listener = threading.Thread(target=storm.accept, args=(writer,))
    pages = threading.Thread(target=_visit_pages, args=(address, storm.run.scene_id), daemon=True)
    for thread in (*asked, listener, pages):
        thread.start()
    end = time.monotonic() + WAIT_S
    while min(client.asked for client in asked) < 2 or len(storm.accepted) < 2:
        told = [(client.asked, client.failure) for client in asked], len(storm.accepted)
        assert not any(client.failure for client in asked) and time.monotonic() < end, told
        time.sleep(0.02)
    time.sleep(dice.uniform(0, 1.5))
    process.kill()
    writer.kill()
    process.wait(WAIT_S)
    writer.wait(WAIT_S)
    for thread in (*asked, listener):
        thread.join(WAIT_S)
    assert [client.failure for client in asked if client.failure] == []


def _visit_pages(address: str, scene_id: str) -> None:
    try:
        asyncio.run(rerun_pages(address, ["segment", ""], f"scene={scene_id}", 3, 1000))
    except MeasurementError as error:
        assert "shows" not in str(error), error
    except (OSError, WebSocketException, TimeoutError):
        return  # the server is gone


def _check(storm: Storm) -> None:
    """That everything promised is there, and nothing half."""
    database = sqlite3.connect(storm.store.root / "studio.sqlite3")
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()
    for scene_id, digest in storm.scenes.items():
        source = storm.store.scene(scene_id).source.read_bytes()
        assert hashlib.sha256(source).hexdigest() == digest
    assert len((storm.run.folder / EDITS_FILE).read_bytes().splitlines()) >= storm.edits
    assert {run_id for run_id in storm.accepted if storm.store.book.entry(run_id) is None} == set()


def test_nothing_accepted_is_lost_and_nothing_half_is_served(
    store: Store,
    make_scene: MakeScene,
    make_run: MakeRun,
    make_streamed_run: MakeRun,
    make_raster: MakeRaster,
    tmp_path: Path,
) -> None:
    scene = make_scene("town.tif", shape_hw=(160, 200))
    image = make_raster("noise.tif", shape_hw=(300, 300)).read_bytes()
    assert len(image) > HEAD_BYTES
    storm = Storm(store, (make_run(scene), make_streamed_run(scene)), image)
    log, dice = tmp_path / "server.log", random.Random(7)
    # Runs fail at once without weights: what counts is that none of them is forgotten.
    settings = {"SAMGEO_CACHE_DIR": str(tmp_path / "no weights")}
    for _ in range(KILLS):
        with app_server(store.root, log, **settings) as (process, address):
            _storm(storm, address, process, dice)
        _check(storm)
    with app_server(store.root, log, **settings) as (_, address):
        with _client(address) as client:
            for number in range(3):
                storm.take_home(client, number)
                storm.look(client, number)
        end = time.monotonic() + WAIT_S
        while unfinished := [e for e in store.book.unfinished() if e.kind is not None]:
            assert time.monotonic() < end, unfinished[:3]
            time.sleep(0.1)
    _check(storm)
    ended = [store.book.entry(run_id) for run_id in storm.accepted]
    assert {entry.state for entry in ended if entry} == {JobState.FAILED}
    left = [*store.root.glob("runs/**/.writing-*"), *store.root.glob("runs/**/.bundle-*")]
    assert left == []
    assert "Traceback" not in log.read_text(errors="replace")
