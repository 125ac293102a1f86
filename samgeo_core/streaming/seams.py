"""Objects of neighbouring regions become whole objects, while the regions come in.

Parts of different regions that agree on the pixels both saw are one object. What conflicts then,
because its regions didn't know of each other, is settled by the rule by which each region chose.
Only what regions to come may touch is held, packed, and what waits for such.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from samgeo_core.candidates import CandidateSet
from samgeo_core.config import SelectionRule
from samgeo_core.objects import ObjectSet
from samgeo_core.selection import allowed_by, chosen_among
from samgeo_core.streaming.regions import Region, RegionPlan
from samgeo_core.streaming.seam_groups import CLOSED, DROPPED, KEPT, OPEN, Group, close
from samgeo_core.streaming.seam_parts import Part, find_links, find_near, parts_of
from samgeo_core.wholes import WholeObject

__all__ = ["SeamJoiner", "WholeObject", "join_candidates", "join_regions"]

PARENT_SHARE = 0.9
"""An object's parent holds at least this share of its pixels, as in `nesting.parent_ids`."""


def join_regions(
    plan: RegionPlan,
    found: Iterable[tuple[Region, ObjectSet]],
    rule: SelectionRule | None = None,
) -> Iterator[list[WholeObject]]:
    """Join the objects of regions; each list is what one more region made certain.

    Args:
        plan: the regions.
        found: regions of the plan, in its order, with their objects in the frame of the region's
            window; regions may be left out.
        rule: by which the objects of each region were chosen; None is the rule's defaults.
    """
    joiner = SeamJoiner(plan, rule)
    for region, objects in found:
        yield joiner.add(region, objects)
    yield joiner.finish()


def join_candidates(
    plan: RegionPlan,
    found: Iterable[tuple[Region, CandidateSet]],
    rule: SelectionRule | None = None,
) -> Iterator[list[WholeObject]]:
    """Choose among the candidates of all regions as `selection.select` does in one, and join.

    Unlike the objects of `join_regions`, what is chosen doesn't depend on which region found it.

    Args:
        plan: the regions.
        found: regions of the plan, in its order, with their candidates in the frame of the
            region's window; regions may be left out.
        rule: which candidates become objects; None is the rule's defaults. Limits of ground areas
            are for the caller to apply.
    """
    rule = rule or SelectionRule()
    joiner = SeamJoiner(plan, rule, choose=True)
    for region, candidates in found:
        yield joiner.add(region, _offered(plan, region, candidates, rule))
    yield joiner.finish()


def _offered(
    plan: RegionPlan, region: Region, candidates: CandidateSet, rule: SelectionRule
) -> ObjectSet:
    """Candidates that a rule allows; of those that an edge cuts only the region's own choice."""
    boxes = candidates.boxes_xyxy + np.tile([region.window.x, region.window.y], 2)
    is_cut = np.array([plan.is_cut(region, (a, b, c, d)) for a, b, c, d in boxes.tolist()], bool)
    chosen = np.zeros(len(candidates), np.bool_)
    ground = replace(rule, min_area_m2=None, max_area_m2=None)
    if is_cut.any():
        chosen[chosen_among(candidates, ground)] = True
    return candidates.objects(allowed_by(candidates, ground) & (chosen | ~is_cut))


class SeamJoiner:
    """Takes regions in the order of their plan and gives back what is certain.

    Attributes:
        n_held: parts that wait for regions to come, or for others that do.
    """

    def __init__(
        self, plan: RegionPlan, rule: SelectionRule | None = None, *, choose: bool = False
    ) -> None:
        """Begin.

        Args:
            plan: the regions.
            rule: settles what conflicts.
            choose: nothing has been chosen within regions: all that overlaps may conflict.
        """
        self._plan = plan
        self._choose = choose
        self._rule = rule or SelectionRule()
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
        parts = parts_of(self._plan, region, objects, self._number)
        self._number += len(objects)
        neighbours = [i for i in self._plan.neighbours(region.index) if i < region.index]
        old = [
            part for i in neighbours for part in self._open.get(i, ()) if part.last >= region.index
        ]
        for part in parts:
            self._held[part.number] = Group.of(part)
            heapq.heappush(self._ends, (part.last, part.number, part))
        by_region = defaultdict(list)
        for a, b in find_near(parts, old):
            if a.region != b.region:
                by_region[a.region.index].append((a, b))
        for pairs in by_region.values():
            for a, b in find_links(pairs, only_cut=self._choose):
                self._unite(a.group, b.group)
        self._open[region.index] = parts
        changed += self._close_before(region.index + 1)
        return self._settle(changed)

    def finish(self) -> list[WholeObject]:
        """The objects that are left when there are no more regions."""
        return self._settle(self._close_before(len(self._plan)))

    def _unite(self, a: Group, b: Group) -> None:
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
                closed += close(self._plan, group)
        for group in closed:
            self._held[group.number] = group
        for i in [i for i in self._open if max(self._plan.neighbours(i), default=0) < index]:
            del self._open[i]
        return closed

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
                if group.state == KEPT:
                    given.append(group.whole(self._parent(group)))
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
        common = {other: group.common_px(other) for other in foreign}
        if not any(common.values()):
            return True
        for other, both in common.items():
            if both > rule.duplicate_iou * (group.area_px + other.area_px - both):
                return False
        if group.is_good(rule):
            return True
        if group.score * group.stability >= rule.fair_quality:
            octave = _octave(group)
            better = [other for other in better if abs(_octave(other) - octave) <= 1]
        return group.free_share(better) >= rule.new_share

    def _parent(self, group: Group) -> int:
        """The smallest larger object that holds this one."""
        needed = PARENT_SHARE * group.area_px

        def size(other: Group) -> tuple[int, int, int, int]:
            return other.area_px, other.box[1], other.box[0], other.number

        own = size(group)
        larger = [other for other in group.near if other.state == KEPT and size(other) > own]
        for other in sorted(larger, key=size):
            if group.common_px(other) >= needed:
                return other.number
        return 0

    def _forget(self, group: Group) -> None:
        """Let go of a group that is done, and of its neighbours, once none needs another."""
        for one in (group, *group.near):
            if one.is_done and all(other.is_done for other in one.near):
                self._held.pop(one.number, None)
                one.empty()


def _released(group: Group) -> list[Group]:
    """Those that waited for this group's state to change."""
    waiting, group.waiting = group.waiting, []
    return waiting


def _octave(group: Group) -> int:
    return min(max(group.area_px.bit_length() - 1, 1), 30)
