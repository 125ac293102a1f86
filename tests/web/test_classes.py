"""Classes of a result: who may teach them, and where they are told."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import rasterio

from samgeo_core.candidates import CandidateSet
from samgeo_core.config import SegmentConfig, SelectionRule
from samgeo_core.errors import ConflictError, NotFoundError, ParameterError
from samgeo_core.objects import ObjectSet
from samgeo_core.pipeline import Segmentation, write_run
from samgeo_core.streaming.options import StreamOptions
from samgeo_core.teaching.features import ObjectFeatures
from samgeo_core.teaching.keys import mask_keys
from samgeo_core.teaching.lesson import LESSON_FILE, mark_step
from samgeo_core.teaching.table import FEATURES_FILE, FeatureTable
from samgeo_core.web.classes import (
    NOT_THIS,
    UNKNOWN,
    classes_version,
    classified,
    features_of,
    frame_with_classes,
)
from samgeo_core.web.downloads import ReadyFile, make_download
from samgeo_core.web.jobs import JobState
from samgeo_core.web.layers import objects_layer
from samgeo_core.web.records import Run
from samgeo_core.web.selected import selected
from samgeo_core.web.store import Store
from samgeo_core.web.teach_desk import TeachDesk, is_unknown
from tests.core.teaching.scenes import TANK, known_scene
from tests.web.conftest import OWNER, MakeRun, MakeScene

COLUMNS = ["class_name", "class_color", "confidence"]


@pytest.fixture
def desk(store: Store) -> Any:
    made = TeachDesk(store)
    yield made
    made.close()


@pytest.fixture
def run(make_scene: MakeScene, make_run: MakeRun) -> Run:
    """Twelve squares of which the six small ones look alike, and so do the six large ones."""
    sides = [10 + i for i in range(6)] + [30 + i for i in range(6)]
    masks = [
        (np.ones((side, side), bool), (40 * (i % 6), 10 + 60 * (i // 6)), 0.9 + i / 1000)
        for i, side in enumerate(sides)
    ]
    made = make_run(make_scene(shape_hw=(200, 300)), masks)
    _look_at(made)
    return made


def _look_at(run: Run, *, without: tuple[int, ...] = ()) -> None:
    """Keep features of the run's masks as if somebody had looked: sizes tell all."""
    candidates = selected(run).source.pool.candidates
    n = len(candidates)
    large = (candidates.areas_px > 400).astype(float)
    random = np.random.default_rng(1)
    encoded = random.normal(0, 0.05, (n, 3, 8))
    encoded[:, 0, 0] += large
    features = ObjectFeatures(
        mask_keys(candidates),
        encoded.astype(np.float16),
        np.tile(large[:, None], (1, 6)).astype(np.float32),
        random.normal(0, 1, (n, 6)).astype(np.float32),
    )
    kept = features.take(np.setdiff1d(np.arange(n), without))
    FeatureTable(kept, len(kept)).save(run.folder / FEATURES_FILE, "made")


def _teach(desk: TeachDesk, run: Run) -> None:
    """Two classes and one mark of each: object 1 is small, object 12 is large."""
    for name, color in (("Dächer", "#aa0000"), ("Fields", "#00aa00")):
        desk.step(run.run_id, OWNER, {"do": "class", "name": name, "color": color})
    keys = mask_keys(selected(run).objects)
    desk.step(run.run_id, OWNER, mark_step([keys[0]], 1))
    desk.step(run.run_id, OWNER, mark_step([keys[11]], 2))


def test_marks_class_all_objects(desk: TeachDesk, run: Run) -> None:
    before = classified(selected(run))
    assert (before.numbers == UNKNOWN).all() and not before.is_taught
    assert list(frame_with_classes(selected(run)).columns) == list(selected(run).frame.columns)
    _teach(desk, run)
    known = classified(selected(run))
    assert known.numbers.tolist() == [1] * 6 + [2] * 6
    assert known.confidence[[0, 11]].tolist() == [1, 1]
    assert ((known.confidence[1:11] > 0.5) & (known.confidence[1:11] < 1)).all()
    assert set(known.doubtful.tolist()) == set(range(1, 11))
    frame = frame_with_classes(selected(run))
    assert frame["class_name"].tolist() == ["Dächer"] * 6 + ["Fields"] * 6
    assert frame["class_color"].unique().tolist() == ["#aa0000", "#00aa00"]


