"""Masks and label rasters of every shape, for property tests."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage

NOISE = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=12))


@st.composite
def masks(draw: st.DrawFn) -> np.ndarray:
    """A mask with some pixel set: noise, or blobs with holes of up to a thousand pixels or so."""
    if draw(st.booleans()):
        return draw(NOISE.filter(np.any))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(array_shapes(min_dims=2, max_dims=2, min_side=10, max_side=60))
    field = ndimage.gaussian_filter(random.random(shape), draw(st.floats(0.5, 6.0)))
    return field >= np.quantile(field, draw(st.floats(0.2, 0.9)))


@st.composite
def labels(draw: st.DrawFn) -> np.ndarray:
    """Ids 0 to 6 in blobs or noise, int64 [H, W]."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40))
    n = draw(st.integers(1, 6))
    fields = random.random((n + 1, *shape))
    sigma = draw(st.sampled_from([0.0, 1.0, 3.0]))
    return np.stack([ndimage.gaussian_filter(field, sigma) for field in fields]).argmax(axis=0)
