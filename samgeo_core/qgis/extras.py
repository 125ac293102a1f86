"""What belongs to objects and isn't one: the prompts that pointed at them, the corrections made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import geopandas as gpd
import pandas as pd

from samgeo_core.edits.edits import Edit
from samgeo_core.geogrid import GeoGrid
from samgeo_core.results.geodesy import pyproj_crs
from samgeo_core.results.outlines import trace
from samgeo_core.results.vectorize import in_crs


def prompts_of(path: Path, grid: GeoGrid) -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame]:
    """Prompts in the CRS of a result: points, and what was drawn round objects.

    Args:
        path: GeoJSON that the page *Pick* wrote.
        grid: of the raster.
    """
    frame = gpd.read_file(path)
    if grid.is_georeferenced:
        frame = frame.to_crs(pyproj_crs(grid.crs))
    else:
        # NOTE: such a file holds px, and readers take every GeoJSON for degrees.
        frame = frame.set_crs(pyproj_crs(grid.crs), allow_override=True)
    is_point = frame.geom_type == "Point"
    return frame[is_point].reset_index(drop=True), frame[~is_point].reset_index(drop=True)


def edits_layer(edits: Sequence[Edit], grid: GeoGrid) -> gpd.GeoDataFrame:
    """A row for each mask that a correction took away or put there, in the order of corrections.

    Args:
        edits: corrections that stand.
        grid: of the result.
    """
    masks = [
        (step, edit.kind, change, mask)
        for step, edit in enumerate(edits, start=1)
        for change, some in (("removed", edit.removed), ("added", edit.added))
        for mask in some
    ]
    table = pd.DataFrame(
        [(step, kind, change, mask.area_px) for step, kind, change, mask in masks],
        columns=["step", "kind", "change", "area_px"],
    )
    pixels = [mask.pixels() for *_, mask in masks]
    corners = pd.DataFrame([mask.box[:2] for *_, mask in masks], columns=["x", "y"])
    outlines = trace(pixels, corners.to_numpy("int64"))
    return gpd.GeoDataFrame(table, geometry=in_crs(outlines, grid), crs=pyproj_crs(grid.crs))
