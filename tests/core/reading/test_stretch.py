from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from samgeo_core.errors import ParameterError
from samgeo_core.reading.stretch import Stretch

RGB = (1, 2, 3)
DTYPES = [
    "int8",
    "uint8",
    "int16",
    "uint16",
    "int32",
    "uint32",
    "int64",
    "uint64",
    "float32",
    "float64",
]


def same(low: float, high: float) -> Stretch:
    return Stretch(RGB, (low,) * 3, (high,) * 3)


def planes(*values: float, dtype: str = "float64") -> np.ndarray:
    return np.repeat(np.array(values, dtype)[None, None], 3, axis=0)


class TestApply:
    @given(hnp.arrays(np.uint8, (3, 4, 5)))
    def test_none_leaves_uint8_alone(self, values: np.ndarray) -> None:
        assert np.array_equal(Stretch.none(RGB).apply(values), values)

    @pytest.mark.parametrize(
        ("value", "expected"),
        [(-5.0, 0), (0.4, 0), (0.6, 1), (127.0, 127), (300.0, 255), (np.inf, 255), (-np.inf, 0)],
    )
    def test_none_clips_and_rounds_other_types(self, value: float, expected: int) -> None:
        assert Stretch.none(RGB).apply(planes(value))[0, 0, 0] == expected

    @given(st.data())
    def test_keeps_the_order_of_values_of_every_dtype(self, data: st.DataObject) -> None:
        dtype = data.draw(st.sampled_from(DTYPES))
        values = data.draw(hnp.arrays(dtype, (3, 1, 6), elements={"allow_nan": False}))
        bounds = sorted(data.draw(st.tuples(*[st.floats(-1e9, 1e9)] * 2)))
        out = same(*bounds).apply(values)
        assert out.dtype == np.uint8
        order = np.argsort(values[0, 0], kind="stable")
        assert (np.diff(out[0, 0][order].astype(int)) >= 0).all()

    @pytest.mark.parametrize("dtype", DTYPES)
    def test_low_is_black_and_high_is_white(self, dtype: str) -> None:
        out = same(10, 110).apply(planes(10, 60, 110, 120, dtype=dtype))
        assert out[0, 0].tolist() == [0, 128, 255, 255]

    def test_each_band_has_its_own_range(self) -> None:
        stretch = Stretch(RGB, (0, 100, 200), (10, 200, 400))
        values = np.array([5.0, 200, 200])[:, None, None]
        assert stretch.apply(values).ravel().tolist() == [128, 255, 0]

    def test_nan_is_black(self) -> None:
        assert same(-10, 10).apply(planes(np.nan, 10)).tolist() == [[[0, 255]]] * 3

    @pytest.mark.parametrize(
        ("low", "high"), [(1e300, 2e300), (0.0, 5e-324), (0.0, 1e-310), (-1e37, 1e39), (7.0, 7.0)]
    )
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_extreme_ranges_warn_of_nothing(self, low: float, high: float, dtype: str) -> None:
        limit = float(np.finfo(dtype).max)
        out = same(low, high).apply(planes(-limit, limit, np.inf, np.nan, dtype=dtype))
        share = min(max((limit - low) / (high - low), 0), 1) if high > low else 1
        white = round(255 * share)
        assert out[0, 0].tolist() == [0, white, 255, 0]

    @pytest.mark.parametrize("shape", [(4, 2, 2), (3, 4), (1, 2, 2)])
    def test_other_shapes_are_refused(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(ParameterError, match=r"\[3, H, W\]"):
            same(0, 1).apply(np.zeros(shape))


class TestFit:
    def test_percentiles_of_what_is_valid_and_finite(self) -> None:
        values = np.tile(np.arange(1000.0), (3, 1, 1))
        values[0, 0, 990:] = np.nan
        values[1, 0, 990:] = -np.inf
        valid = np.ones((3, 1, 1000), bool)
        valid[2, 0, 100:] = False
        fitted = Stretch.fit(RGB, values, valid, "percentile")
        assert fitted.lows == pytest.approx((0.02 * 989, 0.02 * 989, 0.02 * 99))
        assert fitted.highs == pytest.approx((0.98 * 989, 0.98 * 989, 0.98 * 99))

    def test_minmax(self) -> None:
        values = np.array([[-4, 9], [0, 1], [5, 5]], np.int16)[:, None]
        fitted = Stretch.fit(RGB, values, np.ones((3, 1, 2), bool), "minmax")
        assert (fitted.lows, fitted.highs) == ((-4, 0, 5), (9, 1, 5))

    def test_equal_percentiles_widen_to_the_extremes(self) -> None:
        values = np.zeros((3, 1, 1000))
        values[:, 0, 0] = 50
        fitted = Stretch.fit(RGB, values, np.ones((3, 1, 1000), bool), "percentile")
        assert fitted.highs == (50, 50, 50)

    def test_nothing_valid_gives_a_usable_range(self) -> None:
        fitted = Stretch.fit(RGB, planes(1, 2), np.zeros((3, 1, 2), bool), "percentile")
        assert (fitted.lows, fitted.highs) == ((0, 0, 0), (1, 1, 1))

    @example(np.full((3, 2, 8), 4.5e307), "percentile")
    @given(hnp.arrays(np.float64, (3, 2, 8)), st.sampled_from(["percentile", "minmax"]))
    def test_any_float_gives_a_range_that_applies(self, values: np.ndarray, mode: Any) -> None:
        with np.errstate(over="ignore"):
            fitted = Stretch.fit(RGB, values, np.ones(values.shape, bool), mode)
        assert fitted.apply(values).shape == values.shape


class TestValue:
    @given(st.lists(st.floats(-1e6, 1e6), min_size=6, max_size=6))
    def test_survives_json(self, numbers: list[float]) -> None:
        pairs = [sorted(numbers[i : i + 2]) for i in (0, 2, 4)]
        stretch = Stretch((4, 1, 1), *zip(*pairs, strict=True))  # type: ignore[arg-type]
        assert Stretch.from_dict(json.loads(json.dumps(stretch.to_dict()))) == stretch

    @pytest.mark.parametrize(
        ("low", "high"), [(2, 1), (np.nan, 1), (0, np.inf), (-1.7e308, 1.7e308)]
    )
    def test_impossible_ranges_are_refused(self, low: float, high: float) -> None:
        with pytest.raises(ParameterError, match="finite low <= high"):
            same(low, high)

    def test_three_of_everything(self) -> None:
        with pytest.raises(ParameterError, match="got 3, 1 and 3"):
            Stretch(RGB, (0,), (1, 1, 1))  # type: ignore[arg-type]
