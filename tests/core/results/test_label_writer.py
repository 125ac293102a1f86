from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.crs import CRS

from samgeo_core.errors import CancelledError, ExportError, ParameterError
from samgeo_core.geogrid import GeoGrid
from samgeo_core.objects import ObjectSet
from samgeo_core.progress import CancelToken, Monitor, Progress
from samgeo_core.results import label_writer
from samgeo_core.results.label_writer import LabelWriter
from samgeo_core.results.labels import binary_mask, label_raster, write_label_raster
from samgeo_core.wholes import WholeObject
from samgeo_core.windows import Window
from tests.core.results.test_files import files_of_at_most
from tests.core.results.wholes import in_pieces
from tests.factories import UTM_33N

SHAPE = (41, 53)
GRID = GeoGrid(SHAPE, UTM_33N, CRS.from_epsg(32633))


def objects_of(random: np.random.Generator, n: int = 12) -> ObjectSet:
    masks = [random.random(random.integers(1, 25, 2)) < 0.7 for _ in range(n)]
    # Some of one size, so that their ids decide.
    masks += [np.ones((4, 4), np.bool_)] * 4
    offsets = random.integers(0, 16, (len(masks), 2))
    ones = [1.0] * len(masks)
    return ObjectSet.build(SHAPE, masks, offsets, ones, ones)


@pytest.fixture
def small_squares(monkeypatch: pytest.MonkeyPatch) -> None:
    """So small that objects lie across several of them."""
    monkeypatch.setattr(label_writer, "_SQUARE_PX", 16)


