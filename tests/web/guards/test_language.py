"""Routes answer in the language that a page's address, its cookie or the browser asks for."""

from __future__ import annotations

import threading

import anyio
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from samgeo_core.web.guards.language import SpokenLanguage
from samgeo_core.web.guards.password import SharedPassword
from samgeo_core.words import sentence, spoken_language


async def _answer(request: Request) -> PlainTextResponse:
    # As our routes do: the work runs in a thread of a pool.
    told = await anyio.to_thread.run_sync(lambda: sentence("There is no such file."))
    return PlainTextResponse(told)


@pytest.mark.parametrize(
    ("address", "headers", "told"),
    [
        ("/x", {}, "There is no such file."),
        ("/x", {"accept-language": "zh-CN,zh;q=0.9"}, "没有这样的文件。"),
        ("/x", {"accept-language": "zh", "cookie": "samgeo_language=en"}, "There is no such file."),
        ("/x?lang=zh-CN", {"cookie": "samgeo_language=en"}, "没有这样的文件。"),
        ("/x?lang=xx", {"accept-language": "de, en;q=0.5"}, "There is no such file."),
    ],
)
def test_an_answer_is_in_the_reader_s_language(
    address: str, headers: dict[str, str], told: str
) -> None:
    app = SpokenLanguage(Starlette(routes=[Route("/x", _answer)]))
    answer = TestClient(app).get(address, headers={"accept-language": "", **headers})
    assert answer.text == told
    assert spoken_language() == "en"


def test_the_page_of_the_password_is_in_the_reader_s_language() -> None:
    app = SpokenLanguage(SharedPassword(Starlette(), "fields"))
    page = TestClient(app).get("/", headers={"accept": "text/html", "accept-language": "zh-CN"})
    assert '<html lang="zh-CN">' in page.text
    assert "此页面需要密码" in page.text
    wrong = TestClient(app).post(
        "/door", data={"password": "roofs"}, headers={"accept-language": "zh-CN"}
    )
    assert "密码不正确" in wrong.text


def test_answers_at_the_same_time_don_t_mix() -> None:
    app = SpokenLanguage(Starlette(routes=[Route("/x", _answer)]))
    told: dict[str, set[str]] = {"en": set(), "zh-CN": set()}

    def ask(language: str) -> None:
        with TestClient(app) as client:
            for _time in range(20):
                told[language].add(client.get("/x", headers={"accept-language": language}).text)

    threads = [threading.Thread(target=ask, args=(language,)) for language in told]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told == {"en": {"There is no such file."}, "zh-CN": {"没有这样的文件。"}}