def test_undo_takes_classes_back_and_redo_brings_them(desk: TeachDesk, run: Run) -> None:
    _teach(desk, run)
    version, numbers = classes_version(run), classified(selected(run)).numbers.tolist()
    desk.undo(run.run_id, OWNER)
    known = classified(selected(run))
    assert not known.is_taught and known.numbers.tolist() == [1] + [UNKNOWN] * 11
    assert classes_version(run) != version
    desk.redo(run.run_id, OWNER)
    assert classified(selected(run)).numbers.tolist() == numbers
    assert TeachDesk(Store(run.folder.parents[1])).undo(run.run_id, OWNER).lesson.marks


def test_not_this_is_no_class(desk: TeachDesk, run: Run) -> None:
    desk.step(run.run_id, OWNER, {"do": "class", "name": "Field"})
    keys = mask_keys(selected(run).objects)
    desk.step(run.run_id, OWNER, mark_step([keys[0]], NOT_THIS))
    assert not classified(selected(run)).is_taught
    desk.step(run.run_id, OWNER, mark_step([keys[11]], 1))
    known = classified(selected(run))
    assert known.numbers.tolist() == [NOT_THIS] * 6 + [1] * 6
    assert frame_with_classes(selected(run))["class_name"].tolist() == [""] * 6 + ["Field"] * 6


def test_classes_follow_their_objects_under_other_rules(desk: TeachDesk, run: Run) -> None:
    _teach(desk, run)
    own = selected(run).rule
    for rule in (
        SelectionRule(**{**vars(own), "overlap": "partition"}),
        SelectionRule(**{**vars(own), "overlap": "largest"}),
        SelectionRule(**{**vars(own), "min_area_px": 200.0}),
    ):
        shown = selected(run, rule)
        scores = shown.objects.scores
        expected = np.where(scores < np.float32(0.9055), 1, 2)
        np.testing.assert_array_equal(classified(shown).numbers, expected)


def test_objects_nobody_looked_at_have_no_class_yet(desk: TeachDesk, run: Run) -> None:
    _teach(desk, run)
    _look_at(run, without=(4, 7))
    known = classified(selected(run))
    assert is_unknown(selected(run)).sum() == 2
    assert np.flatnonzero(known.numbers == UNKNOWN).tolist() == [4, 7]
    assert np.isnan(known.confidence[known.numbers == UNKNOWN]).all()


@pytest.mark.parametrize(
    "filename",
    ["objects.gpkg", "objects.shp.zip", "objects.geojson", "objects.fgb", "objects.parquet",
     "objects.kml"],
)  # fmt: skip
def test_every_format_tells_the_classes(desk: TeachDesk, run: Run, filename: str) -> None:
    plain = make_download(run, filename)
    assert isinstance(plain, ReadyFile)
    assert not set(COLUMNS) & set(_read(plain.path))
    _teach(desk, run)
    made = make_download(run, filename)
    assert isinstance(made, ReadyFile)
    frame = _read(made.path).rename(columns={"class_rgb": "class_color"})
    frame = frame.sort_values("object_id")
    assert frame["class_name"].tolist() == ["Dächer"] * 6 + ["Fields"] * 6
    assert frame["class_color"].tolist() == ["#aa0000"] * 6 + ["#00aa00"] * 6
    assert frame["confidence"].between(0.5, 1).all()
    assert all(len(name) <= 10 for name in _read(made.path)) or "shp" not in filename
    desk.undo(run.run_id, OWNER)
    again = make_download(run, filename)
    assert isinstance(again, ReadyFile) and again.path != made.path


def _read(path: Path) -> gpd.GeoDataFrame:
    if path.suffix == ".parquet":
        return gpd.read_parquet(path)
    return gpd.read_file(f"zip://{path}" if path.suffix == ".zip" else path)


def test_archive_record_and_map_tell_the_classes(desk: TeachDesk, run: Run, tmp_path: Path) -> None:
    _teach(desk, run)
    record = make_download(run, "run.json")
    assert isinstance(record, ReadyFile)
    told = json.loads(record.path.read_text())
    assert told["n_marks"] == 2
    assert told["classes"][0] == {"name": "Dächer", "color": "#aa0000", "n_objects": 6, "value": 1}
    bundle = make_download(run, "bundle.zip")
    assert isinstance(bundle, ReadyFile)
    with zipfile.ZipFile(bundle.path) as archive:
        assert "class_name" in archive.read("README.txt").decode()
        layer = gpd.read_file(archive.extract("objects.gpkg", tmp_path), layer="objects")
        assert json.loads(archive.read("run.json"))["classes"] == told["classes"]
        assert "classes.tif" in archive.namelist()
    assert set(layer["class_name"]) == {"Dächer", "Fields"}
    features = json.loads(gzip.decompress(objects_layer(run)))["features"]
    assert {f["properties"]["class_name"] for f in features} == {"Dächer", "Fields"}


