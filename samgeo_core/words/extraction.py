"""Which words the code says: calls of ours in Python and JavaScript, and sentences of errors."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from samgeo_core import errors
from samgeo_core.words.catalogue import MARKED_WORDS

ROOT = Path(__file__).resolve().parents[2]

PLAIN = frozenset({"_", "N_"})
PLURAL = frozenset({"ngettext"})
_SCRIPT_CALL = re.compile(
    r"(?<![\w.$])(?P<name>_|ngettext)\(\s*"
    r'(?P<one>"(?:[^"\\\n]|\\.)*")\s*(?:,\s*(?P<many>"(?:[^"\\\n]|\\.)*"))?'
)
_FAMILY = frozenset(name for name, kind in vars(errors).items() if isinstance(kind, type))
_UNSEEN = ("samgeo_core/api/", "samgeo_core/cli/", "samgeo_core/words/words.js")
"""What no visitor of the app ever reads: the library's shell and the command line."""


@dataclass(frozen=True)
class Message:
    """Words that the code says, with the plural where they depend on a number."""

    msgid: str
    plural: str
    place: str


class UntranslatableError(Exception):
    """Words are put together in a way that no catalogue can know."""


def messages() -> list[Message]:
    """All words of the app, file by file."""
    found: list[Message] = []
    for path in _files("*.py"):
        found += python_messages(path.read_text(encoding="utf-8"), _name(path))
    for path in _files("*.js"):
        found += script_messages(path.read_text(encoding="utf-8"), _name(path))
    for path in _files("*.html"):
        text = path.read_text(encoding="utf-8")
        found += (Message(mark[1], "", _name(path)) for mark in MARKED_WORDS.finditer(text))
    return found


def _files(kind: str) -> Iterator[Path]:
    yield from sorted(ROOT.glob("app.py") if kind == "*.py" else ())
    for folder in ("pages", "samgeo_core"):
        for path in sorted((ROOT / folder).rglob(kind)):
            if not _name(path).startswith(_UNSEEN):
                yield path


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def script_messages(code: str, place: str) -> Iterator[Message]:
    """Words that a JavaScript file says by ``_("…")`` and ``ngettext("…", "…", n)``."""
    for call in _SCRIPT_CALL.finditer(code):
        many = call["many"] if call["name"] == "ngettext" else None
        yield Message(ast.literal_eval(call["one"]), ast.literal_eval(many or '""'), place)


def python_messages(code: str, place: str) -> Iterator[Message]:
    """Words that a Python file says by `_`, `N_` and `ngettext`, and as sentences of errors.

    Raises:
        UntranslatableError: the words of an error are no single string.
    """
    for node in ast.walk(ast.parse(code, place)):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        name = called(node)
        if name in PLAIN and (words := _constant(node.args[0])) is not None:
            yield Message(words, "", place)
        elif name in PLURAL and len(node.args) == 3:
            one, many = (_constant(arg) for arg in node.args[:2])
            if one is not None and many is not None:
                yield Message(one, many, place)
        elif name in _FAMILY and place.startswith("samgeo_core/"):
            for words in sentence_patterns(node.args[0], place):
                yield Message(words, "", place)


def called(call: ast.Call) -> str:
    """The last name of what is called."""
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _constant(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def sentence_patterns(node: ast.expr, place: str) -> Iterator[str]:
    """The sentences an expression can give, with a named placeholder for each value.

    Names, attributes and calls give none: what they hold is marked where it is written.

    Raises:
        UntranslatableError: strings are put together by an operator.
    """
    if isinstance(node, ast.IfExp):
        yield from sentence_patterns(node.body, place)
        yield from sentence_patterns(node.orelse, place)
    elif isinstance(node, ast.JoinedStr):
        yield _pattern_of(node.values)
    elif isinstance(node, ast.Call) and called(node) == "format":
        if isinstance(node.func, ast.Attribute):
            yield from sentence_patterns(node.func.value, place)
    elif isinstance(node, ast.BinOp):
        raise UntranslatableError(
            f"{place}:{node.lineno}: write these words as one string with values in it."
        )
    elif (words := _constant(node)) is not None and " " in words:
        yield words


def _pattern_of(pieces: Iterable[ast.expr]) -> str:
    words, taken = "", dict[str, str]()
    for piece in pieces:
        if isinstance(piece, ast.FormattedValue):
            source = ast.unparse(piece.value)
            name = base = _value_name(piece.value)
            number = 2
            while taken.setdefault(name, source) != source:
                name, number = f"{base}_{number}", number + 1
            words += f"{{{name}}}"
        elif (constant := _constant(piece)) is not None:
            words += constant
    return words


_SHELLS = frozenset({"str", "repr", "len", "sorted", "max", "min", "int", "round", "abs", "join"})


def _value_name(node: ast.expr) -> str:
    """A name for a value of a sentence, from what the code calls it."""
    names = [
        found.attr if isinstance(found, ast.Attribute) else found.id
        for found in ast.walk(node)
        if isinstance(found, ast.Name | ast.Attribute)
    ]
    useful = [name.strip("_").lower() for name in names if name not in _SHELLS and name != "self"]
    return next((name for name in useful if name), "value")
