"""What one region saw of an object, and which of these parts belong together."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import shapely

from samgeo_core.objects import BoolMask, ObjectSet
from samgeo_core.streaming.regions import Region
from samgeo_core.streaming.seam_views import Box, Sight, Views
from samgeo_core.wholes import PackedMask
from samgeo_core.windows import Window

if TYPE_CHECKING:
    from samgeo_core.streaming.seam_groups import Group

AGREEMENT = 0.5
"""Two parts are one object where, within the pixels seen with both, their IoU is above this."""

CLOSE_AGREEMENT = 0.75
"""The same where any two may conflict: what is linked wrongly would grow from window to window."""

ARMS_SHARE = 0.1
"""What one window saw twice has more of its pixels in common than this."""


@dataclass(eq=False, slots=True)
class Part:
    """What one window saw of an object, in the frame of the raster.

    Attributes:
        number: from 1 in the order of the plan, in a region by place.
        region: where it was found.
        mask: its pixels.
        sight: through which window it was seen.
        last: the last region, in the order of the plan, that may see anything of it.
        near: parts whose boxes share pixels with this one's, as far as they have come in.
        group: those parts that are one object.
    """

    number: int
    region: Region
    mask: PackedMask
    area_px: int
    score: float
    stability: float
    point_xy: tuple[float, float]
    sight: Sight
    last: int
    near: list[Part] = field(default_factory=list)
    group: Group = field(init=False, repr=False)

    @property
    def is_cut(self) -> bool:
        """Whether it reaches an edge of what was seen behind which the raster goes on."""
        return self.sight.is_cut

    @property
    def view(self) -> Window:
        """What was seen along with it, px of the raster."""
        return self.sight.view

    @property
    def box(self) -> Box:
        """Left, top, right, bottom, px of the raster; right and bottom exclusive."""
        return self.mask.box


class Link(NamedTuple):
    """Two parts that may be one object, as far as the two windows can tell that saw them.

    Attributes:
        by_arms: whether they are not alike, but arms of the same.
    """

    a: Part
    b: Part
    by_arms: bool = False

    def rank(self) -> tuple[bool, float, int, int]:
        """The best first, ties by place."""
        quality = self.a.score * self.a.stability * self.b.score * self.b.stability
        return self.by_arms, -quality, self.a.number, self.b.number


def parts_of(views: Views, region: Region, objects: ObjectSet, number: int) -> list[Part]:
    """The objects of a region as parts, but for those that others see better.

    Args:
        views: of the plan of which the region is.
        region: where they were found.
        objects: in the frame of the region's window.
        number: of the first.
    """
    left, top = region.window.x, region.window.y
    parts: list[Part] = []
    boxes = objects.boxes_xyxy + np.array([left, top, left, top])
    for i in np.lexsort((objects.areas_px, *boxes.T[::-1])).tolist():
        x0, y0, x1, y1 = box = tuple(boxes[i].tolist())
        point = float(objects.points_xy[i, 0]) + left, float(objects.points_xy[i, 1]) + top
        sight = views.sight(region, box, point)
        outside = not _meet(box, region.core.box_xyxy)
        if sight.is_cut and sight.view == region.window and outside:
            # It lies in what a neighbour answers for, who sees more of it.
            continue
        parts.append(
            Part(
                number + len(parts),
                region,
                PackedMask.of(objects.masks[i], (x0, y0)),
                int(objects.areas_px[i]),
                float(objects.scores[i]),
                float(objects.stabilities[i]),
                point,
                sight,
                views.plan.last_meeting((x0, y0, x1, y1)),
            )
        )
    return parts


def find_near(new: Sequence[Part], old: Sequence[Part]) -> list[tuple[Part, Part]]:
    """Pairs whose boxes share pixels: an old and a new part, or two new ones; and notes them."""
    every = [*old, *new]
    if not new:
        return []
    boxes = np.array([part.box for part in every], np.float64)
    shapes = shapely.box(*boxes.T)
    first, second = shapely.STRtree(shapes).query(shapes[len(old) :], predicate=None)
    first = first + len(old)
    once = second < first
    a, b = boxes[first[once]], boxes[second[once]]
    meet = ((np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2])) > 0).all(axis=1)
    pairs = np.stack([second[once][meet], first[once][meet]], axis=1)
    met = [(every[i], every[j]) for i, j in pairs[np.lexsort(pairs.T)].tolist()]
    for one, other in met:
        one.near.append(other)
        other.near.append(one)
    return met


def find_links(pairs: Iterable[tuple[Part, Part]], *, only_cut: bool = False) -> list[Link]:
    """Of parts that two windows saw those that may be one object.

    What a window's edge cuts may also have several arms that the other window sees to be one thing.
    Beside these each part has one partner in the other window, the one most like it; or, where any
    two may conflict, all that are like it: `consistent` chooses.

    Args:
        pairs: of parts whose boxes share pixels.
        only_cut: leave pairs alone of which both were seen whole.
    """
    agreement = CLOSE_AGREEMENT if only_cut else AGREEMENT
    measured = []
    counts: dict[Part, int] = {}
    for a, b in pairs:
        shared = a.view.intersection(b.view)
        box = _common(shared.box_xyxy, _around(a.box, b.box)) if shared else None
        if shared is None or box is None or (only_cut and not (a.is_cut or b.is_cut)):
            continue
        for part in (a, b):
            if part not in counts:
                counts[part] = _count_within(part, shared)
        few, many = sorted((counts[a], counts[b]))
        if not few or (few <= agreement * many and not (a.is_cut and b.is_cut)):
            continue
        in_a, in_b = within(a.mask, box), within(b.mask, box)
        both = int(np.count_nonzero(in_a & in_b))
        if both:
            measured.append((both / (few + many - both), a, b, in_a, in_b))
    measured.sort(key=lambda item: (-item[0], item[1].number, item[2].number))
    partners: dict[Part, list[Part]] = defaultdict(list)
    links: list[Link] = []
    for iou, a, b, _, _ in measured:
        if iou > agreement and (only_cut or not (partners[a] or partners[b])):
            partners[a].append(b)
            partners[b].append(a)
            links.append(Link(a, b))
    for iou, a, b, in_a, in_b in measured:
        if iou > agreement or not (a.is_cut and b.is_cut) or (partners[a] and partners[b]):
            continue
        if only_cut and not (_is_apart(a, partners[b]) and _is_apart(b, partners[a])):
            continue
        arms = _touching(in_a, in_b), _touching(in_b, in_a)
        if np.count_nonzero(arms[0] & arms[1]) > agreement * np.count_nonzero(arms[0] | arms[1]):
            links.append(Link(a, b, by_arms=True))
            if only_cut:
                partners[a].append(b)
                partners[b].append(a)
    return links


def consistent(parts: Sequence[Part], links: Iterable[Link]) -> list[list[Part]]:
    """Linked parts as the objects that they are: the best are united first.

    What lies in the little that two windows share looks like much. But no object has two parts
    of which one window saw one within the other: there they are two things.
    """
    homes = {part: [part] for part in parts}
    for link in sorted(links, key=Link.rank):
        one, other = homes[link.a], homes[link.b]
        if one is not other and all(
            _is_apart(part, (p for p in other if p.view == part.view)) for part in one
        ):
            one += other
            homes.update(dict.fromkeys(other, one))
    return list({id(home): home for home in homes.values()}.values())


def _is_apart(part: Part, others: Iterable[Part]) -> bool:
    """Whether it can be another arm of what others are: arms of one thing share no pixels."""
    return all(
        common_px(part.mask, other.mask) <= ARMS_SHARE * min(part.area_px, other.area_px)
        for other in others
    )


def _count_within(part: Part, window: Window) -> int:
    box = _common(part.box, window.box_xyxy)
    if box == part.box:
        return part.area_px
    return int(np.count_nonzero(within(part.mask, box))) if box else 0


def within(mask: PackedMask, box: Box) -> BoolMask:
    """A mask's pixels in a box of the raster, bool [box height, box width]."""
    x0, y0, x1, y1 = box
    out = np.zeros((y1 - y0, x1 - x0), np.bool_)
    common = _common(mask.box, box)
    if common:
        a0, b0, a1, b1 = common
        x, y = mask.box[:2]
        out[b0 - y0 : b1 - y0, a0 - x0 : a1 - x0] = unpacked(mask)[b0 - y : b1 - y, a0 - x : a1 - x]
    return out


