"""Convolutions in strips and bands against the same convolutions of the whole image."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from samgeo_core.engine.threads import core_count, side_by_side, use_all_cores
from samgeo_core.models import strips
from samgeo_core.models.strips import at_once, bands, bottleneck, for_each, halve_twice, pointwise

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def without_gradients() -> Iterator[None]:
    torch.manual_seed(0)
    with torch.no_grad():
        yield


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def joined(parts: Iterator[tuple[slice, torch.Tensor]], band: range) -> torch.Tensor:
    """Strips below one another; each must begin where the one before it ends."""
    found = list(parts)
    edges = [band.start, *(rows.stop for rows, _ in found)]
    assert [rows.start for rows, _ in found] == edges[:-1]
    assert edges[-1] == band.stop
    assert all(strip.shape[1] == rows.stop - rows.start for rows, strip in found)
    return torch.cat([strip for _, strip in found], 1)


@pytest.mark.parametrize("numbers", [1, 700, 1 << 19])
@pytest.mark.parametrize(
    ("stride", "height", "band"),
    [
        (1, 9, range(9)),
        (1, 9, range(4)),
        (1, 9, range(4, 9)),
        (1, 9, range(3, 8)),
        (1, 8, range(7, 8)),
        (1, 1, range(1)),
        (2, 12, range(6)),
        (2, 12, range(3)),
        (2, 12, range(3, 6)),
        (2, 12, range(2, 3)),
    ],
)
def test_a_bottleneck_in_strips_is_the_bottleneck(stride, height, band, numbers, monkeypatch):
    monkeypatch.setattr(strips, "NUMBERS_AT_ONCE", numbers)
    layers = (
        nn.Conv2d(3, 8, 1),
        nn.Conv2d(8, 8, 3, stride, 1, groups=8),
        nn.Conv2d(8, 5, 1),
    )
    x = torch.randn(2, 3, height, 10)
    expected = layers[2](F.gelu(layers[1](F.gelu(layers[0](x))))).permute(0, 2, 3, 1)
    image = x.permute(0, 2, 3, 1).contiguous()
    found = joined(bottleneck(image, layers, band), band)
    torch.testing.assert_close(found, expected[:, band.start : band.stop], atol=1e-6, rtol=0)
    torch.testing.assert_close(image, x.permute(0, 2, 3, 1), atol=0, rtol=0)


@pytest.mark.parametrize("numbers", [1, 300, 1 << 19])
@pytest.mark.parametrize("band", [range(6), range(3), range(3, 6), range(5, 6)])
def test_an_image_halved_twice_in_strips_is_the_same(band, numbers, monkeypatch):
    monkeypatch.setattr(strips, "NUMBERS_AT_ONCE", numbers)
    layers = (nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 8, 3, 2, 1))
    x = torch.randn(2, 3, 24, 16)
    expected = layers[1](F.gelu(layers[0](x))).permute(0, 2, 3, 1)
    found = joined(halve_twice(x, layers, band), band)
    torch.testing.assert_close(found, expected[:, band.start : band.stop], atol=1e-6, rtol=0)


def test_a_pointwise_convolution_is_a_matrix_product():
    layer = nn.Conv2d(6, 4, 1)
    x = torch.randn(2, 6, 5, 3)
    expected = layer(x).permute(0, 2, 3, 1)
    torch.testing.assert_close(pointwise(layer, x.permute(0, 2, 3, 1)), expected)


@pytest.mark.parametrize(("height", "expected"), [(1, [1]), (2, [1, 1]), (7, [3, 4])])
def test_every_core_has_a_band_of_rows(height, expected, two_threads):
    found = bands(height, CPU)
    assert [len(band) for band in found] == expected
    assert [row for band in found for row in band] == list(range(height))
    assert bands(height, torch.device("meta")) == [range(height)]


def test_on_a_cpu_little_is_taken_at_once():
    assert at_once(1 << 30, 100, CPU) == 2
    assert at_once(strips.NUMBERS_AT_ONCE // 8, 100, CPU) == 8
    assert at_once(1, 100, CPU) == 100
    assert at_once(1 << 30, 100, torch.device("meta")) == 100


@pytest.mark.parametrize("inference", [False, True])
@pytest.mark.parametrize("narrow", [False, True])
def test_the_modes_of_the_caller_hold_wherever_a_piece_is_done(inference, narrow, two_threads):
    seen = []

    def look(_: int) -> None:
        modes = torch.is_inference_mode_enabled(), torch.is_autocast_enabled("cpu")
        seen.append((threading.get_ident(), *modes, torch.is_grad_enabled()))

    with torch.inference_mode(inference), torch.autocast("cpu", torch.bfloat16, narrow):
        torch.set_grad_enabled(False)
        for_each(look, list(range(6)), CPU)
    assert {entry[1:] for entry in seen} == {(inference, narrow, False)}
    assert threading.get_ident() not in {entry[0] for entry in seen}


def test_work_within_work_ends():
    """A piece that has pieces of its own does them itself, rather than wait for other threads."""

    def outer(number: int) -> int:
        use_all_cores()
        done: list[int] = []
        for_each(done.append, list(range(number)), CPU)
        return sum(done)

    count = 4 * core_count()
    assert list(side_by_side(outer, range(count), CPU)) == [n * (n - 1) // 2 for n in range(count)]
