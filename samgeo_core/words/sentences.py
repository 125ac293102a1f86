"""Sentences that were made in English and are shown later: errors, mostly.

An error is raised far from who reads it: in a thread of its own, on a worker, in an earlier life of
the server, for logs and the command line as well. So it speaks English, and is put into the
reader's language as it is shown: the catalogue knows the pattern it was made from.
"""

from __future__ import annotations

import re
from functools import cache

from samgeo_core.words.catalogue import catalogue
from samgeo_core.words.languages import spoken_language

PLACEHOLDER = re.compile(r"\{(\w+)(?:[:!][^{}]*)?\}")
_LIBRARY = "samgeo_core/"
_MOST_NESTED = 4


def sentence(text: str) -> str:
    """An English sentence of ours, in the language of whoever is answered; others stay."""
    return _said(text, spoken_language(), _MOST_NESTED)


def _said(text: str, language: str, depth: int) -> str:
    known = catalogue(language)
    if text in known:
        return known[text].forms[0]
    if depth == 0:
        return text
    for pattern, literals, form in _patterns(language):
        if not all(literal in text for literal in literals):
            continue
        if (match := pattern.fullmatch(text)) is not None:
            # What an error tells of another one, is a sentence again.
            said = {k: _said(v, language, depth - 1) for k, v in match.groupdict().items()}
            pieces = PLACEHOLDER.split(form)
            pieces[1::2] = [said[name] for name in pieces[1::2]]
            return "".join(pieces)
    return text


@cache
def _patterns(language: str) -> tuple[tuple[re.Pattern[str], list[str], str], ...]:
    """Patterns of all sentences with values, those that say most by themselves first."""
    found = []
    for entry in catalogue(language).values():
        if not any(place.startswith(_LIBRARY) for place in entry.places):
            continue
        for words in filter(None, (entry.msgid, entry.plural)):
            literals = [piece for piece in PLACEHOLDER.split(words)[::2] if piece.strip()]
            if PLACEHOLDER.search(words) and literals:
                found.append((sum(map(len, literals)), words, literals, entry.forms[0]))
    found.sort(key=lambda row: -row[0])
    return tuple((re.compile(_pattern(w), re.DOTALL), ls, form) for _n, w, ls, form in found)


def _pattern(words: str) -> str:
    """A regular expression of all that a sentence with these placeholders can be."""
    pieces = PLACEHOLDER.split(words)
    pattern, seen = re.escape(pieces[0]), set[str]()
    for name, literal in zip(pieces[1::2], pieces[2::2], strict=True):
        pattern += f"(?P={name})" if name in seen else f"(?P<{name}>.*?)"
        seen.add(name)
        pattern += re.escape(literal)
    return pattern
