"""Results as files to take home, made on demand from the objects of a run."""

from __future__ import annotations

import logging
import re
import shutil
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samgeo_core.errors import ExportError, NotFoundError
from samgeo_core.objects import ObjectSet
from samgeo_core.web.cache import LruCache
from samgeo_core.web.filters import ObjectFilter
from samgeo_core.web.layers import read_objects
from samgeo_core.web.records import Run
from samgeo_core.web.results import result_place

logger = logging.getLogger(__name__)

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
        filtered: whether it can be had of some of the objects only.
    """

    filename: str
    title: str
    media_type: str
    filtered: bool


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


@lru_cache(maxsize=1)
def downloads() -> dict[str, Download]:
    """All that can be had of a run, by file name: vector layers, rasters, everything in one."""
    from samgeo_core.results.export import FORMATS

    vectors = [
        Download(f"objects{form.suffix}", form.title, form.media_type, True)
        for form in FORMATS.values()
    ]
    others = [
        Download("labels.tif", "Label raster (GeoTIFF)", "image/tiff", True),
        Download("mask.tif", "Mask raster (GeoTIFF)", "image/tiff", True),
        Download("annotations.png", "Picture of all objects (PNG)", "image/png", False),
        Download("run.json", "Parameters and figures (JSON)", "application/json", False),
        Download("bundle.zip", "Everything (zip)", "application/zip", True),
    ]
    return {item.filename: item for item in (*vectors, *others)}


def make_download(run: Run, filename: str, wanted: ObjectFilter | None = None) -> ReadyFile:
    """Make a file, or find the one made before.

    Args:
        run: a finished run.
        filename: one of `downloads`.
        wanted: which objects; None takes all.

    Raises:
        NotFoundError: no such file, or the run has no result.
        ExportError: the format can't hold this result, see `write_vector`; or the file shows all
            objects only.
    """
    kind = downloads().get(filename)
    if kind is None:
        raise NotFoundError(f"There is no download of this name; choose {', '.join(downloads())}.")
    result_place(run)
    limits = wanted.limits if wanted is not None else {}
    if limits and not kind.filtered:
        raise ExportError(f"{filename} is about all objects; download it without a filter.")
    path = _path_of(run, filename, limits)
    if not path.is_file():
        path = _making.get(path, lambda: _make(run, path, filename, wanted or ObjectFilter()))
    some = "-some" if limits else ""
    stem, dot, suffix = filename.partition(".")
    return ReadyFile(
        path, kind.media_type, f"{file_stem(run.scene_name)}-{stem}{some}{dot}{suffix}"
    )


def file_stem(name: str) -> str:
    """A scene's name as the begin of file names that every system takes."""
    stem = re.sub(r"\.(tiff?|png|jpe?g|jp2|j2k)$", "", name, flags=re.IGNORECASE)
    stem = re.sub(r"[^\w.-]+", "-", stem).strip("-._")
    return stem[:60].rstrip("-._") or "image"


def _path_of(run: Run, filename: str, limits: dict[str, float]) -> Path:
    if not limits and filename in _WRITTEN_BY_PIPELINE:
        return run.folder / filename
    key = "_".join(f"{name}={value!r}" for name, value in sorted(limits.items())) or "all"
    return run.folder / "downloads" / key / filename


_WRITTEN_BY_PIPELINE = ("objects.gpkg", "labels.tif", "mask.tif", "annotations.png", "run.json")


def _make(run: Run, path: Path, filename: str, wanted: ObjectFilter) -> Path:
    if filename in _WRITTEN_BY_PIPELINE and not wanted.limits:
        raise NotFoundError("The files of this run are gone; run it again.")
    path.parent.mkdir(parents=True, exist_ok=True)
    frame = read_objects(run)
    keep = wanted.keeps(frame)
    ids = np.asarray(frame["object_id"], np.int64)[keep]
    if filename == "bundle.zip":
        _make_bundle(run, path, frame[keep], ids if wanted.limits else None)
    elif filename in _RASTERS:
        _RASTERS[filename](run, path, ids)
    else:
        _make_layer(path, frame[keep])
    _forget_old(run.folder / "downloads")
    logger.info(
        "Made %s of %d of %d objects for run %s", filename, len(ids), len(frame), run.run_id
    )
    return path


def _make_layer(path: Path, frame: Any) -> None:
    from samgeo_core.results.export import write_vector

    write_vector(frame, path)


def _make_bundle(run: Run, path: Path, frame: Any, ids: NDArray[np.int64] | None) -> None:
    """Everything in one archive; rasters are drawn anew where only some objects are wanted."""
    from samgeo_core.results.export import write_bundle

    if ids is None:
        write_bundle(path, run.folder, frame)
        return
    with tempfile.TemporaryDirectory(prefix=".bundle-", dir=path.parent) as folder:
        for name, make in _RASTERS.items():
            make(run, Path(folder) / name, ids)
        shutil.copy(run.folder / "run.json", folder)
        write_bundle(path, folder, frame)


def _make_labels(run: Run, path: Path, ids: NDArray[np.int64]) -> None:
    """The label raster of some objects, under the ids that they have among all."""
    from samgeo_core.results.labels import label_raster, write_label_raster

    labels = label_raster(_some_objects(run, ids))
    table = np.concatenate([[0], ids])
    table = table.astype(np.min_scalar_type(int(table.max())))
    write_label_raster(path, table[labels], result_place(run).grid)


def _make_mask(run: Run, path: Path, ids: NDArray[np.int64]) -> None:
    from samgeo_core.results.labels import binary_mask, write_mask_raster

    write_mask_raster(path, binary_mask(_some_objects(run, ids)), result_place(run).grid)


_RASTERS = {"labels.tif": _make_labels, "mask.tif": _make_mask}


def _some_objects(run: Run, ids: NDArray[np.int64]) -> ObjectSet:
    return ObjectSet.load(run.folder / "objects.npz").select(ids - 1)


def _forget_old(folder: Path) -> None:
    """Keep what was made last; whatever goes is made anew when asked for."""
    made = [path for path in folder.glob("*/*") if path.is_file()]
    made.sort(key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for path in made[KEPT_FILES:]:
        path.unlink(missing_ok=True)
