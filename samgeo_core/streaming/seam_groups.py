"""Parts that are one object, what becomes of them, and how it stands with others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from samgeo_core.config import SelectionRule
from samgeo_core.streaming.regions import RegionPlan
from samgeo_core.streaming.seam_edges import confirmed_parts, trim
from samgeo_core.streaming.seam_parts import AGREEMENT, Box, Part, common_px, within
from samgeo_core.wholes import PackedMask, PackedPieces, WholeObject

OPEN, CLOSED, KEPT, DROPPED = range(4)


@dataclass(eq=False)
class Group:
    """Parts that are one object.

    Attributes:
        parts: of all regions that saw it.
        number: that of the first part, also when there are no more parts to keep.
        n_open: parts of which regions to come may see more.
        state: open; closed, when all parts are there; kept or dropped, when that is decided.
        waiting: groups that wait for the state of this one to change.
        unseen: parts nearby that haven't been looked at in the present state; None before.
        pieces: crops that share no pixel, once closed; as are those that follow.
        regions: that saw it so.
    """

    parts: list[Part]
    number: int
    n_open: int = 0
    state: int = OPEN
    is_done: bool = False
    waiting: list[Group] = field(default_factory=list)
    unseen: list[Part] | None = None
    pieces: tuple[PackedMask, ...] = ()
    regions: frozenset[int] = frozenset()
    area_px: int = 0
    score: float = 0.0
    stability: float = 0.0
    point_xy: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def of(cls, part: Part) -> Group:
        """A part that stands alone as yet."""
        part.group = cls([part], part.number, 1)
        return part.group

    @property
    def box(self) -> Box:
        """Around all pieces."""
        x0, y0, x1, y1 = zip(*(piece.box for piece in self.pieces), strict=True)
        return min(x0), min(y0), max(x1), max(y1)

    @property
    def near(self) -> set[Group]:
        """Other groups, with parts nearby."""
        return {other.group for part in self.parts for other in part.near} - {self}

    def absorb(self, other: Group) -> None:
        """Take over the parts of another group."""
        for part in other.parts:
            part.group = self
        self.parts += other.parts
        self.number = min(self.number, other.number)
        self.n_open += other.n_open
        self.waiting += other.waiting

    def stand(self, parts: Sequence[Part], pieces: Iterable[PackedMask]) -> None:
        """Be what some of its parts say."""
        areas = np.array([part.area_px for part in parts], float)
        self.pieces = tuple(pieces)
        self.regions = frozenset(part.region.index for part in self.parts)
        self.score = float(np.average([part.score for part in parts], weights=areas))
        self.stability = float(np.average([part.stability for part in parts], weights=areas))
        self.point_xy = parts[int(areas.argmax())].point_xy
        self.state = CLOSED

    def is_good(self, rule: SelectionRule) -> bool:
        """Whether a rule keeps it wherever nothing better says the same."""
        # float32, as in selection: it's the same limit there and here.
        return bool(
            np.float32(self.score) >= np.float32(rule.good_score)
            and np.float32(self.stability) >= np.float32(rule.good_stability)
        )

    def rank(self, rule: SelectionRule) -> tuple[bool, float, int]:
        """Best first, ties by place."""
        return not self.is_good(rule), -self.score * self.stability, self.number

    def common_px(self, other: Group) -> int:
        """Pixels shared with another group."""
        return sum(common_px(a, b) for a in self.pieces for b in other.pieces)

    def free_share(self, others: Iterable[Group]) -> float:
        """Share of its pixels that lie in none of some other groups."""
        others = list(others)
        free = 0
        for piece in self.pieces:
            pixels = piece.pixels()
            for other in others:
                for cover in other.pieces:
                    pixels &= ~within(cover, piece.box)
            free += int(np.count_nonzero(pixels))
        return free / self.area_px

    def empty(self) -> None:
        """Let go of all pixels and of what lies near, when nobody asks any more."""
        self.pieces = ()
        for part in self.parts:
            part.mask, part.near = PackedMask(b"", part.box), []

    def whole(self, parent_id: int) -> WholeObject:
        """The object that this is."""
        return WholeObject(
            self.number,
            parent_id,
            PackedPieces(self.pieces),
            self.score,
            self.stability,
            self.point_xy,
            self.area_px,
            self.box,
        )


def close(plan: RegionPlan, group: Group) -> list[Group]:
    """Decide what a group is whose parts are all there; the groups that come of it.

    Where a region saw the object whole that stands, else the union of the parts that edges cut.
    What ends at an edge of a region where its neighbours see nothing go on is no object.
    """
    union = [] if len(group.parts) == 1 else list(_disjoint(group.parts))
    union_px = sum(area for _, area in union) or group.parts[0].area_px
    wholes = [p for p in group.parts if not p.is_cut]
    fitting = [p for p in wholes if p.area_px > AGREEMENT * union_px]
    if fitting:
        best = max(fitting, key=lambda p: (p.score * p.stability, -p.number))
        group.stand([best], [best.mask])
        group.area_px = best.area_px
        return [group]
    others = []
    for part in wholes:
        alone = Group.of(part)
        alone.stand([part], [part.mask])
        alone.area_px = part.area_px
        others.append(alone)
    group.parts = [part for part in group.parts if part.is_cut]
    group.number = min(part.number for part in group.parts)
    trim(plan, group.parts)
    confirmed = confirmed_parts(plan, group.parts)
    if not confirmed:
        group.state = DROPPED
        return [group, *others]
    union = list(_disjoint(confirmed))
    group.stand(confirmed, (piece for piece, _ in union))
    group.area_px = sum(area for _, area in union)
    return [group, *others]


def _disjoint(parts: Sequence[Part]) -> Iterable[tuple[PackedMask, int]]:
    """Each part without the pixels of those before, and how many are left."""
    done: list[PackedMask] = []
    for part in sorted(parts, key=lambda p: p.number):
        pixels = part.mask.pixels()
        for other in done:
            pixels &= ~within(other, part.box)
        done.append(part.mask)
        rows, columns = np.flatnonzero(pixels.any(1)), np.flatnonzero(pixels.any(0))
        if len(rows):
            crop = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            offset = part.box[0] + int(columns[0]), part.box[1] + int(rows[0])
            yield PackedMask.of(crop, offset), int(np.count_nonzero(crop))
