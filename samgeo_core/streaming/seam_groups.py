"""Parts that are one object, what becomes of them, and how it stands with others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from samgeo_core.config import SelectionRule
from samgeo_core.objects import BoolMask
from samgeo_core.streaming.seam_edges import confirmed_parts
from samgeo_core.streaming.seam_parts import (
    AGREEMENT,
    Link,
    Part,
    common_px,
    consistent,
    unpacked,
    within,
)
from samgeo_core.streaming.seam_views import Box, Views
from samgeo_core.wholes import PackedMask, PackedPieces, WholeObject

OPEN, CLOSED, KEPT, DROPPED = range(4)

Rank = tuple[bool, bool, float, Box, int]


@dataclass(eq=False, slots=True)
class Group:
    """Parts that are one object; until it is closed, those that may be.

    Attributes:
        parts: of all regions that saw it.
        number: that of the first part, also when there are no more parts to keep.
        n_open: parts of which regions to come may see more.
        state: open; closed, when all parts are there; kept or dropped, when that is decided.
        waiting: groups that wait for the state of this one to change.
        links: by which its parts hang together, until it is closed.
        around: `near`, once the group is done; no group's parts change any more then.
        n_undone: how many of them aren't done.
        unseen: parts nearby that haven't been looked at in the present state; None before.
        pieces: crops that share no pixel, once closed; as are those that follow.
        box: around all pieces.
        regions: that saw it so.
        fills: whether it only says what better placed windows leave open (`seam_views.Sight`).
    """

    parts: list[Part]
    number: int
    n_open: int = 0
    state: int = OPEN
    is_done: bool = False
    waiting: list[Group] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    around: set[Group] = field(default_factory=set)
    n_undone: int = 0
    unseen: list[Part] | None = None
    pieces: tuple[PackedMask, ...] = ()
    regions: frozenset[int] = frozenset()
    area_px: int = 0
    score: float = 0.0
    stability: float = 0.0
    point_xy: tuple[float, float] = (0.0, 0.0)
    box: Box = (0, 0, 0, 0)
    fills: bool = False
    _rank: Rank | None = None

    @classmethod
    def of(cls, part: Part) -> Group:
        """A part that stands alone as yet."""
        part.group = cls([part], part.number, 1)
        return part.group

    @property
    def near(self) -> set[Group]:
        """Other groups, with parts nearby."""
        return {other.group for part in self.parts for other in part.near} - {self}

    def absorb(self, other: Group) -> None:
        """Take over the parts of another group."""
        for part in other.parts:
            part.group = self
        self.parts += other.parts
        self.links += other.links
        self.number = min(self.number, other.number)
        self.n_open += other.n_open
        self.waiting += other.waiting

    def stand(self, parts: Sequence[Part], pieces: Iterable[PackedMask]) -> None:
        """Be what some of its parts say."""
        areas = np.array([part.area_px for part in parts], float)
        self.pieces = tuple(pieces)
        self.box = _box_of(self.pieces)
        self.fills = all(part.sight.fills for part in self.parts)
        self.regions = frozenset(part.region.index for part in self.parts)
        self.score = float(np.average([part.score for part in parts], weights=areas))
        self.stability = float(np.average([part.stability for part in parts], weights=areas))
        self.point_xy = parts[int(areas.argmax())].point_xy
        self.state = CLOSED

    def is_good(self, rule: SelectionRule) -> bool:
        """Whether a rule keeps it wherever nothing better says the same."""
        if self.fills:
            return False
        # float32, as in selection: it's the same limit there and here.
        return bool(
            np.float32(self.score) >= np.float32(rule.good_score)
            and np.float32(self.stability) >= np.float32(rule.good_stability)
        )

    def rank(self, rule: SelectionRule) -> Rank:
        """Best first, ties by place."""
        if self._rank is None:
            quality = self.score * self.stability
            good = self.is_good(rule)
            self._rank = self.fills, not good, -quality, self.box, self.number
        return self._rank

    def room(self, other: Group) -> int:
        """Pixels shared by the boxes of two groups: they can't have more in common."""
        x0, y0 = max(self.box[0], other.box[0]), max(self.box[1], other.box[1])
        x1, y1 = min(self.box[2], other.box[2]), min(self.box[3], other.box[3])
        return max(x1 - x0, 0) * max(y1 - y0, 0)

    def shares_pixels(self, other: Group) -> bool:
        """Whether there is any pixel in both."""
        return self.room(other) > 0 and self.common_px(other) > 0

    def common_px(self, other: Group) -> int:
        """Pixels shared with another group."""
        return sum(common_px(a, b) for a in self.pieces for b in other.pieces)

    def free_share(self, others: Iterable[Group]) -> float:
        """Share of its pixels that lie in none of some other groups."""
        covers = [cover for other in others for cover in other.pieces]
        free = sum(int(np.count_nonzero(_uncovered(piece, covers))) for piece in self.pieces)
        return free / self.area_px

    def empty(self) -> None:
        """Let go of all pixels and parts, and of what lies near, when nobody asks any more.

        No ring of references is left, so that it is gone with its last neighbour, not when Python
        looks for garbage: that it does the less often the more there is.
        """
        unpacked.forget((*self.pieces, *(part.mask for part in self.parts)))
        for part in self.parts:
            part.mask, part.near = PackedMask(b"", part.box), []
        self.parts = []
        self.pieces = ()
        self.around = set()

    def whole_but_for(self, others: Iterable[Group]) -> WholeObject | None:
        """The object that is left where others take their pixels; None if nothing is."""
        covers = [cover for other in others if self.room(other) for cover in other.pieces]
        left: list[PackedMask] = []
        area_px = 0
        for piece in self.pieces:
            if trimmed := _trimmed(_uncovered(piece, covers), piece.box[:2]):
                left.append(trimmed[0])
                area_px += trimmed[1]
        if not left:
            return None
        packed = PackedPieces(tuple(left))
        return replace(self.whole(0), pieces=packed, area_px=area_px, box_xyxy=_box_of(left))

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


