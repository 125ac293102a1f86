"""The fuzz run notices what it is there for, and a short one finds nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.fuzz_files import base_files, mutant
from benchmarks.fuzz_watch import opened_files
from benchmarks.runner import REPOSITORY
from samgeo_core.errors import RasterError
from samgeo_core.reading.raster import Raster

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="inotify is a part of Linux")


def test_an_opened_file_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "secret.tif").write_bytes(b"secret")
    with opened_files(tmp_path) as opened:
        assert opened() == []
        (tmp_path / "secret.tif").read_bytes()
        assert opened() == [str(tmp_path / "secret.tif")]


def test_mutants_are_the_same_again_and_differ_from_each_other(tmp_path: Path) -> None:
    secret = tmp_path / "secret.tif"
    bases = base_files(tmp_path / "bases", secret)
    assert {path.suffix for path in bases} >= {".tif", ".png", ".gpkg", ".zip", ".kml", ".csv"}
    first = [mutant(tmp_path / "bases", secret, 0, number) for number in range(48)]
    assert first == [mutant(tmp_path / "bases", secret, 0, number) for number in range(48)]
    assert len({content for _, _, content in first}) > 40
    with pytest.raises(RasterError):
        Raster.open(tmp_path / "bases" / "recipe.tif")


def test_a_short_run_finds_nothing() -> None:
    command = [sys.executable, "-m", "benchmarks.fuzz", "--files", "96", "--seed", "7"]
    done = subprocess.run(
        command, cwd=REPOSITORY, env=os.environ, capture_output=True, text=True, timeout=300
    )
    assert "Opened outside the store: 0" in done.stdout, done.stderr
    assert "traceback" not in done.stdout
    assert done.returncode == 0
