"""Open: choose an image, look at it, choose the bands that the model sees."""

import streamlit as st

from pages.ui.address_panel import address_panel, mosaic_panel
from pages.ui.basemap_panel import basemap_panel
from pages.ui.display import display_form, look_at
from pages.ui.errors import friendly
from pages.ui.facts import raster_advice, raster_facts
from pages.ui.layout import PICK, SEGMENT, advice_list, fact_list
from pages.ui.map import MapView, base_url, build_map, satellite_at_start, show_map
from pages.ui.sources import recent_scenes, sample_gallery, server_files
from pages.ui.state import current_scene
from pages.ui.text import plain
from pages.ui.upload_box import upload_box
from pages.ui.your_data import your_data
from samgeo_core.web.records import Scene
from samgeo_core.web.urls import tile_template
from samgeo_core.words import _


def _welcome() -> None:
    st.title(_("Turn an aerial or satellite image into polygons"), anchor=False)
    st.markdown(_("Drop in an image or take a sample. Images stay on this server."))
    upload_box()
    server_files()
    recent_scenes()
    st.subheader(_("Or start with a sample"), anchor=False)
    sample_gallery()
    st.subheader(_("Other ways to an image"), anchor=False)
    address_panel()
    mosaic_panel()
    basemap_panel()
    your_data()


def _show_scene(scene: Scene) -> None:
    look = look_at(scene)
    advice = raster_advice(scene.raster, look, scene.display.stretch)
    left, right = st.columns([5, 3], gap="medium")
    with right:
        st.title(plain(scene.name), anchor=False)
        fact_list(raster_facts(scene.raster, look))
        advice_list(advice)
        usable = all(item.kind != "stop" for item in advice)
        if st.button(
            _("Continue to Segment"),
            type="primary",
            icon=":material/arrow_forward:",
            icon_position="right",
            disabled=not usable,
            width="stretch",
            help=_("Choose what to look for, and run."),
        ):
            st.switch_page(SEGMENT)
        st.page_link(PICK, label=_("Or pick single objects"), icon=":material/ads_click:")
        with st.expander(_("Bands and brightness"), icon=":material/tune:"):
            display_form(scene)
    with left:
        tiles = tile_template(scene, base_url())
        image_map = build_map(
            scene.frame,
            tiles,
            objects=False,
            basemap=satellite_at_start(),
            credit=scene.raster.attribution,
        )
        show_map(image_map, MapView(), key=f"open_{scene.scene_id}", height=560)


def _others() -> None:
    with st.expander(_("Open another image"), icon=":material/folder_open:"):
        upload_box()
        server_files()
        recent_scenes()
        sample_gallery()
    address_panel()
    mosaic_panel()
    basemap_panel()
    your_data()


opened = current_scene()
if opened is None:
    _welcome()
else:
    # A file of the server may be gone by now; the way to other images stays open.
    with friendly():
        _show_scene(opened)
    _others()
