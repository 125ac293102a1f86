"""The catalogues: complete, with what the code says, in the shape that it says it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping

import pytest

from samgeo_core.errors import ParameterError
from samgeo_core.words import N_, _, ngettext, sentence, speaking, words_of_scripts
from samgeo_core.words.catalogue import Entry, catalogue
from samgeo_core.words.extraction import (
    UntranslatableError,
    messages,
    python_messages,
    script_messages,
)
from samgeo_core.words.languages import CHINESE, ENGLISH, LANGUAGES
from samgeo_core.words.sentences import PLACEHOLDER

OTHERS = [language for language in LANGUAGES if language != ENGLISH]
_BRACES = re.compile(r"\{[^{}]*\}")
_CHINESE = re.compile(r"[\u4e00-\u9fff]")


def _entries(language: str) -> list[Entry]:
    return list(catalogue(language).values())


def _filled(words: str, values: Mapping[str, str]) -> str:
    return PLACEHOLDER.sub(lambda place: values[place[1]], words)


@pytest.mark.parametrize("language", OTHERS)
def test_all_that_the_code_says_is_translated(language: str) -> None:
    known = catalogue(language)
    missing = sorted({m.msgid for m in messages()} - set(known))
    assert not missing, "translate them: python -m samgeo_core.words add ENGLISH CHINESE"


def test_the_catalogues_are_what_extraction_makes_of_them() -> None:
    checked = subprocess.run(
        [sys.executable, "-m", "samgeo_core.words", "check"], capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("language", OTHERS)
def test_translations_have_the_same_values_and_marks(language: str) -> None:
    for entry in _entries(language):
        for form in entry.forms:
            wanted = sorted(set(_BRACES.findall(entry.plural or entry.msgid)))
            assert sorted(set(_BRACES.findall(form))) == wanted, entry.msgid
            assert form.count("**") == entry.msgid.count("**"), entry.msgid
            assert form.startswith("\n") == entry.msgid.startswith("\n"), entry.msgid
            assert form.strip() == form or "\n" in entry.msgid, entry.msgid


def test_chinese_is_chinese_and_ends_as_the_english_does() -> None:
    for entry in _entries(CHINESE):
        (form,) = entry.forms
        if not _CHINESE.search(form):
            # Names, and nothing but names, are the same in both.
            assert re.findall("[A-Za-z]+", form) == re.findall("[A-Za-z]+", entry.msgid)
        if re.search(r"[a-z)]\.$", entry.msgid):
            assert form.endswith(("。", "”", "？")), entry.msgid


def test_each_sentence_of_an_error_is_found_again_with_its_values() -> None:
    """No pattern hides another one: what is filled in comes out at its place."""
    with speaking(CHINESE):
        for entry in _entries(CHINESE):
            if not PLACEHOLDER.search(entry.msgid) or entry.plural:
                continue
            if not any(place.startswith("samgeo_core/") for place in entry.places):
                continue
            names = list(dict.fromkeys(PLACEHOLDER.findall(entry.msgid)))
            values = {name: f"7{i}" for i, name in enumerate(names)}

            told = sentence(_filled(entry.msgid, values))
            # Two patterns may fit the same words only where they say the same of them.
            assert told == _filled(entry.forms[0], values), entry.msgid


def test_a_sentence_within_a_sentence_is_translated_too() -> None:
    inner = ParameterError("This takes one object, 3 are selected: select only one.")
    outer = f"No picture can be drawn of these objects: {inner}"
    with speaking(CHINESE):
        assert (
            sentence(outer)
            == "无法绘制这些对象的图片：此操作只针对一个对象，已选择 3 个：请只选一个。"
        )
        assert sentence("Quite another text") == "Quite another text"
    with speaking(ENGLISH):
        assert sentence(outer) == outer


def test_numbers_choose_the_plural() -> None:
    def told(number: int) -> str:
        return ngettext("{n:,} object", "{n:,} objects", number).format(n=number)

    assert [told(0), told(1), told(1204)] == ["0 objects", "1 object", "1,204 objects"]
    with speaking(CHINESE):
        assert [told(1), told(1204)] == ["1 个对象", "1,204 个对象"]


def test_marked_words_stay_english_until_they_are_shown() -> None:
    with speaking(CHINESE):
        assert N_("Nested") == "Nested"
        assert _("Nested") == "嵌套"
        assert _("Nobody ever wrote this") == "Nobody ever wrote this"


def test_a_script_gets_its_own_words_only() -> None:
    assert words_of_scripts("pages/ui/edit_bar.js") == {}
    with speaking(CHINESE):
        words = words_of_scripts("pages/ui/edit_bar.js")
    assert words["Merge"] == ["合并"]
    assert "Pause" not in words


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ('st.title(_("Open"))', ["Open"]),
        ('TITLES = {"a": N_("One " "two")}', ["One two"]),
        ('ngettext("{n} hit", "{n} hits", n)', ["{n} hit"]),
        ('raise RasterError(f"{path.name} has {len(bands)} bands, {a!r} to {b:.1f}.")',
         ["{name} has {bands} bands, {a} to {b}."]),
        ('raise RasterError(f"{a.width} of {b.width} px, {a.width} again.")',
         ["{width} of {width_2} px, {width} again."]),
        ('raise RasterError("Much {n} here.".format(n=1))', ["Much {n} here."]),
        ('raise RasterError("It is so." if a else f"It is {b}.")', ["It is so.", "It is {b}."]),
        ('raise KeyError("no such key")', []),
        ("raise RasterError(_GONE)", []),
        ("_(title)", []),
    ],
)  # fmt: skip
def test_what_python_says_is_found(code: str, found: list[str]) -> None:
    assert [m.msgid for m in python_messages(code, "samgeo_core/x.py")] == found


def test_words_that_are_put_together_are_refused() -> None:
    code = 'raise RasterError("It is " + name)'
    with pytest.raises(UntranslatableError, match=r"x\.py:1"):
        list(python_messages(code, "samgeo_core/x.py"))


def test_what_scripts_say_is_found() -> None:
    code = 'a(_("Undo"), b_("no"), x._("no"), ngettext("{n} a", "{n} b", n), _( "She \\"x\\"" ))'
    found = [(m.msgid, m.plural) for m in script_messages(code, "pages/ui/x.js")]
    assert found == [("Undo", ""), ("{n} a", "{n} b"), ('She "x"', "")]
