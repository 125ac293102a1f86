"""Who is whom: one to one, as many matches as there can be, and those as alike as can be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from samgeo_core.comparing.pairs import Index, Pairs
from samgeo_core.errors import ParameterError

Flags = NDArray[np.bool_]

CHANGED_IOU = 0.1
"""Two that are less alike than this say nothing of each other."""

COMPETES = 0.5
"""An object is about one of the reference where they share this much of the smaller one."""

LEFT_OUT_SHARE = 0.5
"""An object that lies by this share on reference objects that don't count doesn't count either."""

SCOPES = ("image", "reference")
"""Which objects may be wrong: all, or those alone that are about an object of the reference."""


@dataclass(frozen=True, eq=False)
class Verdict:
    """What became of N objects of the reference and K that were found.

    Attributes:
        matched: pairs whose IoU reaches the limit.
        changed: pairs that are about the same thing, and less alike.
        missing: int64, rows of the reference without either.
        extra: int64, rows of those found that are wrong.
        best_iou: float64 [N], of each reference object with the object most alike, 0 for none.
        found_best: float64 [K], of each object with the reference object most alike, 0 for none.
        ignored: how many of those found aren't judged.
    """

    matched: Pairs
    changed: Pairs
    missing: Index
    extra: Index
    best_iou: NDArray[np.float64]
    found_best: NDArray[np.float64]
    ignored: int


def judge(
    pairs: Pairs, counted: Flags, n_found: int, *, iou: float = 0.5, scope: str = "image"
) -> Verdict:
    """Match two layers one to one.

    Args:
        pairs: all pairs that overlap.
        counted: bool [N], which objects of the reference count. What lies on others isn't judged.
        n_found: K, how many objects were found.
        iou: least IoU of a match.
        scope: one of `SCOPES`. A reference that doesn't hold everything there is says nothing of
            objects elsewhere: with "reference" only those are judged that share half of the
            smaller area (`COMPETES`) with an object of it.

    Raises:
        ParameterError: ``iou`` is out of its range, or the scope unknown.
    """
    check_options(iou, scope)
    true = pairs.take(counted[pairs.reference])
    matched = true.take(_assigned(true, true.iou >= iou))
    free = ~np.isin(true.reference, matched.reference) & ~np.isin(true.found, matched.found)
    changed = true.take(_assigned(true, free & (true.iou >= min(CHANGED_IOU, iou))))
    told = np.concatenate([matched.reference, changed.reference])
    missing = np.setdiff1d(np.flatnonzero(counted), told)
    judged = _judged(pairs, counted, n_found, scope)
    named = np.concatenate([matched.found, changed.found])
    judged[named] = True
    is_extra = judged.copy()
    is_extra[named] = False
    best, found_best = np.zeros(len(counted)), np.zeros(n_found)
    np.maximum.at(best, true.reference, true.iou)
    np.maximum.at(found_best, true.found, true.iou)
    ignored = int(n_found - np.count_nonzero(judged))
    return Verdict(matched, changed, missing, np.flatnonzero(is_extra), best, found_best, ignored)


def check_options(iou: float, scope: str) -> None:
    """Raises ParameterError where a limit or scope can't be."""
    if not 0 < iou <= 1:
        raise ParameterError(f"The IoU of a match must lie between 0 and 1, got {iou}.")
    if scope not in SCOPES:
        raise ParameterError(f"The scope must be one of {', '.join(SCOPES)}, got {scope}.")


def _judged(pairs: Pairs, counted: Flags, n_found: int, scope: str) -> Flags:
    """Which of the objects that were found can be right or wrong, bool [K]."""
    is_counted = counted[pairs.reference]
    if scope == "image":
        judged = np.ones(n_found, np.bool_)
    else:
        judged = np.zeros(n_found, np.bool_)
        judged[pairs.found[is_counted & (pairs.of_smaller >= COMPETES)]] = True
    others = pairs.take(~is_counted)
    share = np.bincount(others.found, others.common / others.found_areas, minlength=n_found)
    judged &= share < LEFT_OUT_SHARE
    return judged


def _assigned(pairs: Pairs, allowed: Flags) -> Index:
    """Of allowed pairs the most that share nobody, and of those choices the one most alike.

    A sparse assignment problem (Jonker and Volgenant, 1987). Everyone of the reference may also
    stay alone, at a price above all that others could gain by it.
    """
    index = np.flatnonzero(allowed)
    if not len(index):
        return index
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import min_weight_full_bipartite_matching

    _, rows = np.unique(pairs.reference[index], return_inverse=True)
    _, columns = np.unique(pairs.found[index], return_inverse=True)
    n, k = int(rows.max()) + 1, int(columns.max()) + 1
    alone = np.arange(n)
    costs = np.concatenate([2.0 - pairs.iou[index], np.full(n, n + 2.0)])
    places = np.concatenate([rows, alone]), np.concatenate([columns, k + alone])
    graph = coo_array((costs, places), shape=(n, k + n)).tocsr()
    chosen_rows, chosen = min_weight_full_bipartite_matching(graph)
    pair_at = {
        (r, c): i for r, c, i in zip(rows.tolist(), columns.tolist(), index.tolist(), strict=True)
    }
    found = [
        pair_at[r, c] for r, c in zip(chosen_rows.tolist(), chosen.tolist(), strict=True) if c < k
    ]
    return np.sort(np.array(found, np.int64))
