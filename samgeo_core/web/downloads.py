"""Results as files to take home, made on demand from the objects of a run under a rule."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from samgeo_core.config import SelectionRule
from samgeo_core.errors import NotFoundError, ParameterError
from samgeo_core.web.bundles import bundle_pieces
from samgeo_core.web.cache import LruCache
from samgeo_core.web.classes import (
    CLASSES_FILE,
    classes_version,
)
from samgeo_core.web.finished import ExportChoice
from samgeo_core.web.records import Run, Scene
from samgeo_core.web.reports import REPORT_FILES, make_report, report_subject, reports_for_archive
from samgeo_core.web.results import result_place
from samgeo_core.web.rules import rule_query
from samgeo_core.web.selected import Selected, edits_of, run_source, selected
from samgeo_core.web.training import TRAINING_FILES
from samgeo_core.words import N_, spoken_language

logger = logging.getLogger(__name__)

MOST_IN_KML = 50_000
"""KML is held in memory while it is written, and programs open no more with pleasure."""

KEPT_FILES = 24
"""How many made files are kept of a run; others are made anew when asked for again."""

_making: LruCache[Path, Path] = LruCache(0)


@dataclass(frozen=True)
class Download:
    """A file that can be had of a run.

    Attributes:
        filename: last part of its address, and of the name it is saved under.
        title: what it is, for people.
        media_type: MIME type.
    """

    filename: str
    title: str
    media_type: str


@dataclass(frozen=True)
class ReadyFile:
    """A file ready to be sent.

    Attributes:
        path: where it lies.
        media_type: MIME type.
        save_as: the name a browser saves it under.
    """

    path: Path
    media_type: str
    save_as: str


@dataclass(frozen=True)
class ReadyStream:
    """A file that is made while it is sent.

    Attributes:
        pieces: its content.
        media_type: MIME type.
        save_as: the name a browser saves it under.
    """

    pieces: Iterator[bytes]
    media_type: str
    save_as: str


def offered_downloads(run: Run) -> dict[str, Download]:
    """What can be had of a run; of one that goes region by region, what any number allows."""
    if not run.is_streamed:
        return downloads() if classes_version(run) else _without(downloads(), CLASSES_FILE)
    left_out = {"annotations.png", CLASSES_FILE, *TRAINING_FILES}
    if int(run.record.get("n_objects", 0)) > MOST_IN_KML:
        left_out.add("objects.kml")
    offered = _without(downloads(), *left_out)
    offered["bundle.zip"] = replace(
        offered["bundle.zip"], title=N_("QGIS project of the run (zip)")
    )
    return offered


def _without(offered: Mapping[str, Download], *names: str) -> dict[str, Download]:
    return {name: item for name, item in offered.items() if name not in names}


@lru_cache(maxsize=1)
def downloads() -> dict[str, Download]:
    """All that can be had of a run, by file name: vector layers, rasters, everything in one."""
    from samgeo_core.results.export import FORMATS

    vectors = [
        Download(f"objects{form.suffix}", form.title, form.media_type) for form in FORMATS.values()
    ]
    others = [
        Download("labels.tif", N_("Label raster (GeoTIFF)"), "image/tiff"),
        Download("mask.tif", N_("Mask raster (GeoTIFF)"), "image/tiff"),
        Download(CLASSES_FILE, N_("Class raster (GeoTIFF)"), "image/tiff"),
        Download("annotations.png", N_("Picture of the objects (PNG)"), "image/png"),
        Download("run.json", N_("Parameters and figures (JSON)"), "application/json"),
        Download("bundle.zip", N_("QGIS project with everything (zip)"), "application/zip"),
        *(Download(name, title, "application/zip") for name, title in TRAINING_FILES.items()),
        *(Download(name, title, _report_type(name)) for name, title in REPORT_FILES.items()),
    ]
    return {item.filename: item for item in (*vectors, *others)}


def make_download(
    run: Run,
    filename: str,
    rule: SelectionRule | None = None,
    *,
    image: Callable[[], Scene] | None = None,
    choice: ExportChoice | None = None,
) -> ReadyFile | ReadyStream:
    """Make a file, or find the one made before.

    Args:
        run: a finished run.
        filename: one of `downloads`.
        rule: which candidates become objects; None takes the run's own rule.
        image: finds the scene of the run, over which a picture is drawn anew where it shows other
            objects than the run's own; and of whose bands a layer may tell.
        choice: how outlines are drawn, where the file is a layer; None takes the defaults.

    Raises:
        NotFoundError: no such file, or the run has no result.
        ParameterError: the choice can't be had of this run.
        ExportError: the format can't hold this result, see `write_vector`; or a picture is wanted
            and the image is gone.
    """
    choice = choice or ExportChoice()
    offered = offered_downloads(run)
    kind = offered.get(filename)
    if kind is None:
        raise NotFoundError(f"There is no download of this name; choose {', '.join(offered)}.")
    if filename in REPORT_FILES:
        return _report(run, kind, rule, image)
    if run.is_streamed:
        if choice != ExportChoice():
            raise ParameterError(
                "Results of images that were segmented in parts are offered as they were drawn; "
                "the command vectorize draws them anew."
            )
        return _stored_download(run, kind, image)
    own = run_source(run).rule
    edits = edits_of(run)
    changes = rule_query(own, rule or own)
    named = "-selected" if changes else "-edited" if edits.done else ""
    if edits.done:
        changes["edits"] = edits.revision
    if classes := classes_version(run) if _tells_classes(filename) else "":
        changes["classes"] = classes
    if is_layer(filename):
        changes |= choice.query
        named += "-partition" if choice.product == "partition" else ""
    path = _path_of(run, filename, changes)
    if not path.is_file():
        chosen = selected(run, rule, edits)
        path = _making.get(path, lambda: _make(path, chosen, image, choice))
    return ReadyFile(path, kind.media_type, _name(run, filename, named))


def is_layer(filename: str) -> bool:
    """Whether a download is a layer of outlines, which are drawn as is asked for."""
    return filename.startswith("objects.") and filename not in TRAINING_FILES


def _report_type(filename: str) -> str:
    return "image/png" if filename.endswith(".png") else "application/pdf"


def _report(
    run: Run, kind: Download, rule: SelectionRule | None, image: Callable[[], Scene] | None
) -> ReadyFile:
    """A page or picture for people, in the language of who asks."""
    chosen = None if run.is_streamed else selected(run, rule)
    changes = {"language": spoken_language(), "classes": classes_version(run)}
    changes |= {} if chosen is None else chosen.query
    # NOTE: the image is drawn as the scene is shown.
    with suppress(NotFoundError):
        changes["display"] = "" if image is None else image().display.key
    path = _path_of(run, kind.filename, changes)
    made_ns = path.stat().st_mtime_ns if path.is_file() else 0
    if made_ns < run.labels_path.stat().st_mtime_ns:
        path = _making.get(path, lambda: _make_report(run, path, chosen, image))
    told = (
        "" if chosen is None or chosen.is_own else "-edited" if chosen.edits.done else "-selected"
    )
    return ReadyFile(path, kind.media_type, _name(run, kind.filename, told))


def _make_report(
    run: Run, path: Path, chosen: Selected | None, image: Callable[[], Scene] | None
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    make_report(path, report_subject(run, chosen, image))
    _forget_old(run.folder / "downloads")
    logger.info("Made %s for run %s", path.name, run.run_id)
    return path


def _stored_download(
    run: Run, kind: Download, image: Callable[[], Scene] | None
) -> ReadyFile | ReadyStream:
    """A file of a run that went region by region: as it lies there, or made of the GeoPackage."""
    result_place(run)  # says so where there is no result
    name = _name(run, kind.filename)
    if kind.filename == "bundle.zip":
        pieces = bundle_pieces(run, lambda folder: reports_for_archive(run, None, folder, image))
        return ReadyStream(pieces, kind.media_type, name)
    path = _path_of(run, kind.filename, {})
    if path.parent == run.folder:
        if not path.is_file():
            raise NotFoundError("The files of this run are gone; run it again.")
    elif not path.is_file() or path.stat().st_mtime_ns < run.objects_path.stat().st_mtime_ns:
        path = _making.get(path, lambda: _convert(run, path))
    return ReadyFile(path, kind.media_type, name)


def _convert(run: Run, path: Path) -> Path:
    from samgeo_core.results.export import convert_vector

    path.parent.mkdir(parents=True, exist_ok=True)
    convert_vector(run.objects_path, path)
    _forget_old(run.folder / "downloads")
    logger.info("Made %s for run %s", path.name, run.run_id)
    return path


def _name(run: Run, filename: str, more: str = "") -> str:
    """The name under which a browser saves a file."""
    stem, dot, suffix = filename.partition(".")
    return f"{file_stem(run.scene_name)}-{stem}{more}{dot}{suffix}"


def file_stem(name: str) -> str:
    """A scene's name as the begin of file names that every system takes."""
    stem = re.sub(r"\.(tiff?|png|jpe?g|jp2|j2k)$", "", name, flags=re.IGNORECASE)
    stem = re.sub(r"[^\w.-]+", "-", stem).strip("-._")
    return stem[:60].rstrip("-._") or "image"


