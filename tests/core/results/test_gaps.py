"""What no object covers joins the nearest one, wherever squares end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from rasterio.crs import CRS

from samgeo_core.errors import CancelledError
from samgeo_core.geogrid import GeoGrid
from samgeo_core.objects import ObjectSet
from samgeo_core.overlap_rules import flatten, partition
from samgeo_core.progress import CancelToken, Monitor
from samgeo_core.results import gaps
from samgeo_core.results.gaps import without_gaps
from samgeo_core.results.kept_masks import ValidParts
from samgeo_core.results.labels import label_raster
from samgeo_core.wholes import WholeObject
from samgeo_core.windows import Window
from tests.core.results.wholes import in_pieces
from tests.factories import UTM_33N

SHAPE = (61, 83)
GRID = GeoGrid(SHAPE, UTM_33N, CRS.from_epsg(32633))
WHOLE = Window.whole(SHAPE)


@pytest.fixture
def small_squares(monkeypatch: pytest.MonkeyPatch) -> None:
    """So small that gaps reach across several of them, and beyond what is looked at."""
    monkeypatch.setattr(gaps, "_SQUARE_PX", 16)
    monkeypatch.setattr(gaps, "_REACHES_PX", (3, 7, 100))
    monkeypatch.setattr(gaps, "_CELL_PX", 4)
    monkeypatch.setattr(gaps, "_AT_ONCE", 3)


def flat_objects(random: np.random.Generator, n: int) -> ObjectSet:
    masks = [random.random(random.integers(1, 14, 2)) < 0.8 for _ in range(n)]
    offsets = np.stack([random.integers(0, 83 - 14, n), random.integers(0, 61 - 14, n)], axis=1)
    scores = random.uniform(0.5, 1, n)
    objects = ObjectSet.build(SHAPE, masks, offsets, scores, scores)
    return flatten(objects, np.ones(SHAPE, np.bool_))


def shared_out(
    wholes: list[WholeObject], folder: Path, valid: NDArray[np.bool_] | None = None
) -> list[WholeObject]:
    parts = None
    if valid is not None:
        parts = ValidParts()
        parts.add(valid[:30], (0, 0))
        parts.add(valid[30:], (0, 30))
    groups = [wholes[i : i + 2] for i in range(0, len(wholes), 2)]
    return [i for some in without_gaps(groups, folder, GRID, WHOLE, parts) for i in some]


def labels_of(wholes: list[WholeObject]) -> NDArray[np.int64]:
    labels = np.zeros(SHAPE, np.int64)
    for item in wholes:
        area = 0
        for (x, y), mask in item.pieces:
            place = labels[y : y + mask.shape[0], x : x + mask.shape[1]]
            assert not place[mask].any(), "no pixel belongs to two"
            place[mask] = item.object_id
            area += int(mask.sum())
        rows, columns = np.nonzero(labels == item.object_id)
        assert item.area_px == area
        assert item.box_xyxy == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    return labels


@pytest.mark.usefixtures("small_squares")
@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.booleans())
def test_pixels_go_to_whom_they_go_in_one_piece(
    tmp_path_factory: pytest.TempPathFactory, seed: int, n: int, with_holes: bool
) -> None:
    random = np.random.default_rng(seed)
    objects = flat_objects(random, n)
    valid = np.ones(SHAPE, np.bool_)
    if with_holes:
        valid[:, 40:50] = False
        valid[label_raster(objects) > 0] = True
    wholes = in_pieces(objects, random)
    found = shared_out(wholes, tmp_path_factory.mktemp("gaps"), valid if with_holes else None)
    assert [item.object_id for item in found] == sorted(item.object_id for item in wholes)
    labels = labels_of(found)
    one_piece = partition(objects, valid)
    expected = label_raster(one_piece)
    pairs = np.unique(np.stack([labels[valid], expected[valid]]), axis=1)
    assert pairs.shape[1] == len(objects), "one to one"
    assert not labels[~valid].any()
    assert {item.object_id: item.score for item in found} == {i.object_id: i.score for i in wholes}


@pytest.mark.usefixtures("small_squares")
def test_what_is_far_from_all_objects_has_an_owner_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(gaps, "_REACHES_PX", (3,))
    two = [np.ones((2, 2), np.bool_)] * 2
    objects = ObjectSet.build(SHAPE, two, [(1, 1), (75, 50)], [0.9, 0.8], [1.0, 1.0])
    labels = labels_of(shared_out(in_pieces(objects, np.random.default_rng(0)), tmp_path))
    assert (labels > 0).all()
    rows, columns = np.indices(SHAPE)
    first, second = (np.hypot(rows - y, columns - x) for x, y in ((2, 2), (76, 51)))
    clear = np.abs(first - second) > 12
    np.testing.assert_array_equal((labels == labels[1, 1])[clear], (first < second)[clear])


def test_where_nothing_is_there_is_nothing_to_share_out(tmp_path: Path) -> None:
    assert shared_out([], tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_it_may_be_cancelled_and_leaves_nothing(tmp_path: Path) -> None:
    token = CancelToken()
    objects = flat_objects(np.random.default_rng(1), 4)
    wholes = in_pieces(objects, np.random.default_rng(1))
    token.cancel()
    shared = without_gaps([wholes], tmp_path, GRID, WHOLE, monitor=Monitor(cancel=token))
    with pytest.raises(CancelledError):
        next(shared)
    assert list(tmp_path.iterdir()) == []
