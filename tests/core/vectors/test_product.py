from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from geopandas.testing import assert_geodataframe_equal
from hypothesis import given, settings
from hypothesis import strategies as st

from samgeo_core.errors import CancelledError, ParameterError
from samgeo_core.geogrid import GeoGrid
from samgeo_core.progress import CancelToken, Monitor
from samgeo_core.reading.raster import Raster
from samgeo_core.results.outlines import trace
from samgeo_core.vectors import mosaic
from samgeo_core.vectors import partition as blockwise
from samgeo_core.vectors.product import Surroundings, objects_layer, partition_layer
from samgeo_core.vectors.promises import AREA_SHARE, promised_area_px
from samgeo_core.vectors.sources import objects_in_memory
from samgeo_core.vectors.style import PIXELS, OutlineStyle
from samgeo_core.vectors.unit_edges import UnitEdges
from tests.core.results.test_vectorize import blobs
from tests.core.vectors.scenes import labels
from tests.core.vectors.test_outline import STEP, apart
from tests.factories import MakeRaster


def pixels(shape_hw: tuple[int, int]) -> GeoGrid:
    return GeoGrid(shape_hw, Affine.identity(), None)


def partition(
    ids: np.ndarray,
    valid: np.ndarray,
    style: OutlineStyle,
    fill_px: float,
    crossings: tuple[np.ndarray, np.ndarray] | None = None,
) -> gpd.GeoDataFrame:
    around = Surroundings(pixels(ids.shape), style, valid=lambda window: valid[window.slices])
    return partition_layer(
        lambda window: ids[window.slices], around, fill_px=fill_px, crossings=crossings
    ).whole()


