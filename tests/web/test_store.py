import io
import json
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from samgeo_core.errors import (
    NotFoundError,
    ParameterError,
    RasterError,
    RasterTooLargeError,
    SamGeoError,
    UnsupportedFormatError,
)
from samgeo_core.web.ids import ID_PATTERN, checked_id, new_id
from samgeo_core.web.records import clean_name
from samgeo_core.web.store import Store
from samgeo_core.windows import Window
from tests.factories import MakeRaster
from tests.web.conftest import OWNER, MakeScene

DAY_S = 86_400


def test_ids_are_random_and_of_one_shape() -> None:
    ids = {new_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(ID_PATTERN.fullmatch(value) for value in ids)


@pytest.mark.parametrize(
    "value",
    ["", ".", "..", "../../../../etc/passwd", "a" * 21, "a" * 23, "a" * 21 + "/", "a" * 21 + "\n",
     "é" * 22, "a" * 21 + "\0", "%2e%2e%2f%2e%2e%2f%2e%2e%2fx"],
)  # fmt: skip
def test_nothing_else_passes_for_an_id(value: str, store: Store) -> None:
    with pytest.raises(NotFoundError):
        checked_id(value)
    with pytest.raises(NotFoundError):
        store.scene(value)
    with pytest.raises(NotFoundError):
        store.run(value)


def test_an_upload_is_copied_under_a_name_of_ours(store: Store, make_raster: MakeRaster) -> None:
    original = make_raster("roofs.tif", shape_hw=(30, 50))
    with original.open("rb") as stream:
        scene = store.add_scene(stream, "../../home/Dächer.tif", OWNER)
    original.unlink()
    assert scene.name == "Dächer.tif"
    assert scene.source == store.root / "scenes" / scene.scene_id / "source"
    assert scene.raster.shape_hw == (30, 50)
    assert scene.raster is scene.raster
    assert {p.name for p in scene.folder.iterdir()} == {"source", "scene.json"}


def test_a_sample_stays_where_it_lies(store: Store, make_raster: MakeRaster) -> None:
    original = make_raster("sample.tif")
    scene = store.add_scene(original, "A sample", OWNER, kind="sample")
    assert store.scene(scene.scene_id).source == original
    store.delete_scene(scene.scene_id)
    assert original.exists()
    assert not scene.folder.exists()


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", RasterError),
        (b"not an image", UnsupportedFormatError),
        (b"II*\0" + bytes(100), RasterError),
        (b"<VRTDataset rasterXSize='1' rasterYSize='1'/>", UnsupportedFormatError),
    ],
)
def test_what_is_no_raster_leaves_nothing_behind(
    store: Store, content: bytes, error: type[SamGeoError]
) -> None:
    with pytest.raises(error):
        store.add_scene(io.BytesIO(content), "x.tif", OWNER)
    assert list((store.root / "scenes").iterdir()) == []


def test_limits_of_size(store: Store, make_raster: MakeRaster) -> None:
    path = make_raster("image.tif", shape_hw=(100, 100))
    with pytest.raises(RasterTooLargeError, match="MB"):
        store.add_scene(path, "image.tif", OWNER, max_bytes=1000)
    small = Store(store.root, max_pixels=9_999)
    with pytest.raises(RasterTooLargeError, match="px"):
        small.add_scene(path, "image.tif", OWNER)
    assert list((store.root / "scenes").iterdir()) == []


def test_a_scene_belongs_to_its_owner(store: Store, make_scene: MakeScene) -> None:
    scene = make_scene()
    run = store.new_run(scene, {"model": "vit_t"}, OWNER)
    assert store.scene(scene.scene_id, OWNER) == scene
    assert store.scene(scene.scene_id) == scene
    assert store.run(run.run_id, OWNER) == run
    for act in (store.scene, store.delete_scene):
        with pytest.raises(NotFoundError):
            act(scene.scene_id, "somebody else")
    for act in (store.run, store.delete_run):
        with pytest.raises(NotFoundError):
            act(run.run_id, "somebody else")
    assert store.scenes("somebody else") == []
    assert store.runs("somebody else") == []


def test_everything_survives_a_restart(store: Store, make_scene: MakeScene) -> None:
    first = make_scene("first.tif")
    second = make_scene("second.tif", bands=7)
    second = store.set_display(second.scene_id, (4, 3, 2), "minmax")
    run = store.new_run(
        second, {"automatic": {"points_per_side": 8}}, OWNER, area=Window(1, 2, 3, 4)
    )
    again = Store(store.root, max_pixels=store.max_pixels)
    assert again.scenes(OWNER) == [second, first]
    assert again.scene(second.scene_id).display.bands == (4, 3, 2)
    assert again.runs(OWNER, second.scene_id) == [run]
    assert again.runs(OWNER, first.scene_id) == []
    assert again.run(run.run_id).area == Window(1, 2, 3, 4)
    assert again.run(run.run_id).scene_shape_hw == (40, 60)


def test_the_display_decides_the_stretch(store: Store, make_scene: MakeScene) -> None:
    data = np.stack([np.full((20, 20), v, np.uint16) for v in (100, 200, 300, 400)])
    data[:, 0] = 0
    scene = make_scene("four.tif", data=data)
    assert scene.display.key == "auto.auto"
    chosen = store.set_display(scene.scene_id, [4, 1, 1], "minmax")
    assert chosen.stretch.bands == (4, 1, 1)
    assert chosen.stretch.highs == (400, 100, 100)
    assert chosen.stretch is store.scene(scene.scene_id).stretch
    assert chosen.display.key != scene.display.key
    for bands, stretch in [((5, 1, 1), "auto"), ((1, 2), "auto"), (None, "loud")]:
        with pytest.raises(ParameterError):
            store.set_display(scene.scene_id, bands, stretch)  # type: ignore[arg-type]
    assert store.scene(scene.scene_id).display == chosen.display


