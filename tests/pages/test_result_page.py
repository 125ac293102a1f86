from __future__ import annotations

import re

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from pages.ui.text import area_m2
from samgeo_core.config import SegmentConfig
from samgeo_core.objects import ObjectSet
from samgeo_core.web.context import AppContext
from samgeo_core.web.records import Scene
from samgeo_core.windows import Window
from tests.factories import MakeRaster
from tests.pages.conftest import OWNER, FinishRun, OpenPage


@pytest.fixture
def scene(context: AppContext, make_raster: MakeRaster) -> Scene:
    return context.store.add_scene(make_raster(shape_hw=(300, 400)), "town.tif", OWNER)


def _links(app: AppTest) -> list[str]:
    html = "\n".join(str(part.proto.body) for part in app.get("html"))
    return re.findall(r'href="([^"]+)"', html)


def test_without_a_result_the_page_says_what_to_do(open_page: OpenPage) -> None:
    assert open_page("result.py").subheader[0].value == "There is no result yet."


def test_a_result_shows_count_table_and_downloads(
    open_page: OpenPage, scene: Scene, finish_run: FinishRun
) -> None:
    run = finish_run(scene, 5)
    app = open_page("result.py", run=run)
    assert app.title[0].value == "5 objects"
    assert list(app.dataframe[0].value["object_id"]) == [5, 4, 3, 2, 1]
    names = {link.rsplit("/", 1)[-1] for link in _links(app)}
    assert {
        "objects.gpkg", "objects.geojson", "objects.fgb", "objects.parquet", "objects.kml",
        "labels.tif", "mask.tif", "annotations.png", "run.json", "bundle.zip",
    } < names  # fmt: skip
    assert all(link.startswith(f"/runs/{run.run_id}/download/") for link in _links(app))


def test_a_rule_acts_on_count_table_and_downloads(
    open_page: OpenPage, scene: Scene, finish_run: FinishRun
) -> None:
    run = finish_run(scene, 5)
    app = open_page("result.py", run=run)
    app.slider(key=f"score_{run.run_id}_0").set_value(0.92).run()
    assert app.title[0].value == "3 objects"
    assert app.dataframe[0].value["score"].min() >= 0.92
    links = {link.rsplit("/", 1)[-1] for link in _links(app)}
    for name in ("objects.gpkg", "run.json", "annotations.png"):
        assert f"{name}?least_score=0.92" in links
    assert any("5 as segmented" in part.value for part in app.caption)
    app.button(key=f"reset_{run.run_id}").click().run()
    assert app.title[0].value == "5 objects"
    assert "objects.gpkg" in {link.rsplit("/", 1)[-1] for link in _links(app)}


def test_overlaps_can_be_resolved(open_page: OpenPage, scene: Scene, finish_run: FinishRun) -> None:
    masks = [np.ones((side, side), np.bool_) for side in (4, 20)]
    objects = ObjectSet.build((300, 400), masks, [(8, 8), (5, 5)], [0.9, 0.8], [1, 1])
    run = finish_run(scene, objects)
    app = open_page("result.py", run=run)
    assert app.dataframe[0].value["parent_id"].dropna().tolist() == [2]
    areas = {}
    for rule in ("flatten", "largest", "partition"):
        app.button_group(key=f"overlap_{run.run_id}_0").set_value(rule).run()
        assert not app.exception
        areas[rule] = sorted(app.dataframe[0].value["area_m2"].round().tolist())
        assert any(f"objects.gpkg?overlap={rule}" in link for link in _links(app))
        covered = "100 % covered" if rule == "partition" else "0.3 % covered"
        assert any(covered in part.value for part in app.caption)
    assert areas["flatten"] == [4, 96]
    assert areas["largest"] == [100]
    # The whole image, 300 x 400 px of 0.5 m.
    assert sum(areas["partition"]) == pytest.approx(30_000, rel=2e-3)


def test_a_rule_that_leaves_nothing_says_so(
    open_page: OpenPage, scene: Scene, finish_run: FinishRun
) -> None:
    run = finish_run(scene, 3)
    app = open_page("result.py", run=run)
    # Their sizes are 1, 2.25 and 4 m², their scores 0.90, 0.91 and 0.92.
    app.select_slider(key=f"size_{run.run_id}_0").set_range(1.0, 1.5).run()
    assert app.title[0].value == "1 object"
    app.slider(key=f"score_{run.run_id}_0").set_value(0.92).run()
    assert not app.exception
    assert app.title[0].value == "0 objects"
    assert app.info[0].value.startswith("No object is left")


def test_without_a_crs_sizes_are_in_pixels(
    open_page: OpenPage, context: AppContext, make_raster: MakeRaster, finish_run: FinishRun
) -> None:
    path = make_raster("plain.png", shape_hw=(300, 300), crs=None, transform=None)
    run = finish_run(context.store.add_scene(path, "plain.png", OWNER), 4)
    app = open_page("result.py", run=run)
    assert "area_px" in app.dataframe[0].value
    names = {link.rsplit("/", 1)[-1] for link in _links(app)}
    assert "objects.gpkg" in names
    assert not names & {"objects.geojson", "objects.kml"}
    assert any("place on Earth" in part.value for part in app.caption)


def test_nothing_found_is_a_friendly_page(
    open_page: OpenPage, scene: Scene, finish_run: FinishRun
) -> None:
    app = open_page("result.py", run=finish_run(scene, 0))
    assert app.subheader[0].value == "No objects were found."
    assert any(link.endswith("/objects.gpkg") for link in _links(app))


def test_a_try_out_says_that_it_is_one(
    open_page: OpenPage, scene: Scene, finish_run: FinishRun
) -> None:
    app = open_page("result.py", run=finish_run(scene, 2, area=Window(50, 50, 200, 200)))
    assert any(part.value.startswith("Try-out area") for part in app.caption)


def test_a_failed_run_says_why(open_page: OpenPage, context: AppContext, scene: Scene) -> None:
    run = context.store.new_run(scene, SegmentConfig().to_dict(), OWNER)
    context.store.set_run_state(run.run_id, "failed", "The disk is full.")
    app = open_page("result.py", run=run)
    assert app.error[0].value == "The disk is full\\."


def test_a_result_whose_image_was_deleted_is_gone(
    open_page: OpenPage, context: AppContext, scene: Scene, finish_run: FinishRun
) -> None:
    run = finish_run(scene, 2)
    context.delete_scene(scene.scene_id)
    app = open_page("result.py", run=run)
    assert "not there any more" in app.warning[0].value


def test_figures_of_areas_are_a_chart_and_a_table(
    open_page: OpenPage, scene: Scene, finish_run: FinishRun
) -> None:
    run = finish_run(scene, 5)
    app = open_page("result.py", run=run)
    areas = app.dataframe[0].value["area_m2"]
    table = app.table[0].value
    assert table["Objects"].astype(int).sum() == 5
    assert any(f"Together {area_m2(areas.sum())}" in part.value for part in app.caption)
    assert "report.pdf" in {link.rsplit("/", 1)[-1] for link in _links(app)}
