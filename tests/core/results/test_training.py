from __future__ import annotations

import contextlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO
from rasterio.crs import CRS

from samgeo_core.cli import FAILED, OK, USAGE, main
from samgeo_core.errors import ExportError, ParameterError
from samgeo_core.geogrid import GeoGrid
from samgeo_core.objects import BoolMask, ObjectSet
from samgeo_core.reading.raster import Raster
from samgeo_core.results.labels import label_raster, write_label_raster
from samgeo_core.results.training import write_training
from samgeo_core.results.training_tiles import TrainingImage, TrainingOptions
from samgeo_core.vectors.sources import objects_in_memory
from samgeo_core.windows import Window
from tests.factories import UTM_33N, MakeRaster

SHAPE_HW = (200, 300)
GRID = GeoGrid(SHAPE_HW, UTM_33N, CRS.from_epsg(32633))
TILES = TrainingOptions(tile_px=128, held_back=2)

# pycocotools hands NumPy an array in an old way.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def scene() -> ObjectSet:
    """A square, a ring, two parts far from each other, and one across four tiles."""
    masks, offsets = [np.ones((20, 30), np.bool_)], [(5, 5)]
    ring = np.ones((30, 30), np.bool_)
    ring[8:20, 5:15] = ring[22:26, 20:27] = False
    masks.append(ring)
    offsets.append((60, 20))
    parts = np.zeros((20, 40), np.bool_)
    parts[:, :10] = parts[:, 30:] = True
    masks.append(parts)
    offsets.append((200, 150))
    masks.append(np.ones((80, 90), np.bool_))
    offsets.append((90, 100))
    n = len(masks)
    return ObjectSet.build(SHAPE_HW, masks, offsets, [0.9] * n, [0.95] * n)


def masks_of(objects: ObjectSet, window: Window) -> dict[int, BoolMask]:
    found = {i + 1: objects.full_mask(i)[window.slices] for i in range(len(objects))}
    return {i: mask for i, mask in found.items() if mask.any()}


def window_of(name: str, side: int = 128) -> Window:
    x, y = (int(part[1:]) for part in Path(name).stem.split("_")[1:])
    return Window(x, y, min(side, SHAPE_HW[1] - x), min(side, SHAPE_HW[0] - y))


def coco_of(path: Path, folder: Path) -> COCO:
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(folder / "annotations" / "instances.json"))


