"""Masks that are upscaled only around what they show are the masks of the whole decoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from samgeo_core.engine.encoder import encode
from samgeo_core.engine.predictor import (
    decode_masks,
    decoder_of,
    image_terms,
    to_input_frame,
)
from samgeo_core.engine.sketch import Bounds, Seen, sketched_masks
from samgeo_core.reading.generated_scene import generated_scene
from samgeo_core.reading.raster import Raster

pytestmark = pytest.mark.weights


@pytest.fixture(scope="module")
def asked(default_model: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Decoder, terms, state and wanted masks of 25 prompts on a scene, and their tokens."""
    path = tmp_path_factory.mktemp("sketch") / "scene.tif"
    tile = Raster.open(Path(generated_scene(path, size=512, seed=3).path)).read()
    steps = np.arange(5) * 100 + 50.0
    points = np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2)
    with torch.no_grad():
        embedding = encode(default_model, tile)
        decoder, terms = decoder_of(default_model), image_terms(default_model, embedding)
        xy = torch.as_tensor(to_input_frame(embedding, points), dtype=torch.float32)
        sparse, _ = default_model.sam.prompt_encoder(
            points=(xy[:, None], torch.ones(len(xy), 1)), boxes=None, masks=None
        )
        state = decoder.transform(terms, sparse)
    places = [(int(y) // 16, int(x) // 16) for x, y in xy.tolist()]
    return decoder, terms, state, state.iou > 0.6, places


def whole_masks(asked: Any) -> dict[tuple[int, int], torch.Tensor]:
    decoder, terms, state, wanted, _ = asked
    masks = torch.cat(list(decode_masks(decoder, terms, state, wanted))) > 0
    at = wanted.nonzero().tolist()
    return {(i, head): mask for (i, head), mask in zip(at, masks, strict=True)}


def sketched(asked: Any, bounds: Bounds) -> dict[tuple[int, int], torch.Tensor]:
    found = sketched_masks(*asked, bounds, Seen())
    return {
        (i, h): mask > 0 for i, heads, masks in found for h, mask in zip(heads, masks, strict=True)
    }


def iou(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a & b).sum() / (a | b).sum())


def test_every_mask_comes_back_nearly_as_it_is(asked: Any) -> None:
    whole, some = whole_masks(asked), sketched(asked, Bounds(-1.0))
    for key in {key for key, mask in whole.items() if mask.any()} - some.keys():
        assert max(iou(whole[key], mask) for mask in some.values()) > 0.85, "no other said it"
    assert len(some) > 0.5 * len(whole)
    agreement = [iou(whole[key], mask) for key, mask in some.items()]
    assert np.mean(agreement) > 0.999
    assert min(agreement) > 0.95


def test_cut_and_large_masks_are_left_out_and_no_other(asked: Any) -> None:
    bounds = Bounds(-1.0, (True, True, True, True), 0.2)
    whole, some = whole_masks(asked), sketched(asked, bounds)
    assert 0 < len(some) < len(whole)
    for key, mask in whole.items():
        edges = (mask[0], mask[:, 0], mask[-1], mask[:, -1])
        is_cut, share = any(bool(edge.any()) for edge in edges), float(mask.float().mean())
        if key in some:
            assert share < 0.3
            assert not is_cut
        elif not is_cut and mask.any() and share <= 0.1:
            assert max(iou(mask, other) for other in some.values()) > 0.85


def test_a_mask_is_known_unless_it_is_better() -> None:
    signs = torch.zeros(3, 400, dtype=torch.bool)
    signs[0, :100] = True
    signs[1, :98] = True
    signs[2, 200:300] = True
    first = Seen()
    assert first.note(signs, torch.tensor([0.8, 0.81, 0.8])).tolist() == [True, False, True]
    later = Seen(first)
    assert later.note(signs[1:], torch.tensor([0.9, 0.7])).tolist() == [True, False]
    assert Seen(first).note(signs[1:2], torch.tensor([0.8])).tolist() == [False], "not changed"
    first.add(later)
    assert Seen(first).note(signs[1:2], torch.tensor([0.91])).tolist() == [False]


def test_small_masks_are_never_known() -> None:
    signs = torch.zeros(1, 400, dtype=torch.bool)
    signs[0, :20] = True
    seen = Seen()
    assert all(seen.note(signs, torch.tensor([0.8])).item() for _ in range(2))
