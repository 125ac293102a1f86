from __future__ import annotations

import re

import pytest
from streamlit.testing.v1 import AppTest

from pages.ui.share_panel import _embed, qr_svg
from samgeo_core.web.context import AppContext
from samgeo_core.web.records import Run, Scene
from samgeo_core.web.shares import Shares
from tests.factories import MakeRaster
from tests.pages.conftest import OWNER, FinishRun, OpenPage


@pytest.fixture
def scene(context: AppContext, make_raster: MakeRaster) -> Scene:
    return context.store.add_scene(make_raster(shape_hw=(300, 400)), "old *town*.tif", OWNER)


@pytest.fixture
def run(scene: Scene, finish_run: FinishRun) -> Run:
    return finish_run(scene, 5)


def create(app: AppTest) -> AppTest:
    next(item for item in app.button if item.label == "Create link").click()
    app.run()
    assert not app.exception
    return app


def link_in(app: AppTest) -> str:
    return next(str(item.value) for item in app.code if "/s/" in str(item.value))


def test_the_owner_makes_a_link_and_takes_it_back(
    context: AppContext, open_page: OpenPage, run: Run
) -> None:
    app = open_page("result.py", run=run, owner=OWNER)
    assert app.text_input[0].value == "old *town*"
    app.slider(key=f"score_{run.run_id}_0").set_value(0.92).run()
    app.text_area[0].set_value("Two\nlines <b>")
    app.multiselect[0].set_value(["objects.gpkg"])
    create(app)
    token = link_in(app).rpartition("/")[2]
    share, found = Shares(context.store).find(token)
    assert found.run_id == run.run_id
    assert (share.text.description, share.downloads) == ("Two\nlines <b>", ("objects.gpkg",))
    assert share.rule == {"least_score": "0.92"}
    assert share.expires is not None
    assert round((share.expires - share.created) / 86400) == 30
    # The token isn't in the list, whose titles are text.
    assert [m.value for m in app.markdown if "old" in m.value] == [r"old \*town\*"]
    app.button(key=f"revoke_{share.key}").click().run()
    assert not app.exception
    assert Shares(context.store).of_run(run) == []
    assert not [item for item in app.code if "/s/" in str(item.value)]
    events = (context.store.root / "audit.jsonl").read_text()
    assert "link made" in events
    assert "link revoked" in events
    assert token not in events


def test_another_visit_lists_links_but_not_their_addresses(
    context: AppContext, open_page: OpenPage, run: Run
) -> None:
    token = link_in(create(open_page("result.py", run=run, owner=OWNER))).rpartition("/")[2]
    app = open_page("result.py", run=run, owner=OWNER)
    share = Shares(context.store).find(token)[0]
    assert app.button(key=f"revoke_{share.key}")
    assert not [item for item in app.code if token in str(item.value)]


def test_who_only_looks_can_not_share(open_page: OpenPage, run: Run) -> None:
    app = open_page("result.py", run=run)
    assert "Create link" not in [item.label for item in app.button]
    assert "Share" not in [item.label for item in app.expander]


def test_a_qr_code_and_the_code_for_other_pages() -> None:
    svg = qr_svg("https://maps.example/s/" + "a" * 43)
    assert svg.count("<path") == 2
    embed = _embed("https://maps.example/s/x", '"><script>alert(1)</script>')
    assert re.findall(r"<(/?\w+)", embed) == ["iframe", "/iframe"]
    assert 'src="https://maps.example/s/x/embed"' in embed
