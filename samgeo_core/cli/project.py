"""A QGIS project with everything from the command ``vectorize RUN OUT.zip``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from samgeo_core.progress import Monitor
from samgeo_core.results.files import folder_beside

if TYPE_CHECKING:
    from samgeo_core.reading.raster import Raster
    from samgeo_core.results.batches import Batches
    from samgeo_core.vectors.product import Surroundings
    from samgeo_core.vectors.sources import FinishedRun


def is_project(args: argparse.Namespace) -> bool:
    """Whether an archive of a run is asked for; of a label raster such a name means a Shapefile."""
    name = args.out.name.lower()
    others = (".shp.zip", ".coco.zip", ".yolo.zip")
    return bool(args.source.is_dir() and name.endswith(".zip") and not name.endswith(others))


def write_project_of(
    args: argparse.Namespace,
    source: FinishedRun,
    around: Surroundings,
    image: Raster | None,
    partition: Batches,
    monitor: Monitor,
) -> None:
    """Write the archive of a run, its outlines drawn as options say.

    Args:
        args: what was given.
        source: the run.
        around: what its objects lie in.
        image: the image that was segmented, which goes along as the model saw it.
        partition: the layer without gaps.
        monitor: hears of the work, and may cancel.

    Raises:
        ExportError: a file can't be written.
    """
    from samgeo_core.qgis.large import project_files, write_archive
    from samgeo_core.results.export import write_batches
    from samgeo_core.vectors.product import objects_layer

    with folder_beside(args.out) as folder:
        drawn = folder / "drawn"
        drawn.mkdir()
        instead = {"objects.gpkg": drawn / "objects.gpkg"}
        layer = objects_layer(source.batches(), around, monitor)
        write_batches(layer, instead["objects.gpkg"])
        instead |= _edited(source, drawn)
        if image is not None:
            instead["image.tif"] = drawn / "image.tif"
            _write_image(instead["image.tif"], image, source)
        files = project_files(source.folder, folder, instead=instead, partition=partition)
        write_archive(args.out, files)


def _edited(source: FinishedRun, folder: Path) -> dict[str, Path]:
    """Rasters and record of a run that was corrected since it wrote them."""
    from samgeo_core.edits.history import EDITS_FILE, EditLog
    from samgeo_core.pipeline import read_record, reselected_record, write_record
    from samgeo_core.pool import CANDIDATES_FILE, CandidatePool
    from samgeo_core.results.labels import (
        binary_mask,
        label_raster,
        write_label_raster,
        write_mask_raster,
    )
    from samgeo_core.vectors.sources import rule_of

    edits = EditLog(source.folder / EDITS_FILE).read()
    if source.objects is None or not edits.done:
        return {}
    written = {name: folder / name for name in ("labels.tif", "mask.tif", "run.json")}
    write_label_raster(written["labels.tif"], label_raster(source.objects), source.grid)
    write_mask_raster(written["mask.tif"], binary_mask(source.objects), source.grid)
    valid = CandidatePool.load(source.folder / CANDIDATES_FILE, source.grid).valid
    record = read_record(source.folder)
    rule = rule_of(source.folder)
    write_record(reselected_record(record, source.objects, valid, rule, edits), written["run.json"])
    return written


def _write_image(path: Path, image: Raster, source: FinishedRun) -> None:
    """The image as the model saw it."""
    from samgeo_core.cli.training import stretch_of
    from samgeo_core.qgis.image import write_image
    from samgeo_core.results.training_tiles import TrainingImage

    stretch = stretch_of(source.folder, image)
    x, y = TrainingImage.of(image, source.grid, stretch).offset_xy
    write_image(path, lambda window: image.read(window.moved(x, y), stretch=stretch), source.grid)
