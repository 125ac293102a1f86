"""The encoder's blocks against what they compute, and batch norms folded into convolutions."""

from __future__ import annotations

import pytest
import torch
from segment_anything.modeling.common import LayerNorm2d
from torch import nn
from torch.nn import functional as F

from samgeo_core.models.tiny_vit import (
    OUT_CHANNELS,
    MBConv,
    Neck,
    PatchEmbed,
    PatchMerging,
    TinyViT,
    TinyViTBlock,
    fuse_batch_norms,
)
from samgeo_core.models.window_attention import attend


def unfused_conv(groups: int = 1) -> nn.Sequential:
    """A convolution and a batch norm with statistics as after training, under official names."""
    torch.manual_seed(0)
    layer = nn.Sequential()
    layer.add_module("c", nn.Conv2d(8, 16, 3, padding=1, groups=groups, bias=False))
    layer.add_module("bn", nn.BatchNorm2d(16))
    norm = layer[1]
    nn.init.uniform_(norm.weight, -2, 2)
    nn.init.normal_(norm.bias)
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.01, 4)
    return layer.eval()


@pytest.mark.parametrize("groups", [1, 8])
def test_a_fused_convolution_computes_the_same(groups):
    layer = unfused_conv(groups)
    state = {f"x.{key}": value for key, value in layer.state_dict().items()}
    fused = fuse_batch_norms(state)
    assert fused.keys() == {"x.c.weight", "x.c.bias", "x.bn.num_batches_tracked"}
    conv = nn.Conv2d(8, 16, 3, padding=1, groups=groups)
    conv.load_state_dict({"weight": fused["x.c.weight"], "bias": fused["x.c.bias"]})
    image = torch.randn(2, 8, 12, 10)
    torch.testing.assert_close(conv(image), layer(image), atol=1e-5, rtol=1e-5)


def test_fusing_leaves_its_argument_and_fused_states_alone():
    state = {"x.c.weight": torch.ones(4, 4, 1, 1), "x.c.bias": torch.ones(4)}
    assert fuse_batch_norms(state) == state
    layer = unfused_conv().state_dict()
    before = {key: value.clone() for key, value in layer.items()}
    fuse_batch_norms(layer)
    assert layer.keys() == before.keys()
    assert all(torch.equal(layer[key], before[key]) for key in before)


@pytest.mark.parametrize("spoil", ["bn.running_var", "c.weight"])
def test_an_incomplete_batch_norm_stays_for_the_network_to_refuse(spoil):
    state = dict(unfused_conv().state_dict())
    del state[spoil]
    assert fuse_batch_norms(state).keys() == state.keys()


def test_a_batch_norm_of_another_size_stays_for_the_network_to_refuse():
    state = dict(unfused_conv().state_dict())
    state["bn.running_var"] = torch.ones(3)
    assert fuse_batch_norms(state).keys() == state.keys()


@pytest.fixture(params=[1, 2])
def threads(request):
    """The work on one core, and split between two."""
    torch.manual_seed(3)
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    with torch.no_grad():
        yield request.param
    torch.set_num_threads(before)


def rows_last(image: torch.Tensor) -> torch.Tensor:
    return image.permute(0, 2, 3, 1).contiguous()


def close(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_an_image_is_embedded_by_two_convolutions(threads):
    layer, x = PatchEmbed(8), torch.randn(2, 3, 64, 48)
    first, second = layer.seq[0].c, layer.seq[2].c
    close(layer(x), rows_last(second(F.gelu(first(x)))))


def test_an_inverted_bottleneck_adds_what_it_finds(threads):
    layer, x = MBConv(8), torch.randn(2, 8, 11, 6)
    hidden = F.gelu(layer.conv2.c(F.gelu(layer.conv1.c(x))))
    close(layer(rows_last(x)), rows_last(F.gelu(x + layer.conv3.c(hidden))))


@pytest.mark.parametrize("stride", [1, 2])
def test_merging_halves_where_its_stride_says_so(stride, threads):
    layer, x = PatchMerging(8, 12, stride), torch.randn(2, 8, 10, 6)
    hidden = F.gelu(layer.conv2.c(F.gelu(layer.conv1.c(x))))
    close(layer(rows_last(x)), rows_last(layer.conv3.c(hidden)))


def test_a_block_attends_then_mixes_neighbours_then_channels(threads):
    block, x = TinyViTBlock(channels=8, heads=2, window=3), torch.randn(2, 7, 8, 8)
    before = x.clone()
    mixed = rows_last(block.local_conv.c(attend(block.attn, x).permute(0, 3, 1, 2)))
    mlp = block.mlp
    close(block(x), mixed + mlp.fc2(F.gelu(mlp.fc1(mlp.norm(mixed)))))
    assert torch.equal(x, before)


def test_the_neck_is_that_of_sam(threads):
    neck, x = Neck(16), torch.randn(1, 16, 6, 5)
    norms = LayerNorm2d(OUT_CHANNELS), LayerNorm2d(OUT_CHANNELS)
    of_sam = nn.Sequential(neck[0], norms[0], neck[2], norms[1])
    for ours, theirs in zip((neck[1], neck[3]), norms, strict=True):
        nn.init.normal_(ours.weight)
        theirs.load_state_dict(ours.state_dict())
    close(neck(rows_last(x)), rows_last(of_sam(x)))


def test_a_batch_is_encoded_as_its_images_are_and_in_any_mode(threads):
    network, images = TinyViT().eval(), torch.randn(3, 3, 128, 128)
    single = torch.cat([network(image[None]) for image in images])
    assert single.shape == (3, 256, 8, 8)
    close(network(images), single)
    with torch.inference_mode():
        close(network(images), single)
    assert not network(images).requires_grad
