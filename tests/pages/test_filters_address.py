from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from samgeo_core.web.context import AppContext
from samgeo_core.web.records import Run, Scene
from tests.factories import MakeRaster
from tests.pages.conftest import NAVIGATION, OWNER, FinishRun, OpenPage


@pytest.fixture
def run(context: AppContext, make_raster: MakeRaster, finish_run: FinishRun) -> Run:
    scene: Scene = context.store.add_scene(make_raster(shape_hw=(300, 400)), "town.tif", OWNER)
    return finish_run(scene, 5)


def follow(run: Run, **limits: str) -> AppTest:
    app = AppTest.from_file(str(NAVIGATION), default_timeout=60)
    for name, value in {"run": run.run_id, **limits}.items():
        app.query_params[name] = value
    app.switch_page("result.py")
    app.run()
    assert not app.exception
    return app


def limits_in(app: AppTest) -> dict[str, str]:
    return {k: v for k, v in dict(app.query_params).items() if k not in ("run", "scene")}


def test_limits_go_into_the_address_and_come_back(open_page: OpenPage, run: Run) -> None:
    app = open_page("result.py", run=run)
    assert limits_in(app) == {}
    app.slider(key=f"score_{run.run_id}_0").set_value(0.92).run()
    assert limits_in(app) == {"least_score": "0.92"}
    shown = app.title[0].value
    assert shown == "3 objects"
    again = follow(run, least_score="0.92")
    assert again.title[0].value == shown
    assert again.slider(key=f"score_{run.run_id}_1").value == 0.92
    assert limits_in(again) == {"least_score": "0.92"}
    # From then on the controls lead, and the address follows.
    again.button(key=f"reset_{run.run_id}").click().run()
    assert again.title[0].value == "5 objects"
    assert limits_in(again) == {}


@pytest.mark.parametrize(
    "limits",
    [
        {"least_score": "nan"}, {"overlap": "<script>"}, {"min_area_px": "-1e400"},
        {"least_score": "x" * 5000}, {"min_area_m2": "9", "max_area_m2": "1"},
    ],
)  # fmt: skip
def test_an_address_without_sense_changes_nothing(run: Run, limits: dict[str, str]) -> None:
    app = follow(run, **limits)
    assert app.title[0].value == "5 objects"
    assert limits_in(app) == {}
