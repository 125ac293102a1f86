"""What the documents point at is there: files, pictures, commands and their options."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest

from samgeo_core.cli import build_parser

PROJECT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*PROJECT.glob("*.md"), *(PROJECT / "docs").glob("*.md")])

_LINK = re.compile(r"\]\(([^)\s#]+)(?:#[^)]*)?\)")
_CODE = re.compile(r"^(?: {4}|\t).*$|`[^`\n]+`", re.MULTILINE)
_COMMAND = re.compile(r"python -m samgeo_core ([a-z]+)(.*)")
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]+")


def _commands() -> dict[str, argparse.ArgumentParser]:
    (subparsers,) = (
        action
        for action in build_parser()._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    return dict(subparsers.choices)


def test_there_are_documents() -> None:
    assert {"README.md", "README.zh-CN.md", "guide.md"} <= {path.name for path in DOCUMENTS}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_files(document: Path) -> None:
    links = _LINK.findall(document.read_text("utf-8"))
    near = [link for link in links if not re.match(r"[a-z]+:", link)]
    assert [link for link in near if not (document.parent / link).exists()] == []


def test_every_document_is_in_the_index() -> None:
    index = _LINK.findall((PROJECT / "docs" / "README.md").read_text("utf-8"))
    there = {path.name for path in (PROJECT / "docs").iterdir() if path.is_file()}
    assert there - {"README.md"} == set(index)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_and_their_options_exist(document: Path) -> None:
    commands = _commands()
    for code in _CODE.findall(document.read_text("utf-8")):
        if (found := _COMMAND.search(code.partition("#")[0])) is None:
            continue
        name, rest = found.groups()
        assert name in commands, code
        parsers = [commands[name]]
        for action in commands[name]._actions:
            if isinstance(action, argparse._SubParsersAction):
                parsers += action.choices.values()
        known = {option for parser in parsers for option in parser._option_string_actions}
        assert set(_OPTION.findall(rest)) <= known, code
