"""Objects of neighbouring regions become whole objects, while the regions come in.

Parts of different regions that agree on the pixels both saw are one object. What conflicts then,
because its regions didn't know of each other, is settled by the rule by which each region chose.
Only what regions to come may touch is held, packed, and what waits for such.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator

import numpy as np

from samgeo_core.candidates import CandidateSet
from samgeo_core.config import SelectionRule
from samgeo_core.engine.ladder import FullConfig
from samgeo_core.objects import ObjectSet
from samgeo_core.selection import allowed_by, chosen_among
from samgeo_core.streaming.regions import Region, RegionPlan
from samgeo_core.streaming.seam_groups import CLOSED, DROPPED, KEPT, OPEN, Group, close
from samgeo_core.streaming.seam_parts import Link, Part, find_links, find_near, parts_of
from samgeo_core.streaming.seam_sizes import SizeLimits, without_limits
from samgeo_core.streaming.seam_views import Views
from samgeo_core.wholes import WholeObject

__all__ = ["SeamJoiner", "WholeObject", "join_candidates", "join_regions"]

PARENT_SHARE = 0.9
"""An object's parent holds at least this share of its pixels, as in `nesting.parent_ids`."""


def join_regions(
    plan: RegionPlan,
    found: Iterable[tuple[Region, ObjectSet]],
    rule: SelectionRule | None = None,
    limits: SizeLimits | None = None,
) -> Iterator[list[WholeObject]]:
    """Join the objects of regions; each list is what one more region made certain.

    Args:
        plan: the regions.
        found: regions of the plan, in its order, with their objects in the frame of the region's
            window; regions may be left out.
        rule: by which the objects of each region were chosen; None is the rule's defaults.
        limits: of the size of whole objects; None sets none.
    """
    joiner = SeamJoiner(plan, rule, limits=limits)
    for region, objects in found:
        yield joiner.add(region, objects)
    yield joiner.finish()


def join_candidates(
    plan: RegionPlan,
    found: Iterable[tuple[Region, CandidateSet]],
    rule: SelectionRule | None = None,
    limits: SizeLimits | None = None,
    search: FullConfig | None = None,
) -> Iterator[list[WholeObject]]:
    """Choose among the candidates of all regions as `selection.select` does in one, and join.

    Unlike the objects of `join_regions`, what is chosen doesn't depend on which region found it.

    Args:
        plan: the regions.
        found: regions of the plan, in its order, with their candidates in the frame of the
            region's window; regions may be left out.
        rule: which candidates become objects; None is the rule's defaults.
        limits: of the size of whole objects; None takes those of the rule, in px.
        search: how thoroughly regions were looked at; None is the preset full.
    """
    rule = rule or SelectionRule()
    limits = limits or SizeLimits(rule)
    search = search or FullConfig()
    views = Views.of_candidates(plan, search)
    joiner = SeamJoiner(plan, rule, views, limits)
    for region, candidates in found:
        yield joiner.add(region, _offered(views, region, candidates, rule, limits, search))
    yield joiner.finish()


def _offered(
    views: Views,
    region: Region,
    candidates: CandidateSet,
    rule: SelectionRule,
    limits: SizeLimits,
    search: FullConfig,
) -> ObjectSet:
    """Candidates that a rule allows; of what a window cuts, or only fills, that window's choice.

    What lies around everything there stands in nobody's way yet: it may turn out to be no object.
    """
    x, y = region.window.x, region.window.y
    of_any_size = without_limits(rule)
    boxes = candidates.boxes_xyxy + np.array([x, y, x, y])
    points = (candidates.points_xy + np.array([x, y])).tolist()
    small, large = limits.broken(candidates.areas_px, boxes)
    allowed = allowed_by(candidates, of_any_size) & ~large
    by_view = defaultdict(list)
    for i in np.flatnonzero(allowed).tolist():
        sight = views.sight(region, tuple(boxes[i].tolist()), tuple(points[i]))
        # What an edge cuts may belong to something that is large enough.
        allowed[i] = sight.is_cut or not small[i]
        if allowed[i] and (sight.is_cut or sight.fills):
            size, stability = int(candidates.areas_px[i]), float(candidates.stabilities[i])
            by_view[sight.view, search.is_vague(size, stability, sight.view)].append(i)
    for mine in by_view.values():
        some = CandidateSet.collect(candidates.shape_hw, (candidates[i] for i in mine))
        allowed[mine] = False
        allowed[np.array(mine)[chosen_among(some, of_any_size)]] = True
    return candidates.objects(allowed)


