"""The language of a visitor: whose it is, where it comes from, and that errors speak it."""

from __future__ import annotations

from pathlib import Path

from streamlit.testing.v1 import AppTest

from samgeo_core.reading.generated_scene import generated_scene
from samgeo_core.web.context import AppContext
from samgeo_core.words import spoken_language
from tests.pages.conftest import NAVIGATION, OWNER, OpenPage


def _titles(app: AppTest) -> list[str]:
    return [title.value for title in app.title]


def test_visitors_read_different_languages_at_the_same_time(open_page: OpenPage) -> None:
    one, other = open_page(), open_page()
    other.button(key="language_zh-CN").click().run()
    one.run()
    assert _titles(one) == ["Turn an aerial or satellite image into polygons"]
    assert _titles(other) == ["把航空或卫星影像变成多边形"]
    assert spoken_language() == "en"
    other.button(key="language_en").click().run()
    assert _titles(other) == _titles(one)


def test_an_address_asks_for_a_language(context: AppContext) -> None:
    app = AppTest.from_file(str(NAVIGATION), default_timeout=60)
    app.query_params["lang"] = "zh"
    app.run()
    assert _titles(app) == ["把航空或卫星影像变成多边形"]
    assert context.store.scenes() == []


def test_what_failed_in_english_is_told_in_chinese(
    open_page: OpenPage, context: AppContext, tmp_path: Path
) -> None:
    path = generated_scene(tmp_path / "drawn.tif", size=256).path
    scene = context.store.add_scene(path, "drawn.tif", OWNER)
    run = context.store.new_run(scene, {}, OWNER)
    told = "The server ended 3 times while this run was under way, so it isn't begun again: "
    told += "it may need more memory than there is. Try a smaller area or a faster preset."
    context.store.set_run_state(run.run_id, "failed", told)
    app = open_page("segment.py", scene=scene, run=run, owner=OWNER)
    assert "3 times" in app.error[0].value
    app.button(key="language_zh-CN").click().run()
    assert not app.exception
    assert app.error[0].value.startswith("本次运行期间服务器中断了 3 次")