def close(views: Views, group: Group) -> list[Group]:
    """Decide what a group is whose parts are all there; the groups that come of it."""
    first, *others = consistent(group.parts, group.links)
    group.parts, group.number, group.links = first, min(p.number for p in first), []
    groups = [group, *(Group(parts, min(p.number for p in parts)) for parts in others)]
    for one in groups:
        for part in one.parts:
            part.group = one
    return [closed for one in groups for closed in _closed(views, one)]


def _closed(views: Views, group: Group) -> list[Group]:
    """Decide what parts are that are one object; the groups that come of it.

    Where a window saw the object whole that stands, else the union of the parts that edges cut.
    What ends at an edge of a window where its neighbours see nothing go on is no object.
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
    confirmed = confirmed_parts(views, group.parts)
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
        pixels = _uncovered(part.mask, done)
        done.append(part.mask)
        if trimmed := _trimmed(pixels, part.box[:2]):
            yield trimmed


def _uncovered(piece: PackedMask, covers: Iterable[PackedMask]) -> BoolMask:
    """The pixels of a mask, in its box, that lie in none of some others."""
    pixels = piece.pixels()
    for cover in covers:
        pixels &= ~within(cover, piece.box)
    return pixels


def _trimmed(pixels: BoolMask, offset_xy: tuple[int, int]) -> tuple[PackedMask, int] | None:
    """A mask without empty rows and columns at its sides, and its area; None if nothing is left."""
    rows, columns = np.flatnonzero(pixels.any(1)), np.flatnonzero(pixels.any(0))
    if not len(rows):
        return None
    crop = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    offset = offset_xy[0] + int(columns[0]), offset_xy[1] + int(rows[0])
    return PackedMask.of(crop, offset), int(np.count_nonzero(crop))


def _box_of(pieces: Sequence[PackedMask]) -> Box:
    x0, y0, x1, y1 = zip(*(piece.box for piece in pieces), strict=True)
    return min(x0), min(y0), max(x1), max(y1)
