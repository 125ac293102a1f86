"""The factored decoder computes what segment-anything-py's own decoder computes."""

from __future__ import annotations

import pytest
import torch
from segment_anything.modeling import MaskDecoder, PromptEncoder, TwoWayTransformer

from samgeo_core.engine.decoder import FactoredDecoder, Tiling
from samgeo_core.engine.kernels import Kernels


@pytest.fixture(scope="module")
def networks() -> tuple[MaskDecoder, PromptEncoder]:
    """Decoder and prompt encoder of SAM's size with random weights, none of them at rest."""
    torch.manual_seed(7)
    transformer = TwoWayTransformer(depth=2, embedding_dim=256, mlp_dim=2048, num_heads=8)
    decoder = MaskDecoder(transformer_dim=256, transformer=transformer).eval()
    prompts = PromptEncoder(
        embed_dim=256,
        image_embedding_size=(64, 64),
        input_image_size=(1024, 1024),
        mask_in_chans=16,
    ).eval()
    with torch.no_grad():
        for name, value in decoder.named_parameters():
            if "norm" in name and name.endswith("weight"):
                value.normal_(1.0, 0.3)
            elif value.ndim == 1:
                value.normal_(0.0, 0.3)
    return decoder, prompts


@pytest.mark.parametrize("tiling", [None, Tiling(3, 700), Tiling(100, 10000)])
@pytest.mark.parametrize("multimask", [True, False])
@pytest.mark.parametrize("kind", ["point", "three points", "box", "point and box"])
def test_equals_the_published_decoder(
    networks: tuple[MaskDecoder, PromptEncoder], kind: str, tiling: Tiling | None, multimask: bool,
    kernels: Kernels | None,
) -> None:  # fmt: skip
    decoder, prompts = networks
    image = torch.randn(1, 256, 64, 64)
    n_points = {"point": 1, "three points": 3, "point and box": 1}.get(kind)
    points = (
        (torch.rand(4, n_points, 2) * 1024, torch.randint(0, 2, (4, n_points)))
        if n_points
        else None
    )
    boxes = torch.rand(4, 4).sort().values * 1024 if "box" in kind else None
    with torch.no_grad():
        sparse, dense = prompts(points=points, boxes=boxes, masks=None)
        pe = prompts.get_dense_pe()
        expected_masks, expected_iou = decoder.predict_masks(image, pe, sparse, dense)
    factored = FactoredDecoder(decoder, pe, tiling, kernels)
    terms = factored.image_terms(image[0] + dense[0])
    state = factored.transform(terms, sparse, multimask)
    wanted = torch.ones_like(state.iou, dtype=torch.bool)
    masks = factored.masks(terms, state, factored.hyper(state), wanted)
    heads = slice(1, 4) if multimask else slice(0, 1)
    expected_masks, expected_iou = expected_masks[:, heads], expected_iou[:, heads]
    torch.testing.assert_close(state.iou, expected_iou, atol=1.5e-6, rtol=1e-5)
    torch.testing.assert_close(masks.view_as(expected_masks), expected_masks, atol=4e-5, rtol=1e-4)


def test_only_the_masks_asked_for_come_back_in_order(
    networks: tuple[MaskDecoder, PromptEncoder], kernels: Kernels | None
) -> None:
    decoder, prompts = networks
    image = torch.randn(256, 64, 64)
    sparse = torch.randn(3, 2, 256)
    factored = FactoredDecoder(decoder, prompts.get_dense_pe(), kernels=kernels)
    terms = factored.image_terms(image)
    state = factored.transform(terms, sparse)
    hyper = factored.hyper(state)
    every = factored.masks(terms, state, hyper, torch.ones(3, 3, dtype=torch.bool))
    every = every.view(3, 3, 256, 256)
    wanted = torch.tensor([[True, False, True], [False, True, False], [False, False, True]])
    some = factored.masks(terms, state, hyper, wanted)
    torch.testing.assert_close(some, every[wanted], atol=1e-5, rtol=1e-5)


def test_pixels_at_some_tokens_are_those_of_the_whole_masks(
    networks: tuple[MaskDecoder, PromptEncoder], kernels: Kernels | None
) -> None:
    decoder, prompts = networks
    factored = FactoredDecoder(decoder, prompts.get_dense_pe(), kernels=kernels)
    terms = factored.image_terms(torch.randn(256, 64, 64), few_prompts=True)
    state = factored.transform(terms, torch.randn(2, 2, 256))
    hyper = factored.hyper(state)
    masks = factored.masks(terms, state, hyper, torch.ones(2, 3, dtype=torch.bool))
    tokens = torch.randperm(4096)[:700].sort().values
    pixels = factored.pixels_at(terms, state, factored.upscaled_basis(state), hyper, tokens)
    # [masks, rows and columns of tokens, rows and columns of their 4 x 4 pixels]
    by_token = masks.view(2, 3, 64, 4, 64, 4).transpose(3, 4).reshape(2, 3, 4096, 2, 2, 2, 2)
    expected = by_token.transpose(4, 5).reshape(2, 3, 4096, 16)[:, :, tokens]
    torch.testing.assert_close(pixels, expected, atol=2e-5, rtol=1e-4)
