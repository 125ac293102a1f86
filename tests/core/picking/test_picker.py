"""Prompts on real scenes and weights, from lattice windows and in exact mode."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from segment_anything import SamPredictor

from benchmarks.prompted import iou, read_labels
from benchmarks.scenes import open_scene
from samgeo_core.errors import NotReadyError, ParameterError
from samgeo_core.picking.embeddings import EmbeddingStore
from samgeo_core.picking.picker import Picker
from samgeo_core.picking.prompts import ObjectPrompts
from samgeo_core.reading.raster import Raster
from samgeo_core.windows import Window
from tests.factories import UTM_33N, MakeRaster

pytestmark = pytest.mark.weights

POINTS = [(505.0, 470.0, 1), (700.0, 500.0, 0)]
VIEW = Window(300, 300, 400, 400)
BOX = (420.0, 410.0, 590.0, 520.0)


@pytest.fixture(scope="module")
def peer(default_model: Any, kampala: Raster) -> Any:
    predictor = SamPredictor(default_model.sam)
    predictor.set_image(kampala.read().rgb)
    return predictor


@pytest.mark.parametrize(
    "given",
    [{"points": POINTS[:1]}, {"points": POINTS}, {"box": BOX}, {"points": POINTS[:1], "box": BOX}],
)
def test_exact_mode_equals_sam_predictor(
    default_model: Any, kampala: Raster, kampala_store: EmbeddingStore, peer: Any, given: Any
) -> None:
    table = np.array(given.get("points", np.zeros((0, 3))))
    box = given.get("box")
    masks, scores, _ = peer.predict(
        table[:, :2] if len(table) else None,
        table[:, 2].astype(int) if len(table) else None,
        None if box is None else np.array(box),
    )
    picker = Picker(kampala, default_model, embeddings=kampala_store, mode="exact")
    pick = picker.pick(ObjectPrompts.of(given.get("points"), box))
    assert pick.window == Window.whole(kampala.shape_hw)
    order = np.argsort(masks.sum((1, 2)))
    assert order[pick.chosen] == scores.argmax()
    for ours, theirs, score in zip(pick.candidates, masks[order], scores[order], strict=True):
        full = np.zeros(kampala.shape_hw, bool)
        ours.paint(full)
        assert (full != theirs).mean() < 1e-5
        assert ours.score == pytest.approx(score, abs=1e-4)


def test_logits_outline_their_mask(
    default_model: Any, kampala: Raster, kampala_store: EmbeddingStore
) -> None:
    picker = Picker(kampala, default_model, embeddings=kampala_store)
    pick = picker.pick(ObjectPrompts.of(POINTS[:1]), view=VIEW)
    assert pick.window.width == pick.window.height in (256, 512, 1024)
    for item in pick.candidates:
        assert item.logits is not None
        np.testing.assert_array_equal(item.logits[1:-1, 1:-1] > 0, item.mask)
        edge = np.ones(item.logits.shape, bool)
        edge[1:-1, 1:-1] = False
        assert (item.logits[edge] <= 0).all()
        assert item.area_px == item.mask.sum() > 0
    areas = [item.area_px for item in pick.candidates]
    assert areas == sorted(areas)


def test_what_is_encoded_answers_at_once_and_the_rest_says_so(
    default_model: Any, kampala: Raster, tmp_path: Path
) -> None:
    store = EmbeddingStore(folder=tmp_path)
    picker = Picker(kampala, default_model, embeddings=store)
    view, prompts = Window(300, 300, 128, 128), ObjectPrompts.of(POINTS[:1])
    with pytest.raises(NotReadyError, match="moment"):
        picker.pick(prompts, view=view, ready_only=True)
    first = picker.pick(prompts, view=view)
    again = Picker(kampala, default_model, embeddings=EmbeddingStore(folder=tmp_path))
    second = again.pick(prompts, view=view, ready_only=True)
    np.testing.assert_array_equal(first.best.mask, second.best.mask)


def test_points_on_and_beside_the_object_are_heeded(
    default_model: Any, kampala: Raster, kampala_store: EmbeddingStore
) -> None:
    picker = Picker(kampala, default_model, embeddings=kampala_store)
    picture = np.zeros(kampala.shape_hw, bool)
    picker.pick(ObjectPrompts.of(POINTS), view=VIEW).best.paint(picture)
    assert picture[470, 505]
    assert not picture[500, 700]


@pytest.mark.parametrize("shape", ["box", "polygon"])
def test_a_drawn_roof_is_found(
    default_model: Any, kampala: Raster, kampala_store: EmbeddingStore, shape: str, scene_dir: Any
) -> None:
    labels = read_labels(open_scene(scene_dir("kampala_dense")), kampala)
    label = min(labels, key=lambda item: item.polygon.distance(shapely.Point(POINTS[0][:2])))
    drawn = (
        ObjectPrompts.of(box=label.polygon.bounds)
        if shape == "box"
        else ObjectPrompts.of(polygon=shapely.get_coordinates(label.polygon.buffer(4).simplify(8)))
    )
    pick = Picker(kampala, default_model, embeddings=kampala_store).pick(drawn, effort="quick")
    assert max(pick.window.shape_hw) <= 1024
    assert iou(label, pick.best.mask, pick.best.offset_xy, as_boxes=False) > 0.8


def test_only_windows_of_a_huge_raster_are_read(
    default_model: Any, tmp_path: Path, kampala: Raster, kampala_store: EmbeddingStore
) -> None:
    path = tmp_path / "huge.tif"
    side, piece = 40_000, kampala.read(Window(256, 256, 512, 512)).rgb
    profile = {"driver": "GTiff", "dtype": "uint8", "count": 3, "tiled": True, "SPARSE_OK": True}
    with rasterio.open(
        path, "w", width=side, height=side, crs="EPSG:32633", transform=UTM_33N, **profile
    ) as dataset:
        dataset.write(np.moveaxis(piece, 2, 0), window=((30_000, 30_512), (20_000, 20_512)))
    picker = Picker(Raster.open(path), default_model, embeddings=kampala_store)
    view = Window(20_000, 30_000, 512, 512)
    pick = picker.pick(ObjectPrompts.of([(20_249, 30_214, 1)]), view=view, effort="quick")
    assert pick.window.shape_hw == (512, 512)
    assert pick.best.mask[30_214 - pick.best.offset_xy[1], 20_249 - pick.best.offset_xy[0]]
    assert len(picker.windows_for(ObjectPrompts.of([(5, 5, 1)]))) == 5
    with pytest.raises(ParameterError, match="smaller one"):
        picker.pick(ObjectPrompts.of(box=(0, 0, 39_000, 39_000)))


def test_one_band_of_16_bits_smaller_than_a_window_is_stretched(
    default_model: Any, make_raster: MakeRaster, kampala: Raster, kampala_store: EmbeddingStore
) -> None:
    grey = kampala.read(Window(430, 420, 100, 90)).rgb.mean(2)
    data = (grey * 20 + 300).astype(np.uint16)[None]
    raster = Raster.open(make_raster(data=data, transform=UTM_33N))
    picker = Picker(raster, default_model, embeddings=kampala_store)
    pick = picker.pick(ObjectPrompts.of([(75, 50, 1)]))
    assert pick.window == Window(0, 0, 100, 90)
    assert pick.best.score > 0.7


def test_a_place_without_data_is_told(
    default_model: Any, make_raster: MakeRaster, kampala_store: EmbeddingStore
) -> None:
    data = np.zeros((3, 128, 1200), np.uint8)
    data[:, :, 1150:] = 90
    picker = Picker(
        Raster.open(make_raster(data=data, nodata=0)), default_model, embeddings=kampala_store
    )
    view = Window(0, 0, 128, 128)
    with pytest.raises(ParameterError, match="no data"):
        picker.pick(ObjectPrompts.of([(40, 30, 1)]), view=view)
    with pytest.raises(ParameterError, match="no data"):
        picker.pick(ObjectPrompts.of([(1140, 30, 1)]), view=Window(1072, 0, 128, 128))
    picker.prepare(view)


def test_a_point_beside_the_raster_is_told(
    default_model: Any, kampala: Raster, kampala_store: EmbeddingStore
) -> None:
    picker = Picker(kampala, default_model, embeddings=kampala_store)
    with pytest.raises(ParameterError, match="outside the raster of 1024 x 1024 px"):
        picker.pick(ObjectPrompts.of([(2000, 30, 1)]))