class SeamJoiner:
    """Takes regions in the order of their plan and gives back what is certain.

    Attributes:
        n_held: parts that wait for regions to come, or for others that do.
    """

    def __init__(
        self,
        plan: RegionPlan,
        rule: SelectionRule | None = None,
        views: Views | None = None,
        limits: SizeLimits | None = None,
    ) -> None:
        """Begin.

        Args:
            plan: the regions.
            rule: settles what conflicts.
            views: through which candidates were seen; nothing has been chosen within regions
                then, and all that overlaps may conflict.
            limits: of the size of whole objects; None sets none.
        """
        self._plan = plan
        self._choose = views is not None
        self._views = views or Views(plan)
        self._rule = rule or SelectionRule()
        self._limits = limits
        self._number = 1
        self._open: dict[int, list[Part]] = {}
        self._ends: list[tuple[int, int, Part]] = []
        self._held: dict[int, Group] = {}

    @property
    def n_held(self) -> int:
        """Parts that are in memory."""
        groups = {other for group in self._held.values() for other in (group, *group.near)}
        return sum(len(group.parts) for group in groups)

    def add(self, region: Region, objects: ObjectSet) -> list[WholeObject]:
        """Take the next region; the objects that nothing to come can change, by their ids."""
        changed = self._close_before(region.index)
        parts = parts_of(self._views, region, objects, self._number)
        self._number += len(objects)
        neighbours = [i for i in self._plan.neighbours(region.index) if i < region.index]
        old = [part for i in neighbours for part in self._open.get(i, ())]
        for part in parts:
            self._held[part.number] = Group.of(part)
            heapq.heappush(self._ends, (part.last, part.number, part))
        by_views = defaultdict(list)
        for a, b in find_near(parts, old):
            if a.view != b.view and a.sight.fills == b.sight.fills:
                by_views[frozenset((a.view, b.view))].append((a, b))
        for pairs in by_views.values():
            for link in find_links(pairs, only_cut=self._choose):
                self._unite(link)
        self._open[region.index] = parts
        changed += self._close_before(region.index + 1)
        return self._settle(changed)

    def finish(self) -> list[WholeObject]:
        """The objects that are left when there are no more regions."""
        return self._settle(self._close_before(len(self._plan)))

    def _unite(self, link: Link) -> None:
        a, b = link.a.group, link.b.group
        a.links.append(link)
        if a is not b:
            first, second = (a, b) if a.number < b.number else (b, a)
            del self._held[second.number]
            first.absorb(second)

    def _close_before(self, index: int) -> list[Group]:
        """Close the groups that no region from this one on can see."""
        closed = []
        while self._ends and self._ends[0][0] < index:
            _, _, part = heapq.heappop(self._ends)
            group = part.group
            group.n_open -= 1
            if group.n_open == 0:
                del self._held[group.number]
                closed += close(self._views, group)
        self._drop_by_size([group for group in closed if group.state == CLOSED])
        for group in closed:
            self._held[group.number] = group
        still_open = ((i, [p for p in parts if p.last >= index]) for i, parts in self._open.items())
        self._open = {i: parts for i, parts in still_open if parts}
        return closed

    def _drop_by_size(self, groups: list[Group]) -> None:
        """Drop what is too small or too large, now that it is known whole."""
        if self._limits is None or not groups:
            return
        areas, boxes = zip(*((group.area_px, group.box) for group in groups), strict=True)
        small, large = self._limits.broken(areas, boxes)
        for i in np.flatnonzero(small | large).tolist():
            groups[i].state = DROPPED

    def _settle(self, changed: list[Group]) -> list[WholeObject]:
        """Decide on all that is known well enough, and on what waited for it."""
        given: list[WholeObject] = []
        waiting = list(changed)
        for group in changed:
            waiting += _released(group)
        while waiting:
            group = waiting.pop()
            if group.state == CLOSED and self._may_decide(group):
                group.state = KEPT if self._stands(group) else DROPPED
                group.unseen = None
                waiting += _released(group)
            if group.state in (KEPT, DROPPED) and not group.is_done and self._may_leave(group):
                group.is_done = True
                if group.state == KEPT and (item := self._given(group)):
                    given.append(item)
                self._forget(group)
        return sorted(given, key=lambda item: item.object_id)

    def _may_decide(self, group: Group) -> bool:
        """Whether all that might outrank a group is decided; else it waits."""
        rank = group.rank(self._rule)
        if group.unseen is None:
            group.unseen = [other for part in group.parts for other in part.near]
        while group.unseen:
            other = group.unseen[-1].group
            outranks = other.state == CLOSED and other.rank(self._rule) < rank
            if other is not group and (other.state == OPEN or outranks):
                other.waiting.append(group)
                return False
            group.unseen.pop()
        return True

    def _may_leave(self, group: Group) -> bool:
        """Whether all that lies near is decided; else the group waits."""
        if group.unseen is None:
            group.unseen = [other for part in group.parts for other in part.near]
        while group.unseen:
            other = group.unseen[-1].group
            if other is not group and other.state in (OPEN, CLOSED):
                other.waiting.append(group)
                return False
            group.unseen.pop()
        return True

    def _stands(self, group: Group) -> bool:
        """Whether a selection that knew of all regions would keep this object.

        What its own region chose along with it stands beside it already.
        """
        rule, rank = self._rule, group.rank(self._rule)
        better = [other for other in group.near if other.state == KEPT and other.rank(rule) < rank]
        foreign = [o for o in better if self._choose or not o.regions & group.regions]
        for other in foreign:
            likest = min(group.area_px, other.area_px, group.room(other))
            if likest > rule.duplicate_iou * (group.area_px + other.area_px - likest):
                both = group.common_px(other)
                if both > rule.duplicate_iou * (group.area_px + other.area_px - both):
                    return False
        if group.is_good(rule) or not any(group.shares_pixels(other) for other in foreign):
            return True
        # What only fills gaps stands for no object of its size beside those of others.
        if group.score * group.stability >= rule.fair_quality and not group.fills:
            octave = _octave(group)
            better = [other for other in better if abs(_octave(other) - octave) <= 1]
        return group.free_share(better) >= rule.new_share

    def _given(self, group: Group) -> WholeObject | None:
        """The object that is kept of a group, all that lies near being decided; maybe none."""
        kept = [other for other in group.near if other.state == KEPT]
        larger = [other for other in kept if _size(other) > _size(group)]
        if self._rule.overlap in ("nested", "largest"):
            parent = _parent(group, larger)
            return group.whole(parent) if not parent or self._rule.overlap == "nested" else None
        # As labels are painted: smaller ones on top.
        smaller = [other for other in kept if _size(other) < _size(group)]
        return group.whole_but_for(smaller)

    def _forget(self, group: Group) -> None:
        """Let go of a group that is done, and of its neighbours, once none needs another."""
        group.around = group.near
        group.n_undone = sum(not other.is_done for other in group.around)
        finished = [] if group.n_undone else [group]
        for other in group.around:
            if other.is_done:
                other.n_undone -= 1
                if not other.n_undone:
                    finished.append(other)
        for one in finished:
            self._held.pop(one.number, None)
            one.empty()


def _released(group: Group) -> list[Group]:
    """Those that waited for this group's state to change."""
    waiting, group.waiting = group.waiting, []
    return waiting


def _parent(group: Group, larger: Iterable[Group]) -> int:
    """The smallest of larger objects that holds this one; 0 if none does."""
    needed = PARENT_SHARE * group.area_px
    for other in sorted(larger, key=_size):
        if group.room(other) >= needed and group.common_px(other) >= needed:
            return other.number
    return 0


def _size(group: Group) -> tuple[int, int, int, int]:
    """By which objects are ordered, ties by place."""
    return group.area_px, group.box[1], group.box[0], group.number


def _octave(group: Group) -> int:
    return min(max(group.area_px.bit_length() - 1, 1), 30)
