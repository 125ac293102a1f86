"""The command ``segment`` on folders, addresses and indices, inside areas of vector files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely

from samgeo_core.cli import main
from samgeo_core.net import client
from samgeo_core.reading.generated_scene import GeneratedScene, generated_scene
from samgeo_core.reading.remote_blocks import shared_blocks
from samgeo_core.settings import get_settings
from tests.core.reading.remote_server import range_server
from tests.factories import write_raster

pytestmark = pytest.mark.weights

QUICK = ["--points-per-side", "6", "--quiet"]
SIDE = 256


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> GeneratedScene:
    return generated_scene(tmp_path_factory.mktemp("scene") / "scene.tif", size=SIDE)


@pytest.fixture
def allow_loopback(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SAMGEO_ALLOWED_HOSTS", "127.0.0.1")
    caches = (get_settings, client.shared_client, shared_blocks)
    for cache in caches:
        cache.cache_clear()
    yield
    monkeypatch.undo()
    for cache in caches:
        cache.cache_clear()


def _labels(folder: Path) -> np.ndarray:
    with rasterio.open(folder / "labels.tif") as file:
        return np.asarray(file.read(1))


def test_a_folder_of_tiles_and_the_whole_at_an_address_give_the_same(
    scene: GeneratedScene, tmp_path: Path, allow_loopback: None
) -> None:
    folder, half = tmp_path / "tiles", SIDE // 2
    folder.mkdir()
    with rasterio.open(scene.path) as file:
        values, place, crs = file.read(), file.transform, file.crs
    for n, (x, y) in enumerate(((0, 0), (half, 0), (0, half), (half, half))):
        write_raster(
            folder / f"{n}.tif", data=values[:, y : y + half, x : x + half], crs=crs,
            transform=place @ rasterio.Affine.translation(x, y),
        )  # fmt: skip
    assert main(["segment", str(folder), str(tmp_path / "folder"), *QUICK]) == 0
    with range_server(scene.path) as server:
        assert main(["segment", server.url, str(tmp_path / "address"), *QUICK]) == 0
    expected = _labels(tmp_path / "address")
    assert expected.any()
    np.testing.assert_array_equal(_labels(tmp_path / "folder"), expected)
    told = json.loads((tmp_path / "address" / "run.json").read_text())
    assert told["raster"] == "scene.tif"
    assert "secret" not in json.dumps(told)


def test_an_index_of_a_folder_of_bands_inside_an_area(tmp_path: Path) -> None:
    folder = tmp_path / "S2B_31UET"
    folder.mkdir()
    rows, columns = np.mgrid[:SIDE, :SIDE]
    meadow = np.hypot(rows - 80, columns - 90) < 40
    outside = np.hypot(rows - 200, columns - 210) < 30
    nir = np.where(meadow | outside, 4000, 1500).astype(np.uint16)
    red = np.where(meadow | outside, 500, 1600).astype(np.uint16)
    for name, band in (("B04", red), ("B08", nir)):
        path = write_raster(folder / f"S2B_31UET_{name}_10m.tif", data=band[None])
    with rasterio.open(path) as file:
        to_ground, crs = file.transform, file.crs
    box = shapely.box(*(to_ground @ (30, 20)), *(to_ground @ (160, 150)))
    frame = gpd.GeoDataFrame(geometry=[box], crs=crs)
    frame.to_file(tmp_path / "area.shp.zip", driver="ESRI Shapefile")
    (tmp_path / "area.shp.zip").rename(tmp_path / "area.zip")

    out = tmp_path / "out"
    argv = ["segment", str(folder), str(out), "--bands", "ndvi", "--stretch", "signed"]
    assert main([*argv, "--area", str(tmp_path / "area.zip"), *QUICK]) == 0
    told = json.loads((out / "run.json").read_text())
    assert told["parameters"]["bands"] == ["ndvi"] * 3
    assert told["bands"] == ["(b2 - b1) / (b2 + b1)"] * 3
    found = gpd.read_file(out / "objects.gpkg", layer="objects").geometry
    truth = shapely.Point(to_ground @ (90.5, 80.5)).buffer(40 * 0.5)
    assert (found.intersection(truth).area / found.union(truth).area).max() > 0.9
    assert found.within(box.buffer(0.5)).all(), "outlines are smoothed by less than a pixel"
