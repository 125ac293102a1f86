from __future__ import annotations

import json
import zipfile
from dataclasses import asdict
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from geopandas.testing import assert_geodataframe_equal
from rasterio.crs import CRS

from samgeo_core.candidates import CandidateSet
from samgeo_core.cli import FAILED, OK, USAGE, main
from samgeo_core.config import SelectionRule
from samgeo_core.edits.edits import Edit
from samgeo_core.edits.history import EditLog
from samgeo_core.geogrid import GeoGrid
from samgeo_core.pool import CandidatePool
from samgeo_core.results.kept_masks import ValidParts
from samgeo_core.results.labels import label_raster, write_label_raster
from samgeo_core.results.nesting import parent_ids
from samgeo_core.results.stream_results import write_results
from samgeo_core.results.vectorize import vectorize
from samgeo_core.windows import Window
from tests.core.results.test_vectorize import blobs
from tests.core.results.wholes import in_pieces
from tests.factories import UTM_33N, MakeRaster

OBJECTS = blobs(0)
GRID = GeoGrid(OBJECTS.shape_hw, UTM_33N, CRS.from_epsg(32633))


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """What a run leaves of its objects."""
    folder = tmp_path / "run"
    folder.mkdir()
    write_label_raster(folder / "labels.tif", label_raster(OBJECTS), GRID)
    (folder / "run.json").write_text(json.dumps({"selection": asdict(SelectionRule.keep_all())}))
    valid = np.ones(OBJECTS.shape_hw, np.bool_)
    CandidatePool(CandidateSet.of_objects(OBJECTS), valid, GRID).save(folder / "candidates.npz")
    return folder


@pytest.fixture
def streamed_dir(tmp_path: Path) -> Path:
    """What a run region by region leaves of the same objects."""
    folder = tmp_path / "streamed"
    folder.mkdir()
    wholes = in_pieces(OBJECTS, np.random.default_rng(0), parent_ids(OBJECTS))
    valid = ValidParts()
    valid.add(np.ones(OBJECTS.shape_hw, np.bool_), (0, 0))
    write_results([wholes], folder, GRID, Window.whole(GRID.shape_hw), valid=valid)
    (folder / "run.json").write_text("{}")
    return folder


def test_objects_of_a_run_keep_what_it_said_of_them(run_dir: Path, tmp_path: Path) -> None:
    assert main(["vectorize", str(run_dir), str(tmp_path / "out.gpkg")]) == OK
    found, was = gpd.read_file(tmp_path / "out.gpkg"), vectorize(OBJECTS, GRID)
    for name in ("object_id", "parent_id", "score", "stability", "area_px"):
        assert found[name].tolist() == was[name].tolist()
    assert found.is_valid.all()
    assert found.crs == was.crs
    assert {"length_m", "orientation_deg", "touches_edge", "lon", "lat"} <= set(found.columns)


def test_pixel_outlines_are_those_of_the_run(run_dir: Path, tmp_path: Path) -> None:
    assert main(["vectorize", str(run_dir), str(tmp_path / "out.parquet"), "--pixels"]) == OK
    found, was = gpd.read_parquet(tmp_path / "out.parquet"), vectorize(OBJECTS, GRID)
    assert shapely.equals(found.geometry.values, was.geometry.values).all()


def test_a_partition_of_a_run_covers_what_the_image_covers(
    run_dir: Path, tmp_path: Path, make_raster: MakeRaster
) -> None:
    data = np.full((3, *OBJECTS.shape_hw), 7, np.uint8)
    data[:, :6] = 0
    image = make_raster(data=data, nodata=0)
    out = tmp_path / "out.gpkg"
    asked = ["--product", "partition", "--image", str(image), "--fill", "2"]
    assert main(["vectorize", str(run_dir), str(out), *asked]) == OK
    found = gpd.read_file(out)
    parts = shapely.get_parts(found.geometry.values)
    assert shapely.coverage_is_valid(parts)
    n_valid = (OBJECTS.shape_hw[0] - 6) * OBJECTS.shape_hw[1]
    assert found.area.sum() == pytest.approx(n_valid * 0.25, rel=1e-9)
    assert found["area_px"].sum() == n_valid
    assert (found["mean_b1"] == 7).all()
    assert found["score"].notna().equals(found["object_id"] > 0)


def test_labels_become_a_shapefile_with_a_key(run_dir: Path, tmp_path: Path) -> None:
    labels, out = run_dir / "labels.tif", tmp_path / "out.shp"
    assert main(["vectorize", str(labels), str(out), "--tolerance", "0.3m", "--regular"]) == OK
    found = gpd.read_file(out)
    ids = np.unique(label_raster(OBJECTS))
    assert found["object_id"].tolist() == ids[ids > 0].tolist()
    key = (tmp_path / "out.fields.csv").read_text("utf-8-sig")
    assert "perim_m,perimeter_m,m," in key
    assert all(f"\n{name}," in key for name in found.columns.drop("geometry"))


