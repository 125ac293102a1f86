"""The objects of a run under a rule: chosen among its candidates, each outline traced once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from samgeo_core.config import SegmentConfig, SelectionRule
from samgeo_core.edits.apply import Edited
from samgeo_core.edits.history import EDITS_FILE, EditHistory, EditLog
from samgeo_core.errors import NotFoundError
from samgeo_core.objects import ObjectSet
from samgeo_core.pool import CANDIDATES_FILE, CandidatePool
from samgeo_core.teaching.keys import mask_keys as names_of_masks
from samgeo_core.web.cache import LruCache
from samgeo_core.web.records import Run
from samgeo_core.web.results import ResultPlace, result_place
from samgeo_core.web.rules import rule_query

V = TypeVar("V")
Index = NDArray[np.int64]

MOST_OUTLINES = 50_000
"""How many outlines are kept of a run; those of one result are kept whatever their number."""

_KEPT_CHOICES = 3

ResultVersion = tuple[int, str]
"""What changes with the files of a run, and with its edits."""

RUNS_CACHE_BYTES = 256 << 20
RESULTS_CACHE_BYTES = 256 << 20


class MaskMemo(Generic[V]):
    """What was made of masks, found again by their pixels and place, whatever rule chose them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[bytes, V] = {}

    def get(self, objects: ObjectSet, make: Callable[[Index], Sequence[V]]) -> list[V]:
        """One value an object; ``make`` is asked for those at some indices, which are new."""
        keys = mask_keys(objects)
        with self._lock:
            new = [i for i, key in enumerate(keys) if key not in self._known]
            if new:
                made = make(np.array(new, np.int64))
                self._known.update(zip((keys[i] for i in new), made, strict=True))
            values = [self._known[key] for key in keys]
            if len(self._known) > MOST_OUTLINES:
                self._known = dict(zip(keys, values, strict=True))
        return values


_known_keys: WeakKeyDictionary[ObjectSet, list[bytes]] = WeakKeyDictionary()


def mask_keys(objects: ObjectSet) -> list[bytes]:
    """A short text for each object that tells its pixels and place; made once a set."""
    if (known := _known_keys.get(objects)) is not None:
        return known
    keys = list(names_of_masks(objects))
    _known_keys[objects] = keys
    return keys


