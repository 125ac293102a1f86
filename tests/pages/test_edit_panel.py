from __future__ import annotations

import json

import pytest
from streamlit.testing.v1 import AppTest

from samgeo_core.edits.edits import Edit
from samgeo_core.edits.history import EDITS_FILE, EditLog
from samgeo_core.edits.shapes import as_candidate
from samgeo_core.web.context import AppContext
from samgeo_core.web.records import Run, Scene
from samgeo_core.web.selected import edits_of, selected
from samgeo_core.web.visitors import edit_token
from tests.factories import MakeRaster
from tests.pages.conftest import OWNER, FinishRun, OpenPage


@pytest.fixture
def scene(context: AppContext, make_raster: MakeRaster) -> Scene:
    return context.store.add_scene(make_raster(shape_hw=(300, 400)), "town.tif", OWNER)


def delete(run: Run, object_id: int) -> None:
    item = selected(run).objects[object_id - 1]
    EditLog(run.folder / EDITS_FILE).add(Edit("delete", (as_candidate(item),)))


def map_view(app: AppTest) -> dict[str, object]:
    """What the map was told last."""
    arguments = json.loads(app.get("component_instance")[0].proto.json_args)
    code = arguments["feature_group"]
    start = code.index("samgeo.update(") + len("samgeo.update(")
    view: dict[str, object] = json.JSONDecoder().raw_decode(code[start:])[0]
    return view


def map_code(app: AppTest) -> str:
    return str(json.loads(app.get("component_instance")[0].proto.json_args)["script"])


def test_the_owner_switches_tools_on(
    open_page: OpenPage, scene: Scene, finish_run: FinishRun
) -> None:
    run = finish_run(scene, 5)
    app = open_page("result.py", run=run, owner=OWNER)
    assert map_view(app)["editing"] is None
    app.toggle(key=f"correct_{run.run_id}").set_value(True).run()
    editing = map_view(app)["editing"]
    assert isinstance(editing, dict)
    assert editing["token"] == edit_token(run)
    assert editing["address"] == f"/runs/{run.run_id}/edits/{{action}}"
    assert (editing["revision"], editing["can_undo"], editing["can_redo"]) == ("", False, False)
    # Edits are made of the objects that are shown.
    app.slider(key=f"score_{run.run_id}_0").set_value(0.92).run()
    editing = map_view(app)["editing"]
    assert isinstance(editing, dict)
    assert str(editing["address"]).endswith("{action}?least_score=0.92")


def test_who_only_has_the_link_sees_corrections_but_no_tools(
    open_page: OpenPage, scene: Scene, finish_run: FinishRun
) -> None:
    run = finish_run(scene, 5)
    delete(run, 2)
    app = open_page("result.py", run=run)
    assert app.title[0].value == "4 objects"
    assert any("5 as segmented · 1 correction" in part.value for part in app.caption)
    assert "Correct objects" not in [item.label for item in app.toggle]
    assert not [item for item in app.button if "Undo" in item.label]
    assert edit_token(run) not in map_code(app)
    assert "samgeoEdit = " not in map_code(app)
    assert map_view(app)["editing"] is None


def test_corrections_act_on_everything_and_can_be_undone_together(
    open_page: OpenPage, scene: Scene, finish_run: FinishRun
) -> None:
    run = finish_run(scene, 5)
    delete(run, 5)
    delete(run, 1)
    revision = edits_of(run).revision
    app = open_page("result.py", run=run, owner=OWNER)
    assert app.title[0].value == "3 objects"
    assert list(app.dataframe[0].value["object_id"]) == [3, 2, 1]
    assert str(map_view(app)["source"]).endswith(f"objects.geojson?edits={revision}")
    assert str(map_view(app)["masks"]).endswith(f"?edits={revision}")
    app.button(key=f"undo_all_{run.run_id}").click().run()
    assert not app.exception
    assert app.title[0].value == "5 objects"
    app.toggle(key=f"correct_{run.run_id}").set_value(True).run()
    editing = map_view(app)["editing"]
    assert isinstance(editing, dict)
    assert (editing["can_undo"], editing["can_redo"]) == (False, True)
    assert not [item for item in app.button if "Undo" in item.label]


def test_an_empty_result_can_be_added_to(
    open_page: OpenPage, scene: Scene, finish_run: FinishRun
) -> None:
    run, other = finish_run(scene, 0), finish_run(scene, 3)
    app = open_page("result.py", run=run, owner=OWNER)
    assert app.subheader[0].value == "No objects were found."
    app.toggle(key=f"correct_{run.run_id}").set_value(True).run()
    assert isinstance(map_view(app)["editing"], dict)
    item = selected(other).objects[2]
    EditLog(run.folder / EDITS_FILE).add(Edit("add", (), (as_candidate(item),)))
    app.run()
    assert not app.exception
    assert app.title[0].value == "1 object"
    assert any("1 correction" in part.value for part in app.caption)
