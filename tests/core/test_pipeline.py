"""A raster becomes a folder of results that open and agree with each other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from geopandas.testing import assert_geodataframe_equal

from samgeo_core.config import AutomaticConfig, SegmentConfig, SelectionRule
from samgeo_core.errors import ExportError
from samgeo_core.objects import ObjectSet
from samgeo_core.pipeline import reselect, segment, write_run
from samgeo_core.progress import Monitor, Progress
from samgeo_core.reading.generated_scene import generated_scene
from samgeo_core.reading.raster import Raster
from samgeo_core.windows import Window
from tests.factories import MakeRaster

pytestmark = pytest.mark.weights

QUICK = AutomaticConfig(points_per_side=16)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return generated_scene(tmp_path_factory.mktemp("scene") / "scene.tif", size=384)


def test_known_objects_are_found_where_they_are(
    scene: Any, default_model: Any, tmp_path: Path
) -> None:
    raster = Raster.open(scene.path)
    stages: list[Progress] = []
    found = segment(
        raster, SegmentConfig(automatic=QUICK), model=default_model, monitor=Monitor(stages.append)
    )
    write_run(found, tmp_path, Monitor(stages.append))
    names = [s.stage for s in stages]
    assert [n for i, n in enumerate(names) if n not in names[:i]] == [
        "read", "encode", "decode", "write",
    ]  # fmt: skip

    frame = gpd.read_file(tmp_path / "objects.gpkg", layer="objects")
    assert frame.crs == raster.grid.crs
    assert frame.geometry.is_valid.all()
    best = [
        max(g.intersection(t).area / g.union(t).area for g in frame.geometry) for t in scene.truth
    ]
    assert np.mean([iou >= 0.75 for iou in best]) >= 0.8

    record = json.loads((tmp_path / "run.json").read_text())
    assert record["n_objects"] == len(frame) == len(ObjectSet.load(tmp_path / "objects.npz"))
    assert record["raster_sha256"] == raster.sha256
    assert record["model_sha256"] == default_model.sha256
    assert SegmentConfig.from_dict(record["parameters"]) == SegmentConfig(automatic=QUICK)
    assert set(record["seconds"]) == {"read", "segment", "select", "write"}
    assert record["peak_memory_bytes"] > 1e8
    with rasterio.open(tmp_path / "labels.tif") as labels, rasterio.open(scene.path) as source:
        ids = labels.read(1)
        assert labels.transform == source.transform
        assert labels.crs == source.crs
        assert record["coverage"] == pytest.approx((ids > 0).mean(), abs=1e-3)
        assert set(np.unique(ids)) <= {0, *frame.object_id}
    with rasterio.open(tmp_path / "mask.tif") as mask:
        assert ((mask.read(1) > 0) == (ids > 0)).all()


def test_choosing_again_gives_the_files_of_a_fresh_run(
    scene: Any, default_model: Any, tmp_path: Path
) -> None:
    raster, rule = Raster.open(scene.path), SelectionRule(least_score=0.9, overlap="partition")
    first, again, fresh = (tmp_path / name for name in ("first", "again", "fresh"))
    for config, folder in (
        (SegmentConfig(automatic=QUICK), first),
        (SegmentConfig(automatic=QUICK, selection=rule), fresh),
    ):
        folder.mkdir()
        write_run(segment(raster, config, model=default_model), folder)
    again.mkdir()
    record = reselect(first, rule, again)
    expected = json.loads((fresh / "run.json").read_text())
    assert record == json.loads((again / "run.json").read_text())
    timing = ("created", "seconds", "peak_memory_bytes")
    assert [record[k] for k in expected if k not in timing] == [
        expected[k] for k in expected if k not in timing
    ]
    assert record["coverage"] == 1
    assert record["n_objects"] < json.loads((first / "run.json").read_text())["n_objects"]
    for name in ("labels.tif", "mask.tif"):
        with rasterio.open(again / name) as one, rasterio.open(fresh / name) as other:
            assert (one.read() == other.read()).all()
    frames = [gpd.read_file(folder / "objects.gpkg", layer="objects") for folder in (again, fresh)]
    assert_geodataframe_equal(*frames)
    # A result can be chosen from once more.
    assert reselect(again, SelectionRule.keep_all(), fresh)["n_objects"] > record["n_objects"]


def test_a_folder_without_a_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="holds none: name one"):
        reselect(tmp_path, SelectionRule(), tmp_path)


def test_an_area_is_the_same_place_in_the_world(scene: Any, default_model: Any) -> None:
    raster = Raster.open(scene.path)
    area = Window(64, 32, 256, 200)
    found = segment(raster, SegmentConfig(automatic=QUICK), area=area, model=default_model)
    assert found.objects.shape_hw == (200, 256)
    corner = found.grid.to_crs_xy([(0.0, 0.0)])
    np.testing.assert_allclose(corner, raster.grid.to_crs_xy([(64.0, 32.0)]))


def test_windows_give_objects_of_the_whole_raster(scene: Any, default_model: Any) -> None:
    raster = Raster.open(scene.path)
    config = SegmentConfig(automatic=AutomaticConfig(points_per_side=12), window_px=256)
    steps: list[Progress] = []
    found = segment(raster, config, model=default_model, monitor=Monitor(steps.append))
    decode = [s.fraction for s in steps if s.stage == "decode"]
    assert decode == sorted(decode)
    assert decode[-1] == 1.0
    masks = [found.objects.full_mask(i) for i in range(len(found.objects))]
    for i, mask in enumerate(masks):
        for other in masks[:i]:
            assert (mask & other).sum() / (mask | other).sum() < 0.9, "the same object twice"


def test_nothing_to_find_gives_valid_empty_results(
    make_raster: MakeRaster, default_model: Any, tmp_path: Path
) -> None:
    path = make_raster(data=np.zeros((3, 64, 64), np.uint8), nodata=0)
    found = segment(Raster.open(path), SegmentConfig(automatic=QUICK), model=default_model)
    write_run(found, tmp_path)
    assert len(gpd.read_file(tmp_path / "objects.gpkg", layer="objects")) == 0
    assert json.loads((tmp_path / "run.json").read_text())["coverage"] == 0
    with rasterio.open(tmp_path / "labels.tif") as labels:
        assert not labels.read(1).any()
