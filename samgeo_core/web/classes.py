"""Classes of a run's objects, as its owner taught them: read by pages, layers and files alike."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samgeo_core.overlap_rules import sources_of
from samgeo_core.teaching.classify import NOT_THIS, Prediction, classify
from samgeo_core.teaching.keys import mask_keys
from samgeo_core.teaching.lesson import LESSON_FILE, Lesson, LessonHistory
from samgeo_core.teaching.table import FEATURES_FILE, FeatureTable
from samgeo_core.web.cache import LruCache
from samgeo_core.web.records import Run
from samgeo_core.web.selected import Selected

CLASSES_FILE = "classes.tif"
"""A raster of classes, there where the run's owner has taught some."""

TABLES_CACHE_BYTES = 256 << 20

UNKNOWN = -1
"""Instead of the number of a class: nothing can be said of an object (yet)."""

Stamp = tuple[int, int]

_lessons: LruCache[tuple[Path, Stamp], LessonHistory] = LruCache(64)
_tables: LruCache[tuple[Path, Stamp], FeatureTable | None] = LruCache(
    TABLES_CACHE_BYTES, lambda table: min(table.n_bytes if table else 0, TABLES_CACHE_BYTES)
)


@dataclass(frozen=True, eq=False)
class Classified:
    """What is known of N objects.

    Attributes:
        lesson: classes and marks.
        rows: int64 [N], where each object stands in the run's table of features, -1 for nowhere.
        numbers: int64 [N], class of each object, `NOT_THIS` for none, `UNKNOWN`.
        confidence: float64 [N], 0 to 1, NaN where unknown.
        marks: int64 [N], what each object is marked as, `UNKNOWN` where it isn't.
        doubtful: int64 [M], indices of objects that a mark would help with, the first the most.
    """

    lesson: Lesson
    rows: NDArray[np.int64]
    numbers: NDArray[np.int64]
    confidence: NDArray[np.float64]
    marks: NDArray[np.int64]
    doubtful: NDArray[np.int64]

    @property
    def is_taught(self) -> bool:
        """Whether objects got classes that nobody marked."""
        return bool((self.numbers[self.marks == UNKNOWN] != UNKNOWN).any())

    def members(self, number: int) -> NDArray[np.int64]:
        """Indices of the objects of a class."""
        return np.flatnonzero(self.numbers == number)

    def columns(self) -> dict[str, Any]:
        """What files tell of each object: class_name, class_color and confidence."""
        import pandas as pd

        named = {item.number: item for item in self.lesson.classes}
        found = [named.get(number) for number in self.numbers.tolist()]
        # NOTE: text of its own type, so that formats know what the column is of without a row.
        return {
            "class_name": pd.array([c.name if c else "" for c in found], dtype="string"),
            "class_color": pd.array([c.color if c else "" for c in found], dtype="string"),
            "confidence": self.confidence.round(3),
        }


_classified: LruCache[tuple[object, ...], Classified] = LruCache(32)


def lesson_of(run: Run) -> LessonHistory:
    """What a run's owner taught.

    Raises:
        ExportError: it can't be read.
    """
    path = run.folder / LESSON_FILE
    stamp = _stamp(path)
    return LessonHistory() if stamp is None else _lessons.get((path, stamp), lambda: _load(path))


def features_of(run: Run) -> FeatureTable | None:
    """The features of a run's masks; None where nobody has asked for them yet."""
    path = run.folder / FEATURES_FILE
    stamp = _stamp(path)
    if stamp is None:
        return None
    return _tables.get((path, stamp), lambda: FeatureTable.load(path))


def classes_version(run: Run) -> str:
    """A short text that changes with what `classified` says of a run; "" where it has no class."""
    history = lesson_of(run)
    if run.is_streamed or not history.lesson.classes:
        return ""
    return f"{history.revision}-{_stamp(run.folder / FEATURES_FILE)}"


def classified(shown: Selected) -> Classified:
    """The classes of the objects of a result.

    Objects whose masks a rule cut have the class of the whole. Where the marks don't tell classes
    apart yet, only marked objects have one.

    Raises:
        ExportError: what was taught can't be read.
    """
    run = shown.source.run
    version = (_stamp(run.folder / LESSON_FILE), _stamp(run.folder / FEATURES_FILE))
    key = (run.run_id, shown.source.place.version, shown.edits.revision, shown.rule, version)
    return _classified.get(key, lambda: _classify(shown))


