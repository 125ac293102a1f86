"""Arithmetic on bands, such as (nir - red) / (nir + red): a small language with its own rules.

An expression is parsed by Python's `ast`, but nothing of it is ever run as Python: only numbers,
names, + - * / **, comparisons and the functions below pass, and each is computed by numpy.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samgeo_core.errors import ParameterError

MOST_CHARACTERS = 2000
MOST_PARTS = 200
MOST_DEPTH = 24

_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {ast.USub: np.negative, ast.UAdd: np.array}
_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.Pow: np.power,
}
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
    ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
}
_FUNCTIONS: dict[str, tuple[int, Callable[..., Any]]] = {
    "abs": (1, np.abs),
    "sqrt": (1, np.sqrt),
    "log": (1, np.log),
    "log10": (1, np.log10),
    "exp": (1, np.exp),
    "min": (2, np.minimum),
    "max": (2, np.maximum),
    "where": (3, lambda test, a, b: np.where(test != 0, a, b)),
}
FUNCTIONS = tuple(_FUNCTIONS)

_ALLOWED = re.compile(r"[A-Za-z0-9_ .,+\-*/()<>=!\t]*")
_GLUED = re.compile(r"(?<![\w.])(?:\d++\.?\d*+|\.\d++)(?:[eE][+-]?\d++)?+(?=[A-Za-z_])")
_SLAB_VALUES = 1 << 19


class Expression:
    """A checked expression.

    Attributes:
        tree: its syntax.

    Raises:
        ParameterError: it is too long, no expression, or uses what isn't known here.
    """

    def __init__(self, text: str) -> None:
        self.tree = _parse(text)

    @property
    def text(self) -> str:
        """The expression as it is always written, whatever spaces it came with."""
        return ast.unparse(self.tree)

    @property
    def names(self) -> list[str]:
        """Names of what it is computed from, each once, in order."""
        nodes = (node for node in _nodes(self.tree) if isinstance(node, ast.Name))
        return list(dict.fromkeys(node.id for node in nodes))

    def with_names(self, meaning: Callable[[str], str]) -> Expression:
        """The expression with other expressions in place of its names."""
        texts = {name: f"({meaning(name)})" for name in self.names}
        trees = {name: _parse(text) for name, text in texts.items()}
        made = Expression.__new__(Expression)
        made.tree = _Renamed(trees).visit(_parse(self.text))
        _check_size(made.tree, self.text)
        return made

    def compute(self, bands: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """Values of the expression; NaN or infinite where it has none, as in a division by zero.

        Args:
            bands: values of each name, [H, W] of any real dtype.

        Returns:
            [H, W], float32 for numbers of up to 16 bits and float32, else float64.
        """
        first = next(iter(bands.values()))
        out = np.empty(first.shape, _float_type([value.dtype for value in bands.values()]))
        rows = max(1, _SLAB_VALUES // max(first.shape[1], 1))
        # Row by row of what fits into the caches: each operation makes a new array.
        with np.errstate(all="ignore"):
            for y in range(0, first.shape[0], rows):
                part = {n: value[y : y + rows].astype(out.dtype) for n, value in bands.items()}
                out[y : y + rows] = _value(self.tree, part, out.dtype)
        return out


class _Renamed(ast.NodeTransformer):
    def __init__(self, trees: Mapping[str, ast.expr]) -> None:
        self._trees = trees

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self._trees.get(node.id, node)


def _float_type(types: list[np.dtype[Any]]) -> np.dtype[Any]:
    small = all(t.itemsize <= 2 or t == np.float32 for t in types)
    return np.dtype(np.float32 if small else np.float64)


def _value(node: ast.AST, bands: Mapping[str, NDArray[Any]], dtype: np.dtype[Any]) -> Any:
    match node:
        case ast.Constant():
            return dtype.type(float(node.value))  # type: ignore[arg-type]  # checked: a number
        case ast.Name():
            return bands[node.id]
        case ast.UnaryOp():
            return _UNARY[type(node.op)](_value(node.operand, bands, dtype))
        case ast.BinOp():
            left, right = (_value(side, bands, dtype) for side in (node.left, node.right))
            return _BINARY[type(node.op)](left, right)
        case ast.Compare():
            left, right = (_value(side, bands, dtype) for side in (node.left, node.comparators[0]))
            held = _COMPARE[type(node.ops[0])](left, right)
            # A comparison with what isn't known isn't known either.
            known = ~(np.isnan(left) | np.isnan(right))
            return np.where(known, held.astype(dtype), dtype.type(np.nan))
        case ast.Call():
            values = [_value(value, bands, dtype) for value in node.args]
            result = _FUNCTIONS[node.func.id][1](*values)  # type: ignore[attr-defined]  # checked
            if node.func.id == "where":  # type: ignore[attr-defined]
                result = np.where(np.isnan(values[0]), dtype.type(np.nan), result)
            return result
    raise AssertionError(f"unchecked {type(node).__name__}")


def _parse(text: str) -> ast.expr:
    """The tree of a text, if it is an expression of this language."""
    shown = text if len(text) <= 60 else text[:57] + "…"
    if not text.strip() or len(text) > MOST_CHARACTERS:
        raise ParameterError(
            f"An expression needs 1 to {MOST_CHARACTERS} characters, got {len(text)}."
        )
    wrong = ParameterError(
        f"{shown!r} is no expression on bands: write such as (nir - red) / (nir + red), with "
        f"+ - * / **, comparisons, and {', '.join(FUNCTIONS)}."
    )
    if not _ALLOWED.fullmatch(text) or _GLUED.search(text):
        raise wrong
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        _check_size(tree, shown)
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise wrong from error
    for node in _nodes(tree):
        _check(node, wrong)
    return tree


def _check(node: ast.AST, wrong: ParameterError) -> None:
    """Refuse a node that isn't of this language."""
    match node:
        case ast.Constant(value=bool()):
            raise wrong
        case ast.Constant(value=int() | float() as number):
            if not abs(number) < 1e30 or not math.isfinite(number):
                raise wrong
        case ast.Name():
            pass
        case ast.UnaryOp() if type(node.op) in _UNARY:
            pass
        case ast.BinOp() if type(node.op) in _BINARY:
            pass
        case ast.Compare() if len(node.ops) == 1 and type(node.ops[0]) in _COMPARE:
            pass
        case ast.Call(func=ast.Name(id=name)) if name in _FUNCTIONS and not node.keywords:
            if len(node.args) != _FUNCTIONS[name][0]:
                raise ParameterError(
                    f"{name} takes {_FUNCTIONS[name][0]} values, got {len(node.args)}."
                )
        case _:
            raise wrong


def _children(node: ast.AST) -> list[ast.AST]:
    """What a node is computed from; the name of a function is no value."""
    if isinstance(node, ast.Call):
        own: list[ast.AST] = [*node.args]
        return own if isinstance(node.func, ast.Name) else [node.func, *own]
    parts = ast.iter_child_nodes(node)
    return [
        p for p in parts if not isinstance(p, ast.operator | ast.unaryop | ast.cmpop | ast.Load)
    ]


def _nodes(tree: ast.AST) -> Iterator[ast.AST]:
    yield tree
    for child in _children(tree):
        yield from _nodes(child)


def _check_size(tree: ast.AST, shown: str) -> None:
    """Refuse what would take long or deep recursion."""
    level, count, depth = [tree], 0, 0
    while level:
        count, depth = count + len(level), depth + 1
        if count > MOST_PARTS or depth > MOST_DEPTH:
            raise ParameterError(
                f"The expression {shown} has too many parts (up to {MOST_PARTS}, nested up to "
                f"{MOST_DEPTH} deep): simplify it."
            )
        level = [child for node in level for child in _children(node)]
