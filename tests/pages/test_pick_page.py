from __future__ import annotations

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from pages.ui.map import build_map
from pages.ui.pick_map import PickElement
from samgeo_core.web.context import AppContext
from samgeo_core.web.pick_objects import KeptMask, joined
from samgeo_core.web.pick_sessions import PickSession
from samgeo_core.web.records import Scene
from samgeo_core.wholes import PackedMask
from tests.factories import MakeRaster
from tests.pages.conftest import OWNER, OpenPage


@pytest.fixture
def scene(context: AppContext, make_raster: MakeRaster) -> Scene:
    return context.store.add_scene(make_raster(shape_hw=(200, 300)), "town.tif", OWNER)


@pytest.fixture(autouse=True)
def visitor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who comes back in each test, as its cookie would tell."""
    monkeypatch.setattr("pages.ui.state.visitor_of", lambda cookies: OWNER)


def pick(session: PickSession, x: int) -> None:
    kept = KeptMask(PackedMask.of(np.ones((20, 30), np.bool_), (x, 40)), 0.9, 0.95, 600)
    prompts = joined(None, {"points": [[x + 15, 50, 1]]})
    session.step(session.picks.with_prompts(prompts, [kept], 0))


def _save_button(app: AppTest) -> tuple[str, bool]:
    button = app.button(key="save")
    return button.label, button.disabled


def test_without_an_image_the_page_says_what_to_do(open_page: OpenPage) -> None:
    app = open_page("pick.py")
    assert app.subheader[0].value == "No image is open yet."


def test_what_was_picked_becomes_a_result(
    open_page: OpenPage, context: AppContext, scene: Scene
) -> None:
    app = open_page("pick.py", scene=scene)
    assert _save_button(app) == ("Save as result", True)
    session = context.picks.sessions.latest(scene, OWNER)
    assert session is not None
    pick(session, 50)
    session.step(session.picks.accept())
    pick(session, 150)
    app.run()
    assert _save_button(app) == ("Save 2 objects as result", False)
    app.button(key="save").click().run()
    assert not app.exception
    assert app.title[0].value == "2 objects"
    (run,) = context.store.runs(scene_id=scene.scene_id)
    assert (run.state, run.owner, run.record["n_objects"]) == ("done", OWNER, 2)
    assert "Picked objects" in app.caption[0].value


def test_who_comes_back_finds_the_list_and_may_begin_another(
    open_page: OpenPage, context: AppContext, scene: Scene
) -> None:
    session = context.picks.sessions.begin(scene, OWNER)
    pick(session, 50)
    theirs = context.picks.sessions.begin(scene, "somebody-else")
    pick(theirs, 90)
    app = open_page("pick.py", scene=scene)
    assert _save_button(app) == ("Save 1 object as result", False)
    app.button(key="new_list").click().run()
    assert _save_button(app) == ("Save as result", True)
    assert len(session.picks.objects) == 1


def test_the_map_is_ours_and_stays_the_same(scene: Scene) -> None:
    """Its script names the session and nothing that changes; no asset comes from elsewhere."""

    def scripts() -> list[str]:
        made = build_map(scene.frame, "/tiles/a/{z}/{x}/{y}.png", objects=False, basemap=False)
        made.add_child(element := PickElement(scene.frame, "/picks/a/b"))
        return [element.code, element.css, str(element.options)]

    first = scripts()
    assert first == scripts()
    assert "/picks/a/b" in first[2]
    assert not any("//" in part.replace("// ", "") and "http" in part for part in first)
