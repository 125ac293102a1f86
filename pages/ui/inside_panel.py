"""The area of interest of a run: polygons of a file, or corners clicked on the map."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import shapely
import streamlit as st
from affine import Affine

from pages.ui.errors import friendly
from pages.ui.map import LatLng
from samgeo_core.area import AreaOfInterest
from samgeo_core.geogrid import GeoGrid
from samgeo_core.web.frame import MapFrame
from samgeo_core.web.records import Scene
from samgeo_core.words import N_, _, ngettext

MOST_CORNERS = 500

_TYPES = ["geojson", "json", "gpkg", "zip", "kml", "kmz", "fgb"]
_MOST_BYTES = 32 << 20
_SHOWN_CORNERS = 4000
_WAYS = {
    "all": N_("Everywhere"),
    "file": N_("Polygons of a file"),
    "drawn": N_("Corners on the map"),
}


def inside_panel(scene: Scene) -> AreaOfInterest | None:
    """Draw the controls; the area that runs on the image are limited to, None for no limit."""
    with st.expander(_("Only inside an area"), icon=":material/select_all:"):
        way = st.segmented_control(
            _("Where to look for objects"),
            list(_WAYS),
            default="all",
            format_func=lambda name: _(_WAYS[name]),
            key=_key(scene, "way"),
            help=_("Objects are cut at the border of the area; what lies beside it is left out."),
        )
        if way == "file":
            return _from_file(scene)
        if way == "drawn":
            return _from_corners(scene)
    return None


def takes_clicks(scene: Scene) -> bool:
    """Whether a click on the map is a corner of the area."""
    return bool(st.session_state.get(_key(scene, "way")) == "drawn")


def add_corner(scene: Scene, point_px: tuple[float, float]) -> None:
    """Take a place on the map, px of the raster, as the area's next corner."""
    corners = _corners(scene)
    if len(corners) < MOST_CORNERS:
        st.session_state[_key(scene, "corners")] = [*corners, point_px]


def outlines(
    scene: Scene, frame: MapFrame, area: AreaOfInterest | None
) -> list[list[LatLng]] | None:
    """Rings for the map: of the area, or the corners that are no area yet."""
    if area is None:
        corners = _corners(scene) if takes_clicks(scene) else []
        return [_places(frame, corners)] if corners else None
    polygons = area.polygon
    step = 0.5
    while shapely.get_num_coordinates(polygons) > _SHOWN_CORNERS and step < 1e5:
        polygons = shapely.simplify(area.polygon, step)
        step *= 2
    rings = shapely.get_rings(shapely.get_parts(polygons))
    return [_places(frame, shapely.get_coordinates(ring)[:-1]) for ring in rings]


def _from_file(scene: Scene) -> AreaOfInterest | None:
    file = st.file_uploader(
        _("Area of interest"),
        type=_TYPES,
        key=_key(scene, "file"),
        max_upload_size=_MOST_BYTES >> 20,
        help=_("Polygons in any coordinate reference system that the file names."),
    )
    st.caption(_("GeoJSON, GeoPackage, zipped Shapefile, KML, KMZ or FlatGeobuf."))
    if file is None:
        return None
    with friendly():
        layers = _layers(file.name, file.getvalue())
        layer = None
        if len(layers) > 1:
            layer = st.selectbox(
                _("Layer"),
                layers,
                key=_key(scene, "layer"),
                help=_("The file has several layers; one of them is the area."),
            )
        area = _read(file.name, file.getvalue(), scene.raster.grid, layer)
        _tell(area, scene.raster.grid)
        return area
    return None


def _from_corners(scene: Scene) -> AreaOfInterest | None:
    corners = _corners(scene)
    count = len(corners)
    told = _("Click the corners of the area on the map, one after the other.")
    if count:
        told = ngettext(
            "{n} corner. Click the map to add more.",
            "{n} corners. Click the map to add more.",
            count,
        ).format(n=count)
    st.caption(told)
    with st.container(horizontal=True, gap="small"):
        if st.button(
            _("Undo corner"), key="inside_undo", disabled=not corners, help=_("Take back the last.")
        ):
            st.session_state[_key(scene, "corners")] = corners[:-1]
            st.rerun()
        if st.button(
            _("Clear"), key="inside_clear", disabled=not corners, help=_("Begin a new area.")
        ):
            st.session_state[_key(scene, "corners")] = []
            st.rerun()
    if count < 3:
        return None
    with friendly():
        shape = shapely.make_valid(shapely.Polygon(corners))
        height, width = scene.raster.shape_hw
        in_px = GeoGrid((height, width), Affine.identity(), None)
        area = AreaOfInterest.of_geometry(shape, in_px)
        _tell(area, scene.raster.grid)
        return area
    return None


def _tell(area: AreaOfInterest, grid: GeoGrid) -> None:
    height, width = grid.shape_hw
    share = area.polygon.area / (height * width)
    st.caption(_("{share:.1%} of the image.").format(share=share))


@st.cache_data(show_spinner=False, max_entries=32)
def _layers(name: str, content: bytes) -> list[str]:
    from samgeo_core.reading.vector_files import vector_layers

    with tempfile.TemporaryDirectory() as folder:
        return vector_layers(_put(folder, name, content))


@st.cache_data(show_spinner=False, max_entries=32, hash_funcs={GeoGrid: repr})
def _polygon(name: str, content: bytes, grid: GeoGrid, layer: str | None) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        return AreaOfInterest.read(_put(folder, name, content), grid, layer).to_geojson()


def _read(name: str, content: bytes, grid: GeoGrid, layer: str | None) -> AreaOfInterest:
    return AreaOfInterest.of_geojson(_polygon(name, content, grid, layer))


def _put(folder: str, name: str, content: bytes) -> Path:
    """A visitor's file under a name of ours, with its own suffix."""
    path = Path(folder) / f"area{Path(name).suffix.lower()}"
    path.write_bytes(content)
    return path


def _corners(scene: Scene) -> list[tuple[float, float]]:
    return list(st.session_state.get(_key(scene, "corners"), []))


def _places(frame: MapFrame, points_px: Sequence[Any]) -> list[LatLng]:
    return [(lat, lng) for lng, lat in frame.to_lnglat(np.asarray(points_px, float)).tolist()]


def _key(scene: Scene, name: str) -> str:
    return f"inside_{name}_{scene.scene_id}"