def test_a_source_that_changes_is_opened_anew(store: Store, make_raster: MakeRaster) -> None:
    path = make_raster("server.tif", shape_hw=(10, 10))
    scene = store.add_scene(path, "server.tif", OWNER, kind="server")
    assert scene.raster.shape_hw == (10, 10)
    make_raster("server.tif", shape_hw=(20, 20))
    os.utime(path, ns=(1, 1))
    assert scene.raster.shape_hw == (20, 20)
    path.unlink()
    with pytest.raises(RasterError, match="not there any more"):
        _ = scene.raster


def test_deleting_a_scene_takes_its_runs(store: Store, make_scene: MakeScene) -> None:
    scene, other = make_scene("a.tif"), make_scene("b.tif")
    run, kept = store.new_run(scene, {}, OWNER), store.new_run(other, {}, OWNER)
    store.delete_scene(scene.scene_id, OWNER)
    with pytest.raises(NotFoundError):
        store.run(run.run_id)
    assert store.run(kept.run_id) == kept
    with pytest.raises(NotFoundError):
        store.set_run_state(run.run_id, "done")


def test_damaged_records_are_skipped(store: Store, make_scene: MakeScene) -> None:
    good, bad, odd = make_scene("a.tif"), make_scene("b.tif"), make_scene("c.tif")
    (bad.folder / "scene.json").write_text("{ not json")
    (odd.folder / "scene.json").write_text("[]")
    assert store.scenes() == [good]
    with pytest.raises(NotFoundError):
        store.scene(bad.scene_id)


def test_a_record_says_where_an_own_file_lies_relative_to_it(
    store: Store, make_scene: MakeScene, tmp_path: Path
) -> None:
    scene = make_scene()
    assert json.loads((scene.folder / "scene.json").read_text())["source"] == "source"
    shutil.copytree(store.root, tmp_path / "moved")
    moved = Store(tmp_path / "moved").scene(scene.scene_id)
    assert moved.source.is_relative_to(tmp_path / "moved")


class TestCleanUp:
    def test_old_uploads_go_with_their_runs(
        self, store: Store, make_scene: MakeScene, make_raster: MakeRaster
    ) -> None:
        scene = make_scene()
        run = store.new_run(scene, {}, OWNER)
        store.set_run_state(run.run_id, "done")
        sample = store.add_scene(make_raster("s.tif"), "s", OWNER, kind="sample")
        assert store.clean_up(DAY_S) == []
        gone = store.clean_up(DAY_S, now=time.time() + 2 * DAY_S)
        assert set(gone) == {scene.scene_id, run.run_id}
        assert store.scenes() == [sample]
        assert store.runs() == []

    def test_a_young_run_keeps_its_scene(self, store: Store, make_scene: MakeScene) -> None:
        scene = make_scene()
        record = json.loads((scene.folder / "scene.json").read_text())
        record["created"] -= 10 * DAY_S
        (scene.folder / "scene.json").write_text(json.dumps(record))
        run = store.new_run(scene, {}, OWNER)
        store.set_run_state(run.run_id, "done")
        assert store.clean_up(DAY_S) == []
        store.delete_run(run.run_id)
        assert store.clean_up(DAY_S) == [scene.scene_id]

    def test_a_run_under_way_keeps_its_scene(self, store: Store, make_scene: MakeScene) -> None:
        scene = make_scene()
        run = store.new_run(scene, {}, OWNER)
        assert store.clean_up(DAY_S, now=time.time() + 9 * DAY_S) == []
        store.set_run_state(run.run_id, "cancelled")
        assert len(store.clean_up(DAY_S, now=time.time() + 9 * DAY_S)) == 2

    def test_leftovers_go_by_the_same_age(self, store: Store, make_scene: MakeScene) -> None:
        orphan = store.new_run(make_scene(), {}, OWNER)
        store.set_run_state(orphan.run_id, "done")
        shutil.rmtree(store.root / "scenes" / orphan.scene_id)
        half = store.root / "scenes" / new_id()
        half.mkdir()
        assert store.clean_up(DAY_S) == []
        gone = store.clean_up(DAY_S, now=time.time() + 2 * DAY_S)
        assert set(gone) == {orphan.run_id, half.name}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("roofs.tif", "roofs.tif"),
        ("C:\\Users\\me\\roofs.tif", "roofs.tif"),
        ("/etc/passwd", "passwd"),
        ("a\nb\x00c\u202e.tif", "abc.tif"),
        ("", "image"),
        ("///", "image"),
        ("x" * 500, "x" * 120),
        ("Zu\u0308rich.tif", "Zürich.tif"),
    ],
)
def test_names_become_one_short_line(name: str, expected: str) -> None:
    assert clean_name(name) == expected


def test_the_name_of_an_upload_tells_what_its_bands_show(
    store: Store, make_raster: MakeRaster
) -> None:
    path = make_raster("a.tif", bands=2, descriptions=("B5", "B4"))
    landsat = store.add_scene(path, "LC08_L1TP_195026.tif", OWNER)
    assert landsat.raster.roles == ("nir", "red")
    assert landsat.raster.name == "LC08_L1TP_195026.tif"
    assert store.add_scene(path, "a.tif", OWNER).raster.roles == (None, None)
