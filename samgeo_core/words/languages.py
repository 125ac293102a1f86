"""Which language a person reads: never a global of the process, as many look at it at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

ENGLISH, CHINESE = "en", "zh-CN"

LANGUAGES = {ENGLISH: "English", CHINESE: "简体中文"}
"""BCP 47 tag and own name of each language; all words are written in the first."""

COOKIE = "samgeo_language"
PARAM = "lang"
"""Where a choice is kept, and how an address may ask for a language."""

_spoken: ContextVar[str | None] = ContextVar("spoken", default=None)
_askers: list[Callable[[], str | None]] = []


def spoken_language() -> str:
    """The language of whoever is answered just now; English where nobody is."""
    if (language := _spoken.get()) is not None:
        return language
    return next((told for ask in _askers if (told := ask()) is not None), ENGLISH)


@contextmanager
def speaking(language: str | None) -> Iterator[None]:
    """Answer in a language, in this thread or task and in what it starts with its context."""
    token = _spoken.set(language)
    try:
        yield
    finally:
        _spoken.reset(token)


def ask_for_language(asker: Callable[[], str | None]) -> None:
    """Let somebody tell the language of threads that aren't ours, such as those of pages.

    Args:
        asker: tells the language of the visitor for whom the calling thread works; None where it
            works for nobody it knows.
    """
    if asker not in _askers:
        _askers.append(asker)


def known_language(tag: str | None) -> str | None:
    """The language of ours that a BCP 47 tag such as zh-Hans-CN asks for; None where there is none.

    Any Chinese is answered in Simplified Chinese, which readers of Traditional prefer to English.
    """
    primary = (tag or "").strip().replace("_", "-").split("-")[0].lower()
    return next((ours for ours in LANGUAGES if ours.split("-")[0] == primary), None)


def chosen_language(params: Mapping[str, str], cookies: Mapping[str, str]) -> str | None:
    """What a person has chosen: by the page's address, else once before; None leaves it open."""
    return known_language(params.get(PARAM)) or known_language(cookies.get(COOKIE))


def accepted_language(header: str | None) -> str:
    """What a browser likes best of what we have, by its header Accept-Language."""
    wishes = []
    for place, wish in enumerate((header or "")[:500].split(",")):
        tag, _, quality = wish.partition(";q=")
        try:
            weight = float(quality or 1)
        except ValueError:
            continue
        if weight > 0 and (language := known_language(tag)):
            wishes.append((-weight, place, language))
    return min(wishes)[2] if wishes else ENGLISH
