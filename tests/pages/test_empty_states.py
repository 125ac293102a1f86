"""A page with nothing to show says what to do next, and has a button that does it."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from samgeo_core.web.context import AppContext
from samgeo_core.web.records import Scene
from tests.conftest import MakeRaster
from tests.pages.conftest import OWNER, FinishRun, OpenPage


@pytest.fixture
def scene(context: AppContext, make_raster: MakeRaster) -> Scene:
    return context.store.add_scene(make_raster(shape_hw=(300, 400)), "town.tif", OWNER)


def _onward(app: AppTest) -> AppTest:
    """Press the one button of an empty page."""
    app.button(key="lead_to").click().run()
    assert not app.exception
    return app


@pytest.mark.parametrize("page", ["segment.py", "pick.py", "result.py"])
def test_without_an_image_a_button_leads_to_one(open_page: OpenPage, page: str) -> None:
    app = open_page(page)
    assert "take a sample" in app.main.markdown[0].value
    assert app.button(key="lead_to").label == "Open an image"
    app = _onward(app)
    assert app.title[0].value == "Turn an aerial or satellite image into polygons"
    assert [b.key for b in app.button if str(b.key).startswith("open_sample_")]


def test_without_a_result_a_button_leads_to_segment(open_page: OpenPage, scene: Scene) -> None:
    app = open_page("result.py", scene=scene)
    assert app.subheader[0].value == "There is no result yet."
    assert app.button(key="lead_to").label == "Go to Segment"
    assert "run" in [button.key for button in _onward(app).button]


def test_a_run_that_found_nothing_leads_back_to_its_settings(
    open_page: OpenPage, scene: Scene, finish_run: FinishRun
) -> None:
    app = open_page("result.py", run=finish_run(scene, 0))
    assert "Lower *Least quality*" in app.main.markdown[0].value
    assert "run" in [button.key for button in _onward(app).button]


def test_limits_that_leave_nothing_are_taken_back_with_one_click(
    open_page: OpenPage, scene: Scene, finish_run: FinishRun
) -> None:
    run = finish_run(scene, 3)
    app = open_page("result.py", run=run)
    app.select_slider(key=f"size_{run.run_id}_0").set_range(1.0, 1.5).run()
    app.slider(key=f"score_{run.run_id}_0").set_value(0.92).run()
    assert app.title[0].value == "0 objects"
    app.button(key=f"empty_{run.run_id}").click().run()
    assert not app.exception
    assert app.title[0].value == "3 objects"
    assert f"empty_{run.run_id}" not in [button.key for button in app.button]


def test_without_a_pick_saving_waits_and_the_keys_are_told(
    open_page: OpenPage, scene: Scene
) -> None:
    app = open_page("pick.py", scene=scene)
    assert app.button(key="save").disabled
    assert app.button(key="save").help
    assert any("Include a place" in part.value for part in app.markdown)
