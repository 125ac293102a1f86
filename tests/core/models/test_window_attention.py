"""Attention in windows, where they are whole and where the image ends within them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from samgeo_core.models import strips
from samgeo_core.models.window_attention import Attention, attend, bias_index, by_window, spans


@pytest.fixture(autouse=True)
def without_gradients() -> Iterator[None]:
    torch.manual_seed(2)
    with torch.no_grad():
        yield


def attention(window: int = 3) -> Attention:
    torch.manual_seed(1)
    layer = Attention(channels=8, heads=2, window=window)
    nn.init.normal_(layer.attention_biases)
    nn.init.normal_(layer.norm.bias)
    return layer.eval()


def reference(layer: Attention, x: torch.Tensor) -> torch.Tensor:
    """Attention of whole windows [windows, N, 8], written out."""
    n = x.shape[1]
    query, key, value = layer.qkv(layer.norm(x)).view(-1, n, 2, 3, 4).permute(3, 0, 2, 1, 4)
    bias = layer.attention_biases[:, bias_index(layer.window)]
    weights = (query @ key.transpose(-1, -2) / 4**0.5 + bias).softmax(-1)
    return layer.proj((weights @ value).transpose(1, 2).reshape(-1, n, 8))


def padded_reference(layer: Attention, x: torch.Tensor) -> torch.Tensor:
    """As MobileSAM does it: pad with zeros, cut into windows, attend, crop, add."""
    _, height, width, channels = x.shape
    side = layer.window
    full = F.pad(x, (0, 0, 0, -width % side, 0, -height % side))
    windows = by_window(full, side)
    attended = reference(layer, windows.reshape(-1, side * side, channels)).view(windows.shape)
    return x + attended.transpose(2, 3).reshape(full.shape)[:, :height, :width]


def test_the_bias_index_follows_the_order_in_which_distances_are_met():
    window = 5
    places = [(y, x) for y in range(window) for x in range(window)]
    met: dict[tuple[int, int], int] = {}
    expected = [
        [met.setdefault((abs(y - v), abs(x - u)), len(met)) for v, u in places] for y, x in places
    ]
    assert bias_index(window).tolist() == expected


def test_attention_is_softmax_of_products_plus_bias():
    layer = attention()
    x = torch.randn(4, 9, 8)
    torch.testing.assert_close(layer(x, (3, 3)), reference(layer, x))


@pytest.mark.parametrize("shape_hw", [(6, 9), (7, 9), (6, 8), (8, 7), (2, 9), (1, 1)])
@pytest.mark.parametrize("numbers", [1, 1 << 19])
@pytest.mark.parametrize("threads", [1, 2])
def test_windows_that_are_cut_attend_as_if_zeros_filled_them(
    shape_hw, numbers, threads, monkeypatch
):
    monkeypatch.setattr(strips, "NUMBERS_AT_ONCE", numbers)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    layer, x = attention(), torch.randn(2, *shape_hw, 8)
    found = attend(layer, x)
    torch.set_num_threads(before)
    torch.testing.assert_close(found, padded_reference(layer, x), atol=2e-6, rtol=0)


def test_windows_do_not_see_each_other():
    layer, tokens = attention(), torch.randn(1, 7, 8, 8)
    changed = tokens.clone()
    changed[0, 0, 0, 3] += 1
    differs = (attend(layer, changed) - attend(layer, tokens)).abs().amax(-1)[0] > 0
    assert differs[:3, :3].all()
    assert not differs[3:].any()
    assert not differs[:, 3:].any()


def test_the_kept_bias_follows_new_weights_and_their_type():
    layer, other = attention(), attention()
    nn.init.normal_(other.attention_biases)
    x = torch.randn(1, 9, 8)
    before = layer(x, (3, 3))
    layer.load_state_dict(other.state_dict())
    torch.testing.assert_close(layer(x, (3, 3)), other(x, (3, 3)))
    assert not torch.allclose(layer(x, (3, 3)), before)
    exact = layer.double()(x.double(), (3, 3))
    torch.testing.assert_close(exact.float(), other(x, (3, 3)))
    assert [key for key in layer.state_dict() if "bias" in key.split(".")[0]] == [
        "attention_biases"
    ]


@pytest.mark.parametrize(
    ("length", "n_windows", "expected"),
    [
        (12, 9, [(0, 12)]),
        (12, 2, [(0, 6), (6, 12)]),
        (14, 3, [(0, 9), (9, 12), (12, 14)]),
        (2, 1, [(0, 2)]),
    ],
)
def test_spans_hold_whole_windows_and_then_the_rest(length, n_windows, expected):
    assert [(part.start, part.stop) for part in spans(length, 3, n_windows)] == expected
