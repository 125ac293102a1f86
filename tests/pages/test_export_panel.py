"""The panel that says how outlines are drawn in files."""

from __future__ import annotations

import re

from streamlit.testing.v1 import AppTest

from samgeo_core.web.context import AppContext
from samgeo_core.web.finished import ExportChoice
from tests.factories import MakeRaster
from tests.pages.conftest import OWNER, FinishRun, OpenPage


def _links(app: AppTest) -> list[str]:
    text = " ".join(str(item.proto) for item in app.get("html"))
    return re.findall(r"/download/objects\.fgb\?[^\\\" ]*", text)


def _open(
    open_page: OpenPage, context: AppContext, make_raster: MakeRaster, finish_run: FinishRun
) -> AppTest:
    path = make_raster(shape_hw=(120, 160))
    scene = context.store.add_scene(path, "roofs.tif", OWNER)
    app = open_page("result.py", scene=scene, run=finish_run(scene, 3))
    app.session_state["export"] = True
    return app.run()


def test_links_carry_what_is_chosen(
    open_page: OpenPage, context: AppContext, make_raster: MakeRaster, finish_run: FinishRun
) -> None:
    app = _open(open_page, context, make_raster, finish_run)
    assert not app.exception
    captions = " ".join(item.value for item in app.caption)
    assert "Areas differ by" in captions
    app.number_input(key="export_tolerance_px").set_value(2.0).run()
    (link,) = _links(app)
    assert "out_tolerance=2.0" in link
    app.segmented_control(key="export_product").set_value("partition").run()
    assert not app.exception
    (link,) = _links(app)
    assert "out_product=partition" in link
    captions = " ".join(item.value for item in app.caption)
    assert "without gaps or overlaps" in captions


def test_a_closed_panel_draws_nothing(
    open_page: OpenPage, context: AppContext, make_raster: MakeRaster, finish_run: FinishRun
) -> None:
    scene = context.store.add_scene(make_raster(shape_hw=(120, 160)), "roofs.tif", OWNER)
    app = open_page("result.py", scene=scene, run=finish_run(scene, 3))
    assert not app.exception
    assert "export_product" not in app.session_state
    assert ExportChoice().query == {}
