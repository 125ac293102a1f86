"""Prompted masks equal `SamPredictor` of segment-anything-py on the same weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from samgeo_core.engine.encoder import Embedding, encode
from samgeo_core.engine.predictor import predict
from samgeo_core.errors import ParameterError
from samgeo_core.reading.raster import Raster
from samgeo_core.tile import TileImage
from samgeo_core.windows import Window

pytestmark = pytest.mark.weights


@pytest.fixture(scope="module")
def tile(scene_dir: Callable[[str], Path]) -> TileImage:
    raster = Raster.open(scene_dir("kampala_dense") / "image.tif")
    return raster.read(Window(100, 200, 640, 420))


@pytest.fixture(scope="module")
def embedding(default_model: Any, tile: TileImage) -> Embedding:
    return encode(default_model, tile)


@pytest.fixture(scope="module")
def peer(default_model: Any, tile: TileImage) -> Any:
    from segment_anything import SamPredictor

    predictor = SamPredictor(default_model.sam)
    predictor.set_image(tile.rgb)
    return predictor


POINTS = np.array([[320.0, 210.0], [250.5, 180.0]])
LABELS = np.array([1, 0])
BOX = np.array([200.0, 120.0, 380.0, 260.0])


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (
            {"points_xy": POINTS[None, :1], "labels": LABELS[None, :1]},
            {"point_coords": POINTS[:1], "point_labels": LABELS[:1]},
        ),
        (
            {"points_xy": POINTS[None], "labels": LABELS[None], "multimask": False},
            {"point_coords": POINTS, "point_labels": LABELS, "multimask_output": False},
        ),
        ({"boxes_xyxy": BOX[None]}, {"box": BOX}),
        (
            {"points_xy": POINTS[None], "labels": LABELS[None], "boxes_xyxy": BOX[None]},
            {"point_coords": POINTS, "point_labels": LABELS, "box": BOX},
        ),
    ],
)
def test_equals_sam_predictor(
    default_model: Any, embedding: Embedding, peer: Any, ours: Any, theirs: Any
) -> None:
    masks, scores, logits = peer.predict(**theirs)
    batch = predict(default_model, embedding, **ours)
    np.testing.assert_allclose(batch.scores[0], scores, atol=1e-4)
    np.testing.assert_allclose(batch.logits[0], logits, atol=2e-3)
    for mine, reference in zip(batch.masks[0], masks, strict=True):
        union = (mine | reference).sum()
        assert (mine & reference).sum() / union > 0.999


def test_mask_prompt_equals_sam_predictor(
    default_model: Any, embedding: Embedding, peer: Any
) -> None:
    _, scores, logits = peer.predict(POINTS[:1], LABELS[:1])
    chosen = logits[int(scores.argmax())]
    expected, expected_scores, _ = peer.predict(
        POINTS, LABELS, mask_input=chosen[None], multimask_output=False
    )
    batch = predict(
        default_model,
        embedding,
        points_xy=POINTS[None],
        labels=LABELS[None],
        mask_logits=chosen[None, None],
        multimask=False,
    )
    np.testing.assert_allclose(batch.scores[0], expected_scores, atol=1e-4)
    assert (batch.masks[0, 0] != expected[0]).mean() < 1e-4


def test_many_prompts_at_once_equal_one_by_one(default_model: Any, embedding: Embedding) -> None:
    boxes = BOX + np.arange(5)[:, None] * 8
    together = predict(default_model, embedding, boxes_xyxy=boxes)
    for i, box in enumerate(boxes):
        alone = predict(default_model, embedding, boxes_xyxy=box[None])
        np.testing.assert_allclose(together.logits[i], alone.logits[0], atol=1e-3)
        np.testing.assert_allclose(together.scores[i], alone.scores[0], atol=1e-5)


@pytest.mark.parametrize(
    "prompts",
    [
        {},
        {"points_xy": POINTS[None]},
        {"points_xy": POINTS, "labels": LABELS},
        {"boxes_xyxy": BOX},
        {"boxes_xyxy": np.zeros((0, 4))},
        {"boxes_xyxy": BOX[None], "points_xy": np.zeros((2, 1, 2)), "labels": np.ones((2, 1))},
        {"mask_logits": np.zeros((1, 1, 64, 64))},
    ],
)
def test_prompts_that_do_not_fit_are_named(
    default_model: Any, embedding: Embedding, prompts: Any
) -> None:
    with pytest.raises(ParameterError, match=r"got|both"):
        predict(default_model, embedding, **prompts)
