"""Results as files for other programs: one layer in any format, or everything in one archive."""

from __future__ import annotations

import json
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import geopandas as gpd
import pyarrow
from pyogrio.errors import DataLayerError, DataSourceError

from samgeo_core.errors import ExportError
from samgeo_core.reading.raster import Raster
from samgeo_core.results.batches import Batches, stored_batches
from samgeo_core.results.bundle_text import bundle_readme
from samgeo_core.results.files import full_disk, replacing
from samgeo_core.results.formats import FORMATS, VectorFormat
from samgeo_core.streaming.options import NO_LIMIT_PX

__all__ = [
    "FORMATS",
    "VectorFormat",
    "convert_vector",
    "format_of",
    "read_vector",
    "write_batches",
    "write_bundle",
    "write_vector",
]

LAYER = "objects"

_SUFFIXES = {
    **{item.suffix: key for key, item in FORMATS.items()},
    ".shp": "shp",
    ".zip": "shp",
    ".json": "geojson",
    ".geoparquet": "parquet",
}
_RUN_FILES = (
    *("run.json", "image.tif", "labels.tif", "mask.tif", "classes.tif", "annotations.png"),
    *("prompts.geojson", "edits.jsonl", "report.pdf", "quicklook.png"),
)
_COMPRESSED_SUFFIXES = {".tif", ".png", ".parquet", ".pdf"}


def format_of(path: str | Path) -> VectorFormat:
    """The format that a file's name asks for.

    Raises:
        ExportError: no format has names that end so.
    """
    name = Path(path).name
    for suffix, key in _SUFFIXES.items():
        if name.lower().endswith(suffix):
            return FORMATS[key]
    known = ", ".join(item.suffix for item in FORMATS.values())
    raise ExportError(f"A layer's name must end in one of {known}, got {name}: rename it.")


def write_vector(
    frame: gpd.GeoDataFrame, path: str | Path, format: str | None = None, layer: str = LAYER
) -> None:
    """Write a layer of polygons, whole or not at all; one without rows keeps its columns.

    Args:
        frame: polygons with attributes, such as `vectorize` gives.
        path: the file; one that exists is replaced. A name in .shp gives a plain Shapefile with
            its sidecar files, one in .shp.zip or .zip an archive of them.
        format: a key of `FORMATS`; None takes the one that the name asks for.
        layer: name of the layer, where the format has one.

    Raises:
        ExportError: the format is unknown, needs a CRS that the layer lacks, or the file can't be
            written.
    """
    target = Path(path)
    kind = _format(target, format)
    others = set(frame.geom_type.dropna()) - {"Polygon", "MultiPolygon"}
    if others:
        raise ExportError(f"A layer to write must hold polygons only, got {', '.join(others)}.")
    _write(Batches.of(frame), target, kind, layer)


def write_batches(
    batches: Batches, path: str | Path, format: str | None = None, layer: str = LAYER
) -> None:
    """Write a layer of polygons that is never held whole; arguments and errors as `write_vector`.

    Args:
        batches: the layer.
        path: the file.
        format: a key of `FORMATS`; None takes the one that the name asks for.
        layer: name of the layer, where the format has one.
    """
    target = Path(path)
    _write(batches, target, _format(target, format), layer)


def convert_vector(
    source: str | Path, path: str | Path, format: str | None = None, layer: str = LAYER
) -> None:
    """Write a layer of a GeoPackage in another format, some rows at a time.

    KML alone is held in memory, as GDAL can't write it otherwise.

    Args:
        source: the GeoPackage.
        path: the file; one that exists is replaced.
        format: a key of `FORMATS`; None takes the one that the name asks for.
        layer: name of the layer, in both.

    Raises:
        ExportError: the source is missing or damaged, or as `write_vector`.
    """
    try:
        with stored_batches(Path(source), layer) as batches:
            write_batches(batches, path, format, layer)
    except (DataLayerError, DataSourceError) as error:
        raise _unreadable(Path(source), layer, error) from error


def _format(target: Path, key: str | None) -> VectorFormat:
    if key is not None and key not in FORMATS:
        raise ExportError(f"The format must be one of {', '.join(FORMATS)}, got {key!r}.")
    return format_of(target) if key is None else FORMATS[key]


