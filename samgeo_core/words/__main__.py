"""Keeps the catalogues: ``python -m samgeo_core.words extract | add | check``."""

from __future__ import annotations

import argparse
import fcntl
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from samgeo_core.words.catalogue import LOCALE, catalogue_path
from samgeo_core.words.extraction import Message, messages
from samgeo_core.words.languages import CHINESE, ENGLISH, LANGUAGES

if TYPE_CHECKING:
    from babel.messages.catalog import Catalog

HEADER = "# Words of SamGeo Studio: see docs/words.md.\n#"


@contextmanager
def _alone() -> Iterator[None]:
    """One process at a time changes catalogues."""
    with (LOCALE / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _read(language: str) -> Catalog:
    from babel.messages.catalog import Catalog
    from babel.messages.pofile import read_po

    path = catalogue_path(language)
    if not path.exists():
        return Catalog(locale=language.replace("-", "_"))
    with path.open(encoding="utf-8") as file:
        return read_po(file, locale=language.replace("-", "_"))


def updated(language: str, said: list[Message]) -> Catalog:
    """The catalogue of a language with what the code says now, and what was translated before."""
    from babel.messages.catalog import Catalog

    old = _read(language)
    before = {_one(m.id): m.string for m in [*old.obsolete.values(), *old] if m.id and m.string}
    fresh = Catalog(
        locale=language.replace("-", "_"), header_comment=HEADER, fuzzy=False, charset="utf-8"
    )
    for message in said:
        fresh.add(_id(message), locations=[(message.place, 0)])
    for entry in fresh:
        if entry.id and (string := before.get(_one(entry.id))):
            entry.string = _shaped(string, plural=isinstance(entry.id, tuple))
    return fresh


def _id(message: Message) -> str | tuple[str, str]:
    return (message.msgid, message.plural) if message.plural else message.msgid


def _one(msgid: object) -> str:
    return str(msgid[0]) if isinstance(msgid, list | tuple) else str(msgid)


def _shaped(string: object, *, plural: bool) -> str | tuple[str, ...]:
    forms = tuple(map(str, string)) if isinstance(string, list | tuple) else (str(string),)
    return forms if plural else forms[0]


def text_of(fresh: Catalog) -> str:
    """A catalogue as it is written to its file: no dates and no line numbers, which only stir."""
    import io

    from babel.messages.pofile import write_po

    # Words that files share stay beside each other, whatever was added elsewhere.
    out = io.BytesIO()
    write_po(out, fresh, width=100, omit_header=True, sort_by_file=True, include_lineno=False)
    head = (
        f'{HEADER[:-2]}\nmsgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n'
        f'"Language: {fresh.locale_identifier}\\n"\n"Plural-Forms: {fresh.plural_forms}\\n"\n\n'
    )
    return head + out.getvalue().decode()


def _write(language: str, fresh: Catalog) -> None:
    handle, name = tempfile.mkstemp(dir=LOCALE)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text_of(fresh))
    Path(name).chmod(0o644)
    Path(name).replace(catalogue_path(language))


def untranslated(fresh: Catalog) -> list[str]:
    """The words of a catalogue that have no translation."""
    return [
        _one(m.id)
        for m in fresh
        if m.id and not all(m.string if isinstance(m.string, list | tuple) else [m.string])
    ]


def extract() -> int:
    """Bring the catalogues up to date and list what nobody has translated yet."""
    said, missing = messages(), 0
    with _alone():
        for language in LANGUAGES:
            if language != ENGLISH:
                fresh = updated(language, said)
                _write(language, fresh)
                for words in untranslated(fresh):
                    missing += 1
                    sys.stdout.write(f"{language}  {words!r}\n")
    sys.stdout.write(f"{missing} left to translate\n")
    return 0


def add(pairs: list[tuple[str, str]], language: str = CHINESE) -> int:
    """Put translations into the catalogue of a language.

    Args:
        pairs: the English words, as the code says them, and their translation.
        language: which.

    Returns:
        0, or 1 where the code says none of some words.
    """
    said, unknown = messages(), 0
    with _alone():
        fresh = updated(language, said)
        for english, translation in pairs:
            found = fresh.get(english)
            if found is None:
                unknown += 1
                sys.stderr.write(f"The code doesn't say {english!r}.\n")
                continue
            found.string = _shaped(translation, plural=isinstance(found.id, tuple))
        _write(language, fresh)
    return 1 if unknown else 0


def check() -> int:
    """Tell whether all catalogues hold what the code says, translated."""
    said, wrong = messages(), 0
    for language in LANGUAGES:
        if language == ENGLISH:
            continue
        fresh = updated(language, said)
        if catalogue_path(language).read_text(encoding="utf-8") != text_of(fresh):
            wrong += 1
            sys.stderr.write(f"{catalogue_path(language).name} is not what the code says.\n")
        for words in untranslated(fresh):
            wrong += 1
            sys.stderr.write(f"{language}: nobody has translated {words!r}.\n")
    return 1 if wrong else 0


def _main() -> int:
    parser = argparse.ArgumentParser(prog="python -m samgeo_core.words", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("extract", help="bring catalogues up to date, list what is missing")
    adding = commands.add_parser("add", help="add Chinese: ENGLISH CHINESE [ENGLISH CHINESE …]")
    adding.add_argument("words", nargs="+")
    commands.add_parser("check", help="fail where something is missing")
    asked = parser.parse_args()
    if asked.command == "add":
        words = asked.words
        if len(words) % 2:
            parser.error("give pairs: the English words and their Chinese")
        return add(list(zip(words[::2], words[1::2], strict=True)))
    return extract() if asked.command == "extract" else check()


if __name__ == "__main__":
    sys.exit(_main())
