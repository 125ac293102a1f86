from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp
from streamlit.testing.v1 import AppTest

from pages.ui.sources import list_rasters
from samgeo_core.reading.first_bytes import HEAD_BYTES
from samgeo_core.reading.samples import list_samples
from samgeo_core.web import context as context_module
from samgeo_core.web.context import AppContext
from tests.factories import MakeRaster
from tests.pages.conftest import OWNER, OpenPage


def _texts(app: AppTest) -> str:
    parts = [*app.markdown, *app.caption, *app.title, *app.subheader]
    return "\n".join(str(part.value) for part in parts)


def _html(app: AppTest) -> str:
    return "\n".join(str(part.proto.body) for part in app.get("html"))


def test_the_first_visit_offers_upload_and_samples(open_page: OpenPage) -> None:
    app = open_page()
    assert app.title[0].value == "Turn an aerial or satellite image into polygons"
    assert len(_boxes(app)) == 1
    samples = [button for button in app.button if str(button.key).startswith("open_sample_")]
    assert len(samples) == len(list_samples()) > 0


def test_one_click_opens_a_sample(open_page: OpenPage, context: AppContext) -> None:
    app = open_page()
    app.button(key="open_sample_salt-ponds").click().run()
    assert not app.exception
    (scene,) = context.store.scenes()
    assert app.query_params["scene"] == scene.scene_id
    assert scene.kind == "sample"
    assert "7 × uint8" in _html(app)
    assert any(button.label == "Continue to Segment" for button in app.button)


def _boxes(app: AppTest) -> list[Any]:
    return [part for part in app.get("bidi_component") if part.key == "upload_box"]


def _box(app: AppTest) -> dict[str, Any]:
    """What the page tells the script of its upload box."""
    (box,) = _boxes(app)
    told: dict[str, Any] = json.loads(box.proto.json)
    return told


def test_the_upload_box_knows_limits_and_what_is_unfinished(
    open_page: OpenPage, context: AppContext, make_raster: MakeRaster
) -> None:
    content = make_raster(shape_hw=(300, 400)).read_bytes()
    head = content[:HEAD_BYTES]
    for owner in (OWNER, "somebody else"):
        context.uploads.begin(owner, f"{owner}.tif", len(content), 0, head)
    app = open_page(owner=OWNER)
    told = _box(app)
    assert told["address"] == "/uploads" and "20.0 GB" in told["hint"]
    # Without a cookie, as here, requests have to say whose they are.
    assert told["visitor"] == OWNER
    (left,) = told["unfinished"]
    assert (left["name"], left["offset"], left["size"]) == (
        f"{OWNER}.tif",
        HEAD_BYTES,
        len(content),
    )
    # They go with the rest of what a visitor has here, and with nothing of others.
    context.delete_all_of(OWNER)
    assert [upload.owner for upload in context.uploads.unfinished()] == ["somebody else"]


