"""Teaching in the app: steps of a lesson, and looking at a run's objects in the background."""

from __future__ import annotations

import importlib
import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from samgeo_core.candidates import CandidateSet
from samgeo_core.config import SegmentConfig
from samgeo_core.errors import ConflictError, ParameterError
from samgeo_core.objects import ObjectSet
from samgeo_core.progress import Monitor
from samgeo_core.reading.stretch import StretchMode
from samgeo_core.teaching.keys import mask_keys
from samgeo_core.teaching.lesson import LESSON_FILE, LessonHistory, Step
from samgeo_core.teaching.table import FEATURES_FILE, FeatureTable, table_version
from samgeo_core.web.classes import features_of, lesson_of
from samgeo_core.web.jobs import Job, JobRunner
from samgeo_core.web.queue_book import RunBook
from samgeo_core.web.queue_database import Database
from samgeo_core.web.records import Run
from samgeo_core.web.selected import Selected
from samgeo_core.web.store import Store
from samgeo_core.words import N_

if TYPE_CHECKING:
    from samgeo_core.teaching.features import ObjectFeatures

logger = logging.getLogger(__name__)

MOST_OFFERED = 20_000
"""Of runs that were offered more masks, only those that became objects are looked at."""

NOT_YET = N_(
    "Finding similar objects and teaching classes isn't offered yet for images that were segmented "
    "in parts; try it on an area of the image."
)


class TeachDesk:
    """The one place that pages ask to change what a run was taught.

    Args:
        store: scenes and runs.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        # NOTE: not in line with the runs, as somebody is waiting for it; a restart forgets it.
        self._jobs = JobRunner(RunBook(Database()), self._look)
        self._wanted: dict[str, Selected] = {}
        self._busy = threading.Lock()
        self._warm: threading.Thread | None = None

    def warm(self) -> None:
        """Import what learns classes, so that the first mark needn't wait for it."""
        with self._busy:
            if self._warm is None:
                self._warm = threading.Thread(
                    target=importlib.import_module, args=("sklearn.linear_model",), daemon=True
                )
                self._warm.start()

    def step(self, run_id: str, owner: str, step: Step, base: str | None = None) -> LessonHistory:
        """Make a step of a run's lesson, and keep it.

        Args:
            run_id: the run.
            owner: token of the visitor.
            step: what is done, see `lesson`.
            base: the revision that the visitor sees; None takes whatever there is.

        Raises:
            NotFoundError: no such run, or it isn't the owner's.
            ConflictError: another window has made a step since.
            ParameterError: the step can't be made.
            ExportError: it can't be kept.
        """
        return self._change(run_id, owner, base, lambda history: history.with_step(step))

    def undo(self, run_id: str, owner: str, base: str | None = None) -> LessonHistory:
        """Take the last step back; raises as `step`."""
        return self._change(run_id, owner, base, LessonHistory.undone)

    def redo(self, run_id: str, owner: str, base: str | None = None) -> LessonHistory:
        """Make again what was taken back; raises as `step`."""
        return self._change(run_id, owner, base, LessonHistory.redone)

    def _change(
        self,
        run_id: str,
        owner: str,
        base: str | None,
        change: Callable[[LessonHistory], LessonHistory],
    ) -> LessonHistory:
        run = self._owned(run_id, owner)
        with self._busy:
            history = lesson_of(run)
            if base is not None and history.revision != base:
                raise ConflictError(
                    "The classes were changed in another window meanwhile; they are shown anew."
                )
            changed = change(history)
            changed.save(run.folder / LESSON_FILE)
        return changed

    def prepare(self, run_id: str, owner: str, shown: Selected) -> Job | None:
        """Look at a run's masks in the background; ask `job` how it goes.

        Args:
            run_id: the run.
            owner: token of the visitor.
            shown: the result of it that must be known; the masks that the run was offered are
                looked at too, so that other rules find theirs.

        Returns:
            None where everything is known already.

        Raises:
            NotFoundError: no such run, or it isn't the owner's.
            ParameterError: the run went region by region.
        """
        self._owned(run_id, owner)
        if not is_unknown(shown).any():
            return None
        under_way = self._jobs.job(run_id)
        if under_way is not None and not under_way.state.finished:
            return under_way
        self._wanted[run_id] = shown
        return self._jobs.submit(run_id, "features", owner)

    def job(self, run_id: str) -> Job | None:
        """How looking at a run's objects goes; None where nobody asked."""
        return self._jobs.job(run_id)

    def cancel(self, run_id: str) -> None:
        """Stop looking at a run's objects."""
        self._jobs.cancel(run_id)

    def close(self) -> None:
        """End what works in the background."""
        self._jobs.close()

    def _owned(self, run_id: str, owner: str) -> Run:
        run = self._store.run(run_id, owner)
        if run.is_streamed:
            raise ParameterError(NOT_YET)
        return run

    def _look(self, kind: str, run_id: str, monitor: Monitor) -> None:
        self._measure(self._store.run(run_id), self._wanted.pop(run_id), monitor)

    def _measure(self, run: Run, shown: Selected, monitor: Monitor) -> None:
        from samgeo_core.models.loading import cached_model
        from samgeo_core.teaching.measuring import measure

        raster = self._store.scene(run.scene_id).raster
        config = SegmentConfig.from_dict(run.config)
        monitor.step("load model", 0, 1)
        model = cached_model(config.model, config.checkpoint, config.device, monitor=monitor)
        bands = config.bands or raster.default_bands()
        stretch = raster.stretch(bands, cast(StretchMode, config.stretch))
        window = shown.source.place.window
        origin = window.x, window.y
        path = run.folder / FEATURES_FILE
        version = table_version(raster.sha256, model.sha256, stretch, origin)

        def look(masks: CandidateSet) -> ObjectFeatures:
            return measure(raster, model, masks, stretch=stretch, origin_xy=origin, monitor=monitor)

        table = FeatureTable.load(path, version)
        if table is None:
            features = look(usual_masks(shown))
            table = FeatureTable(features, len(features))
        missing = _missing(table, shown.before_overlap)
        if len(missing):
            more = shown.before_overlap.select(missing)
            table = table.with_more(look(CandidateSet.of_objects(more)))
        table.save(path, version)
        logger.info("Looked at %d masks of run %s", len(table.features), run.run_id)


def usual_masks(shown: Selected) -> CandidateSet:
    """The masks that say what is usual in a run: those that the model offered."""
    candidates = shown.source.pool.candidates
    if len(candidates) <= MOST_OFFERED:
        return candidates
    return CandidateSet.of_objects(shown.before_overlap)


def is_unknown(shown: Selected) -> NDArray[np.bool_]:
    """Bool [N]: which masks of a result, before overlaps are resolved, nobody has looked at."""
    table = features_of(shown.source.run)
    n = len(shown.before_overlap)
    if table is None:
        return np.ones(n, np.bool_)
    return np.asarray(table.rows(mask_keys(shown.before_overlap)) < 0)


def _missing(table: FeatureTable, objects: ObjectSet) -> NDArray[np.int64]:
    return np.flatnonzero(table.rows(mask_keys(objects)) < 0)