def test_the_class_raster_has_the_classes_colours(desk: TeachDesk, run: Run) -> None:
    with pytest.raises(NotFoundError):
        make_download(run, "classes.tif")
    _teach(desk, run)
    made = make_download(run, "classes.tif")
    assert isinstance(made, ReadyFile)
    with rasterio.open(made.path) as dataset:
        values, colors = dataset.read(1), dataset.colormap(1)
        assert dataset.crs == selected(run).source.place.grid.crs
    expected = np.zeros((200, 300), np.uint8)
    for item in selected(run).objects:
        expected[item.slices] = 1 if item.area_px < 400 else 2
    np.testing.assert_array_equal(values, expected)
    assert (colors[1], colors[2]) == ((0xAA, 0, 0, 255), (0, 0xAA, 0, 255))


class TestWhoMayTeach:
    def test_only_the_owner(self, desk: TeachDesk, run: Run) -> None:
        for act in (desk.undo, desk.redo):
            with pytest.raises(NotFoundError):
                act(run.run_id, "somebody else")
        with pytest.raises(NotFoundError):
            desk.step(run.run_id, "somebody else", {"do": "class", "name": "Mine"})
        with pytest.raises(NotFoundError):
            desk.prepare(run.run_id, "somebody else", selected(run))
        assert not (run.folder / LESSON_FILE).exists()

    def test_a_window_that_is_behind_is_told(self, desk: TeachDesk, run: Run) -> None:
        first = desk.step(run.run_id, OWNER, {"do": "class", "name": "One"}, base="")
        with pytest.raises(ConflictError):
            desk.step(run.run_id, OWNER, {"do": "class", "name": "Two"}, base="")
        after = desk.step(run.run_id, OWNER, {"do": "class", "name": "Two"}, base=first.revision)
        assert [c.name for c in after.lesson.classes] == ["One", "Two"]

    def test_runs_in_parts_say_that_they_have_none(
        self, desk: TeachDesk, store: Store, make_scene: MakeScene
    ) -> None:
        parts = store.new_run(make_scene(), {}, OWNER, regions=StreamOptions())
        with pytest.raises(ParameterError, match="segmented in parts"):
            desk.step(parts.run_id, OWNER, {"do": "class", "name": "One"})


@pytest.mark.weights
def test_a_scene_is_looked_at_and_taught(desk: TeachDesk, store: Store, tmp_path: Path) -> None:
    known = known_scene(tmp_path / "town.tif", seed=7, size=576)
    scene = store.add_scene(tmp_path / "town.tif", "town.tif", OWNER)
    run = store.new_run(scene, SegmentConfig(device="cpu").to_dict(), OWNER)
    raster, objects = known.raster, known.objects
    record = {"n_objects": len(objects), "seconds": {}}
    write_run(
        Segmentation(objects, raster.grid, raster.read(), SegmentConfig(), record), run.folder
    )
    run = store.set_run_state(run.run_id, "done")
    shown = selected(run)
    assert is_unknown(shown).all() and features_of(run) is None
    assert desk.prepare(run.run_id, OWNER, shown) is not None
    assert desk._jobs.wait(run.run_id, 120).state is JobState.DONE
    assert desk.prepare(run.run_id, OWNER, shown) is None
    desk.step(run.run_id, OWNER, {"do": "class", "name": "Tank"})
    keys, is_tank = mask_keys(objects), known.kinds == TANK
    for kind, number in ((is_tank, 1), (~is_tank, NOT_THIS)):
        for i in np.flatnonzero(kind)[:3].tolist():
            desk.step(run.run_id, OWNER, mark_step([keys[i]], number))
    found = classified(shown)
    assert found.is_taught
    assert ((found.numbers == 1) == is_tank).mean() >= 0.9
    rows = features_of(run)
    assert rows is not None and len(rows.features) == len(CandidateSet.of_objects(objects))
    assert isinstance(objects, ObjectSet)
