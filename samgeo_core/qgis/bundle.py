"""What makes a folder of results open in QGIS: more layers, styles, and a project."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import pyogrio
from pyproj import CRS

from samgeo_core.edits.history import EDITS_FILE, EditLog
from samgeo_core.qgis.layer_styles import embed_styles
from samgeo_core.qgis.project import ProjectLayer, openstreetmap, write_project
from samgeo_core.qgis.styles import Style, by_class, by_size, outlines_only, partition_style

PROJECT = "project.qgz"
OBJECTS, PARTITION, PROMPTS, EDITS = "objects", "partition", "prompts", "edits"
_PROMPTS_FILE = "prompts.geojson"


@dataclass(frozen=True, eq=False)
class BundleLayers:
    """What a project shows.

    Attributes:
        objects: finished objects; a sample of some thousands is enough for their style.
        partition: the layer without gaps, where there is one.
        extent: left, bottom, right, top in the CRS of the layers.
    """

    objects: gpd.GeoDataFrame
    partition: gpd.GeoDataFrame | None
    extent: tuple[float, float, float, float]


def style_of_objects(frame: gpd.GeoDataFrame) -> Style:
    """By class where classes were taught, otherwise by size."""
    if "class_name" in frame and (frame["class_name"].fillna("") != "").any():
        named = frame[frame["class_name"].fillna("") != ""]
        pairs = named[["class_name", "class_color"]].drop_duplicates("class_name")
        return by_class([(str(name), str(color)) for name, color in pairs.itertuples(index=False)])
    if "area_m2" in frame and frame["area_m2"].notna().any():
        return by_size("area_m2", frame["area_m2"].tolist(), "m²")
    if "area_px" in frame:
        return by_size("area_px", frame["area_px"].tolist(), "px")
    return outlines_only()


def add_layers(package: Path, run_dir: Path, layers: BundleLayers) -> None:
    """Put what belongs to objects beside them: partition, prompts, corrections, styles.

    Args:
        package: a GeoPackage with the layer "objects".
        run_dir: folder of the run, for its prompts and corrections.
        layers: see there.
    """
    if layers.partition is not None:
        _append(layers.partition, package, PARTITION)
    prompts = run_dir / _PROMPTS_FILE
    if prompts.is_file():
        _append(gpd.read_file(prompts), package, PROMPTS)
    edits = EditLog(run_dir / EDITS_FILE).read().active if (run_dir / EDITS_FILE).is_file() else ()
    if edits:
        rows = [(i, e.kind, len(e.removed), len(e.added)) for i, e in enumerate(edits, start=1)]
        table = pd.DataFrame(rows, columns=["step", "kind", "masks_removed", "masks_added"])
        pyogrio.write_dataframe(table, package, layer=EDITS, driver="GPKG")
    styles = {OBJECTS: style_of_objects(layers.objects), PARTITION: partition_style()}
    embed_styles(package, styles)


def write_run_project(
    path: Path, package: str, rasters: Mapping[str, str], layers: BundleLayers, title: str
) -> None:
    """Write the project of a run.

    Args:
        path: the .qgz file.
        package: the GeoPackage beside it.
        rasters: titles of rasters beside it by their names; image.tif is on, others are off.
        layers: see there.
        title: of the project.
    """
    crs = None if layers.objects.crs is None else CRS(layers.objects.crs)
    found = [ProjectLayer("Objects", package, "ogr", OBJECTS, style_of_objects(layers.objects))]
    if layers.partition is not None:
        found.append(
            ProjectLayer("Partition", package, "ogr", PARTITION, partition_style(), shown=False)
        )
    found += [
        ProjectLayer(told, name, "gdal", shown=name == "image.tif")
        for name, told in rasters.items()
    ]
    if crs is not None:
        found.append(openstreetmap())
    write_project(path, found, crs, layers.extent, title)


def record_of(run_dir: Path) -> dict[str, Any]:
    """The run.json of a folder."""
    record: dict[str, Any] = json.loads((run_dir / "run.json").read_text("utf-8"))
    return record


def _append(frame: gpd.GeoDataFrame, package: Path, layer: str) -> None:
    # NOTE: GDAL adds a layer to a GeoPackage that is there.
    is_area = layer == PARTITION
    pyogrio.write_dataframe(
        frame,
        package,
        layer=layer,
        driver="GPKG",
        geometry_type="MultiPolygon" if is_area else "Unknown",
        promote_to_multi=is_area,
    )