class RunSource:
    """What the results of one run are made of, read when it is needed.

    Args:
        run: a finished run.
        place: where it lies.
    """

    def __init__(self, run: Run, place: ResultPlace) -> None:
        self.run, self.place = run, place
        self.outlines: MaskMemo[tuple[Any, float, float]] = MaskMemo()
        self.drawn: dict[tuple[float, bool], MaskMemo[str]] = {}
        self._chosen: LruCache[SelectionRule, ObjectSet] = LruCache(_KEPT_CHOICES)

    @cached_property
    def has_candidates(self) -> bool:
        """Whether the run kept its candidates, and with them where data is."""
        return (self.run.folder / CANDIDATES_FILE).is_file()

    @cached_property
    def rule(self) -> SelectionRule:
        """The rule by which the run chose."""
        if not self.has_candidates:
            return SelectionRule.keep_all()
        if written := self.run.record.get("selection"):
            return SelectionRule.from_dict(written)
        return SegmentConfig.from_dict(self.run.config).rule

    @cached_property
    def pool(self) -> CandidatePool:
        """The candidates of the run; its objects, where it kept no others."""
        if self.has_candidates:
            return CandidatePool.load(self.run.folder / CANDIDATES_FILE, self.place.grid)
        from samgeo_core.candidates import CandidateSet
        from samgeo_core.results.labels import label_raster

        # NOTE: such a run doesn't tell where data is: nothing grows beyond what was found.
        objects = read_object_set(self.run)
        covered = label_raster(objects) > 0
        return CandidatePool(CandidateSet.of_objects(objects), covered, self.place.grid)

    def chosen(self, rule: SelectionRule) -> ObjectSet:
        """What a rule chooses, before edits and before overlaps are resolved."""
        # What becomes of overlaps is asked later: rules that differ in that alone choose the same.
        choice = replace(rule, overlap="nested")
        return self._chosen.get(choice, lambda: self.pool.chosen(choice))

    @property
    def cost(self) -> int:
        """Bytes that it holds, about; a few runs fill the cache."""
        height, width = self.place.grid.shape_hw
        return min(max(2 * height * width, RUNS_CACHE_BYTES // 8), RUNS_CACHE_BYTES)


@dataclass(frozen=True, eq=False)
class Selected:
    """The objects of a run under a rule, as edits have left them.

    Attributes:
        source: the run.
        rule: the rule.
        edits: corrections of what it chose, without those that were undone.
        objects: what it chose, edited, overlaps resolved.
        frame: their polygons and attributes, see `vectorize`.
    """

    source: RunSource
    rule: SelectionRule
    edits: EditHistory
    objects: ObjectSet
    frame: Any

    @property
    def is_own(self) -> bool:
        """Whether these are the objects that the run found, so that the files in its folder fit."""
        return self.rule == self.source.rule and not self.edits.done

    @property
    def query(self) -> dict[str, str]:
        """What tells this result from the run's own in addresses; changes with every edit."""
        changes = rule_query(self.source.rule, self.rule)
        return {**changes, "edits": self.edits.revision} if self.edits.done else changes

    @cached_property
    def edited(self) -> Edited:
        """What the rule chose, edited, in the order in which overlaps are resolved."""
        source, rule = self.source, self.rule
        edited = source.pool.edited(source.chosen(rule), rule, self.edits.active)
        return edited.for_rule(rule.overlap)

    @property
    def before_overlap(self) -> ObjectSet:
        """What the rule chose, edited, before overlaps are resolved."""
        return self.edited.objects

    @cached_property
    def coverage(self) -> float | None:
        """Share of the pixels with data that an object covers; None where that isn't known."""
        if not self.source.has_candidates:
            return None
        valid = self.source.pool.valid
        covered = np.zeros(valid.shape, np.bool_)
        for item in self.objects:
            covered[item.slices] |= item.mask
        return float(np.count_nonzero(covered & valid)) / max(int(np.count_nonzero(valid)), 1)

    @property
    def cost(self) -> int:
        """Bytes that it holds, about."""
        n_bytes = sum(mask.nbytes for mask in self.objects.masks) + 2000 * len(self.objects)
        return min(n_bytes, RESULTS_CACHE_BYTES)


_sources: LruCache[tuple[str, int], RunSource] = LruCache(RUNS_CACHE_BYTES, lambda s: s.cost)
_selected: LruCache[tuple[str, ResultVersion, SelectionRule], Selected] = LruCache(
    RESULTS_CACHE_BYTES, lambda s: s.cost
)
_histories: LruCache[tuple[Path, int, int], EditHistory] = LruCache(64)


def run_source(run: Run) -> RunSource:
    """What the results of a finished run are made of.

    Raises:
        NotFoundError: the run has no result.
    """
    place = result_place(run)
    return _sources.get((run.run_id, place.version), lambda: RunSource(run, place))


def edits_of(run: Run) -> EditHistory:
    """The corrections of a run.

    Raises:
        ExportError: they can't be read.
    """
    log = EditLog(run.folder / EDITS_FILE)
    try:
        stat = log.path.stat()
    except FileNotFoundError:
        return EditHistory()
    return _histories.get((log.path, stat.st_mtime_ns, stat.st_size), log.read)


def version_of(run: Run) -> ResultVersion:
    """What tells a result from those before and after it.

    Raises:
        NotFoundError: the run has no result.
    """
    return result_place(run).version, edits_of(run).revision


def selected(
    run: Run, rule: SelectionRule | None = None, edits: EditHistory | None = None
) -> Selected:
    """The objects of a finished run.

    Args:
        run: the run.
        rule: which candidates become objects; None takes the run's own rule.
        edits: corrections of them; None takes those that the run has.

    Raises:
        NotFoundError: the run has no result.
    """
    source = run_source(run)
    rule = rule or source.rule
    # What was undone is no part of a result: it may be another one when this is asked for again.
    known = (edits_of(run) if edits is None else edits).standing
    key = (run.run_id, (source.place.version, known.revision), rule)
    return _selected.get(key, lambda: _select(source, rule, known))


def read_object_set(run: Run) -> ObjectSet:
    """The objects that a run chose itself.

    Raises:
        NotFoundError: its files are gone.
    """
    path = run.folder / "objects.npz"
    if not path.is_file():
        raise NotFoundError("The files of this run are gone; run it again.")
    return ObjectSet.load(path)


def _select(source: RunSource, rule: SelectionRule, edits: EditHistory) -> Selected:
    from samgeo_core.results.vectorize import Outlines, outlines_of, vectorize

    grid = source.place.grid
    if rule == source.rule and not edits.done:
        objects = read_object_set(source.run)
    else:
        pool = source.pool
        objects = pool.laid_out(pool.edited(source.chosen(rule), rule, edits.active), rule)

    def make(index: Index) -> list[tuple[Any, float, float]]:
        made = outlines_of(objects.select(index), grid)
        return list(zip(made.polygons, made.area_m2, made.perimeter_m, strict=True))

    known = source.outlines.get(objects, make)
    polygons = np.empty(len(known), object)
    polygons[:] = [polygon for polygon, _, _ in known]
    sizes = np.array([size for _, *size in known], np.float64).reshape(-1, 2)
    outlines = Outlines(polygons, sizes[:, 0], sizes[:, 1])
    frame = vectorize(objects, grid, outlines=outlines)
    return Selected(source, rule, edits, objects, frame)
