"""The files of a result, made of its objects as they are shown."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

from samgeo_core.config import SegmentConfig
from samgeo_core.edits.history import EDITS_FILE
from samgeo_core.errors import ExportError, NotFoundError, RasterError
from samgeo_core.reading.stretch import StretchMode
from samgeo_core.tile import TileImage
from samgeo_core.web.classes import (
    CLASSES_FILE,
    classes_record,
    classes_version,
    write_class_raster,
)
from samgeo_core.web.finished import ExportChoice, finished_layer
from samgeo_core.web.records import Scene
from samgeo_core.web.reports import reports_for_archive
from samgeo_core.web.selected import Selected
from samgeo_core.web.training import TRAINING_FILES, make_training

logger = logging.getLogger(__name__)

MOST_IN_PARTITION = 5_000
"""Of how many objects the archive has a partition, which takes the longest to draw."""

PROMPTS_FILE = "prompts.geojson"

FindImage = Callable[[], Scene] | None


def make_file(path: Path, chosen: Selected, image: FindImage, choice: ExportChoice) -> None:
    """Make the file of a result that a name asks for.

    Args:
        path: where to; its name is one of `downloads.downloads`.
        chosen: the objects.
        image: finds the scene of the run.
        choice: how outlines are drawn, where it is a layer.

    Raises:
        ParameterError, ExportError: see `downloads.make_download`.
    """
    if path.name == "bundle.zip":
        _make_bundle(chosen, path, image)
    elif path.name == "annotations.png":
        _make_picture(chosen, path, image)
    elif path.name == CLASSES_FILE:
        _make_classes(chosen, path)
    elif path.name in TRAINING_FILES:
        make_training(chosen, path, image)
    elif path.name in _MAKERS:
        _MAKERS[path.name](chosen, path)
    else:
        _make_layer(chosen, path, image, choice)


def _make_layer(chosen: Selected, path: Path, image: FindImage, choice: ExportChoice) -> None:
    from samgeo_core.results.export import write_batches

    raster = image().raster if choice.bands and image is not None else None
    write_batches(finished_layer(chosen, choice, raster), path)


def _make_bundle(chosen: Selected, path: Path, image: FindImage) -> None:
    """Everything in one archive, with a project for QGIS, of the objects as they are shown."""
    from samgeo_core.results.export import write_bundle

    run, own = chosen.source.run, ExportChoice()
    with tempfile.TemporaryDirectory(prefix=".bundle-", dir=path.parent) as name:
        folder = Path(name)
        for filename, make in _MAKERS.items():
            make(chosen, folder / filename)
        if classes_version(run):
            _make_classes(chosen, folder / CLASSES_FILE)
        for kept in (PROMPTS_FILE, EDITS_FILE):
            if (run.folder / kept).is_file():
                shutil.copyfile(run.folder / kept, folder / kept)
        try:
            _make_picture(chosen, folder / "annotations.png", image)
            _make_image(chosen, folder / "image.tif", image)
        except ExportError as error:
            logger.info("No picture in the archive of run %s: %s", run.run_id, error)
        reports_for_archive(run, chosen, folder, image)
        partition = None
        if len(chosen.objects) <= MOST_IN_PARTITION:
            partition = finished_layer(chosen, replace(own, product="partition")).whole()
        write_bundle(path, folder, finished_layer(chosen, own).whole(), partition)


def _make_image(chosen: Selected, path: Path, image: FindImage) -> None:
    """What the model saw, so that a project has something below its outlines."""
    from samgeo_core.qgis.image import write_image

    tile = _seen(chosen, image)
    write_image(
        path,
        lambda window: TileImage(tile.rgb[window.slices], tile.valid[window.slices]),
        chosen.source.place.grid,
    )


def _make_picture(chosen: Selected, path: Path, image: FindImage) -> None:
    """The objects over what the model saw."""
    from samgeo_core.results.annotate import write_annotation

    write_annotation(path, chosen.objects, _seen(chosen, image))


def _seen(chosen: Selected, image: FindImage) -> TileImage:
    """The pixels as the model saw them.

    Raises:
        ExportError: the image is gone.
    """
    run = chosen.source.run
    config = SegmentConfig.from_dict(run.config)
    try:
        if image is None:
            raise NotFoundError("The image of this run is not at hand.")
        raster = image().raster
        bands = config.bands or raster.default_bands()
        stretch = raster.stretch(bands, cast(StretchMode, config.stretch))
        return raster.read(run.area, bands=bands, stretch=stretch)
    except (NotFoundError, RasterError) as error:
        raise ExportError(f"No picture can be drawn of these objects: {error}") from error


def _make_labels(chosen: Selected, path: Path) -> None:
    from samgeo_core.results.labels import label_raster, write_label_raster

    write_label_raster(path, label_raster(chosen.objects), chosen.source.place.grid)


def _make_mask(chosen: Selected, path: Path) -> None:
    from samgeo_core.results.labels import binary_mask, write_mask_raster

    write_mask_raster(path, binary_mask(chosen.objects), chosen.source.place.grid)


def _make_classes(chosen: Selected, path: Path) -> None:
    write_class_raster(path, chosen)


def _make_record(chosen: Selected, path: Path) -> None:
    from samgeo_core.pipeline import reselected_record, write_record

    source = chosen.source
    record = reselected_record(
        source.run.record, chosen.objects, source.pool.valid, chosen.rule, chosen.edits
    )
    write_record({**record, **classes_record(chosen)}, path)


_MAKERS = {"labels.tif": _make_labels, "mask.tif": _make_mask, "run.json": _make_record}
