from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import shapely
from streamlit.testing.v1 import AppTest

from samgeo_core.objects import ObjectSet
from samgeo_core.web.compare import bring
from samgeo_core.web.context import AppContext
from samgeo_core.web.records import Run, Scene
from samgeo_core.web.selected import selected
from tests.factories import MakeRaster
from tests.pages.conftest import OWNER, FinishRun, OpenPage
from tests.pages.test_edit_panel import map_view

PLACES = [(20 + 60 * i, 30 + 90 * j) for j in range(3) for i in range(6)]


@pytest.fixture
def scene(context: AppContext, make_raster: MakeRaster) -> Scene:
    return context.store.add_scene(make_raster(shape_hw=(300, 400)), "town.tif", OWNER)


@pytest.fixture
def run(scene: Scene, finish_run: FinishRun) -> Run:
    """In each place a square of 30 px, and a small one on it."""
    sides = [30, 8] * len(PLACES)
    places = [(x + d, y + d) for x, y in PLACES for d in (0, 10)]
    masks = [np.ones((side, side), np.bool_) for side in sides]
    n = len(masks)
    return finish_run(scene, ObjectSet.build((300, 400), masks, places, [0.9] * n, [0.95] * n))


def reference(scene: Scene) -> bytes:
    boxes = shapely.box(*np.array([(x, y, x + 30, y + 30) for x, y in PLACES], float).T)
    shapes = shapely.transform(boxes, scene.raster.grid.to_crs_xy)
    return gpd.GeoDataFrame(geometry=shapes, crs="EPSG:32633").to_json().encode()


def texts(app: AppTest) -> str:
    parts = [*app.markdown, *app.caption, *app.get("html")]
    return " ".join(getattr(part, "value", None) or part.proto.body for part in parts)


def open_panel(open_page: OpenPage, run: Run) -> AppTest:
    app = open_page("result.py", run=run, owner=OWNER)
    assert map_view(app)["comparison"] is None
    app.toggle(key=f"compare_{run.run_id}").set_value(True).run()
    assert not app.exception
    return app


def test_a_layer_is_brought_compared_and_removed(
    open_page: OpenPage, run: Run, scene: Scene
) -> None:
    app = open_panel(open_page, run)
    assert "FlatGeobuf" in texts(app)
    (box,) = app.get("file_uploader")
    box.upload("roofs.geojson", reference(scene), "application/geo+json").run()
    assert not app.exception
    assert "roofs" in texts(app)
    assert "<b>0.50</b>" in texts(app)  # precision: half of what is shown is on the roofs
    address = str(map_view(app)["comparison"])
    assert address.startswith(f"/runs/{run.run_id}/comparison.geojson?iou=0.5&scope=image&key=")
    app.slider(key=f"compare_iou_{run.run_id}").set_value(0.9).run()
    assert "iou=0.9" in str(map_view(app)["comparison"])
    app.button(key=f"forget_{run.run_id}").click().run()
    assert map_view(app)["comparison"] is None
    assert len(app.get("file_uploader")) == 1


def test_what_is_no_layer_is_told_in_a_sentence(open_page: OpenPage, run: Run) -> None:
    app = open_panel(open_page, run)
    (box,) = app.get("file_uploader")
    box.upload("roofs.geojson", b"{}", "application/geo+json").run()
    assert not app.exception
    (error,) = app.error
    assert "FeatureCollection" in error.value


def test_proposed_thresholds_become_those_of_the_controls(
    open_page: OpenPage, run: Run, scene: Scene
) -> None:
    bring(selected(run), "roofs.geojson", reference(scene))
    app = open_panel(open_page, run)
    app.button(key=f"propose_{run.run_id}").click().run()
    assert "F1 0.67 → 1.00" in texts(app)
    app.button(key=f"apply_{run.run_id}").click().run()
    assert not app.exception
    assert "These thresholds are set." in texts(app)
    assert f"{len(PLACES)} objects" in [part.value for part in app.title]
    # The controls, not only the map: what they say is what the map compares.
    changed = {"min_area_m2", "overlap"} & {
        part.split("=")[0] for part in str(map_view(app)["comparison"]).split("?")[1].split("&")
    }
    assert len(changed) == 1
    app.button(key=f"reset_{run.run_id}").click().run()
    assert f"{2 * len(PLACES)} objects" in [part.value for part in app.title]


def test_who_has_only_the_address_compares_nothing(
    open_page: OpenPage, run: Run, scene: Scene
) -> None:
    bring(selected(run), "roofs.geojson", reference(scene))
    app = open_page("result.py", run=run, owner="somebody-else")
    assert f"compare_{run.run_id}" not in [toggle.key for toggle in app.toggle]
    assert map_view(app)["comparison"] is None