@pytest.mark.usefixtures("small_squares")
@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_labels_are_those_of_the_objects_painted_at_once(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    random = np.random.default_rng(seed)
    objects = objects_of(random)
    wholes = in_pieces(objects, random)
    folder = tmp_path_factory.mktemp("labels")
    with LabelWriter(folder / "labels.tif", GRID, mask_path=folder / "mask.tif") as writer:
        for part in np.array_split(np.arange(len(wholes)), random.integers(1, 6)):
            writer.append([wholes[i] for i in part])
    with rasterio.open(folder / "labels.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(1), label_raster(objects))
    with rasterio.open(folder / "mask.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(1), binary_mask(objects))
    assert writer.covered_px == (label_raster(objects) > 0).sum()
    assert sorted(path.name for path in folder.iterdir()) == ["labels.tif", "mask.tif"]


@pytest.mark.usefixtures("small_squares")
@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_part_of_the_raster_is_that_of_the_whole(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    random = np.random.default_rng(seed)
    objects = objects_of(random)
    x, y = random.integers(0, (53, 41))
    window = Window(
        int(x), int(y), int(random.integers(1, 54 - x)), int(random.integers(1, 42 - y))
    )
    path = tmp_path_factory.mktemp("labels") / "labels.tif"
    with LabelWriter(path, GRID, window=window) as writer:
        writer.append(in_pieces(objects, random))
    with rasterio.open(path) as dataset:
        np.testing.assert_array_equal(dataset.read(1), label_raster(objects)[window.slices])
        assert dataset.transform.almost_equals(GRID.window(window).transform)


@pytest.mark.parametrize(
    "grid",
    [
        GeoGrid((1100, 700), UTM_33N, CRS.from_epsg(32633)),
        GeoGrid((1100, 700), Affine(0.4, 0.3, 5e5, 0.3, -0.4, 5e6), CRS.from_epsg(32633)),
        GeoGrid((1100, 700), Affine.identity(), None),
    ],
    ids=["north up", "rotated", "pixels"],
)
@pytest.mark.parametrize("highest", [200, 60_000, 70_000])
def test_files_are_those_of_labels_in_memory(tmp_path: Path, grid: GeoGrid, highest: int) -> None:
    items = [_box(1, (0, 0, 30, 20)), _box(highest, (500, 600, 700, 1100))]
    with LabelWriter(tmp_path / "a.tif", grid) as writer:
        writer.append(items)
    labels = np.zeros(grid.shape_hw, rasterio.open(tmp_path / "a.tif").dtypes[0])
    labels[:20, :30], labels[600:1100, 500:700] = 1, highest
    write_label_raster(tmp_path / "b.tif", labels, grid)
    assert labels.max() == highest
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()
    with rasterio.open(tmp_path / "a.tif") as dataset:
        assert dataset.overviews(1) == [2, 4]
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert dataset.nodata == 0


def _box(object_id: int, box_xyxy: tuple[int, int, int, int]) -> WholeObject:
    x0, y0, x1, y1 = box_xyxy
    mask = np.ones((y1 - y0, x1 - x0), np.bool_)
    return WholeObject(object_id, 0, (((x0, y0), mask),), 1, 1, (0, 0), mask.size, box_xyxy)


def test_no_objects_give_an_empty_raster(tmp_path: Path) -> None:
    with LabelWriter(tmp_path / "labels.tif", GRID):
        pass
    with rasterio.open(tmp_path / "labels.tif") as dataset:
        assert dataset.shape == SHAPE
        assert dataset.dtypes == ("uint8",)
        assert not dataset.read().any()


def test_an_object_over_the_whole_raster_needs_no_array_of_it(tmp_path: Path) -> None:
    """Its pieces are all that is held; ids of other objects lie on top of it."""
    side = 5000
    grid = GeoGrid((side, side), UTM_33N, CRS.from_epsg(32633))
    strip = np.ones((side // 10, side), np.bool_)
    pieces = tuple(((0, i * side // 10), strip) for i in range(10))
    river = WholeObject(2, 0, pieces, 1, 1, (0, 0), side * side, (0, 0, side, side))
    with LabelWriter(tmp_path / "labels.tif", grid) as writer:
        writer.append([_box(1, (2000, 2000, 2100, 2100))])
        writer.append([river])
    with rasterio.open(tmp_path / "labels.tif") as dataset:
        assert np.bincount(dataset.read(1).ravel()).tolist() == [0, 10_000, side * side - 10_000]


def test_an_error_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "labels.tif"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), LabelWriter(path, GRID) as writer:
        writer.append([_box(1, (0, 0, 3, 3))])
        raise ZeroDivisionError
    token = CancelToken()
    token.cancel()
    with (
        pytest.raises(CancelledError),
        LabelWriter(path, GRID, monitor=Monitor(cancel=token)) as writer,
    ):
        writer.append([_box(1, (0, 0, 3, 3))])
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["labels.tif"]


def test_progress_is_told(tmp_path: Path) -> None:
    steps: list[Progress] = []
    with LabelWriter(tmp_path / "labels.tif", GRID, monitor=Monitor(steps.append)) as writer:
        writer.append([_box(1, (0, 0, 3, 3))])
    assert steps == [Progress("write labels", 0, 1), Progress("write labels", 1, 1)]


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="create it first"), LabelWriter(tmp_path / "no/a", GRID):
        pytest.fail("the block must not run")
    with (
        pytest.raises(ParameterError, match="4294967296"),
        LabelWriter(tmp_path / "labels.tif", GRID) as writer,
    ):
        writer.append([_box(2**32, (0, 0, 3, 3))])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("share", [0.001, 0.5, 0.95, 0.999])
def test_a_full_disk_is_noticed(tmp_path: Path, share: float) -> None:
    """While objects are kept, while they are painted, and while the file is laid out."""
    random = np.random.default_rng(0)
    grid = GeoGrid((1200, 1200), UTM_33N, CRS.from_epsg(32633))
    noise = random.random((1200, 1200)) < 0.5
    whole = dataclasses.replace(_box(70_000, (0, 0, 1200, 1200)), pieces=(((0, 0), noise),))
    path = tmp_path / "labels.tif"

    def write() -> None:
        with LabelWriter(path, grid) as writer:
            writer.append([whole])

    write()
    before = path.read_bytes()
    with (
        files_of_at_most(int(share * len(before))),
        pytest.raises(ExportError, match="could not be written"),
    ):
        write()
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["labels.tif"]