def test_files_of_the_server_are_offered(
    open_page: OpenPage,
    context: AppContext,
    make_raster: MakeRaster,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = make_raster(shape_hw=(300, 300))
    (path.parent / "notes.txt").write_text("no image")
    settings = replace(context.settings, input_dir=path.parent)
    monkeypatch.setattr(context_module, "_context", replace(context, settings=settings))
    app = open_page()
    assert app.selectbox(key="server_file").options[0].startswith("image.tif")
    app.button(key="open_server_file").click().run()
    (scene,) = context.store.scenes()
    assert scene.source == path.resolve()


def test_links_do_not_lead_out_of_the_servers_folder(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside.tif"
    inside.mkdir()
    outside.write_bytes(b"II*\0")
    (inside / "link.tif").symlink_to(outside)
    (inside / "a.png").write_bytes(b"x")
    assert list_rasters(inside) == ["a.png"]


def test_bands_and_stretch_are_kept(
    open_page: OpenPage, context: AppContext, make_raster: MakeRaster
) -> None:
    scene = context.store.add_scene(
        make_raster(bands=4, dtype="uint16", shape_hw=(300, 300)), "x.tif", OWNER
    )
    app = open_page(scene=scene, owner=OWNER)
    app.selectbox(key="band_Red").set_value(4)
    next(button for button in app.button if button.label == "Apply").click().run()
    assert not app.exception
    assert context.store.scene(scene.scene_id).display.bands == (4, 2, 3)


def test_composites_are_one_click_where_bands_are_known(
    open_page: OpenPage, context: AppContext, make_raster: MakeRaster
) -> None:
    path = make_raster(bands=4, dtype="uint16", shape_hw=(300, 300))
    with rasterio.open(path, "r+") as file:
        file.colorinterp = (ColorInterp.undefined,) * 4
        for band, name in enumerate(("B02", "B03", "B04", "B08"), start=1):
            file.set_band_description(band, name)
    scene = context.store.add_scene(path, "s2.tif", OWNER)
    app = open_page(scene=scene, owner=OWNER)
    assert [app.selectbox(key=f"band_{c}").value for c in ("Red", "Green", "Blue")] == [3, 2, 1]
    app.button(key="composite_ndvi_nir_red").click().run()
    assert not app.exception
    shown = context.store.scene(scene.scene_id)
    assert shown.stretch.bands == ("(b4 - b3) / (b4 + b3)", 4, 3)
    assert [app.selectbox(key=f"band_{c}").value for c in ("Red", "Green", "Blue")] == [
        *("ndvi", 4, 3)
    ]
    app.selectbox(key="band_Red").set_value("ndwi")
    next(button for button in app.button if button.label == "Apply").click().run()
    assert context.store.scene(scene.scene_id).display.bands[0] == "(b2 - b4) / (b2 + b4)"
    context.store.set_display(scene.scene_id, ("b4/b3", 4, 3))
    app = open_page(scene=context.store.scene(scene.scene_id), owner=OWNER)
    assert app.selectbox(key="band_Red").value == "b4 / b3"


def test_no_composites_where_bands_are_unknown(
    open_page: OpenPage, context: AppContext, make_raster: MakeRaster
) -> None:
    path = make_raster(bands=5, dtype="uint16", shape_hw=(300, 300))
    with rasterio.open(path, "r+") as file:
        file.colorinterp = (ColorInterp.undefined,) * 5
    app = open_page(scene=context.store.add_scene(path, "x.tif", OWNER), owner=OWNER)
    assert not [button for button in app.button if str(button.key).startswith("composite_")]


def test_who_follows_a_link_changes_no_bands(
    open_page: OpenPage, context: AppContext, make_raster: MakeRaster
) -> None:
    path = make_raster(bands=4, shape_hw=(300, 300))
    app = open_page(scene=context.store.add_scene(path, "x.tif", OWNER), owner="somebody else")
    assert not [box for box in app.selectbox if str(box.key).startswith("band_")]
    assert not [button for button in app.button if button.label == "Apply"]
    assert "Only who opened the image" in " ".join(caption.value for caption in app.caption)


def test_an_image_without_data_cannot_be_segmented(
    open_page: OpenPage, context: AppContext, make_raster: MakeRaster
) -> None:
    data = np.zeros((3, 300, 300), np.uint8)
    scene = context.store.add_scene(make_raster(data=data, nodata=0), "x.tif", OWNER)
    app = open_page(scene=scene)
    assert "nothing to segment" in _texts(app)
    button = next(button for button in app.button if button.label == "Continue to Segment")
    assert button.disabled


def test_a_file_that_is_gone_leaves_a_way_on(
    open_page: OpenPage, context: AppContext, make_raster: MakeRaster
) -> None:
    path = make_raster(shape_hw=(300, 300))
    scene = context.store.add_scene(path, "x.tif", OWNER, kind="server")
    path.unlink()
    app = open_page(scene=scene)
    assert "not there any more" in app.error[0].value
    assert len(_boxes(app)) == 1


def test_images_opened_before_are_one_click_away(open_page: OpenPage, context: AppContext) -> None:
    app = open_page()
    app.button(key="open_sample_salt-ponds").click().run()
    app.button(key="open_sample_bahamas").click().run()
    _, first = context.store.scenes()
    app.button(key=f"recent_{first.scene_id}").click().run()
    assert app.query_params["scene"] == first.scene_id


def test_names_are_shown_as_text(
    open_page: OpenPage, context: AppContext, make_raster: MakeRaster
) -> None:
    name = "<b>**x**.tif"
    scene = context.store.add_scene(make_raster(shape_hw=(300, 300)), name, OWNER)
    app = open_page(scene=scene)
    assert "<b>**x**" not in _html(app)
    assert "&lt;b&gt;" in _html(app)
    assert app.title[0].value == r"\<b\>\*\*x\*\*\.tif"


def test_an_address_of_a_deleted_scene_says_so(
    open_page: OpenPage, context: AppContext, make_raster: MakeRaster
) -> None:
    scene = context.store.add_scene(make_raster(shape_hw=(300, 300)), "x.tif", OWNER)
    context.store.delete_scene(scene.scene_id)
    app = open_page(scene=scene)
    assert "not there any more" in app.warning[0].value
    assert "scene" not in app.query_params


def test_a_visitor_sees_what_is_kept_and_has_it_deleted(
    open_page: OpenPage, context: AppContext
) -> None:
    app = open_page()
    assert "Your data" not in " ".join(box.label for box in app.expander)
    app.button(key="open_sample_salt-ponds").click().run()
    assert "1 image and 0 results" in _texts(app)
    app.button(key="delete_all").click().run()
    assert context.store.scenes() == []
    assert "Turn an aerial" in app.title[0].value