def frame_with_classes(shown: Selected) -> Any:
    """The polygons and attributes of a result, with their classes where there are any.

    Raises:
        ExportError: what was taught can't be read.
    """
    if not lesson_of(shown.source.run).lesson.classes:
        return shown.frame
    frame = shown.frame.assign(**classified(shown).columns())
    names = [name for name in frame.columns if name != frame.geometry.name]
    return frame[[*names, frame.geometry.name]]


def classes_record(shown: Selected) -> dict[str, Any]:
    """What run.json says of the classes of a result; nothing where there are none."""
    if not lesson_of(shown.source.run).lesson.classes:
        return {}
    known = classified(shown)
    classes = [
        {"value": i, "name": c.name, "color": c.color, "n_objects": len(known.members(c.number))}
        for i, c in enumerate(known.lesson.classes, start=1)
    ]
    return {"classes": classes, "n_marks": len(known.lesson.marks)}


def write_class_raster(path: Path, shown: Selected) -> None:
    """Write a GeoTIFF of classes with their colours: 1 for the first class, 0 where none is.

    Of objects that overlap the smallest one that has a class counts.

    Raises:
        ExportError: what was taught can't be read, or the file can't be written.
    """
    from samgeo_core.results.geotiff import write_geotiff
    from samgeo_core.results.labels import label_raster

    known = classified(shown)
    numbers = [item.number for item in known.lesson.classes]
    values = np.array([numbers.index(n) + 1 if n in numbers else 0 for n in known.numbers.tolist()])
    has_class = np.flatnonzero(values)
    by_label = np.concatenate([[0], values[has_class]]).astype(np.uint8)
    raster = by_label[label_raster(shown.objects.select(has_class))]
    colors = {0: (0, 0, 0, 0)}
    for i, item in enumerate(known.lesson.classes, start=1):
        red, green, blue = bytes.fromhex(item.color[1:])
        colors[i] = (red, green, blue, 255)
    write_geotiff(path, raster, shown.source.place.grid, color_table=colors)


def rows_of(shown: Selected, table: FeatureTable) -> NDArray[np.int64]:
    """Where the objects of a result, or the wholes they were cut from, stand in a table."""
    before, after = shown.before_overlap, shown.objects
    wholes = table.rows(mask_keys(before))
    return wholes[sources_of(before, after, shown.rule.overlap)]


def _classify(shown: Selected) -> Classified:
    run, n = shown.source.run, len(shown.objects)
    lesson, table = lesson_of(run).lesson, features_of(run)
    rows = np.full(n, -1, np.int64) if table is None else rows_of(shown, table)
    numbers, marks = np.full(n, UNKNOWN, np.int64), np.full(n, UNKNOWN, np.int64)
    confidence, doubtful = np.full(n, np.nan), np.zeros(0, np.int64)
    if table is not None and lesson.marks:
        keys = table.features.keys
        marks = np.array(
            [UNKNOWN if row < 0 else lesson.marks.get(keys[row], UNKNOWN) for row in rows.tolist()],
            np.int64,
        )
        is_marked = marks != UNKNOWN
        numbers[is_marked], confidence[is_marked] = marks[is_marked], 1.0
        if len(set(lesson.marks.values())) > 1 and (found := _predict(table, lesson)) is not None:
            known = rows >= 0
            numbers[known] = found.numbers[rows[known]]
            confidence[known] = found.confidence[rows[known]]
            doubt = np.where(known, found.doubt[rows], -1.0)
            doubtful = Prediction(numbers, confidence, doubt).most_doubtful(n)
    return Classified(lesson, rows, numbers, confidence, marks, doubtful)


def _predict(table: FeatureTable, lesson: Lesson) -> Prediction | None:
    """Classes of all masks in a table; None where the marked ones are of one kind."""
    rows = table.rows(list(lesson.marks))
    numbers = np.array(list(lesson.marks.values()), np.int64)[rows >= 0]
    rows = rows[rows >= 0]
    # In the order of the table: what was marked first must not decide the last digit.
    order = np.argsort(rows)
    if len(np.unique(numbers)) < 2:
        return None
    return classify(table.points, rows[order], numbers[order])


def _load(path: Path) -> LessonHistory:
    return LessonHistory.load(path)


def _stamp(path: Path) -> Stamp | None:
    """What changes with a file; None where it isn't."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size


__all__ = [
    "NOT_THIS",
    "UNKNOWN",
    "Classified",
    "classes_record",
    "classes_version",
    "classified",
    "features_of",
    "frame_with_classes",
    "lesson_of",
    "rows_of",
    "write_class_raster",
]
