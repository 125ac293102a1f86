"""What makes a folder of results open in QGIS: more layers, styles, and a project."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import pandas as pd
from affine import Affine

from samgeo_core.edits.history import EDITS_FILE, EditLog
from samgeo_core.geogrid import GeoGrid
from samgeo_core.qgis.extras import edits_layer, prompts_of
from samgeo_core.qgis.layer_styles import embed_styles
from samgeo_core.qgis.project import ProjectLayer, basemap, write_project
from samgeo_core.qgis.raster_styles import RasterStyle
from samgeo_core.qgis.styles import (
    Style,
    by_class,
    by_size,
    edit_style,
    outlines_only,
    prompt_style,
)
from samgeo_core.results.batches import Batches, write_ogr_batches
from samgeo_core.results.geodesy import pyproj_crs
from samgeo_core.settings import get_settings

PROJECT, IMAGE = "project.qgz", "image.tif"
OBJECTS, PARTITION, EDITS = "objects", "partition", "edits"
PROMPTS, DRAWN_PROMPTS = "prompts", "prompts_drawn"
PROMPTS_FILE = "prompts.geojson"

_TITLES = {
    PROMPTS: ("Prompts: points", "Prompts and corrections"),
    DRAWN_PROMPTS: ("Prompts: boxes and polygons", "Prompts and corrections"),
    EDITS: ("Corrections", "Prompts and corrections"),
    OBJECTS: ("Objects", ""),
    PARTITION: ("Partition", ""),
}
"""Titles and groups of layers, from the top to the bottom."""

_ON = (PROMPTS, DRAWN_PROMPTS, OBJECTS)


@dataclass(frozen=True, eq=False)
class BundleLayers:
    """What a project shows.

    Attributes:
        objects: classes and sizes of finished objects; they need no outlines.
        partition: the layer without gaps, where there is one.
        grid: of the result.
    """

    objects: pd.DataFrame
    partition: Batches | None
    grid: GeoGrid

    @property
    def styles(self) -> dict[str, Style]:
        """How each layer looks, by its name."""
        return {
            OBJECTS: style_of(self.objects),
            PARTITION: style_of(self.objects, partition=True),
            PROMPTS: prompt_style(),
            DRAWN_PROMPTS: outlines_only(),
            EDITS: edit_style(),
        }


def style_of(objects: pd.DataFrame, *, partition: bool = False) -> Style:
    """By class where classes were taught, otherwise by size.

    Args:
        objects: rows that tell of classes and sizes.
        partition: whether the style is for a layer that has background, too.
    """
    if "class_name" in objects and (objects["class_name"].fillna("") != "").any():
        named = objects[objects["class_name"].fillna("") != ""]
        pairs = named[["class_name", "class_color"]].drop_duplicates("class_name")
        classes = [(str(name), str(color)) for name, color in pairs.itertuples(index=False)]
        return by_class(classes, partition=partition)
    for column, unit in (("area_m2", "m²"), ("area_px", "px")):
        if column in objects and objects[column].notna().any():
            return by_size(column, objects[column].tolist(), unit, partition=partition)
    return outlines_only()


def add_layers(package: Path, run_dir: Path, layers: BundleLayers) -> list[str]:
    """Put what belongs to objects beside them: partition, prompts, corrections, styles.

    Args:
        package: a GeoPackage with the layer "objects".
        run_dir: folder of the run, for its prompts and corrections.
        layers: see there.

    Returns:
        The layers that are there now.
    """
    grid, frames = layers.grid, {}
    if (run_dir / PROMPTS_FILE).is_file():
        frames[PROMPTS], frames[DRAWN_PROMPTS] = prompts_of(run_dir / PROMPTS_FILE, grid)
    if (run_dir / EDITS_FILE).is_file():
        frames[EDITS] = edits_layer(EditLog(run_dir / EDITS_FILE).read().active, grid)
    more = {name: Batches.of(frame) for name, frame in frames.items() if len(frame)}
    if layers.partition is not None:
        more[PARTITION] = layers.partition
    for name, rows in more.items():
        # NOTE: GDAL adds a layer to a GeoPackage that is there.
        kind = "Point" if name == PROMPTS else "MultiPolygon"
        shown = batches_as_shown(rows, grid)
        write_ogr_batches(shown, package, name, "GPKG", geometry_type=kind)
    embed_styles(package, layers.styles)
    return [OBJECTS, *more]


def has_place(grid: GeoGrid) -> bool:
    """Whether coordinates of a raster are more than its pixels."""
    return grid.crs is not None or grid.transform != Affine.identity()


def batches_as_shown(layer: Batches, grid: GeoGrid) -> Batches:
    """`as_shown` of a layer that is never held whole."""
    return Batches(layer.schema, layer.crs, (as_shown(frame, grid) for frame in layer.frames))


def as_shown(frame: gpd.GeoDataFrame, grid: GeoGrid) -> gpd.GeoDataFrame:
    """The same where QGIS shows a raster: y of one without a place is negative there.

    Args:
        frame: in coordinates of the raster.
        grid: of the raster.
    """
    if has_place(grid):
        return frame
    return frame.set_geometry(frame.geometry.affine_transform([1, 0, 0, -1, 0, 0]))


def write_run_project(
    path: Path,
    package: str,
    tables: Sequence[str],
    rasters: Mapping[str, tuple[str, RasterStyle | None]],
    layers: BundleLayers,
    title: str,
    credit: str = "",
) -> None:
    """Write the project of a run.

    Args:
        path: the .qgz file.
        package: the GeoPackage beside it.
        tables: its layers.
        rasters: titles and styles of rasters beside it by their names; image.tif is on.
        layers: see there.
        title: of the project.
        credit: whom to name for the image.
    """
    crs = pyproj_crs(layers.grid.crs)
    found = [
        ProjectLayer(told, package, "ogr", name, layers.styles[name], name in _ON, group)
        for name, (told, group) in _TITLES.items()
        if name in tables
    ]
    found += [
        ProjectLayer(
            told,
            name,
            "gdal",
            "",
            style,
            name == IMAGE,
            "" if name == IMAGE else "Rasters",
            credit if name == IMAGE else "",
        )
        for name, (told, style) in rasters.items()
    ]
    if crs is not None and (address := get_settings().basemap_url) != "none":
        found.append(basemap(address))
    write_project(path, found, crs, _extent(layers.grid), title)


def _extent(grid: GeoGrid) -> tuple[float, float, float, float]:
    """What is in sight at first: left, bottom, right, top."""
    height, width = grid.shape_hw
    corners = gpd.GeoDataFrame(
        geometry=gpd.points_from_xy(
            *grid.to_crs_xy([[0, 0], [width, 0], [0, height], [width, height]]).T
        )
    )
    left, bottom, right, top = as_shown(corners, grid).total_bounds.tolist()
    return left, bottom, right, top
