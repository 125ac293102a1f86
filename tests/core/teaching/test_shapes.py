from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samgeo_core.teaching.shapes import SHAPE_NAMES, colours_of, shape_of


def _named(mask: np.ndarray) -> dict[str, float]:
    return dict(zip(SHAPE_NAMES, shape_of(mask).tolist(), strict=True))


def test_known_shapes_have_known_numbers() -> None:
    rows, columns = np.mgrid[-40:41, -40:41]
    disc = _named(np.hypot(rows, columns) <= 40)
    assert disc["elongation"] == pytest.approx(0, abs=0.01)
    assert disc["solidity"] > 0.97
    assert disc["rectangularity"] == pytest.approx(np.pi / 4, abs=0.02)
    bar = _named(np.ones((10, 90), bool))
    assert bar["elongation"] == pytest.approx(np.log(9), rel=0.01)
    assert bar["rectangularity"] == bar["solidity"] == bar["fullness"] == 1
    assert bar["compactness"] < disc["compactness"]
    ring = np.ones((30, 30), bool)
    ring[5:25, 5:25] = False
    assert _named(ring)["fullness"] == pytest.approx(500 / 900)


@given(
    st.integers(1, 12),
    st.integers(1, 12),
    st.binary(min_size=18, max_size=18),
    st.integers(0, 3),
    st.booleans(),
)
def test_turning_and_mirroring_change_nothing(
    height: int, width: int, noise: bytes, turns: int, mirrored: bool
) -> None:
    bits = np.unpackbits(np.frombuffer(noise, np.uint8))
    mask = bits[: height * width].reshape(height, width).astype(bool)
    mask[height // 2, width // 2] = True
    other = np.rot90(mask[::-1] if mirrored else mask, turns)
    first, second = shape_of(mask), shape_of(np.ascontiguousarray(other))
    assert np.isfinite(first).all()
    # The smallest rectangle of OpenCV is exact to some thousandths only.
    np.testing.assert_allclose(first, second, atol=5e-3)


def test_colours_are_means_and_spreads() -> None:
    pixels = np.array([[4, 100, 0], [4, 100, 0], [4, 100, 200], [4, 100, 200]], np.uint8)
    np.testing.assert_allclose(colours_of(pixels) ** 2, [4, 100, 100, 0, 0, 100])