def _write(batches: Batches, target: Path, kind: VectorFormat, layer: str) -> None:
    with replacing(target) as temporary:
        try:
            kind.write(batches, temporary, layer)
        except (DataSourceError, DataLayerError, pyarrow.ArrowException) as error:
            raise ExportError(
                f"{target.name} could not be written as {kind.title} ({error}): "
                "check the free space there, or take another format."
            ) from full_disk(target.parent) or error


def read_vector(path: str | Path, layer: str = LAYER) -> gpd.GeoDataFrame:
    """Read a layer of a GeoPackage that `write_vector` wrote.

    Raises:
        ExportError: the file is missing or damaged.
    """
    try:
        return gpd.read_file(path, layer=layer, engine="pyogrio")
    except (DataSourceError, DataLayerError) as error:
        raise _unreadable(Path(path), layer, error) from error


def _unreadable(path: Path, layer: str, error: Exception) -> ExportError:
    return ExportError(
        f"The layer {layer!r} of {path.name} can't be read ({error}): write it anew."
    )


def write_bundle(
    path: str | Path,
    run_dir: str | Path,
    frame: gpd.GeoDataFrame | None = None,
    partition: gpd.GeoDataFrame | None = None,
) -> None:
    """Write a zip archive of a run: a QGIS project, polygons, rasters, run.json and README.txt.

    Formats that need longitude and latitude are left out where the layer has no CRS.

    Args:
        path: the archive; one that exists is replaced.
        run_dir: folder of a run, see `write_run`; what it has of image.tif, prompts and corrections
            goes along.
        frame: the layer to write; None takes the run's own.
        partition: the layer without gaps to write beside it.

    Raises:
        ExportError: the folder holds no finished run, or the archive can't be written.
    """
    folder = Path(run_dir)
    if frame is None:
        frame = read_vector(folder / f"{LAYER}.gpkg")
    files = {name: folder / name for name in _RUN_FILES if (folder / name).is_file()}
    with (
        tempfile.TemporaryDirectory(prefix="bundle-") as temporary,
        replacing(Path(path)) as zipped,
    ):
        files |= _write_layers(frame, Path(temporary))
        files |= _write_project(Path(temporary), folder, frame, partition, files)
        with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
            text = bundle_readme(frame, list(files), record=_record_of(files))
            archive.writestr("README.txt", text)
            for name, file in files.items():
                stored = file.suffix in _COMPRESSED_SUFFIXES
                archive.write(file, name, zipfile.ZIP_STORED if stored else None)


def _write_layers(frame: gpd.GeoDataFrame, folder: Path) -> dict[str, Path]:
    """The layer in every format it allows: files by their name in an archive."""
    for kind in FORMATS.values():
        if frame.crs is None and kind.in_lonlat:
            continue
        if kind.key == "shp":
            # Unpacked, as an archive within the archive would have to be unpacked twice.
            (folder / "shapefile").mkdir()
            write_vector(frame, folder / "shapefile" / f"{LAYER}.shp")
        else:
            write_vector(frame, folder / f"{LAYER}{kind.suffix}")
    written = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path for path in written}


def _write_project(
    folder: Path,
    run_dir: Path,
    frame: gpd.GeoDataFrame,
    partition: gpd.GeoDataFrame | None,
    files: dict[str, Path],
) -> dict[str, Path]:
    """A project over what lies in a folder, whose GeoPackage gets the other layers and styles."""
    from samgeo_core.qgis.bundle import (
        PROJECT,
        BundleLayers,
        add_layers,
        as_shown,
        write_run_project,
    )
    from samgeo_core.qgis.rasters import write_raster_styles

    grid = Raster.open(run_dir / "labels.tif", max_pixels=NO_LIMIT_PX).grid
    package = folder / f"{LAYER}.gpkg"
    layers = BundleLayers(frame, None if partition is None else Batches.of(partition), grid)
    if (shown := as_shown(frame, grid)) is not frame:
        write_vector(shown, package)
    tables = add_layers(package, run_dir, layers)
    styled, written = write_raster_styles(files, folder, _record_of(files))
    title = str(_record_of(files).get("raster", "Objects"))
    credit = str(_record_of(files).get("attribution", ""))
    write_run_project(folder / PROJECT, package.name, tables, styled, layers, title, credit)
    return {PROJECT: folder / PROJECT, **written}


def _record_of(files: dict[str, Path]) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(files["run.json"].read_text("utf-8"))
    return record
