"""Every control has a label and short help, and so have those of our own scripts."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

PROJECT = Path(__file__).resolve().parents[2]
CONTROLS = frozenset(
    re.findall(
        r"\w+",
        """
        audio_input button camera_input chat_input checkbox color_picker date_input datetime_input
        download_button feedback file_uploader form_submit_button link_button menu_button
        multiselect number_input pills popover radio segmented_control select_slider selectbox
        slider text_area text_input time_input toggle
        """,
    )
)
LONGEST = 170
"""Of a control's help, in characters."""


class Control(NamedTuple):
    """A call that draws a control.

    Attributes:
        place: file and line.
        label: what stands at it.
        help: what it says of itself; None without any.
    """

    place: str
    label: ast.expr | None
    help: ast.expr | None


def controls(code: str, name: str) -> Iterator[Control]:
    """The controls that a module draws, on the page or in a column or form."""
    for node in ast.walk(ast.parse(code)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if node.func.attr not in CONTROLS:
            continue
        given = {word.arg: word.value for word in node.keywords}
        label = node.args[0] if node.args else given.get("label")
        yield Control(f"{name}:{node.lineno}", label, given.get("help"))


def said(expression: ast.expr | None) -> list[str]:
    """The literal words in an expression; a key of a table of words is none."""
    if expression is None:
        return []
    parts = list(ast.walk(expression))
    keys = {id(part.slice) for part in parts if isinstance(part, ast.Subscript)}
    constants = [n.value for n in parts if isinstance(n, ast.Constant) and id(n) not in keys]
    return [value for value in constants if isinstance(value, str)]


def faults(control: Control) -> list[str]:
    """What a visitor would miss at a control."""
    label, told = said(control.label), said(control.help)
    found = []
    # A name or a call stands for words that are made elsewhere.
    if control.label is None or (isinstance(control.label, ast.Constant) and not any(label)):
        found.append("has no label")
    if control.help is None or (isinstance(control.help, ast.Constant) and not any(told)):
        found.append("has no help")
    for text in told:
        if len(text) > LONGEST:
            found.append(f"has help of {len(text)} characters, expected at most {LONGEST}")
        if text.strip(" .").casefold() in {word.strip(" .").casefold() for word in label}:
            found.append("has help that repeats its label")
    return [f"{control.place} {fault}" for fault in found]


def test_every_control_has_a_label_and_help_of_its_own() -> None:
    paths = [PROJECT / "app.py", *sorted((PROJECT / "pages").rglob("*.py"))]
    drawn = [
        control
        for path in paths
        for control in controls(path.read_text("utf-8"), path.relative_to(PROJECT).as_posix())
    ]
    assert len(drawn) > 80
    assert [fault for control in drawn for fault in faults(control)] == []


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("st.button(_('Go'))", "has no help"),
        ("left.selectbox(_('Unit'), units, help='')", "has no help"),
        ("st.slider('', 0, 1, help=_('Higher keeps fewer.'))", "has no label"),
        ("st.toggle(help=_('Higher keeps fewer.'))", "has no label"),
        ("st.button(_('Undo all'), help=_('Undo all.'))", "has help that repeats its label"),
        (f"st.button(_('Go'), help=_('{'long ' * 40}'))", "has help of 200 characters"),
    ],
)
def test_a_control_that_says_too_little_is_found(code: str, fault: str) -> None:
    (control,) = controls(code, "page")
    assert any(fault in found for found in faults(control))


# How scripts make what can be pressed or filled in; what follows must name it. A text area is only
# ever made out of sight, to copy from.
MADE = re.compile(
    r"""(?:createElement|made|create|make)\(\s*["'](?:button|input|select|a)["']"""
    r"""|<(?:button|input|select|textarea)\b"""
)
NAMED = re.compile(r"aria-label|ariaLabel|\btitle\b|textContent|innerText|<label|hidden|\b_\(")
WITHIN_LINES = 12


def nameless(code: str) -> list[int]:
    """Lines that make a control to which nothing near gives a name.

    NOTE: reading a file can't tell which name goes to which control; a browser can, and does in
    the tests with axe-core.
    """
    lines = code.splitlines()
    return [
        number
        for number, line in enumerate(lines, 1)
        if MADE.search(line) and not NAMED.search("\n".join(lines[number - 1 :][:WITHIN_LINES]))
    ]


def scripts() -> list[Path]:
    """Scripts of the pages."""
    return sorted((PROJECT / "pages" / "ui").glob("*.js"))


@pytest.mark.parametrize("path", scripts(), ids=lambda path: path.name)
def test_controls_of_scripts_are_named(path: Path) -> None:
    assert nameless(path.read_text("utf-8")) == []


def test_buttons_of_components_get_their_names_from_the_script() -> None:
    for path in sorted((PROJECT / "pages" / "ui").glob("*.py")):
        for tag in re.findall(r"<button\b([^>]*)>([^<]*)</button>", path.read_text("utf-8")):
            attributes, text = tag
            script = path.with_suffix(".js").read_text("utf-8")
            name = re.search(r'class="(\w+)"', attributes)
            # A button without a class is the only one, found by its tag.
            kept = re.escape(f".{name[1]}" if name else "button")
            assert re.search(rf"""["']{kept}["']""", script), f"{path.name}: {attributes} {text}"


def test_a_script_that_leaves_a_control_without_a_name_is_found() -> None:
    assert nameless('const b = document.createElement("button");\nb.onclick = go;') == [1]
    assert nameless('const b = document.createElement("button");\nb.title = _("Go");') == []