def test_edits_of_a_run_hold(run_dir: Path, tmp_path: Path) -> None:
    largest = CandidateSet.of_objects(OBJECTS.select(np.array([len(OBJECTS) - 1])))
    EditLog(run_dir / "edits.jsonl").add(Edit("delete", removed=(largest[0],)))
    for product in ("objects", "partition"):
        out = tmp_path / f"{product}.parquet"
        assert main(["vectorize", str(run_dir), str(out), "--product", product]) == OK
        found = gpd.read_parquet(out)
        assert (found["object_id"] > 0).sum() < len(OBJECTS)
        assert len(OBJECTS) not in found["object_id"].tolist()


@pytest.mark.parametrize("style", [[], ["--pixels"]])
@pytest.mark.parametrize("product", ["objects", "partition"])
def test_a_run_in_regions_gives_what_a_whole_one_does(
    run_dir: Path, streamed_dir: Path, tmp_path: Path, product: str, style: list[str]
) -> None:
    frames = []
    for folder in (run_dir, streamed_dir):
        out = tmp_path / f"{folder.name}.parquet"
        assert main(["vectorize", str(folder), str(out), "--product", product, *style]) == OK
        frame = gpd.read_parquet(out)
        frame["geometry"] = frame.normalize()
        frames.append(frame.sort_values("object_id", ignore_index=True))
    assert_geodataframe_equal(*frames, check_less_precise=True)


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["run", "out.gpkg", "--tolerance", "3"], USAGE, "0.5px or 0.3m"),
        (["run", "out.gpkg", "--product", "partition", "--circles"], USAGE, "gaps and overlaps"),
        (["run", "out.doc"], FAILED, "must end in one of"),
        ([".", "out.gpkg"], FAILED, "labels.tif, run.json is needed"),
        (["none.tif", "out.gpkg"], FAILED, "none.tif"),
    ],
)
def test_what_can_not_be_done_is_told_in_a_sentence(
    run_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    sentence: str,
) -> None:
    monkeypatch.chdir(run_dir.parent)
    assert main(["vectorize", *arguments]) == code
    assert sentence in capsys.readouterr().err
    assert not (run_dir.parent / "out.gpkg").exists()


def test_an_archive_of_a_run_is_a_project(
    run_dir: Path, tmp_path: Path, make_raster: MakeRaster
) -> None:
    log = EditLog(run_dir / "edits.jsonl")
    masks = CandidateSet.of_objects(OBJECTS)
    log.add(Edit("delete", (masks[0], masks[3])))
    data = np.random.default_rng(0).integers(0, 255, (3, *OBJECTS.shape_hw)).astype(np.uint8)
    image = make_raster(data=data)
    out = tmp_path / "out.zip"
    asked = ["--image", str(image), "--regular", "--workers", "1"]
    assert main(["vectorize", str(run_dir), str(out), *asked]) == OK
    with zipfile.ZipFile(out) as archive:
        archive.extractall(tmp_path / "x")
    package = tmp_path / "x" / "objects.gpkg"
    left = len(gpd.read_file(package, layer="objects"))
    assert left == len(OBJECTS) - 2
    changes = gpd.read_file(package, layer="edits")
    assert changes[["step", "kind", "change"]].to_numpy().tolist() == [[1, "delete", "removed"]] * 2
    pixel_m2 = abs(UTM_33N.determinant)
    assert changes.area.tolist() == pytest.approx((changes["area_px"] * pixel_m2).tolist())
    covered = gpd.read_file(package, layer="partition")
    assert covered.area.sum() == pytest.approx(np.prod(OBJECTS.shape_hw) * pixel_m2, rel=1e-9)
    with rasterio.open(tmp_path / "x" / "labels.tif") as labels:
        assert labels.read(1).max() == left
    assert json.loads((tmp_path / "x" / "run.json").read_text())["edits"] == {"delete": 1}
    with rasterio.open(tmp_path / "x" / "image.tif") as shown:
        assert shown.compression.value.lower() == "jpeg"
        assert np.abs(shown.read().mean() - data.mean()) < 10
    assert "--product partition" not in (tmp_path / "x" / "README.txt").read_text()


def test_an_archive_of_a_run_in_regions(streamed_dir: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.zip"
    assert main(["vectorize", str(streamed_dir), str(out), "--workers", "1"]) == OK
    with zipfile.ZipFile(out) as archive:
        assert {"project.qgz", "objects.gpkg", "labels.qml"} <= set(archive.namelist())
        package = Path(archive.extract("objects.gpkg", tmp_path))
    assert len(gpd.read_file(package, layer="objects")) == len(OBJECTS)


def test_an_archive_of_labels_is_a_shapefile(run_dir: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.zip"
    assert main(["vectorize", str(run_dir / "labels.tif"), str(out)]) == OK
    with zipfile.ZipFile(out) as archive:
        assert "objects.shp" in archive.namelist()
