"""A report of the folder of a run, as the command line has it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rasterio.enums import Resampling

from samgeo_core.errors import ExportError
from samgeo_core.report.figures import AreaFigures
from samgeo_core.report.subject import ReportSubject, colors_of, run_facts
from samgeo_core.windows import ShapeHW, Window

if TYPE_CHECKING:
    from samgeo_core.reading.raster import Raster
    from samgeo_core.results.labels import Labels
    from samgeo_core.tile import TileImage
    from samgeo_core.vectors.sources import FinishedRun

_SIZES = ("area_px", "area_m2", "class_name", "class_color")


def subject_of_folder(
    folder: Path, image: Raster | None = None, title: str | None = None
) -> ReportSubject:
    """What a report of a run tells.

    Args:
        folder: of a run, whole or in regions.
        image: the raster that was segmented; None draws objects on plain ground.
        title: of the page; None takes the raster's name.

    Raises:
        ExportError: the folder holds no run, or its files can't be read.
        ParameterError: the run doesn't lie on the image.
    """
    from samgeo_core.pipeline import object_figures
    from samgeo_core.vectors.sources import FinishedRun, rule_of

    run, record = FinishedRun.open(folder), _record(folder)
    coverage = record.get("coverage")
    if run.objects is not None and run.valid is not None:
        valid = run.valid(Window.whole(run.grid.shape_hw))
        told = object_figures(run.objects, np.asarray(valid), rule_of(folder))
        record, coverage = {**record, **told}, told.get("coverage", coverage)
    figures = _figures(run, coverage)
    credits = [record.get("attribution"), None if image is None else image.attribution]
    return ReportSubject(
        title or Path(str(record.get("raster", folder.name))).stem,
        run.grid,
        figures,
        colors_of(figures),
        lambda step: _labels(run, step),
        lambda shape_hw: _image(run, image, shape_hw),
        run_facts(record, run.grid, rule_of(folder)),
        tuple(dict.fromkeys(str(text) for text in credits if text)),
    )


def _record(folder: Path) -> dict[str, Any]:
    import json

    record: dict[str, Any] = json.loads((folder / "run.json").read_text("utf-8"))
    return record


def _figures(run: FinishedRun, coverage: float | None) -> AreaFigures:
    """Areas of objects as they are now; of those of a run in regions as it wrote them."""
    if run.objects is not None:
        from samgeo_core.results.vectorize import vectorize

        frame = vectorize(run.objects, run.grid)
        return AreaFigures.of(frame.get("area_m2", []), frame["area_px"], None, coverage)
    import pyogrio

    path = run.folder / "objects.gpkg"
    try:
        known = set(pyogrio.read_info(path, layer="objects")["fields"])
        columns = [name for name in _SIZES if name in known]
        table = pyogrio.read_dataframe(path, "objects", columns=columns, read_geometry=False)
    except pyogrio.errors.DataSourceError as error:
        raise ExportError(
            f"The objects of the run are needed, but {path} can't be read."
        ) from error
    return AreaFigures.of(table.get("area_m2", []), table["area_px"], None, coverage)


def _labels(run: FinishedRun, step: int) -> Labels:
    from samgeo_core.results.labels import label_raster

    if run.objects is not None:
        return label_raster(run.objects, step=step)
    return stored_labels(run.folder / "labels.tif", step)


def stored_labels(path: Path, step: int) -> Labels:
    """Ids of every so many-th pixel of a label raster, from its overviews.

    Raises:
        RasterError: it can't be read.
    """
    from samgeo_core.reading.raster import open_dataset

    with open_dataset(path) as dataset:
        shape = -(-dataset.height // step), -(-dataset.width // step)
        labels: Labels = dataset.read(1, out_shape=shape, resampling=Resampling.nearest)
    return labels


def _image(run: FinishedRun, image: Raster | None, shape_hw: ShapeHW) -> TileImage | None:
    """The image as the model saw it, at less resolution."""
    if image is None:
        return None
    from samgeo_core.cli.training import stretch_of
    from samgeo_core.results.training_tiles import TrainingImage

    stretch = stretch_of(run.folder, image)
    x, y = TrainingImage.of(image, run.grid, stretch).offset_xy
    height, width = run.grid.shape_hw
    place = Window(x, y, width, height)
    return image.read(place, stretch=stretch, shape_hw=shape_hw, resampling=Resampling.average)