def _tells_classes(filename: str) -> bool:
    """Whether a file changes with the classes of objects."""
    return filename.startswith("objects.") or filename in ("run.json", "bundle.zip", CLASSES_FILE)


_WRITTEN_BY_PIPELINE = ("objects.gpkg", "labels.tif", "mask.tif", "annotations.png", "run.json")


def _path_of(run: Run, filename: str, changes: Mapping[str, str]) -> Path:
    if not changes and filename in _WRITTEN_BY_PIPELINE:
        return run.folder / filename
    # NOTE: a rule told in full may be longer than a file system lets a name be.
    told = repr(sorted(changes.items())).encode()
    key = hashlib.blake2b(told, digest_size=12).hexdigest() if changes else "own"
    return run.folder / "downloads" / key / filename


def _make(
    path: Path, chosen: Selected, image: Callable[[], Scene] | None, choice: ExportChoice
) -> Path:
    from samgeo_core.web.making import make_file

    run = chosen.source.run
    if path.parent == run.folder:
        raise NotFoundError("The files of this run are gone; run it again.")
    path.parent.mkdir(parents=True, exist_ok=True)
    make_file(path, chosen, image, choice)
    _forget_old(run.folder / "downloads")
    logger.info("Made %s of %d objects for run %s", path.name, len(chosen.objects), run.run_id)
    return path


def _forget_old(folder: Path) -> None:
    """Keep what was made last; whatever goes is made anew when asked for."""
    made = [path for path in folder.glob("*/*") if path.is_file()]
    made.sort(key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for path in made[KEPT_FILES:]:
        path.unlink(missing_ok=True)
