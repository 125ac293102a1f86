"""Objects of a result as data to train other models with, and the image that shows them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from samgeo_core.errors import NotFoundError, RasterError
from samgeo_core.web.classes import classified, lesson_of
from samgeo_core.web.records import Run, Scene
from samgeo_core.web.selected import Selected
from samgeo_core.words import N_

if TYPE_CHECKING:
    from samgeo_core.results.training_tiles import TrainingImage

logger = logging.getLogger(__name__)

TRAINING_FILES = {
    "objects.coco.zip": N_("COCO instances with image tiles (zip)"),
    "objects.yolo.zip": N_("YOLO segments with image tiles (zip)"),
}


def make_training(chosen: Selected, path: Path, image: Callable[[], Scene] | None) -> None:
    """Write objects as they are shown, with their classes; without pictures if the image is gone.

    Args:
        chosen: the objects.
        path: the archive; its name says what it is, see `results.training.training_kind`.
        image: finds the scene of the run.

    Raises:
        ExportError: there is no object, or the file can't be written.
    """
    from samgeo_core.results.training import write_training
    from samgeo_core.vectors.outline import drawn
    from samgeo_core.vectors.sources import objects_in_memory
    from samgeo_core.vectors.style import OutlineStyle

    run, style = chosen.source.run, OutlineStyle()
    more = {}
    if lesson_of(run).lesson.classes:
        more["class_name"] = np.asarray(classified(chosen).columns()["class_name"], object)
    write_training(
        objects_in_memory(chosen.objects, more),
        chosen.source.place.grid,
        path,
        image=_image_of(run, chosen, image),
        shapes_of=lambda exact: drawn(exact, style),
    )


def _image_of(
    run: Run, chosen: Selected, image: Callable[[], Scene] | None
) -> TrainingImage | None:
    from samgeo_core.reading.stretch import Stretch
    from samgeo_core.results.training_tiles import TrainingImage

    try:
        if image is None:
            return None
        known = run.record.get("stretch")
        stretch = Stretch.from_dict(known) if known else None
        return TrainingImage.of(image().raster, chosen.source.place.grid, stretch)
    except (NotFoundError, RasterError) as error:
        logger.info("No image for the training data of run %s: %s", run.run_id, error)
        return None
