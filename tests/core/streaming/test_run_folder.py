"""What is finished stays: whole files, found again by the same question only."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine

from samgeo_core.candidates import CandidateSet, MaskCandidate
from samgeo_core.errors import ExportError, ParameterError
from samgeo_core.geogrid import GeoGrid
from samgeo_core.pool import CandidatePool
from samgeo_core.streaming.regions import Region, RegionPlan
from samgeo_core.streaming.run_folder import RunFolder, clear, locked, pack, plan_note, unpack

GRID = GeoGrid((90, 150), Affine.identity(), None)
PLAN = RegionPlan((90, 150), 60, 10)


def a_pool(region: Region, seed: int = 0) -> CandidatePool:
    random = np.random.default_rng(seed)
    height, width = region.window.shape_hw
    masks = [
        MaskCandidate.of(random.random((9, 7)) < 0.7, (3 + i, 2 * i), 0.9, 0.8, (4.0, 5.0))
        for i in range(8)
    ]
    found = CandidateSet.collect((height, width), [m for m in masks if m is not None])
    return CandidatePool(found, random.random((height, width)) < 0.9, GRID.window(region.window))


def same(a: CandidatePool, b: CandidatePool) -> bool:
    names = ("boxes_xyxy", "bits", "starts", "areas_px", "scores", "stabilities", "points_xy")
    return (
        all(
            np.array_equal(getattr(a.candidates, n), getattr(b.candidates, n), equal_nan=True)
            for n in names
        )
        and np.array_equal(a.valid, b.valid)
        and np.array_equal(a.likeness.pairs, b.likeness.pairs)
    )


def test_a_region_comes_back_as_it_was(tmp_path: Path) -> None:
    folder = RunFolder.begin(tmp_path / "run", {"raster": "a"})
    region = PLAN.region(4)
    assert not folder.has(region)
    assert folder.load(region, GRID) is None
    folder.store(region, pack(a_pool(region)))
    assert folder.has(region)
    assert folder.count() == 1
    back = folder.load(region, GRID)
    assert back is not None
    assert same(back, a_pool(region))
    assert [p.name for p in folder.region_path(4).parent.iterdir()] == ["004.npz"]


def test_another_question_finds_nothing_and_the_same_question_everything(tmp_path: Path) -> None:
    region = PLAN.region(0)
    first = RunFolder.begin(tmp_path, {"bands": [1, 2, 3], "model": "m"}, {"raster": "x.tif"})
    first.store(region, pack(a_pool(region)))
    assert plan_note(tmp_path) == {"raster": "x.tif"}
    other = RunFolder.begin(tmp_path, {"bands": [3, 2, 1], "model": "m"})
    assert not other.has(region)
    other.store(region, pack(a_pool(region, 1)))
    again = RunFolder.begin(tmp_path, {"model": "m", "bands": [1, 2, 3]})
    assert again.key == first.key
    assert again.has(region)
    again.forget_others()
    assert not other.has(region)
    assert again.has(region)
    clear(tmp_path)
    assert not again.has(region)
    assert plan_note(tmp_path) == {}


def test_damage_anywhere_is_noticed(tmp_path: Path) -> None:
    folder, region = RunFolder.begin(tmp_path, {}), PLAN.region(3)
    whole = pack(a_pool(region))
    for at in range(0, len(whole), 13):
        flipped = bytearray(whole)
        flipped[at] ^= 0x55
        with pytest.raises(ValueError, match="aren't those"):
            unpack(bytes(flipped), GRID.window(region.window))
    for length in (0, 1, 30, len(whole) // 2, len(whole) - 1):
        folder.store(region, whole[:length])
        assert folder.load(region, GRID) is None
        assert not folder.has(region), "what is damaged is gone, so that it is made again"
    # Whole, but of another place.
    folder.store(PLAN.region(0), pack(a_pool(PLAN.region(4))))
    assert folder.load(PLAN.region(0), GRID) is None
    folder.store(region, whole)
    assert folder.load(region, GRID) is not None


def test_a_full_disk_is_told_and_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder.begin(tmp_path, {})
    folder.store(PLAN.region(0), pack(a_pool(PLAN.region(0))))

    def full(path: Path, data: bytes) -> int:
        with path.open("wb") as file:
            file.write(data[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ExportError, match=r"No space left on device.*start the run again to go on"):
        folder.store(PLAN.region(1), pack(a_pool(PLAN.region(1))))
    assert folder.has(PLAN.region(0))
    assert not folder.has(PLAN.region(1))
    assert folder.load(PLAN.region(0), GRID) is not None
    assert not list(tmp_path.rglob(".writing-*"))


def test_a_file_larger_than_the_system_allows_is_a_sentence(tmp_path: Path) -> None:
    script = """
import resource, sys
from pathlib import Path
from samgeo_core.errors import ExportError
from samgeo_core.streaming.regions import RegionPlan
from samgeo_core.streaming.run_folder import RunFolder
folder = RunFolder.begin(Path(sys.argv[1]), {})
plan = RegionPlan((90, 150), 60, 10)
folder.store(plan.region(0), b"x" * 1000)
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
try:
    folder.store(plan.region(1), b"x" * 100_000)
except ExportError as error:
    print(error)
print(folder.has(plan.region(0)), folder.has(plan.region(1)))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert "File too large" in done.stdout
    assert done.stdout.splitlines()[-1] == "True False"


def test_one_process_at_a_time_and_leftovers_of_a_killed_one_go(tmp_path: Path) -> None:
    folder = RunFolder.begin(tmp_path, {})
    folder.store(PLAN.region(0), pack(a_pool(PLAN.region(0))))
    left: list[Any] = [tmp_path / ".writing-a", folder.region_path(0).parent / ".writing-b"]
    for path in left:
        path.mkdir()
        (path / "half.npz").write_bytes(b"half")
    with locked(tmp_path):
        assert not any(path.exists() for path in left)
        with pytest.raises(ParameterError, match="Another run is at work"), locked(tmp_path):
            pass
    with locked(tmp_path):
        assert folder.has(PLAN.region(0))


def test_only_the_folder_of_the_run_itself_is_shared(tmp_path: Path) -> None:
    mine = RunFolder.begin(tmp_path / "a", {})
    assert mine.is_shared()
    RunFolder.begin(tmp_path / "a", {})  # another machine's, under the same path
    assert not mine.is_shared()
    clear(tmp_path / "a")
    assert not mine.is_shared()


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("x")
    with pytest.raises(ParameterError, match="must be a folder"), locked(path):
        pass
    with pytest.raises(ParameterError, match="must be a folder"):
        RunFolder.begin(path, {})
