"""Figures, reports and pictures of a run as it is shown: rule, corrections, classes, display."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from samgeo_core.config import SelectionRule
from samgeo_core.errors import NotFoundError, RasterError
from samgeo_core.report.figures import AreaFigures
from samgeo_core.report.of_folder import stored_labels
from samgeo_core.report.subject import ReportSubject, colors_of, run_facts
from samgeo_core.results.labels import Labels, label_raster
from samgeo_core.tile import TileImage
from samgeo_core.web.cache import LruCache
from samgeo_core.web.classes import classes_version, classified
from samgeo_core.web.overviews import read_small
from samgeo_core.web.records import Run, Scene
from samgeo_core.web.results import result_place
from samgeo_core.web.selected import Selected
from samgeo_core.web.stored import stored_areas
from samgeo_core.windows import ShapeHW
from samgeo_core.words import N_, speaking
from samgeo_core.words.languages import ENGLISH

logger = logging.getLogger(__name__)

REPORT_FILES = {
    "report.pdf": N_("Report of one page (PDF, A4)"),
    "report-letter.pdf": N_("Report of one page (PDF, Letter)"),
    "quicklook.png": N_("Map with legend (PNG)"),
}
"""What people read of a run, by file name."""

_IN_ARCHIVES = ("report.pdf", "quicklook.png")

FindImage = Callable[[], Scene] | None

_stored: LruCache[tuple[str, int], AreaFigures] = LruCache(
    64 << 20, lambda figures: max(16 * len(figures), 1)
)


def figures_of(chosen: Selected) -> AreaFigures:
    """Areas of the objects of a result as they are shown, by class where it has some.

    Raises:
        ExportError: what was taught can't be read.
    """
    frame, classes = chosen.frame, None
    if classes_version(chosen.source.run):
        columns = classified(chosen).columns()
        classes = list(columns["class_name"]), list(columns["class_color"])
    areas_m2 = frame.get("area_m2", [])
    return AreaFigures.of(areas_m2, frame["area_px"], classes, chosen.coverage)


def stored_figures(run: Run) -> AreaFigures:
    """Areas of the objects of a run that went region by region; read once.

    Raises:
        NotFoundError: the run has no result.
    """

    def read() -> AreaFigures:
        return AreaFigures.of(*stored_areas(run), None, run.record.get("coverage"))

    return _stored.get((run.run_id, result_place(run).version), read)


def report_subject(run: Run, chosen: Selected | None, image: FindImage = None) -> ReportSubject:
    """What a report of a run tells.

    Args:
        run: a finished run.
        chosen: its objects as they are shown; None for a run that went region by region.
        image: finds its scene; where it is gone, objects are drawn on plain ground.

    Raises:
        NotFoundError: the run has no result.
        ExportError: what was taught can't be read.
    """
    scene = _scene(run, image)
    figures = stored_figures(run) if chosen is None else figures_of(chosen)
    record = {**run.record, "raster": run.scene_name}
    if chosen is not None and chosen.edits.done:
        record["edits"] = {"all": chosen.edits.done}
    own = _attribution(scene)
    credits = dict.fromkeys(text for text in (record.get("attribution"), own) if text)
    place = result_place(run)

    def labels(step: int) -> Labels:
        if chosen is None:
            return stored_labels(run.labels_path, step)
        return label_raster(chosen.objects, step=step)

    def seen(shape_hw: ShapeHW) -> TileImage | None:
        return None if scene is None else read_small(scene, place.window, shape_hw)

    return ReportSubject(
        Path(run.scene_name).stem or run.scene_name,
        place.grid,
        figures,
        colors_of(figures),
        labels,
        seen,
        run_facts(record, place.grid, _rule(run, chosen)),
        tuple(credits),
    )


def make_report(path: Path, subject: ReportSubject) -> None:
    """Write one of `REPORT_FILES`, which the path's name tells.

    Raises:
        ExportError, RasterError: see `write_page`.
    """
    from samgeo_core.report.page import write_page
    from samgeo_core.report.quicklook import write_quicklook

    if path.suffix == ".png":
        write_quicklook(path, subject)
    else:
        write_page(path, subject, "Letter" if "letter" in path.name else "A4")


def reports_for_archive(
    run: Run, chosen: Selected | None, folder: Path, image: FindImage
) -> dict[str, Path]:
    """What people read, in the language of README.txt and the same for all who ask, by name.

    Raises:
        ExportError, RasterError: see `make_report`.
    """
    with speaking(ENGLISH):
        subject = report_subject(run, chosen, image)
        for name in _IN_ARCHIVES:
            make_report(folder / name, subject)
    return {name: folder / name for name in _IN_ARCHIVES}


def _scene(run: Run, image: FindImage) -> Scene | None:
    try:
        scene = None if image is None else image()
        return scene if scene is None or scene.version else None
    except (NotFoundError, RasterError) as error:
        logger.info("No image below the objects of run %s: %s", run.run_id, error)
        return None


def _attribution(scene: Scene | None) -> str | None:
    return None if scene is None else scene.raster.attribution


def _rule(run: Run, chosen: Selected | None) -> SelectionRule | None:
    """The rule that a page tells; what was picked one by one has none."""
    if "picked" in run.record:
        return None
    if chosen is not None:
        return chosen.rule
    written: Any = run.record.get("selection")
    return SelectionRule.from_dict(written) if written else None