def test_coco_read_back_is_what_was_written(tmp_path: Path, make_raster: MakeRaster) -> None:
    objects, raster = scene(), Raster.open(make_raster(shape_hw=SHAPE_HW))
    image = TrainingImage.of(raster, GRID)
    path = tmp_path / "out.coco.zip"
    write_training(objects_in_memory(objects), GRID, path, image=image, options=TILES)
    coco = coco_of(path, tmp_path / "coco")
    assert [c["name"] for c in coco.dataset["categories"]] == ["object"]
    for shown in coco.dataset["images"]:
        window = window_of(shown["file_name"])
        assert (shown["height"], shown["width"]) == window.shape_hw
        with Image.open(tmp_path / "coco" / "images" / shown["file_name"]) as picture:
            assert np.array_equal(np.asarray(picture), raster.read(window).rgb)
        expected = masks_of(objects, window)
        annotations = coco.loadAnns(coco.getAnnIds(imgIds=[shown["id"]]))
        assert sorted(a["object_id"] for a in annotations) == sorted(expected)
        for annotation in annotations:
            mask = expected[annotation["object_id"]]
            assert np.array_equal(coco.annToMask(annotation) > 0, mask)
            assert annotation["area"] == mask.sum()
            rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            x, y, w, h = annotation["bbox"]
            assert (x, y, x + w, y + h) == (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
    ring = next(a for a in coco.dataset["annotations"] if isinstance(a["segmentation"], dict))
    assert sum(ring["segmentation"]["counts"]) == np.prod(ring["segmentation"]["size"])


def test_yolo_read_back_is_what_was_written(tmp_path: Path, make_raster: MakeRaster) -> None:
    objects = scene()
    image = TrainingImage.of(Raster.open(make_raster(shape_hw=SHAPE_HW)), GRID)
    path = tmp_path / "out.yolo.zip"
    write_training(objects_in_memory(objects), GRID, path, image=image, options=TILES)
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    assert files["data.yaml"].decode() == 'train: train.txt\nval: val.txt\nnames:\n  0: "object"\n'
    lists = [files[f"{name}.txt"].decode().split() for name in ("train", "val")]
    labels = [name for name in files if name.startswith("labels/")]
    assert len(lists[0]) + len(lists[1]) == len(labels) == 4
    assert not {*lists[0]} & {*lists[1]}
    for name in (*lists[0], *lists[1]):
        assert name.removeprefix("./") in files
    for name in labels:
        window = window_of(name)
        painted = np.zeros(window.shape_hw, np.uint8)
        for line in files[name].decode().splitlines():
            number, *values = line.split()
            assert number == "0"
            xy = np.array(values, float).reshape(-1, 2) * window.shape_hw[::-1]
            # Four times as fine, as OpenCV paints the pixels that an outline runs through.
            fine = np.zeros([4 * side for side in window.shape_hw], np.uint8)
            cv2.fillPoly(fine, [np.rint(4 * xy).astype(np.int32)], 1)
            painted |= fine[2::4, 2::4]
        expected = np.any(list(masks_of(objects, window).values()), axis=0)
        assert np.array_equal(painted > 0, expected)


def test_classes_are_categories_and_the_rest_is_left_out(tmp_path: Path) -> None:
    names = np.array(["roof", "", "field", "roof"], object)
    batches = list(objects_in_memory(scene(), {"class_name": names}))
    write_training(batches, GRID, tmp_path / "a.coco.zip")
    coco = coco_of(tmp_path / "a.coco.zip", tmp_path / "coco")
    assert [(c["id"], c["name"]) for c in coco.dataset["categories"]] == [(1, "roof"), (2, "field")]
    told = {a["object_id"]: a["category_id"] for a in coco.dataset["annotations"]}
    assert told == {1: 1, 3: 2, 4: 1}
    write_training(batches, GRID, tmp_path / "a.yolo.zip", options=TrainingOptions(None))
    with zipfile.ZipFile(tmp_path / "a.yolo.zip") as archive:
        assert '0: "roof"\n  1: "field"' in archive.read("data.yaml").decode()
        assert not any(name.startswith("images/") for name in archive.namelist())
        (labels,) = (name for name in archive.namelist() if name.startswith("labels/"))
        # One of the roofs has two parts.
        numbers = sorted(line[0] for line in archive.read(labels).decode().splitlines())
        assert numbers == ["0", "0", "0", "1"]


def test_slivers_of_an_object_at_the_edge_of_a_tile_are_left_out(tmp_path: Path) -> None:
    objects = ObjectSet.build(SHAPE_HW, [np.ones((40, 40), np.bool_)], [(90, 10)], [0.9], [0.9])
    write_training(objects_in_memory(objects), GRID, tmp_path / "a.coco.zip", options=TILES)
    coco = coco_of(tmp_path / "a.coco.zip", tmp_path / "coco")
    assert [shown["file_name"] for shown in coco.dataset["images"]] == ["tile_x000000_y000000.png"]


def test_a_result_of_an_area_shows_that_part_of_the_image(make_raster: MakeRaster) -> None:
    raster = Raster.open(make_raster(shape_hw=SHAPE_HW))
    area = Window(40, 30, 100, 90)
    image = TrainingImage.of(raster, GRID.window(area))
    assert image.offset_xy == (40, 30)
    with Image.open(io.BytesIO(image.picture(Window(10, 20, 30, 25), "png"))) as picture:
        expected = raster.read(Window(50, 50, 30, 25), stretch=raster.stretch()).rgb
        assert np.array_equal(np.asarray(picture), expected)
    with pytest.raises(ParameterError, match="must be the one that was segmented"):
        TrainingImage.of(raster, GRID.window(Window(250, 0, 50, 50)).window(Window(10, 0, 90, 50)))


@pytest.mark.parametrize(
    ("name", "objects", "error", "words"),
    [
        ("a.zip", scene(), ExportError, "coco.zip"),
        ("a.coco.zip", ObjectSet.empty(SHAPE_HW), ExportError, "no object"),
    ],
)
def test_what_cannot_be_written(
    name: str, objects: ObjectSet, error: Any, words: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=words):
        write_training(objects_in_memory(objects), GRID, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_the_command(tmp_path: Path, make_raster: MakeRaster) -> None:
    image = make_raster(shape_hw=SHAPE_HW)
    labels = tmp_path / "labels.tif"
    write_label_raster(labels, label_raster(scene()), GRID)
    out = tmp_path / "out.coco.zip"
    asked = ["vectorize", str(labels), str(out), "--quiet", "--image", str(image)]
    assert main([*asked, "--tile", "64", "--tile-format", "jpg"]) == OK
    coco = coco_of(out, tmp_path / "coco")
    assert {a["object_id"] for a in coco.dataset["annotations"]} == {1, 2, 3, 4}
    for annotation in coco.dataset["annotations"]:
        shown = coco.imgs[annotation["image_id"]]
        mask = masks_of(scene(), window_of(shown["file_name"], 64))[annotation["object_id"]]
        found = coco.annToMask(annotation) > 0
        assert (found & mask).sum() / (found | mask).sum() > 0.8  # smoothed outlines
    assert json.loads((tmp_path / "coco/annotations/instances.json").read_text())["images"]
    assert main([*asked, "--tile", "7"]) == USAGE
    assert main([*asked, "--product", "partition"]) == USAGE
    assert main(["vectorize", str(labels), str(tmp_path / "no" / "a.yolo.zip")]) == FAILED
