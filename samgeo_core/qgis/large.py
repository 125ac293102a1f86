"""The archive of a run of any size, in memory that doesn't grow with it."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path

import geopandas as gpd
import pyogrio

from samgeo_core.edits.history import EDITS_FILE
from samgeo_core.qgis.bundle import (
    OBJECTS,
    PROJECT,
    PROMPTS_FILE,
    BundleLayers,
    add_layers,
    batches_as_shown,
    has_place,
    write_run_project,
)
from samgeo_core.qgis.rasters import write_raster_styles
from samgeo_core.reading.raster import Raster
from samgeo_core.results.batches import Batches, stored_batches
from samgeo_core.results.bundle_text import bundle_readme
from samgeo_core.results.export import write_batches
from samgeo_core.results.files import replacing
from samgeo_core.streaming.options import NO_LIMIT_PX

RUN_FILES = ("run.json", "labels.tif", "mask.tif", "objects.gpkg")
"""What a run of any size has."""

_README, _PACKAGE = "README.txt", "objects.gpkg"
_STYLED_BY = ["area_m2", "area_px", "class_name", "class_color"]
_NO_PARTITION = """
A partition, without gaps and overlaps, takes long to draw of large images and is left out. Of the
folder of a run it is made by

  python -m samgeo_core vectorize results partition.gpkg --product partition
"""


def project_files(
    run_dir: Path,
    folder: Path,
    *,
    instead: Mapping[str, Path] | None = None,
    partition: Batches | None = None,
) -> dict[str, Path]:
    """All that the archive of a run holds, by name: a project, its layers, rasters, texts.

    Args:
        run_dir: folder of a run with `RUN_FILES`; its prompts and corrections go along.
        folder: for what is made.
        instead: files to take instead of the run's own, by name; and image.tif.
        partition: the layer without gaps; None leaves it out, and README.txt says so.

    Raises:
        ExportError, OSError: a file can't be read or written.
    """
    more = [name for name in (PROMPTS_FILE, EDITS_FILE) if (run_dir / name).is_file()]
    files = {name: run_dir / name for name in (*RUN_FILES, *more)} | dict(instead or {})
    grid = Raster.open(files["labels.tif"], max_pixels=NO_LIMIT_PX).grid
    record = json.loads(files["run.json"].read_text("utf-8"))
    package = folder / _PACKAGE
    if has_place(grid):
        shutil.copyfile(files[_PACKAGE], package)
    else:
        with stored_batches(files[_PACKAGE], OBJECTS) as stored:
            write_batches(batches_as_shown(stored, grid), package)
    sizes = pyogrio.read_dataframe(package, OBJECTS, columns=_STYLED_BY, read_geometry=False)
    layers = BundleLayers(sizes, partition, grid)
    tables = add_layers(package, run_dir, layers)
    styled, written = write_raster_styles(files, folder, record)
    title = str(record.get("raster", "Objects"))
    credit = str(record.get("attribution", ""))
    write_run_project(folder / PROJECT, _PACKAGE, tables, styled, layers, title, credit)
    files |= {PROJECT: folder / PROJECT, _PACKAGE: package, **written}
    some = pyogrio.read_dataframe(package, OBJECTS, max_features=1)
    text = bundle_readme(gpd.GeoDataFrame(some), [*files], count=len(sizes), record=record)
    readme = folder / _README
    readme.write_text(text + ("" if partition is not None else _NO_PARTITION), "utf-8")
    return {_README: readme, **files}


def write_archive(path: Path, files: Mapping[str, Path]) -> None:
    """Write a zip archive, whole or not at all.

    Args:
        path: the archive.
        files: by their names in it.

    Raises:
        ExportError: it can't be written.
    """
    with replacing(path) as zipped, zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, file in files.items():
            archive.write(file, name, zipfile.ZIP_STORED if file.suffix == ".tif" else None)
