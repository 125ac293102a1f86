from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from samgeo_core.objects import ObjectSet
from samgeo_core.teaching.features import ObjectFeatures
from samgeo_core.teaching.keys import mask_keys
from samgeo_core.teaching.lesson import mark_step
from samgeo_core.teaching.table import FEATURES_FILE, FeatureTable
from samgeo_core.web.classes import lesson_of
from samgeo_core.web.context import AppContext
from samgeo_core.web.records import Run, Scene
from samgeo_core.web.selected import edits_of, selected
from tests.factories import MakeRaster
from tests.pages.conftest import OWNER, FinishRun, OpenPage
from tests.pages.test_edit_panel import map_view


@pytest.fixture
def scene(context: AppContext, make_raster: MakeRaster) -> Scene:
    return context.store.add_scene(make_raster(shape_hw=(300, 400)), "town.tif", OWNER)


@pytest.fixture
def run(scene: Scene, finish_run: FinishRun) -> Run:
    """Ten squares: 1 to 5 are small and alike, 6 to 10 are large and alike."""
    sides = [10, 11, 12, 13, 14, 40, 41, 42, 43, 44]
    places = [(80 * (i % 5), 10 + 100 * (i // 5)) for i in range(10)]
    masks = [np.ones((side, side), np.bool_) for side in sides]
    made = finish_run(scene, ObjectSet.build((300, 400), masks, places, [0.9] * 10, [0.95] * 10))
    _look_at(made)
    return made


def _look_at(run: Run) -> None:
    """Keep features as if somebody had looked: sizes tell all."""
    objects = selected(run).objects
    n, random = len(objects), np.random.default_rng(2)
    large = (objects.areas_px > 400).astype(float)
    encoded = random.normal(0, 0.05, (n, 3, 8))
    encoded[:, 0, 0] += large
    features = ObjectFeatures(
        mask_keys(objects),
        encoded.astype(np.float16),
        np.tile(large[:, None], (1, 6)).astype(np.float32),
        random.normal(0, 0.1, (n, 6)).astype(np.float32),
    )
    FeatureTable(features, n).save(run.folder / FEATURES_FILE, "made")


def _select(app: AppTest, run: Run, *ids: int) -> AppTest:
    """What the map tells when objects are clicked on it."""
    teaching: Any = map_view(app)["teaching"]
    told = {"selected": list(ids), "source": teaching["source"], "order": teaching["order"]}
    app.session_state[f"result_{run.run_id}"] = told
    return app.run()


def _open(open_page: OpenPage, run: Run, owner: str | None = OWNER) -> AppTest:
    app = open_page("result.py", run=run, owner=owner)
    assert map_view(app)["teaching"] is None
    app.toggle(key=f"teach_{run.run_id}").set_value(True).run()
    assert not app.exception
    return app


def _groups(app: AppTest) -> dict[str, list[int]]:
    groups: Any = map_view(app)["groups"]
    return {group["name"]: group["ids"] for group in groups}


def test_similar_objects_are_shown_selected_and_kept(open_page: OpenPage, run: Run) -> None:
    app = _open(open_page, run)
    assert any("Select objects on the map" in part.value for part in app.caption)
    assert _groups(app) == {}
    _select(app, run, 3)
    assert _groups(app) == {"Similar": [1, 2, 3, 4, 5]}
    assert any(part.value == "**5 objects** like this" for part in app.caption)
    app.slider(key=f"similar_{run.run_id}").set_value(1.0).run()
    assert _groups(app) == {"Similar": [3]}
    app.slider(key=f"similar_{run.run_id}").set_value(0.4).run()
    app.button(key=f"select_similar_{run.run_id}").click().run()
    teaching: Any = map_view(app)["teaching"]
    assert (teaching["ids"], teaching["order"]) == ([1, 2, 3, 4, 5], 1)
    # The example stays the same while what was found is selected.
    _select(app, run, 1, 2, 3, 4, 5)
    assert _groups(app) == {"Similar": [1, 2, 3, 4, 5]}
    app.button(key=f"keep_similar_{run.run_id}").click().run()
    assert not app.exception
    assert app.title[0].value == "5 objects"
    assert edits_of(run).done == 1


def test_classes_are_named_marked_and_undone(open_page: OpenPage, run: Run) -> None:
    app = _open(open_page, run)
    app.button_group(key=f"teach_mode_{run.run_id}").set_value("Classes").run()
    app.text_input[0].set_value("Roof")
    next(b for b in app.button if b.label == "Add class").click().run()
    assert [c.name for c in lesson_of(run).lesson.classes] == ["Roof"]
    assert app.button(key=f"mark_{run.run_id}_1").disabled
    _select(app, run, 9)
    app.button(key=f"mark_{run.run_id}_1").click().run()
    assert _groups(app) == {"Roof": [9]}
    assert any("Not this" in part.value for part in app.caption)
    _select(app, run, 1)
    app.button(key=f"mark_{run.run_id}_not").click().run()
    assert not app.exception
    assert _groups(app) == {"Roof": [6, 7, 8, 9, 10]}
    assert app.dataframe[0].value["class_name"].tolist() == ["Roof"] * 5 + [""] * 5
    _select(app, run, 7)
    told = next(p.value for p in app.caption if p.value.startswith("**Object 7** selected"))
    assert re.search(r"Roof, [\d.]+ % sure", told)
    app.button(key=f"undo_mark_{run.run_id}").click().run()
    assert _groups(app) == {"Roof": [9]}
    app.button(key=f"redo_mark_{run.run_id}").click().run()
    assert _groups(app) == {"Roof": [6, 7, 8, 9, 10]}
    # A new visit finds it as it was left.
    again = open_page("result.py", run=run, owner=OWNER)
    assert _groups(again) == {"Roof": [6, 7, 8, 9, 10]}


def test_the_most_doubtful_come_one_after_the_other(
    open_page: OpenPage, context: AppContext, run: Run
) -> None:
    keys = mask_keys(selected(run).objects)
    context.teaching.step(run.run_id, OWNER, {"do": "class", "name": "Roof"})
    context.teaching.step(run.run_id, OWNER, mark_step([keys[9]], 1))
    context.teaching.step(run.run_id, OWNER, mark_step([keys[0]], 0))
    app = _open(open_page, run)
    app.button(key=f"doubtful_{run.run_id}").click().run()
    first: Any = map_view(app)["teaching"]
    assert len(first["ids"]) == 1 and first["ids"][0] not in (1, 10)
    assert (first["order"], first["zoom"]) == (1, True)
    _select(app, run, *first["ids"])
    app.button(key=f"mark_{run.run_id}_1").click().run()
    second: Any = map_view(app)["teaching"]
    assert second["order"] == 2 and second["ids"] != first["ids"]
    assert len(lesson_of(run).lesson.marks) == 3


def test_others_see_classes_and_cannot_change_them(
    open_page: OpenPage, context: AppContext, run: Run
) -> None:
    keys = mask_keys(selected(run).objects)
    context.teaching.step(run.run_id, OWNER, {"do": "class", "name": "Roof"})
    context.teaching.step(run.run_id, OWNER, mark_step([keys[9]], 1))
    context.teaching.step(run.run_id, OWNER, mark_step([keys[0]], 0))
    app = open_page("result.py", run=run, owner="somebody else")
    assert _groups(app) == {"Roof": [6, 7, 8, 9, 10]}
    app.toggle(key=f"teach_{run.run_id}").set_value(True).run()
    assert not app.exception
    offered = {button.key or "" for button in app.button}
    assert not any(
        key.startswith(("mark_", "undo_mark_", "doubtful_", "keep_similar_")) for key in offered
    )
    assert not any(button.label == "Add class" for button in app.button)
    app.button_group(key=f"teach_mode_{run.run_id}").set_value("Similar").run()
    _select(app, run, 6)
    assert _groups(app) == {"Similar": [6, 7, 8, 9, 10]}


def test_a_selection_that_the_map_makes_up_is_not_believed(open_page: OpenPage, run: Run) -> None:
    app = _open(open_page, run)
    for told in ([0, 11, -1, True, "3", None, 2.0], "abc", None, {"a": 1}):
        teaching: Any = map_view(app)["teaching"]
        app.session_state[f"result_{run.run_id}"] = {**teaching, "selected": told}
        app.run()
        assert not app.exception
        assert _groups(app) == {}


def test_before_anybody_looked_others_are_told_who_can(open_page: OpenPage, run: Run) -> None:
    (run.folder / FEATURES_FILE).unlink()
    app = _open(open_page, run, "somebody else")
    assert any("Only who made this result" in part.value for part in app.caption)
    assert map_view(app)["teaching"] is None
