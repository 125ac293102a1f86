"""The decoder's kernels are compiled once, kept safely, and done without where they can't be."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from samgeo_core.engine.kernels import Kernels, build, find_kernels
from samgeo_core.settings import get_settings

needs_compiler = pytest.mark.skipif(
    not any(map(shutil.which, ("cc", "gcc", "clang"))), reason="no C compiler"
)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache folder of the test's own."""
    monkeypatch.setenv("SAMGEO_CACHE_DIR", str(tmp_path))
    get_settings.cache_clear()
    find_kernels.cache_clear()
    yield tmp_path
    get_settings.cache_clear()
    find_kernels.cache_clear()


@needs_compiler
def test_it_is_compiled_once_and_then_found_without_a_compiler(
    own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = build("", own_cache)
    monkeypatch.setenv("PATH", "")
    assert build("", own_cache) == made
    assert Kernels(made).chunk > 0
    assert [path.suffix for path in own_cache.iterdir() if path.is_dir()] == []


def test_without_a_compiler_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert find_kernels() is None


def test_they_can_be_turned_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMGEO_COMPILED", "0")
    assert find_kernels() is None


@needs_compiler
def test_a_file_that_others_can_change_is_not_loaded(own_cache: Path) -> None:
    build("", own_cache).chmod(0o777)
    with pytest.raises(PermissionError):
        build("", own_cache)


@needs_compiler
def test_other_numbers_than_floats_are_refused(own_cache: Path) -> None:
    kernels = Kernels(build("", own_cache))
    with pytest.raises(TypeError):
        kernels.call("attend_layer0", torch.zeros(1, dtype=torch.float64))
    with pytest.raises(TypeError):
        kernels.call("attend_layer0", torch.zeros(2, 2).t())
