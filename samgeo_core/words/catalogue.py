"""What the catalogues say: read from their .po files once, so that nothing needs compiling.

The .po files are the catalogues of gettext (https://www.gnu.org/software/gettext/manual). Some
thousand entries are read in some hundredths of a second, once, and only where somebody reads that
language; a compiled copy beside them could only be forgotten.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from samgeo_core.words.languages import ENGLISH, spoken_language

LOCALE = Path(__file__).parent / "locale"
SPEAKER = Path(__file__).parent / "words.js"
"""What our scripts say their words with."""

MARKED_WORDS = re.compile(r"\{\{ (.+?) \}\}")
"""Words in HTML files."""


@dataclass
class Entry:
    """A message and its translation.

    Attributes:
        msgid: the English words, the singular where there are two forms.
        plural: the English plural; empty where there is none.
        forms: the translation, one for each plural form of the language.
        places: files of the repository that say it.
    """

    msgid: str = ""
    plural: str = ""
    forms: list[str] = field(default_factory=list)
    places: list[str] = field(default_factory=list)


def catalogue_path(language: str) -> Path:
    """The .po file of a language."""
    return LOCALE / f"{language.replace('-', '_')}.po"


@cache
def catalogue(language: str) -> dict[str, Entry]:
    """The entries of a language by their English words; none for English itself."""
    if language == ENGLISH:
        return {}
    text = catalogue_path(language).read_text(encoding="utf-8")
    return {entry.msgid: entry for entry in _entries(text) if entry.msgid and any(entry.forms)}


def _(words: str) -> str:
    """Words in the language of whoever is answered; English words that nobody translated stay."""
    entry = catalogue(spoken_language()).get(words)
    return entry.forms[0] if entry is not None else words


def ngettext(one: str, many: str, number: int) -> str:
    """Words that depend on a number; put it in with ``.format``.

    Args:
        one: said of exactly one, in English.
        many: said of all other numbers.
        number: of how many.
    """
    entry = catalogue(spoken_language()).get(one)
    if entry is None:
        return one if number == 1 else many
    # NOTE: Chinese has one form. Another language with more needs its rule of plurals here.
    return entry.forms[0]


def N_(words: str) -> str:  # noqa: N802
    """Marks words of a constant for the catalogue; whoever shows them calls `_` on them."""
    return words


def words_of_scripts(*files: str) -> dict[str, list[str]]:
    """What JavaScript files need to speak the visitor's language: forms by English words.

    Args:
        files: their names in the repository, such as ``pages/ui/edit_bar.js``.
    """
    entries = catalogue(spoken_language()).values()
    return {e.msgid: e.forms for e in entries if not set(files).isdisjoint(e.places)}


def _entries(text: str) -> Iterator[Entry]:
    """The entries of a .po file without those that are obsolete."""
    for block in text.replace("\r\n", "\n").split("\n\n"):
        entry, target = Entry(), ""
        for line in block.splitlines():
            if line.startswith("#: "):
                entry.places += [place.split(":")[0] for place in line[3:].split()]
            elif line.startswith(("msgid", "msgstr")):
                target, _space, value = line.partition(" ")
                _add(entry, target, value, new=True)
            elif line.startswith('"'):
                _add(entry, target, line, new=False)
        yield entry


def _add(entry: Entry, target: str, quoted: str, *, new: bool) -> None:
    # The escapes of C that gettext writes (\n, \t, \", \\) are Python's as well.
    piece = str(ast.literal_eval(quoted))
    if target == "msgid":
        entry.msgid += piece
    elif target == "msgid_plural":
        entry.plural += piece
    elif new:
        entry.forms.append(piece)
    else:
        entry.forms[-1] += piece
