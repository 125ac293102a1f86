"""Tests of expressions on bands."""

from __future__ import annotations

import ast
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samgeo_core.errors import ParameterError
from samgeo_core.reading.expressions import MOST_CHARACTERS, Expression

BANDS = {
    "b1": np.array([[0, 1, 250], [7, 3, 0]], np.uint8),
    "b2": np.array([[0, 200, 5], [7, 0, 255]], np.uint8),
    "b3": np.array([[9, 9, 1], [0, 128, 2]], np.uint8),
}


def _texts() -> st.SearchStrategy[str]:
    numbers = st.sampled_from(["0", "1", "2.5", "1e2", ".5"])

    def grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        pair = st.tuples(inner, st.sampled_from("+-*/"), inner)
        return st.one_of(
            pair.map(lambda p: f"({p[0]} {p[1]} {p[2]})"),
            inner.map(lambda x: f"-{x}"),
            inner.map(lambda x: f"abs({x})"),
            st.tuples(inner, inner).map(lambda p: f"max({p[0]}, {p[1]})"),
            st.tuples(inner, inner, inner).map(lambda p: f"where({p[0]} > {p[1]}, {p[2]}, {p[1]})"),
        )

    return st.recursive(st.one_of(st.sampled_from([*BANDS]), numbers), grow, max_leaves=12)


@given(_texts().filter(lambda text: "b" in text.replace("abs", "")))
@settings(max_examples=80, deadline=None)
def test_agrees_with_numpy_and_keeps_its_meaning_when_written(text: str):
    floats = {name: value.astype(np.float32) for name, value in BANDS.items()}

    def where(test: object, a: object, b: object) -> object:
        return np.where(test, a, b)

    with np.errstate(all="ignore"):
        known = {"abs": np.abs, "max": np.maximum, "where": where, "__builtins__": {}}
        expected = eval(
            compile(_as_float32(text), "expression", "eval"), {**known, **floats, "f": np.float32}
        )
    expected = np.broadcast_to(np.asarray(expected, np.float32), (2, 3))
    found = Expression(text).compute(BANDS)
    # A comparison with what has no value has none here, while numpy says False.
    same = np.isclose(found, expected, rtol=1e-6, equal_nan=True) | np.isnan(found)
    assert same.all()
    if "where" not in text:
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    written = Expression(text).text
    assert Expression(written).text == written
    np.testing.assert_array_equal(Expression(written).compute(BANDS), found)


def _as_float32(text: str) -> ast.Expression:
    class Wrapped(ast.NodeTransformer):
        def visit_Constant(self, node: ast.Constant) -> ast.AST:
            return ast.Call(ast.Name("f", ast.Load()), [node], [])

    return ast.fix_missing_locations(Wrapped().visit(ast.parse(text, mode="eval")))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "__import__('os')",
        "b1.real",
        "b1[0]",
        "(lambda: b1)()",
        "b1 if b2 else b3",
        "[b1]",
        "b1 and b2",
        "1 < b1 < 2",
        "b1 @ b2",
        "b1 // b2",
        "b1 % b2",
        "~b1",
        "not b1",
        "True + b1",
        "None",
        "'b1'",
        "open(b1)",
        "max(b1)",
        "max(b1, b2, b3)",
        "abs(x=b1)",
        "max(*b1)",
        "abs(b1)(b1)",
        "b1 = b2",
        "(b1 := b2)",
        "b1; b2",
        "b1\nb2",
        "2b1",
        "0x1for b1",
        "1e40 * b1",
        "1j * b1",
        "b1 + ümlaut",
        "b1\0",
        "(" * 300 + "b1" + ")" * 300,
        "-" * 100 + "b1",
        "+".join(["b1"] * 150),
        "b1+" * MOST_CHARACTERS + "b1",
    ],
)
def test_what_is_no_expression_is_refused(text: str):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ParameterError):
            Expression(text)


@given(st.text(alphabet="b12 ()+-*/<>=,.e_xmaxwhere\"'[]{}:;\\\n", max_size=40))
@settings(max_examples=150, deadline=None)
def test_any_text_is_an_expression_or_refused_with_a_sentence(text: str):
    try:
        expression = Expression(text)
    except ParameterError as error:
        assert str(error).endswith(".")
    else:
        assert Expression(expression.text).text == expression.text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("b1 / b2", [[np.nan, 0.005, 50], [1, np.inf, 0]]),
        ("sqrt(b1 - b2)", [[0, np.nan, np.sqrt(245)], [0, np.sqrt(3), np.nan]]),
        ("log(b3 - b3)", [[-np.inf] * 3] * 2),
        ("where(b1 / b2 > 1, 1, 2)", [[np.nan, 2, 1], [2, 1, 2]]),
        ("(b1 > b2) * 10", [[0, 0, 10], [0, 10, 0]]),
        ("b1 - b2", [[0, -199, 245], [0, 3, -255]]),
    ],
)
def test_values(text: str, expected: list[list[float]]):
    np.testing.assert_allclose(Expression(text).compute(BANDS), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [("uint8", "float32"), ("int16", "float32"), ("float32", "float32"), ("uint32", "float64")],
)
def test_precision_follows_the_bands(dtype: str, expected: str):
    found = Expression("b1 + 1").compute({"b1": np.zeros((2, 2), dtype)})
    assert found.dtype == expected


def test_large_images_are_computed_piece_by_piece_with_the_same_values():
    values = np.random.default_rng(5).integers(0, 10_000, (1500, 700), np.uint16)
    found = Expression("(b1 - 5000) / (b1 + 1)").compute({"b1": values})
    exact = values.astype(np.float32)
    np.testing.assert_array_equal(found, (exact - 5000) / (exact + 1))