def any_crossings(ids: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Logits that pass edges anywhere between two pixels."""
    found = [ids == value for value in np.unique(ids)]
    outlines = trace(found, np.zeros((len(found), 2), np.int64))
    keys = np.unique(UnitEdges.of(outlines).edge_keys)
    keys = keys[random.random(len(keys)) < 0.8]
    return keys, random.uniform(-0.5, 0.5, len(keys))


def owners(ids: np.ndarray, valid: np.ndarray, fill_px: float) -> np.ndarray:
    """Ids with gaps filled, -1 for nobody, 0 outside."""
    found = mosaic.owners_of(ids, valid, fill_px)
    return np.where(found == mosaic.NOBODY, -1, np.maximum(found - mosaic.NOBODY, 0))


STYLES = st.builds(
    OutlineStyle,
    smoothing=st.sampled_from([0, 1, 5]),
    tolerance_px=st.sampled_from([0.0, 0.5, 2.0]),
)


@settings(max_examples=80, deadline=None)
@given(labels(), STYLES, st.sampled_from([0.0, 1.0, 5.0]), st.data())
def test_a_partition_has_no_gaps_and_no_overlaps(
    ids: np.ndarray, style: OutlineStyle, fill_px: float, data: st.DataObject
) -> None:
    seed = data.draw(st.integers(0, 2**32 - 1))
    share = data.draw(st.sampled_from([0.0, 0.05, 0.5]))
    random = np.random.default_rng(seed)
    valid = random.random(ids.shape) >= share
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blockwise, "BLOCK_PX", data.draw(st.sampled_from([1024, 13])))
        crossings = any_crossings(ids, random) if data.draw(st.booleans()) else None
        frame = partition(ids, valid, style, fill_px, crossings)
    shapes = np.asarray(frame.geometry.values, object)
    if not valid.any():
        assert not len(frame)
        return
    assert frame.is_valid.all()
    assert shapely.coverage_is_valid(shapes)
    (area,) = trace([valid], np.zeros((1, 2), np.int64))
    # Neither outside nor a gap: as areas add up and nothing overlaps, the union is the valid area.
    assert shapely.area(shapes).sum() == pytest.approx(valid.sum(), abs=1e-6)
    assert shapely.coverage_union_all(shapes).symmetric_difference(area).area < 1e-6

    masks = owners(ids, valid, fill_px)
    found = frame[frame.object_id > 0].set_index("object_id").geometry
    assert set(found.index) == set(np.unique(masks[masks > 0]).tolist())
    assert (frame.object_id < 0).any() == (masks < 0).any()
    reach = (0.5 if style.smoothing else 0.0) + style.tolerance_px
    for value, shape in found.items():
        mask = masks == value
        (exact,) = trace([mask], np.zeros((1, 2), np.int64))
        assert apart(shape, exact) <= reach + STEP / 2
        if mask.sum() >= promised_area_px(style.tolerance_px):
            assert abs(shape.area - mask.sum()) <= AREA_SHARE * mask.sum()


def mosaic_of_blobs(side: int = 160) -> np.ndarray:
    """Some hundred cells with wavy borders and gaps between some of them."""
    random = np.random.default_rng(3)
    points = random.random((120, 2)) * side
    y, x = np.indices((side, side))
    wave = 4 * np.sin(x / 7) + 3 * np.cos(y / 5)
    distance = np.hypot(y[..., None] + wave[..., None] - points[:, 0], x[..., None] - points[:, 1])
    return np.where(distance.min(axis=2) < 9, distance.argmin(axis=2) + 1, 0)


@pytest.mark.parametrize(
    "style", [OutlineStyle(), OutlineStyle(5, 0.0), OutlineStyle(0, 1.0), PIXELS]
)
def test_blocks_leave_no_trace(monkeypatch: pytest.MonkeyPatch, style: OutlineStyle) -> None:
    ids = mosaic_of_blobs()
    valid = np.ones(ids.shape, np.bool_)
    whole = partition(ids, valid, style, 3.0)
    monkeypatch.setattr(blockwise, "BLOCK_PX", 40)
    pieced = partition(ids, valid, style, 3.0)
    assert pieced["object_id"].tolist() == whole["object_id"].tolist()
    assert pieced["area_px"].tolist() == whole["area_px"].tolist()
    assert pieced["touches_edge"].tolist() == whole["touches_edge"].tolist()
    one, other = (np.asarray(f.geometry.values, object) for f in (whole, pieced))
    assert shapely.coverage_is_valid(other)
    assert (shapely.get_num_geometries(one) == shapely.get_num_geometries(other)).all()
    if not style.tolerance_px:
        # Without simplification nothing differs but vertices on straight lines.
        assert shapely.area(shapely.symmetric_difference(one, other)).max() < 1e-9
    # Blocks of 40 px have many more cuts than those of 1024 px.
    counts = [shapely.get_num_coordinates(shapes).sum() for shapes in (one, other)]
    assert counts[1] <= 1.35 * counts[0]


def test_bands_of_a_partition_are_those_of_its_pixels(
    monkeypatch: pytest.MonkeyPatch, make_raster: MakeRaster
) -> None:
    monkeypatch.setattr(blockwise, "BLOCK_PX", 48)
    ids = mosaic_of_blobs()
    data = np.random.default_rng(0).integers(1, 60_000, (2, *ids.shape)).astype(np.uint16)
    data[0, 10:20, 30:40] = 0
    raster = Raster.open(make_raster(data=data, nodata=0))
    around = Surroundings(raster.grid, raster=raster)
    frame = partition_layer(lambda w: ids[w.slices], around, fill_px=3.0).whole()
    masks = owners(ids, np.ones(ids.shape, np.bool_), 3.0)
    assert (frame["object_id"] < 0).any()
    for row in frame[frame["object_id"] > 0].itertuples():
        for number, band in enumerate(data, start=1):
            some = band[(masks == row.object_id) & (band > 0)]
            assert getattr(row, f"mean_b{number}") == pytest.approx(some.mean(), abs=1e-5)
            assert getattr(row, f"std_b{number}") == pytest.approx(some.std(), abs=1e-3)
    left = frame[frame["object_id"] < 0]
    nobody = data[1][masks < 0]
    total = (left["mean_b2"] * left["area_px"]).sum()
    assert total == pytest.approx(nobody.sum(), rel=1e-6)


def test_processes_draw_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blockwise, "BLOCK_PX", 80)
    ids = mosaic_of_blobs()
    around = Surroundings(pixels(ids.shape))
    one, two = (
        partition_layer(lambda window: ids[window.slices], around, workers=n).whole()
        for n in (1, 2)
    )
    assert_geodataframe_equal(one, two)


def test_neighbours_of_a_partition_are_smooth_and_have_few_vertices() -> None:
    ids = mosaic_of_blobs()
    valid = np.ones(ids.shape, np.bool_)
    stairs, smooth = (partition(ids, valid, style, 3.0) for style in (PIXELS, OutlineStyle()))
    counts = [shapely.get_num_coordinates(f.geometry.values).sum() for f in (stairs, smooth)]
    assert counts[1] < 0.7 * counts[0]
    assert smooth.length.sum() < 0.9 * stairs.length.sum()


def test_gaps_are_filled_up_to_a_limit() -> None:
    ids = np.zeros((20, 60), np.int64)
    ids[:, :10], ids[:, 16:30] = 1, 2
    masks = owners(ids, np.ones(ids.shape, np.bool_), 3.0)
    assert (masks[:, :13] == 1).all()
    assert (masks[:, 13:33] == 2).all()
    assert (masks[:, 33:] == -1).all()


def test_ids_may_be_as_large_as_they_like() -> None:
    ids = np.zeros((8, 8), np.int64)
    ids[2:4, 2:4], ids[5:, 5:] = 3, 4_000_000_000
    frame = partition(ids, np.ones(ids.shape, np.bool_), PIXELS, 0.0)
    assert frame["object_id"].tolist() == [3, 4_000_000_000, -1]


def test_objects_keep_their_nesting_and_their_own_outlines() -> None:
    objects = blobs(0)
    around = Surroundings(pixels(objects.shape_hw), OutlineStyle())
    more = {"class_name": np.array([f"kind {i % 2}" for i in range(len(objects))])}
    frame = objects_layer(objects_in_memory(objects, more), around).whole()
    assert frame["class_name"].tolist() == more["class_name"].tolist()
    assert frame["object_id"].tolist() == list(range(1, len(objects) + 1))
    assert frame["area_px"].tolist() == objects.areas_px.tolist()
    assert frame["score"].to_numpy() == pytest.approx(objects.scores, abs=1e-6)
    assert frame.is_valid.all()
    nothing = objects_layer(iter([]), around).whole()
    assert len(nothing) == 0
    assert {"object_id", "area_px", "geometry"} <= set(nothing.columns)


def test_partitions_refuse_what_they_can_not_keep() -> None:
    ids = np.ones((4, 4), np.int64)
    valid = np.ones((4, 4), np.bool_)
    with pytest.raises(ParameterError, match="gaps and overlaps"):
        partition(ids, valid, OutlineStyle(regular=True), 0.0)
    with pytest.raises(ParameterError, match="fill_px"):
        partition(ids, valid, PIXELS, -1.0)
    with pytest.raises(ParameterError, match="0 or more"):
        partition(-ids, valid, PIXELS, 0.0)


def test_a_partition_can_be_cancelled() -> None:
    token = CancelToken()
    token.cancel()
    ids = np.ones((4, 4), np.int64)
    with pytest.raises(CancelledError):
        partition_layer(
            lambda window: ids[window.slices],
            Surroundings(pixels((4, 4))),
            monitor=Monitor(cancel=token),
        )
