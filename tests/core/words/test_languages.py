from __future__ import annotations

import threading

import pytest

from samgeo_core.words import _, speaking, spoken_language
from samgeo_core.words.languages import (
    CHINESE,
    ENGLISH,
    accepted_language,
    chosen_language,
    known_language,
)


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", CHINESE),
        ("en-GB,en;q=0.9,zh;q=0.8", ENGLISH),
        ("fr-FR,fr;q=0.9,zh-TW;q=0.8,en;q=0.7", CHINESE),
        ("en;q=0.2,zh-Hans-SG;q=0.5", CHINESE),
        ("de", ENGLISH),
        ("zh;q=0", ENGLISH),
        ("zh;q=a lot", ENGLISH),
        ("", ENGLISH),
        (None, ENGLISH),
    ],
)
def test_browsers_get_what_they_like_best(header: str | None, language: str) -> None:
    assert accepted_language(header) == language


def test_an_address_comes_before_a_cookie() -> None:
    assert chosen_language({"lang": "en"}, {"samgeo_language": "zh-CN"}) == ENGLISH
    assert chosen_language({}, {"samgeo_language": "zh-CN"}) == CHINESE
    assert chosen_language({"lang": "../x"}, {"samgeo_language": "<b>"}) is None
    assert known_language("zh_CN") == CHINESE


def test_threads_don_t_hear_each_other() -> None:
    heard: dict[str, list[str]] = {}
    both = threading.Barrier(2)

    def speak(language: str) -> None:
        with speaking(language):
            both.wait(10)
            heard[language] = [spoken_language(), _("Nested")]
            both.wait(10)

    threads = [threading.Thread(target=speak, args=(tag,)) for tag in (ENGLISH, CHINESE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert heard == {ENGLISH: [ENGLISH, "Nested"], CHINESE: [CHINESE, "嵌套"]}
    assert spoken_language() == ENGLISH
