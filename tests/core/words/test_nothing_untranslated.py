"""No words that people read stand in the code without going through the catalogue."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from babel.messages.jslexer import tokenize

from samgeo_core.words.extraction import ROOT, called

PAGES = sorted([*(ROOT / "pages").rglob("*.py"), ROOT / "app.py"])
FOR_MACHINES = {"counts.py", "health.py"}
ROUTES = [
    path
    for path in sorted((ROOT / "samgeo_core" / "web").rglob("*.py"))
    if path.name not in FOR_MACHINES
]
SCRIPTS = sorted([*(ROOT / "pages").rglob("*.js"), *(ROOT / "samgeo_core" / "web").rglob("*.js")])
HTML = sorted((ROOT / "samgeo_core" / "web").rglob("*.html"))

SAY = {"_", "N_", "ngettext"}
TELL_NOBODY = {
    "getLogger",
    "debug",
    "info",
    "warning",
    "error",
    "exception",
    "log",
    "record",
    "_tell",
}
"""Calls of loggers and of the audit log; of `st.warning` and the like see `_is_logged`."""

NEVER_SHOWN = {"key", "icon", "width", "type", "persist_state", "media_type", "gap", "css", "js"}
"""Keyword arguments that are no text for people."""

NAMES = re.compile(
    r"(SamGeo Studio|GeoTIFF( \(COG\))?|GeoPackage|GeoJSON|GeoParquet|FlatGeobuf|Shapefile"
    r"|JPEG 2000|Segment Anything( Model)?|Accept(-[A-Z]\w+)?|MapLibre|Leaflet|EPSG:\d+|SAMGEO_\w+"
    r"|Esri World Imagery|Satellite map: Esri, Maxar, Earthstar Geographics|Band|Polygon"
    r"|MultiPolygon|Escape|FeatureCollection|Feature|Mozilla|Bearer|Esc|Enter|Tab)"
)
"""What is the same in every language, or no word but a name of the code."""

_WORDS = re.compile(r"[A-Za-z]{2,}[,;:]? (\*|\(|“)?[A-Za-z{]|^[A-Z][a-z]{2,}\b")
_MARKUP = re.compile(
    r"^\s*(<|\.st-|\{%|[.#:@][\w-]+.*\{|/\*|var |[\w-]+:\s| ?button ?\{)", re.DOTALL
)


def _is_text(words: str) -> bool:
    """Whether a string looks like words for people."""
    words = words.strip()
    if _MARKUP.match(words) or NAMES.fullmatch(words) or re.fullmatch(r":material/\w+:", words):
        return False
    return bool(_WORDS.search(words))


def _parents(tree: ast.AST) -> dict[ast.AST, ast.AST]:
    return {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}


def _is_logged(call: ast.Call) -> bool:
    if not isinstance(call.func, ast.Attribute) or call.func.attr not in TELL_NOBODY:
        return False
    owner = call.func.value
    return not (isinstance(owner, ast.Name) and owner.id in {"st", "left", "right", "column"})


def _is_said(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> bool:
    """Whether a string goes through the catalogue, is an error's, or is shown to nobody."""
    child, parent = node, parents.get(node)
    if isinstance(parent, ast.Expr):
        return True  # a docstring, or what explains a constant
    while parent is not None:
        if isinstance(parent, ast.keyword) and parent.arg in NEVER_SHOWN:
            return True
        if isinstance(parent, ast.Call):
            name = called(parent)
            if name in SAY or name.endswith(("Error", "Exception")) or _is_logged(parent):
                return True
        if isinstance(parent, ast.Subscript) and parent.slice is child:
            return True
        if isinstance(parent, ast.Dict) and child in parent.keys:
            return True
        if isinstance(parent, ast.Compare | ast.arg | ast.AnnAssign) and child is not getattr(
            parent, "value", None
        ):
            return True
        if isinstance(parent, ast.stmt):
            return False
        child, parent = parent, parents.get(parent)
    return False


