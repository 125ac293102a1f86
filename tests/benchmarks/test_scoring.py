"""The scorer on a made-up scene whose right answers are known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from affine import Affine
from shapely import box

from benchmarks.scenes import Scene, open_scene
from benchmarks.scoring import best_ious, score

PIXEL_M = 0.5
TRANSFORM = Affine(PIXEL_M, 0, 500_000, 0, -PIXEL_M, 5_000_000)
CRS = "EPSG:32633"


def in_crs(x0: float, y0: float, x1: float, y1: float) -> Any:
    """A rectangle of pixels in the CRS of the scene."""
    left, top = TRANSFORM @ (x0, y0)
    right, bottom = TRANSFORM @ (x1, y1)
    return box(left, bottom, right, top)


def write_band(path: Path, values: np.ndarray, nodata: float | None = None) -> None:
    height, width = values.shape
    with rasterio.open(
        path, "w", driver="GTiff", height=height, width=width, count=1, dtype=values.dtype,
        crs=CRS, transform=TRANSFORM, nodata=nodata,
    ) as target:  # fmt: skip
        target.write(values, 1)


def feature(polygon: Any, **properties: float) -> dict[str, Any]:
    return {
        "type": "Feature",
        "properties": properties,
        "geometry": json.loads(gpd.GeoSeries([polygon]).to_json())["features"][0]["geometry"],
    }


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """40 x 30 px of which the first 5 columns carry no data; four labelled objects."""
    folder = tmp_path / "scene"
    folder.mkdir()
    image = np.full((30, 40), 9, np.uint8)
    image[:, :5] = 0
    write_band(folder / "image.tif", image, nodata=0)
    labels = [
        feature(in_crs(10, 0, 20, 10), frac_inside=1.0),
        feature(in_crs(20, 0, 30, 10)),
        feature(in_crs(10, 20, 20, 30), frac_inside=0.95),
        feature(in_crs(35, 20, 45, 30), frac_inside=0.5),
    ]
    (folder / "labels.geojson").write_text(json.dumps({"features": labels}))
    return open_scene(folder)


def write_run(folder: Path, polygons: list[Any], labels: np.ndarray, crs: str = CRS) -> None:
    folder.mkdir()
    frame = gpd.GeoDataFrame({"object_id": range(len(polygons))}, geometry=polygons, crs=CRS)
    frame.to_crs(crs).to_file(folder / "objects.gpkg", layer="objects")
    write_band(folder / "labels.tif", labels)


@pytest.mark.parametrize("crs", [CRS, "EPSG:4326"])
def test_a_scene_scores_what_it_must(scene: Scene, tmp_path: Path, crs: str) -> None:
    labels = np.zeros((30, 40), np.uint8)
    labels[0:10, 4:24] = 1
    polygons = [
        in_crs(10, 0, 20, 10),  # the first object as it is
        in_crs(20, 0, 26, 10),  # 0.6 of the second
        in_crs(0, 25, 3, 30),  # 15 px: a speck, far from all labels
        in_crs(31, 11, 35, 15.5),  # 18 px: none
    ]
    write_run(tmp_path / "run", polygons, labels, crs)
    found = score(scene, tmp_path / "run")
    assert found.labelled == 3  # the one that the edge cuts doesn't count
    assert found.recall50 == pytest.approx(2 / 3)
    assert found.recall75 == pytest.approx(1 / 3)
    assert found.mean_best_iou == pytest.approx((1 + 0.6 + 0) / 3, abs=1e-4)
    assert found.coverage == pytest.approx(10 * 19 / (30 * 35))
    assert found.objects == 4
    assert found.specks == 1
    assert found.nodata_labelled == 10


def test_a_run_that_found_nothing_scores_nought(scene: Scene, tmp_path: Path) -> None:
    write_run(tmp_path / "run", [], np.zeros((30, 40), np.uint8))
    found = score(scene, tmp_path / "run")
    assert (found.labelled, found.recall50, found.mean_best_iou) == (3, 0, 0)
    assert (found.coverage, found.objects, found.specks) == (0, 0, 0)


def test_a_scene_without_labels_has_no_recall(scene: Scene, tmp_path: Path) -> None:
    write_run(tmp_path / "run", [in_crs(0, 0, 9, 9)], np.ones((30, 40), np.uint8))
    found = score(Scene("bare", scene.image, None, {}), tmp_path / "run")
    assert (found.labelled, found.recall50, found.recall75, found.mean_best_iou) == (
        0, None, None, None,
    )  # fmt: skip
    assert (found.coverage, found.objects, found.nodata_labelled) == (1, 1, 30 * 5)


def test_labels_that_are_boxes_are_compared_with_boxes() -> None:
    truth = [box(0, 0, 10, 10)]
    diamond = (
        box(0, 0, 10, 10)
        .buffer(0)
        .intersection(gpd.GeoSeries.from_wkt(["POLYGON ((5 0, 10 5, 5 10, 0 5, 5 0))"])[0])
    )
    assert best_ious(truth, [diamond], as_boxes=True).tolist() == [1.0]
    assert best_ious(truth, [diamond], as_boxes=False).tolist() == [0.5]


def test_the_most_alike_object_counts() -> None:
    found = [box(0, 0, 10, 5), box(0, 0, 10, 9), box(0, 0, 100, 100), box(50, 50, 60, 60)]
    best = best_ious([box(0, 0, 10, 10), box(-9, -9, -5, -5)], found, as_boxes=False)
    assert best.tolist() == pytest.approx([0.9, 0])
