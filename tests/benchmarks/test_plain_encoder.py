"""The peer's encoder as a network: that it takes a checkpoint of either layout."""

from __future__ import annotations

import pytest
import torch

from benchmarks.plain_encoder import Attention, Block, PlainEncoder, plain_encoder
from samgeo_core.models.tiny_vit import TinyViT, fuse_batch_norms


@pytest.fixture(scope="module")
def official() -> dict[str, torch.Tensor]:
    """A state as after training, under official names."""
    torch.manual_seed(0)
    network = PlainEncoder()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 2)
            torch.nn.init.normal_(module.bias, std=0.1)
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 2)
        if isinstance(module, Attention):
            torch.nn.init.normal_(module.attention_biases)
    return {f"image_encoder.{k}": v for k, v in network.state_dict().items()}


def test_its_names_are_those_of_the_official_layout(official) -> None:
    fused = fuse_batch_norms(official)
    wanted = {f"image_encoder.{key}" for key in TinyViT().state_dict()}
    assert {k for k in fused if not k.endswith("num_batches_tracked")} == wanted


def test_folded_batch_norms_give_the_same_numbers(official) -> None:
    plain, refilled = plain_encoder(official), plain_encoder(fuse_batch_norms(official))
    image = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(refilled.patch_embed(image), plain.patch_embed(image))
    tokens = torch.randn(1, 128 * 128, 128)
    block, again = plain.layers[1].blocks[0], refilled.layers[1].blocks[0]
    assert isinstance(block, Block)
    torch.testing.assert_close(again(tokens), block(tokens), atol=1e-4, rtol=1e-4)


def test_it_computes_what_ours_does(official) -> None:
    ours = TinyViT()
    fused = {k.removeprefix("image_encoder."): v for k, v in fuse_batch_norms(official).items()}
    ours.load_state_dict({k: v for k, v in fused.items() if k in ours.state_dict()})
    image = torch.randn(1, 3, 1024, 1024)
    with torch.inference_mode():
        expected, found = ours.eval()(image), plain_encoder(official)(image)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
