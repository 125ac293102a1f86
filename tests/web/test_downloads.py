import json
import zipfile
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from PIL import Image

from samgeo_core.config import SegmentConfig, SelectionRule
from samgeo_core.errors import ExportError, NotFoundError
from samgeo_core.objects import ObjectSet
from samgeo_core.results.labels import label_raster
from samgeo_core.web import downloads as module
from samgeo_core.web.downloads import downloads, file_stem, make_download
from samgeo_core.web.selected import selected
from samgeo_core.web.store import Store
from tests.web.conftest import OWNER, MakeRun, MakeScene

SHAPE = {"shape_hw": (120, 160)}
VECTORS = ["gpkg", "shp.zip", "geojson", "fgb", "parquet", "kml", "dxf"]
OWN = SelectionRule.keep_all()
LARGE, NONE = replace(OWN, min_area_px=400), replace(OWN, min_area_px=1e9)


def read_vectors(path: Path) -> gpd.GeoDataFrame:
    if path.suffix == ".parquet":
        return gpd.read_parquet(path)
    return gpd.read_file(path, layer="objects" if path.suffix == ".gpkg" else None)


def test_what_there_is_to_download() -> None:
    assert list(downloads()) == [
        *(f"objects.{suffix}" for suffix in VECTORS),
        "labels.tif",
        "mask.tif",
        "classes.tif",
        "annotations.png",
        "run.json",
        "bundle.zip",
        "objects.coco.zip",
        "objects.yolo.zip",
        "report.pdf",
        "report-letter.pdf",
        "quicklook.png",
    ]
    assert all(item.title and "/" in item.media_type for item in downloads().values())


@pytest.mark.parametrize("suffix", VECTORS)
@pytest.mark.parametrize(("wanted", "count"), [(None, 3), (LARGE, 2), (NONE, 0)])
def test_vectors_open_and_hold_what_was_wanted(
    make_scene: MakeScene, make_run: MakeRun, suffix: str, wanted: SelectionRule | None, count: int
) -> None:
    run = make_run(make_scene("Dach 1.tif", **SHAPE))
    file = make_download(run, f"objects.{suffix}", wanted)
    assert file.save_as == f"Dach-1-objects{'-selected' if wanted else ''}.{suffix}"
    assert len(read_vectors(file.path)) == count


@pytest.mark.parametrize("name", ["labels.tif", "mask.tif"])
def test_rasters_of_some_objects_keep_their_place(
    make_scene: MakeScene, make_run: MakeRun, name: str
) -> None:
    # A small object on a large one: without the small one, the large one has no hole.
    masks = [(np.ones((40, 40), bool), (10, 10), 0.99), (np.ones((8, 8), bool), (20, 20), 0.9)]
    run = make_run(make_scene(**SHAPE), masks=masks)
    whole = make_download(run, name)
    assert whole.path == run.folder / name
    some = make_download(run, name, replace(OWN, least_score=0.95))
    with rasterio.open(whole.path) as before, rasterio.open(some.path) as after:
        assert (after.crs, after.transform, after.shape) == (
            before.crs,
            before.transform,
            before.shape,
        )
        values = after.read(1)
    marked = 1 if name == "labels.tif" else 255
    assert np.unique(values).tolist() == [0, marked]
    assert (values == marked).sum() == 1600
    assert values[20, 20] == marked


def test_all_rasters_of_all_objects_are_those_of_the_pipeline(
    make_scene: MakeScene, make_run: MakeRun
) -> None:
    run = make_run(make_scene(**SHAPE))
    made = make_download(run, "labels.tif", replace(OWN, least_score=0.1)).path
    with rasterio.open(made) as dataset:
        labels = dataset.read(1)
    assert (labels == label_raster(ObjectSet.load(run.folder / "objects.npz"))).all()
    with rasterio.open(run.labels_path) as dataset:
        assert (labels == dataset.read(1)).all()