def untranslated_python(code: str) -> Iterator[tuple[int, str]]:
    """Strings of a Python file that look like words for people and don't go through `_`."""
    tree = ast.parse(code)
    parents = _parents(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _is_text(node.value):
            whole = parents[node] if isinstance(parents.get(node), ast.JoinedStr) else node
            if not _is_said(whole, parents):
                yield node.lineno, node.value


TECHNICAL = {
    "querySelector",
    "querySelectorAll",
    "closest",
    "on",
    "setRequestHeader",
    "Error",
    "matchMedia",
}
CODE = re.compile(
    r"use strict|status \{\}|.*px (\{\}|solid|dashed)( \{\})?|[A-Z]\w+-\w+"
    r"|input, textarea, select|noopener noreferrer"
)
"""What takes no words for people, and strings that are none."""


def untranslated_script(code: str) -> Iterator[tuple[int, str]]:
    """Strings of a JavaScript file that look like words for people and don't go through `_`."""
    tokens = [
        token
        for token in tokenize(code)
        if token.type not in {"whitespace", "linecomment", "multilinecomment"}
    ]
    values = [token.value for token in tokens]
    for i, token in enumerate(tokens):
        if token.type not in {"string", "template_string"} or values[i + 1 : i + 2] == [":"]:
            continue
        call = values[i - 2].split(".")[-1] if values[i - 1 : i] == ["("] else ""
        plural = values[i - 4 : i - 2] == ["ngettext", "("]
        logged = any(name.startswith("console") for name in values[max(0, i - 4) : i])
        if call in {"_", "ngettext"} | TECHNICAL or plural or logged:
            continue
        text = re.sub(r"\$\{[^{}]*\}", "{}", token.value[1:-1])
        is_code = CODE.fullmatch(text) or re.search(r"[=/]|\bpick-|\bleaflet|samgeo[-:]", text)
        if _is_text(text) and not is_code:
            yield token.lineno, token.value


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_pages_say_nothing_past_the_catalogue(path: Path) -> None:
    assert not list(untranslated_python(path.read_text(encoding="utf-8")))


def _sentences(path: Path) -> list[tuple[int, str]]:
    found = untranslated_python(path.read_text(encoding="utf-8"))
    # Beside sentences routes have names, statements and headers of many kinds.
    return [(line, text) for line, text in found if re.search(r"[a-z]{2,} [a-z]+.*[.:…!]$", text)]


@pytest.mark.parametrize("path", ROUTES, ids=lambda path: path.name)
def test_routes_answer_no_sentence_past_the_catalogue(path: Path) -> None:
    assert not _sentences(path)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_say_nothing_past_the_catalogue(path: Path) -> None:
    assert not list(untranslated_script(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", HTML, ids=lambda path: path.name)
def test_html_files_mark_their_words(path: Path) -> None:
    text = re.sub(r"\{\{ .+? \}\}|<style>.*?</style>", "", path.read_text("utf-8"), flags=re.S)
    found: list[str] = []

    class Reader(HTMLParser):
        def handle_data(self, data: str) -> None:
            found.append(data)

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.extend(v or "" for k, v in attrs if k in {"aria-label", "title", "alt"})

    Reader().feed(text)
    assert not [words for words in found if re.search(r"(?<!\$)\b[A-Za-z]{3,}", words)]


def test_the_name_underscore_is_nothing_but_the_catalogue() -> None:
    """A module that says words by `_` must not call something else so: the words would be gone."""
    for path in [*PAGES, *ROUTES]:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) for n in n.names]
        if any(name.name == "_" for name in names):
            stored = [n for n in ast.walk(tree) if isinstance(n, ast.Name) and n.id == "_"]
            assert not [n.lineno for n in stored if isinstance(n.ctx, ast.Store)], path


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ('st.title("Open an image")', ["Open an image"]),
        ('st.button("Save")', ["Save"]),
        ('st.caption(f"{n} objects found")', [" objects found"]),
        ('TITLES = {"a": "Right angles"}', ["Right angles"]),
        ('st.warning("Too large for this")', ["Too large for this"]),
        ('st.title(_("Open an image"), anchor=False)', []),
        ('logger.warning("Nothing here %s", x)', []),
        ('st.button(_("Save"), key="Save it", icon=":material/save:")', []),
        ('raise ParameterError("This is one sentence.")', []),
        ('def f():\n    """This explains."""', []),
        ('st.html("<p class=x>")', []),
    ],
)
def test_what_the_test_of_pages_finds(code: str, found: list[str]) -> None:
    assert [text for _line, text in untranslated_python(code)] == found


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ('node.textContent = "Nothing at hand";', 1),
        ("node.title = `${n} objects selected`;", 1),
        ('node.title = _("{n} objects selected", { n });', 0),
        ('say(ngettext("{n} object", "{n} objects", n, { n }));', 0),
        ('console.warn("not loaded here:", error);', 0),
        ('node.className = "samgeo-row samgeo-hint";', 0),
    ],
)
def test_what_the_test_of_scripts_finds(code: str, found: int) -> None:
    assert len(list(untranslated_script(code))) == found
