"""What is looked for decides windows and limits; links carry it, exports follow it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from pages.ui.purpose_choice import scores_line
from pages.ui.settings_link import Settings, read, written
from samgeo_core.config import SegmentConfig, SelectionRule
from samgeo_core.purposes import PURPOSES, measured_scores
from samgeo_core.web.context import AppContext
from samgeo_core.web.records import Scene
from samgeo_core.windows import Window
from tests.factories import MakeRaster
from tests.pages.conftest import NAVIGATION, OWNER, FinishRun, OpenPage


@pytest.fixture
def scene(context: AppContext, make_raster: MakeRaster) -> Scene:
    return context.store.add_scene(make_raster(shape_hw=(600, 900)), "town.tif", OWNER)


def _asked(context: AppContext, app: AppTest, monkeypatch: pytest.MonkeyPatch) -> SegmentConfig:
    """What a click on the button asks for; the work itself, which needs a model, isn't begun."""
    asked: list[SegmentConfig] = []

    def start(
        context: AppContext, scene: Scene, config: SegmentConfig, owner: str, *, area: Window | None
    ) -> object:
        asked.append(config)
        run = context.store.new_run(scene, config.to_dict(), owner, area=area)
        return context.store.set_run_state(run.run_id, "cancelled")

    monkeypatch.setattr("samgeo_core.web.work.start_segmentation", start)
    app.button(key="run").click().run()
    assert not app.exception
    return asked[0]


def test_a_purpose_sets_windows_and_limits_that_can_be_changed(
    open_page: OpenPage, context: AppContext, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page("segment.py", scene=scene)
    assert app.selectbox[0].label == "What to look for"
    app.selectbox(key="purpose").set_value("roofs").run()
    assert any(PURPOSES["roofs"].says in caption.value for caption in app.caption)
    (least,) = [box for box in app.number_input if box.label == "Least size (m²)"]
    least.set_value(20.0).run()
    config = _asked(context, app, monkeypatch)
    expected = SegmentConfig(preset="full").for_purpose("roofs", scene.raster.grid.gsd_m)
    assert config.scales == expected.scales
    assert config.purpose == "roofs"
    assert config.rule == SelectionRule(min_area_m2=20, max_area_m2=5000)


def test_without_a_place_on_earth_the_page_asks_for_the_resolution(
    open_page: OpenPage, context: AppContext, make_raster: MakeRaster,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    photo = context.store.add_scene(make_raster(shape_hw=(300, 400), crs=None), "p.tif", OWNER)
    app = open_page("segment.py", scene=photo)
    app.selectbox(key="purpose").set_value("vehicles").run()
    assert not [box for box in app.number_input if "size" in box.label]
    app.number_input(key=f"gsd_{photo.scene_id}").set_value(10.0).run()
    config = _asked(context, app, monkeypatch)
    assert config.rule == SelectionRule(min_area_px=400, max_area_px=6000)


def test_a_link_carries_the_purpose(scene: Scene) -> None:
    settings = Settings(None, "quick", {}, purpose="trees")
    assert read(written(settings)) == settings
    assert read("1~purpose.ships~preset.sam") == Settings(None, "sam", {}, ("purpose.ships",))
    app = AppTest.from_file(str(NAVIGATION), default_timeout=60)
    app.query_params["settings"] = written(settings)
    app.query_params["scene"] = scene.scene_id
    app.switch_page("segment.py")
    app.run()
    assert app.selectbox(key="purpose").value == "trees"
    assert "Trees" in app.info[0].value
    links = [json.loads(part.proto.json).get("text", "") for part in app.get("bidi_component")]
    assert any(link.endswith("1~model.vit_t~purpose.trees~preset.quick") for link in links)


def test_scores_are_read_from_what_was_measured() -> None:
    for purpose in PURPOSES.values():
        rows, line = measured_scores().get(purpose.name, []), scores_line(purpose)
        assert ("not measured" in line) == (not rows)
        for row in rows:
            assert row["scene"].replace("_", "\\_") in line


def test_outlines_of_roofs_begin_with_right_angles(
    open_page: OpenPage, context: AppContext, scene: Scene, finish_run: FinishRun
) -> None:
    run = finish_run(scene, 3)
    path = Path(run.folder) / "meta.json"
    meta = json.loads(path.read_text("utf-8"))
    meta["config"]["purpose"] = "roofs"
    path.write_text(json.dumps(meta), "utf-8")
    app = AppTest.from_file(str(NAVIGATION), default_timeout=60)
    app.query_params["run"] = run.run_id
    app.session_state["export"] = True
    app.switch_page("result.py")
    app.run()
    assert not app.exception
    (outline,) = [group for group in app.get("button_group") if group.label == "Outlines"]
    assert outline.value == "regular"
