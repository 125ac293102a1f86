from __future__ import annotations

import json
import zipfile
from dataclasses import replace

import pytest

from samgeo_core.errors import ExportError
from samgeo_core.web.downloads import make_download, offered_downloads
from samgeo_core.web.records import Run, Scene
from samgeo_core.web.selected import selected
from samgeo_core.web.store import Store
from samgeo_core.web.training import TRAINING_FILES
from tests.web.conftest import MakeRun, MakeScene


@pytest.fixture
def run(make_scene: MakeScene, make_run: MakeRun) -> Run:
    """Squares 1, 2 and 3 of 10, 20 and 30 px."""
    return make_run(make_scene("town.tif", shape_hw=(120, 160)))


def test_training_data_holds_what_is_shown(run: Run, store: Store) -> None:
    def image() -> Scene:
        return store.scene(run.scene_id)

    fewer = replace(selected(run).rule, min_area_px=150.0)
    file = make_download(run, "objects.coco.zip", fewer, image=image)
    assert file.save_as == "town-objects-selected.coco.zip"
    with zipfile.ZipFile(file.path) as archive:
        told = json.loads(archive.read("annotations/instances.json"))
        assert [round(a["area"], -2) for a in told["annotations"]] == [400, 900]
        assert f"images/{told['images'][0]['file_name']}" in archive.namelist()


def test_labels_outlive_their_image(run: Run) -> None:
    file = make_download(run, "objects.yolo.zip")
    with zipfile.ZipFile(file.path) as archive:
        names = archive.namelist()
        (labels,) = (name for name in names if name.startswith("labels/"))
        assert len(archive.read(labels).decode().splitlines()) == 3
        assert not any(name.startswith("images/") for name in names)


def test_without_objects_there_is_nothing_to_train_with(run: Run) -> None:
    none = replace(selected(run).rule, min_area_px=1e9)
    for name in TRAINING_FILES:
        with pytest.raises(ExportError, match="no object to train with"):
            make_download(run, name, none)


def test_results_in_parts_leave_it_to_the_command(
    bright: Scene, make_streamed_run: MakeRun
) -> None:
    assert not set(TRAINING_FILES) & set(offered_downloads(make_streamed_run(bright)))
