"""How masks are compared with labels, and which labels count."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import shapely

from benchmarks.prompted import Row, iou, read_labels
from benchmarks.scenes import BenchmarkError, Scene
from samgeo_core.reading.raster import Raster
from tests.factories import MakeRaster


def scene_of(folder: Path, image: Path, inside: list[float], windows: bool = False) -> Scene:
    """A scene of 10 x 10 px labels beside each other, of which such parts lie inside."""
    features = [
        {"geometry": shapely.geometry.mapping(square), "properties": {"frac_inside": part}}
        for part, square in zip(inside, squares(len(inside)), strict=True)
    ]
    (folder / "labels_px.geojson").write_text(json.dumps({"features": features}))
    if windows:
        seen = [{"geometry": shapely.geometry.mapping(shapely.box(0, 0, 14, 40))}]
        (folder / "windows_px.geojson").write_text(json.dumps({"features": seen}))
    return Scene("made", image, None, {})


def squares(count: int) -> list[shapely.Polygon]:
    return [shapely.box(2 + 12 * i, 5, 12 + 12 * i, 15) for i in range(count)]


@pytest.mark.parametrize(("windows", "count"), [(False, 2), (True, 1)])
def test_labels_that_are_cut_or_were_not_looked_for_do_not_count(
    make_raster: MakeRaster, tmp_path: Path, windows: bool, count: int
) -> None:
    image = make_raster()
    labels = read_labels(scene_of(tmp_path, image, [1.0, 1.0, 0.5], windows), Raster.open(image))
    assert [label.box for label in labels] == [(2, 5, 12, 15), (14, 5, 24, 15)][:count]
    with pytest.raises(BenchmarkError, match="no labelled object"):
        read_labels(scene_of(tmp_path, image, [0.2]), Raster.open(image))


def test_iou_of_a_cropped_mask_and_of_its_box(make_raster: MakeRaster, tmp_path: Path) -> None:
    image = make_raster()
    (label,) = read_labels(scene_of(tmp_path, image, [1.0]), Raster.open(image))
    mask = np.zeros((12, 10), bool)
    mask[2:, :5] = True  # from (2, 7) to (7, 17): the left half, two rows too low
    assert iou(label, mask, (2, 5), as_boxes=False) == pytest.approx(40 / 110)
    mask[11, 9] = True
    assert iou(label, mask, (2, 5), as_boxes=True) == pytest.approx(80 / 120)
    assert iou(label, mask, (40, 30), as_boxes=False) == 0
    assert iou(label, np.zeros((3, 3), bool), (2, 5), as_boxes=False) == 0


def test_the_gain_is_over_the_better_of_the_whole_image() -> None:
    assert Row("a", "boxes", 1, 0.5, 0.6, 0.7, 0.8).gain == pytest.approx(10)
    assert Row("a", "boxes", 1, 0.5, None, 0.7, 0.8).gain == pytest.approx(20)
