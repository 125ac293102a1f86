"""Prompts on real scenes and weights, from lattice windows and in exact mode."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from segment_anything import SamPredictor

from samgeo_core.errors import NotReadyError, ParameterError
from samgeo_core.picking.embeddings import EmbeddingStore
from samgeo_core.picking.picker import Picker
from samgeo_core.picking.prompts import ObjectPrompts
from samgeo_core.reading.raster import Raster
from samgeo_core.windows import Window
from tests.factories import MakeRaster

pytestmark = pytest.mark.weights

POINTS = [(505.0, 470.0, 1), (700.0, 500.0, 0)]
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
    pick = picker.pick(ObjectPrompts.of(POINTS[:1]), view=Window(300, 300, 400, 400))
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


def test_a_place_without_data_is_told(
    default_model: Any, make_raster: MakeRaster, kampala_store: EmbeddingStore
) -> None:
    raster = Raster.open(make_raster(data=np.zeros((3, 60, 80), np.uint8), nodata=0))
    picker = Picker(raster, default_model, embeddings=kampala_store)
    with pytest.raises(ParameterError, match="no data"):
        picker.pick(ObjectPrompts.of([(40, 30, 1)]))
    picker.prepare(Window(0, 0, 80, 60))


def test_a_point_beside_the_raster_is_told(
    default_model: Any, kampala: Raster, kampala_store: EmbeddingStore
) -> None:
    picker = Picker(kampala, default_model, embeddings=kampala_store)
    with pytest.raises(ParameterError, match="outside the raster of 1024 x 1024 px"):
        picker.pick(ObjectPrompts.of([(2000, 30, 1)]))
