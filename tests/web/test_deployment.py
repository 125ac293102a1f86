"""compose.yaml, Dockerfile and the proxy's file agree with each other and with the app."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from benchmarks.visitors import rerun_pages
from samgeo_core.settings import PROJECT_DIR
from tests.web.app_server import WAIT_S, app_server
from tests.web.serving import free_port

COMPOSE = PROJECT_DIR / "compose.yaml"
DOCKERFILE = (PROJECT_DIR / "Dockerfile").read_text("utf-8")
PROXY = (PROJECT_DIR / "deploy" / "nginx.conf").read_text("utf-8")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(COMPOSE.read_text("utf-8"))["services"]
    return found


def in_image(word: str) -> list[str]:
    """What the last stage of the image says with an instruction, one line each."""
    last = re.split(r"(?m)^FROM ", DOCKERFILE.replace("\\\n", " "))[-1]
    return re.findall(rf"(?m)^{word} +(.+)$", last)


def test_one_port_and_one_path_lead_to_the_app(services: dict[str, Any]) -> None:
    (port,) = in_image("EXPOSE")
    app = services["app"]
    assert app["expose"] == [port]
    assert f'"--port", "{port}"' in in_image("CMD")[-1]
    assert f"server app:{port};" in PROXY
    base = app["environment"]["STREAMLIT_SERVER_BASE_URL_PATH"]
    assert f"location /{base}/ {{" in PROXY and f"location = /{base}/metrics" in PROXY
    outside, inside = services["proxy"]["ports"][0].split(":")
    assert f"listen {inside};" in PROXY
    assert f"localhost:{outside}/{base}/" in COMPOSE.read_text("utf-8")
    scheduler = next(word for word in services["worker"]["command"] if word.startswith("tcp:"))
    assert scheduler == f"tcp://scheduler:{services['scheduler']['command'][-1]}"
    assert services["scheduler"]["expose"][0] == scheduler.rpartition(":")[2]


def test_data_lie_where_the_image_keeps_them(services: dict[str, Any]) -> None:
    (volume,) = in_image("VOLUME")
    assert f"SAMGEO_DATA_DIR={volume}" in in_image("ENV")[-1]
    for name in ("app", "scheduler", "worker"):
        assert services[name]["volumes"] == [f"data:{volume}"]
    # A volume takes the rights of the folder that it covers: the app's user must own that.
    (user,) = in_image("USER")
    made = in_image("RUN")[0]
    assert f"--uid {user} samgeo" in made and f"--owner=samgeo {volume}" in made


def test_every_variable_is_one_that_the_app_reads(services: dict[str, Any]) -> None:
    documented = set(
        re.findall(r"(?m)^\| `(SAMGEO_\w+)`", (PROJECT_DIR / "docs/hosting.md").read_text("utf-8"))
    )
    said = set(re.findall(r"\bSAMGEO_\w+", COMPOSE.read_text("utf-8") + DOCKERFILE))
    assert said <= documented
    environment = services["app"]["environment"]
    # An empty variable is none, so that a default of nothing asks for nothing.
    empty = [name for name, value in environment.items() if str(value).endswith(":-}")]
    assert set(empty) <= documented


def test_dask_finds_what_it_is_to_do(services: dict[str, Any]) -> None:
    # A command of its own has its own folder on Python's path, not the one it is started in.
    assert services["scheduler"]["command"][0] == services["worker"]["command"][0] == "dask"
    (workdir,) = set(re.findall(r"^WORKDIR (\S+)", DOCKERFILE, re.M))
    assert f"PYTHONPATH={workdir} " in DOCKERFILE
    assert "COPY samgeo_core samgeo_core" in DOCKERFILE


def test_what_is_copied_and_mounted_is_there(services: dict[str, Any]) -> None:
    ignored = (PROJECT_DIR / ".dockerignore").read_text("utf-8").splitlines()
    copied = [line for line in re.findall(r"(?m)^COPY (.+)$", DOCKERFILE) if "--from" not in line]
    names = [name for line in copied for name in line.split()[:-1]]
    assert len(names) > 8
    for name in names:
        assert (PROJECT_DIR / name).exists(), name
        assert f"!{name.split('/')[0]}" in ignored, name
    mounted = [volume for volume in services["proxy"]["volumes"] if volume.startswith("./")]
    assert [(PROJECT_DIR / volume.split(":")[0]).is_file() for volume in mounted] == [True]
    assert all(
        other in services
        for service in services.values()
        for other in service.get("depends_on", ())
    )


@contextmanager
def proxy(folder: Path, app: str) -> Iterator[str]:
    """Run nginx with the project's file, for an app on this machine; its address."""
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if nginx is None:
        pytest.skip("nginx isn't installed here, so its file can't be tried")
    port = free_port()
    ours = PROXY.replace("server app:8501;", f"server {app.removeprefix('http://')};")
    ours = ours.replace("listen 80;", f"listen 127.0.0.1:{port};")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    kept = "\n".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    path = folder / "nginx.conf"
    path.write_text(
        f"daemon off;\npid {folder}/nginx.pid;\nerror_log stderr;\n"
        f"events {{}}\nhttp {{\naccess_log off;\n{kept}\n{ours}\n}}\n",
        "utf-8",
    )
    process = subprocess.Popen([nginx, "-p", str(folder), "-c", str(path)])
    try:
        end = time.monotonic() + WAIT_S
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/", timeout=5)
                break
            except httpx.TransportError:
                assert process.poll() is None and time.monotonic() < end
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(WAIT_S)


def test_the_app_works_behind_the_proxy(services: dict[str, Any], tmp_path: Path) -> None:
    base = services["app"]["environment"]["STREAMLIT_SERVER_BASE_URL_PATH"]
    log, no_weights = tmp_path / "server.log", str(tmp_path / "no weights")
    settings = {"STREAMLIT_SERVER_BASE_URL_PATH": base, "SAMGEO_CACHE_DIR": no_weights}
    settings |= {"SAMGEO_METRICS_TOKEN": "token"}
    with (
        app_server(tmp_path / "data", log, base=base, **settings) as (_, app),
        proxy(tmp_path, app) as outside,
        httpx.Client(base_url=outside, timeout=WAIT_S) as client,
    ):
        assert client.get("/").headers["location"].endswith(f"/{base}/")
        page = client.get(f"/{base}/", headers={"Accept": "text/html"})
        assert (page.status_code, f"Path=/{base}/" in page.headers["set-cookie"]) == (200, True)
        assert client.get(f"/{base}/readyz").json()["status"] == "ready"
        bearer = {"Authorization": "Bearer token"}
        assert client.get(f"/{base}/metrics", headers=bearer).status_code == 404
        inside = httpx.get(f"{app}/{base}/metrics", headers=bearer, timeout=WAIT_S)
        assert inside.status_code == 200
        # More than nginx lets through by itself (1 MB); the app says no by its own rules.
        begun = client.post(f"/{base}/uploads", content=bytes(3 << 20))
        assert begun.status_code == 400 and "nginx" not in begun.text
        # A thread of its own: a test of a browser before this one may have left a loop in ours.
        with ThreadPoolExecutor(1) as thread:
            visits = rerun_pages(f"{outside}/{base}", [""], "", 1, 1)
            assert len(thread.submit(asyncio.run, visits).result()) == 1
