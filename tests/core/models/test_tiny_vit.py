"""The encoder's parts, and batch norms folded into convolutions."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from samgeo_core.models.tiny_vit import Attention, TinyViTBlock, bias_index, fuse_batch_norms


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


def test_the_bias_index_follows_the_order_in_which_distances_are_met():
    window = 5
    places = [(y, x) for y in range(window) for x in range(window)]
    met: dict[tuple[int, int], int] = {}
    expected = [
        [met.setdefault((abs(y - v), abs(x - u)), len(met)) for v, u in places] for y, x in places
    ]
    assert bias_index(window).tolist() == expected


def attention() -> Attention:
    torch.manual_seed(1)
    layer = Attention(channels=8, heads=2, window=3)
    nn.init.normal_(layer.attention_biases)
    return layer.eval()


def test_attention_is_softmax_of_products_plus_bias():
    layer = attention()
    x = torch.randn(4, 9, 8)
    query, key, value = layer.qkv(layer.norm(x)).view(4, 9, 2, 3, 4).permute(3, 0, 2, 1, 4)
    bias = layer.attention_biases[:, bias_index(3)]
    weights = (query @ key.transpose(-1, -2) / 4**0.5 + bias).softmax(-1)
    expected = layer.proj((weights @ value).transpose(1, 2).reshape(4, 9, 8))
    torch.testing.assert_close(layer(x), expected)


def test_the_kept_bias_follows_new_weights_and_the_mode():
    layer, other = attention(), attention()
    nn.init.normal_(other.attention_biases)
    x = torch.randn(1, 9, 8)
    layer.load_state_dict(other.eval().state_dict())
    torch.testing.assert_close(layer(x), other(x))
    layer.train()
    with torch.no_grad():
        layer.attention_biases.mul_(2)
    trained = layer(x)
    assert trained.requires_grad
    torch.testing.assert_close(layer.eval()(x), trained)
    assert "bias" not in layer.state_dict()


def test_windows_do_not_see_each_other():
    torch.manual_seed(2)
    block = TinyViTBlock(channels=8, heads=2, window=3).eval()
    tokens = torch.randn(1, 7, 8, 8)
    changed = tokens.clone()
    changed[0, 0, 0] += 1
    differs = (block._attend(changed) - block._attend(tokens)).abs().amax(-1)[0] > 0
    assert differs[:3, :3].all()
    assert not differs[3:].any()
    assert not differs[:, 3:].any()
