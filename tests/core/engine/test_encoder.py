"""From pixels to embeddings: preparing them, precision, and where encoding runs."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from samgeo_core.engine.encoder import encode, fast_dtype, network_input, with_longest_side
from samgeo_core.engine.threads import side_by_side
from samgeo_core.tile import TileImage


@pytest.fixture(scope="module")
def tile() -> TileImage:
    """A field with a roof and a road, and some noise."""
    rng = np.random.default_rng(4)
    rgb = np.full((96, 128, 3), (70, 120, 60), np.int16)
    rgb[20:50, 30:80] = (190, 90, 80)
    rgb[:, 100:108] = 130
    rgb += rng.integers(-8, 9, rgb.shape, np.int16)
    return TileImage(rgb.astype(np.uint8), np.ones(rgb.shape[:2], np.bool_))


@pytest.mark.weights
@pytest.mark.parametrize("shape_hw", [(1024, 1024), (768, 1024), (1024, 700)])
def test_pixels_are_prepared_to_the_bit_as_segment_anything_does(default_model, shape_hw):
    pixels = torch.randint(0, 256, (2, 3, *shape_hw), dtype=torch.uint8)
    before = pixels.clone()
    found = network_input(default_model.sam, pixels)
    assert torch.equal(found, default_model.sam.preprocess(pixels))
    assert torch.equal(pixels, before)


@pytest.mark.parametrize(
    "shape_hw", [(300, 200), (1024, 1024), (2047, 1531), (1, 40), (97, 3000)], ids=str
)
def test_pixels_are_resized_to_the_bit_as_segment_anything_does(shape_hw):
    from segment_anything.utils.transforms import ResizeLongestSide

    rgb = np.random.default_rng(0).integers(0, 256, (*shape_hw, 3), np.uint8)
    expected = ResizeLongestSide(1024).apply_image(rgb)
    assert np.array_equal(with_longest_side(rgb, 1024), expected)


@pytest.mark.weights
def test_bfloat16_comes_close_to_float32(default_model, tile, monkeypatch):
    # A smaller input, as processors without the instructions take long for these products.
    monkeypatch.setattr(default_model.sam.image_encoder, "img_size", 256)
    exact = encode(default_model, tile)
    narrow = encode(default_model, tile, torch.bfloat16)
    assert exact.features.dtype == narrow.features.dtype == torch.float32
    assert (narrow.input_hw, narrow.shape_hw) == (exact.input_hw, exact.shape_hw)
    error = (narrow.features - exact.features).norm() / exact.features.norm()
    # bfloat16 has 8 bits; that something differs says that it was used.
    assert 1e-4 < error < 0.05


@pytest.mark.weights
def test_encoding_on_a_thread_of_the_engine_ends_and_is_the_same(default_model, tile):
    expected = encode(default_model, tile).features
    for found in side_by_side(
        lambda _: encode(default_model, tile), range(2), default_model.device
    ):
        torch.testing.assert_close(found.features, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ({"amx_bf16": True, "avx512_bf16": False}, torch.bfloat16),
        ({"avx512_bf16": True}, torch.bfloat16),
        ({"avx2": True, "avx512_f": True, "avx512_bf16": False}, torch.float32),
        ({}, torch.float32),
    ],
)
def test_bfloat16_is_taken_only_where_the_processor_has_it(capabilities, expected, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert fast_dtype(torch.device("cpu")) == expected


def test_a_device_that_is_not_known_to_compute_in_bfloat16_stays_with_float32():
    assert fast_dtype(torch.device("mps")) == torch.float32
