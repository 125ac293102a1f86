"""The whole server as people start it: ``streamlit run app.py``, with and without a base path."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from samgeo_core.settings import PROJECT_DIR
from samgeo_core.web import urls
from samgeo_core.web.records import Run, Scene
from samgeo_core.web.store import Store
from tests.web.conftest import MakeRun, MakeScene
from tests.web.serving import free_port
from tests.web.tile_checks import decode, place_on_tiles

START_S = 90


@dataclass(frozen=True)
class Server:
    host: str
    base: str
    process: "subprocess.Popen[bytes]"

    def get(self, path: str) -> requests.Response:
        return requests.get(self.host + path, timeout=START_S, allow_redirects=False)


@pytest.fixture
def scene(make_scene: MakeScene) -> Scene:
    return make_scene("Roofs.tif", shape_hw=(120, 160))


@pytest.fixture
def run(scene: Scene, make_run: MakeRun) -> Run:
    return make_run(scene)


@pytest.fixture(params=["", "studio"], ids=["at the root", "below a base path"])
def server(
    request: pytest.FixtureRequest, tmp_path: Path, store: Store, run: Run
) -> Iterator[Server]:
    assets = tmp_path / "node_modules" / "leaflet" / "dist"
    assets.mkdir(parents=True)
    (assets / "leaflet.js").write_text("var L = {};")
    base, port = request.param, free_port()
    command = [sys.executable, "-m", "streamlit", "run", "app.py", f"--server.port={port}"]
    command += ["--server.address=127.0.0.1", "--server.headless=true"]
    command += [f"--server.baseUrlPath={base}"] if base else []
    environment = {
        **os.environ,
        "SAMGEO_DATA_DIR": str(store.root),
        "SAMGEO_CACHE_DIR": str(tmp_path / "cache"),
        "SAMGEO_ASSETS_DIR": str(tmp_path / "node_modules"),
    }
    log = (tmp_path / "server.log").open("wb")
    process = subprocess.Popen(
        command, cwd=PROJECT_DIR, env=environment, stdout=log, stderr=subprocess.STDOUT
    )
    server = Server(f"http://127.0.0.1:{port}", urls.base_path(base), process)
    try:
        _wait_until_it_answers(server, tmp_path / "server.log")
        yield server
    finally:
        process.terminate()
        try:
            process.wait(START_S)
        finally:
            process.kill()
            log.close()


def _wait_until_it_answers(server: Server, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and server.process.poll() is None:
        try:
            if server.get(f"{server.base}/healthz").json() == {"status": "ok"}:
                return
        except requests.RequestException:
            time.sleep(0.05)
    pytest.fail(f"The server did not start:\n{log.read_text(errors='replace')}")


def test_page_tiles_layers_downloads_and_assets_answer(
    server: Server, scene: Scene, run: Run
) -> None:
    base = server.base
    page = server.get(f"{base}/")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert server.get(f"{base}/_stcore/health").text == "ok"

    zoom = scene.frame.native_zoom
    column, row, i, j = place_on_tiles(scene.frame, zoom, 65, 75)
    for template in (urls.tile_template(scene, base), urls.label_template(run, base)):
        tile = server.get(template.format(z=zoom, x=column, y=row))
        assert tile.headers["content-type"] == "image/png"
        assert decode(tile.content)[j, i, 3] == 255

    layer = server.get(urls.objects_url(run, base))
    assert layer.headers["content-encoding"] == "gzip"
    assert len(layer.json()["features"]) == 3

    package = server.get(urls.download_url(run, "objects.gpkg", base))
    assert package.headers["content-disposition"] == 'attachment; filename="Roofs-objects.gpkg"'
    assert package.content == run.objects_path.read_bytes()

    asset = server.get(urls.asset_url("leaflet", "dist/leaflet.js", base))
    assert (asset.text, asset.headers["x-content-type-options"]) == ("var L = {};", "nosniff")
    assert server.get(urls.asset_url("leaflet", "package.json", base)).status_code == 404

    if base:
        outside = server.get(urls.tile_template(scene).format(z=zoom, x=column, y=row))
        assert outside.headers["content-type"] != "image/png"


def test_the_start_brings_no_torch_and_the_end_is_quiet(server: Server, tmp_path: Path) -> None:
    maps = Path(f"/proc/{server.process.pid}/maps")
    if not maps.exists():
        pytest.skip("which libraries a process holds is only told by Linux")
    assert "rasterio" in maps.read_text()
    assert "libtorch" not in maps.read_text()
    server.process.terminate()
    # NOTE: uvicorn ends in order and then lets the signal have its way.
    assert server.process.wait(START_S) in (0, -signal.SIGTERM)
    assert "Traceback" not in (tmp_path / "server.log").read_text(errors="replace")
