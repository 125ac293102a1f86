"""The language of a visitor: what the browser asks for, until the visitor chooses another."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import streamlit as st
from streamlit.components.v2.types import ComponentRenderer
from streamlit.runtime.scriptrunner import get_script_run_ctx

from samgeo_core.web.urls import base_path
from samgeo_core.words import _, spoken_language, words_of_scripts
from samgeo_core.words.catalogue import SPEAKER
from samgeo_core.words.languages import (
    COOKIE,
    ENGLISH,
    LANGUAGES,
    PARAM,
    accepted_language,
    ask_for_language,
    chosen_language,
    known_language,
)

_KEY = "studio_language"


def visitors_language() -> str | None:
    """The language of the visitor for whom this thread runs a page; None in other threads."""
    if get_script_run_ctx(suppress_warning=True) is None:
        return None
    if (chosen := st.session_state.get(_KEY)) is not None:
        return str(chosen)
    chosen = chosen_language(st.query_params.to_dict(), st.context.cookies.to_dict())
    browser = known_language(st.context.locale)
    language = chosen or browser or accepted_language(st.context.headers.get("Accept-Language"))
    st.session_state[_KEY] = language
    return language


ask_for_language(visitors_language)


def language_buttons() -> None:
    """A button for each other language, in its own words; what the visitor did stays."""
    now = spoken_language()
    for tag, name in LANGUAGES.items():
        if tag != now:
            st.button(
                name,
                key=f"language_{tag}",
                type="tertiary",
                help=_("Language"),
                on_click=_choose,
                args=(tag,),
            )
    _renderer()(
        data={
            "words": script_words("language.js"),
            "language": now,
            "cookie": COOKIE,
            "chosen": bool(st.session_state.get(f"{_KEY}_chosen")),
            "path": f"{base_path(str(st.get_option('server.baseUrlPath') or ''))}/",
        },
        key="language",
    )


def _choose(tag: str) -> None:
    st.session_state[_KEY] = tag
    st.session_state[f"{_KEY}_chosen"] = True
    st.query_params.pop(PARAM, None)


def script(*names: str) -> str:
    """The code of scripts of this folder, with what they need to speak; see `script_words`.

    Args:
        names: of files beside this module.
    """
    return "\n".join(path.read_text(encoding="utf-8") for path in _paths(names))


def _paths(names: Iterable[str]) -> list[Path]:
    return [SPEAKER, *(Path(__file__).parent / name for name in names)]


def script_words(*names: str) -> dict[str, list[str]]:
    """What scripts of this folder hand to ``useWords``, in the visitor's language."""
    return words_of_scripts(*(f"pages/ui/{name}" for name in names))


def speaking_script(*names: str) -> str:
    """The code of scripts that stand in a page of their own, such as a map, and their words."""
    words = json.dumps(script_words(*names), ensure_ascii=False).replace("<", "\\u003c")
    speaker, *code = (path.read_text(encoding="utf-8") for path in _paths(names))
    # In a function of its own, so that scripts of one page keep their words apart.
    return "\n".join(["(() => {", speaker, f"useWords({words});", *code, "})();"])


def key_of_language(key: str) -> str:
    """A key for an element whose script says words as it loads: another language, another one."""
    language = spoken_language()
    return key if language == ENGLISH else f"{key}_{language}"


@cache
def _renderer() -> ComponentRenderer:
    return st.components.v2.component(
        "studio_language", html="<span hidden></span>", js=script("language.js")
    )
