"""The files of a result, made of its objects as they are shown."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import cast

from samgeo_core.config import SegmentConfig
from samgeo_core.errors import ExportError, NotFoundError, RasterError
from samgeo_core.reading.stretch import StretchMode
from samgeo_core.web.classes import (
    CLASSES_FILE,
    classes_record,
    frame_with_classes,
    write_class_raster,
)
from samgeo_core.web.finished import ExportChoice, finished_layer
from samgeo_core.web.records import Scene
from samgeo_core.web.selected import Selected
from samgeo_core.web.training import TRAINING_FILES, make_training

logger = logging.getLogger(__name__)

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
    """Everything in one archive; what the run wrote is made anew of other objects than its own."""
    from samgeo_core.results.export import write_bundle

    frame = frame_with_classes(chosen)
    if chosen.is_own and frame is chosen.frame:
        write_bundle(path, chosen.source.run.folder, frame)
        return
    with tempfile.TemporaryDirectory(prefix=".bundle-", dir=path.parent) as folder:
        for name, make in _MAKERS.items():
            make(chosen, Path(folder) / name)
        if frame is not chosen.frame:
            _make_classes(chosen, Path(folder) / CLASSES_FILE)
        try:
            _make_picture(chosen, Path(folder) / "annotations.png", image)
        except ExportError as error:
            logger.info("No picture in the archive of run %s: %s", chosen.source.run.run_id, error)
        write_bundle(path, folder, frame)


def _make_picture(chosen: Selected, path: Path, image: FindImage) -> None:
    """The objects over what the model saw."""
    from samgeo_core.results.annotate import write_annotation

    run = chosen.source.run
    config = SegmentConfig.from_dict(run.config)
    try:
        if image is None:
            raise NotFoundError("The image of this run is not at hand.")
        raster = image().raster
        bands = config.bands or raster.default_bands()
        stretch = raster.stretch(bands, cast(StretchMode, config.stretch))
        tile = raster.read(run.area, bands=bands, stretch=stretch)
    except (NotFoundError, RasterError) as error:
        raise ExportError(f"No picture can be drawn of these objects: {error}") from error
    write_annotation(path, chosen.objects, tile)


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
