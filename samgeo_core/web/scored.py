"""Which labels of a result belong to objects of at least some score, as a shared map filters."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing

import numpy as np
from numpy.typing import NDArray

from samgeo_core.config import SelectionRule
from samgeo_core.errors import ParameterError
from samgeo_core.web.cache import LruCache
from samgeo_core.web.records import Run
from samgeo_core.web.results import result_place
from samgeo_core.web.selected import selected

_CACHE_BYTES = 64 << 20

_stored: LruCache[tuple[str, int], NDArray[np.float32]] = LruCache(
    _CACHE_BYTES, lambda scores: scores.nbytes
)


def least_score(text: str | None) -> float | None:
    """The least score that an address asks for, in hundredths; None where it asks for none.

    Raises:
        ParameterError: it is no such number.
    """
    if text is None:
        return None
    if not re.fullmatch(r"[01](\.[0-9]{1,2})?", text):
        raise ParameterError(f"A score is a number like 0.85, got {text[:20]!r}.")
    return float(text)


def labels_to_hide(run: Run, rule: SelectionRule | None, least: float) -> NDArray[np.bool_]:
    """bool [n + 1], true for the labels of objects whose score is lower.

    Raises:
        NotFoundError: the run has no result.
    """
    if run.is_streamed:
        key = run.run_id, result_place(run).version
        scores = _stored.get(key, lambda: _scores_of(run))
    else:
        scores = selected(run, rule).objects.scores
    # Rounded as outlines tell them, so that masks and outlines agree.
    low = scores.astype(np.float64).round(6) < least
    return np.concatenate([[False], low])


def _scores_of(run: Run) -> NDArray[np.float32]:
    """Scores by label, float32 [n]; NaN where there is no such object."""
    with closing(sqlite3.connect(f"file:{run.objects_path}?mode=ro&immutable=1", uri=True)) as file:
        rows = np.array(file.execute("SELECT object_id, score FROM objects").fetchall(), np.float64)
    rows = rows.reshape(-1, 2)
    ids = rows[:, 0].astype(np.int64)
    scores = np.full(int(ids.max(initial=0)), np.nan, np.float32)
    scores[ids - 1] = rows[:, 1]
    return scores
