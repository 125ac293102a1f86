"""Many prompts in one go, on real weights: the same as one by one, and nothing lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely

from samgeo_core import segment_prompts
from samgeo_core.cli import main
from samgeo_core.errors import CancelledError
from samgeo_core.picking.batch import OK, pick_all
from samgeo_core.picking.embeddings import EmbeddingStore
from samgeo_core.picking.picker import Picker
from samgeo_core.picking.prompt_groups import group_prompts
from samgeo_core.progress import CancelToken, Monitor, Progress
from samgeo_core.reading.generated_scene import GeneratedScene, generated_scene
from samgeo_core.reading.raster import Raster
from samgeo_core.results.export import read_vector

pytestmark = pytest.mark.weights

CRS = "EPSG:32633"


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> GeneratedScene:
    return generated_scene(tmp_path_factory.mktemp("scene") / "scene.tif", size=288)


@pytest.fixture(scope="module")
def store() -> EmbeddingStore:
    return EmbeddingStore()


@pytest.fixture(scope="module")
def prompts(scene: GeneratedScene) -> gpd.GeoDataFrame:
    """Boxes of the drawn objects in no order, and what can't be found."""
    shapes = [shapely.box(*shape.bounds) for shape in scene.truth]
    order = np.random.default_rng(0).permutation(len(shapes)).tolist()
    beside = shapely.Point(shapes[0].bounds[0] - 1e5, shapes[0].bounds[1])
    line = shapely.LineString([(0, 0), (1, 1)])
    return gpd.GeoDataFrame(
        {"drawn": [*order, -1, -1], "score": "mine", "nothing": None},
        geometry=[*(shapes[i] for i in order), beside, line],
        crs=CRS,
    )


@pytest.fixture(scope="module")
def result(
    scene: GeneratedScene, prompts: gpd.GeoDataFrame, store: EmbeddingStore, default_model: Any
) -> gpd.GeoDataFrame:
    return segment_prompts(scene.path, prompts.to_crs(4326), model=default_model, embeddings=store)


def test_every_prompt_has_a_row_and_objects_are_those_drawn(
    scene: GeneratedScene, prompts: gpd.GeoDataFrame, result: gpd.GeoDataFrame
) -> None:
    assert result.crs == CRS
    assert result["drawn"].tolist() == prompts["drawn"].tolist()
    assert result["prompt_id"].tolist() == list(range(1, len(prompts) + 1))
    assert set(result["prompt_score"]) == {"mine"}
    found = result[result["status"] == OK]
    assert len(found) == len(scene.truth)
    assert found.geometry.is_valid.all()
    for shape, drawn in zip(found.geometry, found["drawn"], strict=True):
        truth = scene.truth[drawn]
        assert shape.intersection(truth).area / shape.union(truth).area > 0.9
    lost = result[result["status"] != OK]
    assert lost.geometry.isna().all()
    assert lost["object_id"].isna().all()
    assert "outside the raster" in lost["status"].iloc[0]
    assert "LineString" in lost["status"].iloc[1]


def test_the_same_as_one_by_one(
    scene: GeneratedScene,
    prompts: gpd.GeoDataFrame,
    result: gpd.GeoDataFrame,
    store: EmbeddingStore,
    default_model: Any,
) -> None:
    raster = Raster.open(scene.path)
    picker = Picker(raster, default_model, embeddings=store)
    groups = group_prompts(prompts, raster.grid)
    for i, group in enumerate(groups[:3]):
        assert group.prompts is not None
        alone = picker.pick(group.prompts).best
        # Boxes that went through another CRS are off by hundredths of a pixel.
        assert abs(int(result["area_px"].iloc[i]) - alone.area_px) <= 0.01 * alone.area_px
    backwards = dict(pick_all(picker, groups[2::-1]))
    forwards = dict(pick_all(picker, groups[:3]))
    for i in range(3):
        one, other = forwards[i], backwards[2 - i]
        assert not isinstance(one, str)
        assert not isinstance(other, str)
        assert one.offset_xy == other.offset_xy
        np.testing.assert_array_equal(one.mask, other.mask)


def test_places_without_data_are_told(
    scene: GeneratedScene, tmp_path: Path, default_model: Any
) -> None:
    with rasterio.open(scene.path) as source:
        profile, pixels = source.profile, source.read()
    pixels[:, :, :144] = 0
    with rasterio.open(tmp_path / "half.tif", "w", **{**profile, "nodata": 0}) as target:
        target.write(pixels)
    x, y = profile["transform"] @ (40.5, 40.5)
    frame = gpd.GeoDataFrame(geometry=[shapely.Point(x, y)], crs=CRS)
    told = segment_prompts(tmp_path / "half.tif", frame, model=default_model)
    assert "no data" in told["status"].iloc[0]
    assert len(told) == 1


def test_it_can_be_cancelled(
    scene: GeneratedScene, prompts: gpd.GeoDataFrame, store: EmbeddingStore, default_model: Any
) -> None:
    token = CancelToken()

    def stop(progress: Progress) -> None:
        if progress.done == 1:
            token.cancel()

    with pytest.raises(CancelledError):
        segment_prompts(
            scene.path,
            prompts,
            model=default_model,
            embeddings=store,
            monitor=Monitor(stop, token),
        )


@pytest.mark.parametrize("name", ["out.gpkg", "out.shp.zip", "out.geojson"])
def test_the_command_writes_what_it_found_and_lists_the_rest(
    scene: GeneratedScene,
    prompts: gpd.GeoDataFrame,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    source = tmp_path / "prompts.gpkg"
    prompts.iloc[[0, -2, -1]].to_file(source)
    assert main(["prompt", str(scene.path), str(source), str(tmp_path / name), "--quiet"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("1 object in")
    assert "2 without an object" in said.err
    assert "outside the raster" in said.err
    frame = (
        read_vector(tmp_path / name) if name.endswith("gpkg") else gpd.read_file(tmp_path / name)
    )
    assert len(frame) == 1
    truth = scene.truth[prompts["drawn"].iloc[0]]
    shape = frame.to_crs(CRS).geometry.iloc[0]
    assert shape.intersection(truth).area / shape.union(truth).area > 0.9
    (report,) = tmp_path.glob("*_not_found.csv")
    assert report.read_text().count("\n") == 3


def test_the_command_tells_of_bad_arguments(
    scene: GeneratedScene, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for source, out in (("missing.gpkg", "out.gpkg"), ("missing.txt", "out.gpkg")):
        given = ["prompt", str(scene.path), str(tmp_path / source), str(tmp_path / out)]
        assert main(given) == 2
    assert main(["prompt", str(scene.path), "a.gpkg", str(tmp_path / "out.doc")]) == 1
    assert capsys.readouterr().err.count("error:") == 3
