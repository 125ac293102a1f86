"""How well objects agree with a reference, in numbers."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from samgeo_core.comparing.matching import Verdict


@dataclass(frozen=True)
class Figures:
    """Figures of all objects, or of those of one class of the reference.

    Attributes:
        name: of the class; "" for all.
        reference: objects of the reference that count.
        found: objects that are judged: matched, changed and extra ones.
        matched, changed, missing, extra: how many there are of each.
        precision: matched / found.
        recall: matched / reference.
        f1: harmonic mean of both.
        mean_iou: mean IoU of the matches.
        mean_best_iou: mean over the reference of the IoU of the object most alike.
        agree: matches whose classes agree; None where the objects have no classes.

    Shares of nothing are None. Of one class, ``found`` counts objects of that class, ``extra``
    those of them without a match of that class, and precision is that of the class; without
    classes of objects all three are None, as it isn't known whose an extra object is.
    """

    name: str
    reference: int
    found: int | None
    matched: int
    changed: int
    missing: int
    extra: int | None
    precision: float | None
    recall: float | None
    f1: float | None
    mean_iou: float | None
    mean_best_iou: float | None
    agree: int | None = None

    def row(self) -> dict[str, Any]:
        """A row of a table; shares with as many digits as they mean."""
        values = asdict(self)
        return {k: round(v, 4) if isinstance(v, float) else v for k, v in values.items()}


def overall(verdict: Verdict) -> Figures:
    """Figures of all objects."""
    matched, changed = len(verdict.matched), len(verdict.changed)
    missing, extra = len(verdict.missing), len(verdict.extra)
    told = np.concatenate([verdict.matched.reference, verdict.changed.reference, verdict.missing])
    reference, found = matched + changed + missing, matched + changed + extra
    return Figures(
        "", reference, found, matched, changed, missing, extra,
        _share(matched, found), _share(matched, reference), _share(2 * matched, reference + found),
        _mean(verdict.matched.iou), _mean(verdict.best_iou[told]),
    )  # fmt: skip


def by_class(
    verdict: Verdict, classes: Sequence[str] | None, found_classes: Sequence[str] | None = None
) -> list[Figures]:
    """Figures of each class of the reference, the most frequent first.

    Args:
        verdict: what became of N and K objects.
        classes: [N], classes of the reference, "" for none; None where it has no classes.
        found_classes: [K], classes of the objects that were found; None where they have none.
    """
    if classes is None:
        return []
    names = np.asarray(classes, object)
    others = None if found_classes is None else np.asarray(found_classes, object)
    told = np.concatenate([verdict.matched.reference, verdict.changed.reference, verdict.missing])
    known, counts = np.unique(names[told].astype(str), return_counts=True)
    ordered = known[np.lexsort((known, -counts))].tolist()
    return [_of_class(verdict, name, names, others) for name in ordered if name]


def _of_class(verdict: Verdict, name: str, names: Any, others: Any) -> Figures:
    hits = verdict.matched.take(names[verdict.matched.reference] == name)
    changed = verdict.changed.reference[names[verdict.changed.reference] == name]
    missing = verdict.missing[names[verdict.missing] == name]
    rows = np.concatenate([hits.reference, changed, missing])
    n, matched = len(rows), len(hits)
    found = agree = extra = None
    if others is not None:
        judged = np.concatenate([verdict.matched.found, verdict.changed.found, verdict.extra])
        found = int(np.count_nonzero(others[judged] == name))
        agree = int(np.count_nonzero(others[hits.found] == name))
        extra = found - agree
    return Figures(
        name, n, found, matched, len(changed), len(missing), extra,
        None if found is None or agree is None else _share(agree, found), _share(matched, n),
        None if found is None or agree is None else _share(2 * agree, n + found),
        _mean(hits.iou), _mean(verdict.best_iou[rows]), agree,
    )  # fmt: skip


def table_csv(rows: Sequence[Figures]) -> str:
    """A table with a header; what isn't known is empty."""
    text = io.StringIO()
    lines = [figures.row() for figures in rows]
    writer = csv.DictWriter(text, list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def table_json(rows: Sequence[Figures], **more: Any) -> str:
    """All figures and what they were made with, as JSON."""
    whole, *classes = [figures.row() for figures in rows]
    return json.dumps({**more, "all": whole, "classes": classes}, indent=2) + "\n"


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _mean(values: Any) -> float | None:
    mean = float(np.mean(values)) if len(values) else math.nan
    return mean if math.isfinite(mean) else None