def test_the_picture_shows_what_was_chosen(make_scene: MakeScene, make_run: MakeRun) -> None:
    scene = make_scene(**SHAPE)
    run = make_run(scene)
    own, some = (
        np.asarray(
            Image.open(make_download(run, "annotations.png", rule, image=lambda: scene).path)
        )
        for rule in (None, LARGE)
    )
    plain = scene.raster.read(stretch=scene.stretch).rgb
    gone = selected(run).objects[0].slices
    assert (own[gone] != plain[gone]).any()
    assert (some[gone] == plain[gone]).all()
    left = selected(run).objects[2].slices
    assert (some[left] != plain[left]).any()


@pytest.mark.parametrize(("wanted", "ids"), [(None, [1, 2, 3]), (LARGE, [1, 2])])
def test_the_bundle_holds_everything(
    make_scene: MakeScene,
    make_run: MakeRun,
    tmp_path: Path,
    wanted: SelectionRule | None,
    ids: list[int],
) -> None:
    run = make_run(make_scene(**SHAPE))
    file = make_download(run, "bundle.zip", wanted)
    with zipfile.ZipFile(file.path) as archive:
        archive.extractall(tmp_path / "out")
    out = tmp_path / "out"
    for suffix in ("gpkg", "geojson", "fgb", "parquet", "kml"):
        assert len(read_vectors(out / f"objects.{suffix}")) == len(ids)
    assert sorted(gpd.read_file(out / "objects.gpkg", layer="objects")["object_id"]) == ids
    with rasterio.open(out / "labels.tif") as dataset:
        assert np.unique(dataset.read(1)).tolist() == [0, *ids]
    record = json.loads((out / "run.json").read_text())
    assert record["n_objects"] == len(ids)
    if wanted is not None:
        assert SelectionRule.from_dict(record["selection"]) == wanted
        assert SegmentConfig.from_dict(record["parameters"]).rule == wanted
    assert (out / "mask.tif").is_file()
    assert (out / "README.txt").is_file()
    assert not list(file.path.parent.glob(".bundle-*"))


def test_a_file_is_made_once_and_made_again_when_it_was_dropped(
    make_scene: MakeScene, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT_FILES", 3)
    run = make_run(make_scene(**SHAPE))
    limits = [replace(OWN, min_area_px=n) for n in range(1, 6)]
    first = make_download(run, "objects.fgb", limits[0]).path
    inode = first.stat().st_ino
    assert make_download(run, "objects.fgb", limits[0]).path.stat().st_ino == inode
    for wanted in limits[1:]:
        make_download(run, "objects.fgb", wanted)
    assert not first.exists()
    assert len([p for p in (run.folder / "downloads").rglob("*") if p.is_file()]) == 3
    assert len(read_vectors(make_download(run, "objects.fgb", limits[0]).path)) == 3


def test_a_rule_that_changes_everything_has_files_too(
    make_scene: MakeScene, make_run: MakeRun
) -> None:
    run = make_run(make_scene(**SHAPE))
    third = 1 / 3
    rule = SelectionRule(*[third] * 7, third, 1e6 + third, third, 1e6 + third, "flatten")
    assert len(read_vectors(make_download(run, "objects.fgb", rule).path)) == 3


def test_what_cannot_be_had(store: Store, make_scene: MakeScene, make_run: MakeRun) -> None:
    scene = make_scene("photo.tif", crs=None, transform=None, **SHAPE)
    run = make_run(scene)
    for name in ("meta.json", "objects.npz", "../meta.json", "objects.GPKG", ""):
        with pytest.raises(NotFoundError, match="choose"):
            make_download(run, name)
    with pytest.raises(ExportError, match="No picture can be drawn"):
        make_download(run, "annotations.png", LARGE)
    with pytest.raises(ExportError):
        make_download(run, "objects.geojson")
    with pytest.raises(NotFoundError, match="no result"):
        make_download(store.new_run(scene, {}, OWNER), "objects.gpkg")


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("roofs.tif", "roofs"),
        ("Zürich Süd (2).TIFF", "Zürich-Süd-2"),
        ("../../etc/passwd", "etc-passwd"),
        ('a"b\r\nSet-Cookie: x.png', "a-b-Set-Cookie-x"),
        ("...", "image"),
        ("", "image"),
        (".hidden", "hidden"),
        ("x" * 200, "x" * 60),
        ("v1.2 final.jp2", "v1.2-final"),
    ],
)
def test_names_are_safe_to_save(name: str, stem: str) -> None:
    assert file_stem(name) == stem
