"""A rule of selection that fits some objects of a reference: a search among stored candidates.

Nothing is asked of a model: each rule that is tried chooses anew among the masks that a run kept.
As a handful of objects says nothing of what lies elsewhere, only those masks can be wrong that are
about one of them (`matching.COMPETES`), and F1 is that of the reference's own neighbourhood.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from samgeo_core.candidates import CandidateSet
from samgeo_core.comparing.figures import Figures, overall
from samgeo_core.comparing.ground import drawn_mask
from samgeo_core.comparing.matching import judge
from samgeo_core.comparing.pairs import Index, mask_pairs
from samgeo_core.comparing.reference import Reference
from samgeo_core.comparing.sizes import ADVISED_OBJECTS, area_steps
from samgeo_core.config import OVERLAPS, SelectionRule
from samgeo_core.edits.edits import Edit
from samgeo_core.errors import ParameterError
from samgeo_core.likeness import Likeness
from samgeo_core.objects import BoolMask, ObjectSet
from samgeo_core.pool import CandidatePool
from samgeo_core.progress import SILENT, Monitor

LEAST_OBJECTS = 3
"""Fewer say nothing."""

_ROUNDS = 3
_SCORES = (0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.84, 0.88, 0.91, 0.94, 0.97)
_MARGIN = 2.0
_STEPS_OUT = 8
_EQUAL = 1e-9

_LIMIT_COSTS, _OVERLAP_COSTS = 0.25, 1.0
"""Objects that a changed limit must earn, and another overlap rule, which changes all outlines: a
few objects tell little."""


@dataclass(frozen=True)
class Proposal:
    """A rule, and what it changes.

    Attributes:
        rule: the rule; that of before where none is better.
        before: figures of the rule of before, where the reference is.
        after: figures of the proposed rule, there.
        n_reference: how many objects told.
        n_tried: how many rules were tried.
    """

    rule: SelectionRule
    before: Figures
    after: Figures
    n_reference: int
    n_tried: int

    def changes(self, own: SelectionRule) -> dict[str, Any]:
        """Fields that differ from those of a rule."""
        return changes_between(own, self.rule)


def changes_between(before: SelectionRule, after: SelectionRule) -> dict[str, Any]:
    """Fields of a rule that differ from those of another one."""
    known = asdict(before)
    return {name: value for name, value in asdict(after).items() if value != known[name]}


@dataclass(frozen=True, eq=False)
class Targets:
    """N objects of a reference as masks of the raster that was segmented.

    Attributes:
        masks: cropped.
        boxes_xyxy: int64 [N, 4].
        areas: float64 [N], in the unit of ``unit``.
        counted: bool [N], as in `Reference`.
        unit: "m2" where sizes on the ground are known, else "px".
    """

    masks: list[BoolMask]
    boxes_xyxy: Index
    areas: np.ndarray[Any, np.dtype[np.float64]]
    counted: np.ndarray[Any, np.dtype[np.bool_]]
    unit: str

    @classmethod
    def of(cls, reference: Reference, pool: CandidatePool) -> Targets:
        """Draw a reference on the raster of a pool; what is smaller than a pixel is left out."""
        drawn = [drawn_mask(polygon, pool.grid) for polygon in reference.compared]
        keep = np.array([mask.any() for mask, _ in drawn], np.bool_)
        masks = [mask for mask, _ in drawn if mask.any()]
        boxes = np.array([w.box_xyxy for m, w in drawn if m.any()], np.int64).reshape(-1, 4)
        areas = np.array([np.count_nonzero(mask) for mask in masks], np.float64)
        on_ground = pool.grid.is_georeferenced
        if on_ground:
            areas = areas * pool.grid.pixel_areas_m2((boxes[:, :2] + boxes[:, 2:]) / 2)
        counted = reference.counted[keep]
        return cls(masks, boxes, areas, counted, "m2" if on_ground else "px")


def propose_rule(
    pool: CandidatePool,
    own: SelectionRule,
    reference: Reference,
    *,
    iou: float = 0.5,
    edits: Sequence[Edit] = (),
    monitor: Monitor = SILENT,
) -> Proposal:
    """Look for the rule with the highest F1 where the reference is.

    Limits of score, stability and size and the overlap rule are changed one after the other, each
    to the middle of the values that do best, and only where that gains a quarter of an object (a
    whole one for the overlap rule). No limit of size comes nearer to the reference's own sizes than
    a factor of two.

    Args:
        pool: the candidates of a run.
        own: the rule to begin with.
        reference: some ten objects, or more, on the raster of the pool.
        iou: least IoU of a match.
        edits: corrections of the run, which hold for whatever is chosen.
        monitor: hears of the stage "propose", and may cancel.

    Raises:
        ParameterError: the reference has too few objects.
    """
    targets = Targets.of(reference, pool)
    n = int(np.count_nonzero(targets.counted))
    if n < LEAST_OBJECTS:
        raise ParameterError(
            f"A proposal needs at least {LEAST_OBJECTS} reference objects on the image, better "
            f"{ADVISED_OBJECTS}, got {n}."
        )
    near = pool_near(pool, targets.boxes_xyxy)
    search = _Search(near, targets, own, iou, monitor)
    found = search.best()
    before = figures_of(pool.objects(own, edits), targets, iou)
    after = figures_of(pool.objects(found, edits), targets, iou)
    if (after.f1 or 0.0) <= (before.f1 or 0.0):
        found, after = own, before
    return Proposal(found, before, after, n, len(search.tried))


def figures_of(objects: ObjectSet, targets: Targets, iou: float) -> Figures:
    """How objects agree with targets, where these are."""
    pairs = mask_pairs(targets.masks, targets.boxes_xyxy, objects.masks, objects.boxes_xyxy)
    return overall(judge(pairs, targets.counted, len(objects), iou=iou, scope="reference"))


def pool_near(pool: CandidatePool, boxes_xyxy: Index) -> CandidatePool:
    """Those candidates that meet any box, and those that meet these: enough to try rules with."""
    import shapely

    candidates = pool.candidates
    shapes = shapely.box(*candidates.boxes_xyxy.T.astype(np.float64))
    tree = shapely.STRtree(shapes)
    targets = shapely.box(*boxes_xyxy.T.astype(np.float64))
    direct = np.unique(tree.query(targets)[1])
    around = np.unique(tree.query(shapes[direct])[1])
    if len(around) > 0.8 * len(candidates):
        return pool
    some = CandidateSet.collect(candidates.shape_hw, (candidates[i] for i in around.tolist()))
    known = pool.likeness
    kept = np.isin(known.pairs, around).all(axis=1)
    pairs = np.searchsorted(around, known.pairs[kept])
    likeness = Likeness(pairs, known.common_px[kept], known.sums_px[kept], known.floor_iou)
    return CandidatePool(some, pool.valid, pool.grid, likeness)


class _Search:
    """Tries rules, each once."""

    def __init__(
        self,
        pool: CandidatePool,
        targets: Targets,
        own: SelectionRule,
        iou: float,
        monitor: Monitor,
    ) -> None:
        self.pool, self.targets, self.own, self.iou = pool, targets, own, iou
        self.monitor = monitor
        self.tried: dict[SelectionRule, float] = {}

    def best(self) -> SelectionRule:
        """The rule that does best, from wherever the search begins."""
        starts = dict.fromkeys([self.own, *self._overlaps(self.own)])
        return max((self._climb(start) for start in starts), key=self._value)

    def _climb(self, rule: SelectionRule) -> SelectionRule:
        for _ in range(_ROUNDS):
            before = rule
            for axis in (self._overlaps, self._least_sizes, self._most_sizes, self._scores,
                         self._stabilities):  # fmt: skip
                rule = self._along(rule, axis)
            if rule == before:
                break
        return rule

    def _along(
        self, rule: SelectionRule, axis: Callable[[SelectionRule], Iterator[SelectionRule]]
    ) -> SelectionRule:
        """The rule, or of those along an axis that are better the middle one of the best."""
        others = list(axis(rule))
        values = [self._value(other) for other in others]
        most = max(values, default=0.0)
        if most <= self._value(rule) + _EQUAL:
            return rule
        best = [o for o, value in zip(others, values, strict=True) if value > most - _EQUAL]
        return best[len(best) // 2]

    def _value(self, rule: SelectionRule) -> float:
        """F1, less what the changes cost."""
        if rule not in self.tried:
            self.monitor.step("propose", len(self.tried), len(self.tried) + 1)
            figures = figures_of(self.pool.objects(rule), self.targets, self.iou)
            changed = changes_between(self.own, rule)
            costs = [_OVERLAP_COSTS if name == "overlap" else _LIMIT_COSTS for name in changed]
            n = np.count_nonzero(self.targets.counted)
            self.tried[rule] = (figures.f1 or 0.0) - sum(costs) / n
        return self.tried[rule]

    def _overlaps(self, rule: SelectionRule) -> Iterator[SelectionRule]:
        return (replace(rule, overlap=name) for name in OVERLAPS if name != "partition")

    def _least_sizes(self, rule: SelectionRule) -> Iterator[SelectionRule]:
        name = f"min_area_{self.targets.unit}"
        low = float(self.targets.areas.min()) / _MARGIN
        steps = [s for s in area_steps(low / 10, low) if s <= low][-_STEPS_OUT:]
        return (_with(rule, name, step) for step in steps)

    def _most_sizes(self, rule: SelectionRule) -> Iterator[SelectionRule]:
        name = f"max_area_{self.targets.unit}"
        high = float(self.targets.areas.max()) * _MARGIN
        steps = [s for s in area_steps(high, high * 10) if s >= high][:_STEPS_OUT]
        return (_with(rule, name, step) for step in steps)

    def _scores(self, rule: SelectionRule) -> Iterator[SelectionRule]:
        return self._limits(rule, "score", self.pool.candidates.scores)

    def _stabilities(self, rule: SelectionRule) -> Iterator[SelectionRule]:
        return self._limits(rule, "stability", self.pool.candidates.stabilities)

    def _limits(self, rule: SelectionRule, name: str, values: Any) -> Iterator[SelectionRule]:
        """Other limits of a score; where good ones come first, both of theirs in turn."""
        floor, ceiling = float(values.min()), float(values.max())
        steps = [s for s in _SCORES if floor < s < ceiling]
        least, good = f"least_{name}", f"good_{name}"
        one_mark = getattr(rule, good) <= getattr(rule, least)
        for step in steps:
            if one_mark:
                yield _with(rule, least, step)
            elif step >= getattr(rule, least):
                yield _with(rule, good, step)
        if not one_mark:
            yield from (_with(rule, least, step) for step in steps if step <= getattr(rule, good))


def _with(rule: SelectionRule, name: str, value: float) -> SelectionRule:
    return replace(rule, **{name: value})  # type: ignore[arg-type]
