"""Finding scenes, and sentences where there are none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.runner import REPOSITORY
from benchmarks.scenes import BenchmarkError, find_scenes
from benchmarks.speed import default_names


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two scenes, one of them labelled, and a folder that is none."""
    for name in ("river", "cars", "notes"):
        (tmp_path / name).mkdir()
    (tmp_path / "river" / "image.tif").touch()
    (tmp_path / "cars" / "image.png").touch()
    (tmp_path / "cars" / "image.txt").touch()
    (tmp_path / "cars" / "labels.geojson").touch()
    (tmp_path / "cars" / "meta.json").write_text('{"label_type": "boxes"}')
    return tmp_path


def test_all_scenes_are_found_in_order(root: Path) -> None:
    cars, river = find_scenes(root=root)
    assert (cars.name, cars.image.name, cars.meta) == ("cars", "image.png", {"label_type": "boxes"})
    assert cars.labels == root.resolve() / "cars" / "labels.geojson"
    assert (river.name, river.image.name, river.labels, river.meta) == (
        "river", "image.tif", None, {},
    )  # fmt: skip


def test_scenes_are_named_by_name_folder_or_image(
    root: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "mine.jpg").touch()
    monkeypatch.chdir(elsewhere)
    scenes = find_scenes(["river", str(root / "cars"), "mine.jpg"], root)
    assert [scene.name for scene in scenes] == ["river", "cars", "mine"]
    # Each is measured in a process that runs in another folder.
    assert all(scene.image.is_absolute() for scene in scenes)


@pytest.mark.parametrize(
    ("names", "folder", "message"),
    [
        ([], "absent", "There are no scenes in"),
        ([], "notes", "There are no scenes in"),
        (["sea"], ".", "sea is neither a scene in"),
        (["notes"], ".", "holds no image.tif"),
    ],
)
def test_what_is_missing_is_told(root: Path, names: list[str], folder: str, message: str) -> None:
    with pytest.raises(BenchmarkError, match=message):
        find_scenes(names, root / folder)


def test_scenes_that_are_timed_by_default_must_be_there(root: Path) -> None:
    assert default_names(root) == []
    (root / "nl_river").mkdir()
    assert default_names(root) == []
    (root / "nl_river" / "image.tif").touch()
    assert default_names(root) == ["nl_river"]


@pytest.mark.parametrize("program", ["speed", "quality"])
def test_a_program_without_its_scene_says_so_and_ends_with_2(program: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{program}", "--scenes", "no-such-scene"],
        cwd=REPOSITORY, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("no-such-scene is neither a scene in ")
    assert len(done.stderr.splitlines()) == 1