def common_px(a: PackedMask, b: PackedMask) -> int:
    """Pixels that two masks share."""
    box = _common(a.box, b.box)
    return int(np.count_nonzero(within(a, box) & within(b, box))) if box else 0


class _Unpacked:
    """The masks that were asked for last, as pixels: many are compared with much around them."""

    def __init__(self, most_px: int) -> None:
        self._most_px = most_px
        self._n_px = 0
        self._masks: OrderedDict[PackedMask, BoolMask] = OrderedDict()
        self._lock = Lock()

    def __call__(self, mask: PackedMask) -> BoolMask:
        with self._lock:
            pixels = self._masks.get(mask)
            if pixels is not None:
                self._masks.move_to_end(mask)
                return pixels
            pixels = self._masks[mask] = mask.pixels()
            self._n_px += pixels.size
            while self._n_px > self._most_px and len(self._masks) > 1:
                self._n_px -= self._masks.popitem(last=False)[1].size
            return pixels

    def forget(self, masks: Iterable[PackedMask]) -> None:
        """Let go of masks that nobody will ask for."""
        with self._lock:
            for mask in masks:
                if (pixels := self._masks.pop(mask, None)) is not None:
                    self._n_px -= pixels.size


unpacked = _Unpacked(16 << 20)
"""A packed mask's pixels, bool [h, w]; not to be written to."""


def _touching(mask: BoolMask, other: BoolMask) -> BoolMask:
    """The connected pieces of a mask that share pixels with another."""
    import cv2  # heavy, and most pages do without

    count, labels = cv2.connectedComponents(mask.view(np.uint8), connectivity=8)
    met = np.zeros(count, np.bool_)
    met[labels[mask & other]] = True
    met[0] = False
    touching: BoolMask = met[labels]
    return touching


def _common(a: Box, b: Box) -> Box | None:
    x0, y0, x1, y1 = max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])
    return (x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None


def _around(a: Box, b: Box) -> Box:
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


def _meet(a: Box, b: Box) -> bool:
    return _common(a, b) is not None
