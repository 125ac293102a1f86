"""Where an edge of a window cuts an object: do its neighbours see it go on?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from samgeo_core.objects import BoolMask
from samgeo_core.streaming.seam_parts import CLOSE_AGREEMENT, Part, within
from samgeo_core.streaming.seam_views import Box, Views
from samgeo_core.wholes import PackedMask
from samgeo_core.windows import Window

Masks = Mapping[Part, PackedMask]


@dataclass(frozen=True, eq=False)
class _Cut:
    """The pixels of a part along an edge of its window.

    Attributes:
        line: one pixel wide, px of the raster.
        pixels: bool [h, w] of the line, those of the part.
        seen: bool [h, w], those that others claim who also see what lies beyond.
    """

    line: Box
    pixels: BoolMask
    seen: BoolMask


def confirmed_parts(views: Views, parts: Sequence[Part]) -> list[Part]:
    """Parts, trimmed, of which others see go on most of what edges of windows cut.

    What ends at an edge though a neighbour sees on and claims none of it is taken away: a window
    took it for a part of the object at its very edge, where it saw least. What reaches further than
    any neighbour looks back stays: there a cut would only be moved.

    Of what edges cut then of a part others must see most; the more of its window it fills, the
    likelier it is the window and no object, and the more they must see. The worst part goes, and
    the others are trimmed anew: by what is left, not by what that one claimed.

    Args:
        views: through which they were seen.
        parts: of one object; their masks become what is left of them.
    """
    masks = {part: part.mask for part in parts}
    left = list(parts)
    while left:
        _trim(views, left, masks)
        trimmed = {part: masks[part] for part in left}
        left = [part for part in left if part.area_px]
        shares = [(_missed_share(views, part, left, trimmed), part) for part in left]
        share, worst = max(shares, key=lambda item: (item[0], -item[1].number), default=(0.0, None))
        if not share or worst is None:
            break
        filled = worst.area_px / (worst.view.width * worst.view.height)
        if share < (1 - CLOSE_AGREEMENT) * (1 - filled**2):
            break
        left.remove(worst)
    return left


def _trim(views: Views, parts: Sequence[Part], masks: Masks) -> None:
    """Take from parts, as they were, what others see end."""
    for part in parts:
        if part.mask is not masks[part]:
            _become(part, masks[part])
    trimmed = [_trimmed(views, part, parts) for part in parts]
    for part, mask in zip(parts, trimmed, strict=True):
        if mask is not part.mask:
            _become(part, mask)


def _become(part: Part, mask: PackedMask) -> None:
    part.mask = mask
    part.area_px = int(np.count_nonzero(mask.pixels()))


def _trimmed(views: Views, part: Part, parts: Sequence[Part]) -> PackedMask:
    import cv2  # heavy, and most pages do without

    doubtful = [cut for cut in _cuts(views, part, parts, {}) if (cut.pixels & ~cut.seen).any()]
    if not doubtful:
        return part.mask
    x, y = part.box[:2]
    pixels = part.mask.pixels()
    frame = Window(x, y, pixels.shape[1], pixels.shape[0])
    claimed, viewed = np.zeros_like(pixels), np.zeros_like(pixels)
    for other in parts:
        if other is not part:
            claimed |= within(other.mask, part.box)
    for other_view in views.around(part.region, part.sight):
        if view := other_view.intersection(frame):
            viewed[view.moved(-x, -y).slices] = True
    count, labels = cv2.connectedComponents(
        (pixels & viewed & ~claimed).view(np.uint8), connectivity=4
    )
    # Pieces beside what only this window sees.
    alone = (pixels & ~viewed).view(np.uint8)
    kept = np.unique(labels[cv2.dilate(alone, np.ones((3, 3), np.uint8)).view(np.bool_)])
    for cut in doubtful:
        a0, b0, a1, b1 = cut.line
        found = np.unique(labels[b0 - y : b1 - y, a0 - x : a1 - x][cut.pixels & ~cut.seen])
        gone = np.zeros(count, np.bool_)
        gone[np.setdiff1d(found, [0, *kept])] = True
        pixels &= ~gone[labels]
    return PackedMask.of(pixels, (x, y))


def _missed_share(views: Views, part: Part, parts: Sequence[Part], masks: Masks) -> float:
    """Of what edges cut the share that nobody else sees."""
    cuts = list(_cuts(views, part, parts, masks))
    missed = sum(int(np.count_nonzero(cut.pixels & ~cut.seen)) for cut in cuts)
    most = missed / sum(int(np.count_nonzero(cut.pixels)) for cut in cuts) if missed else 0.0
    if masks[part] is not part.mask:
        most = max([most, *(_moved_share(views, part, o, masks) for o in masks if o is not part)])
    return most


def _moved_share(views: Views, part: Part, other: Part, masks: Masks) -> float:
    """Of where a part crossed the edges of another's view the share that trimming cut there."""
    most = 0.0
    for line, beyond in _lines(views, other, masks[other].box):
        crossed = within(masks[part], line) & within(masks[part], beyond)
        if crossed.any():
            cut = crossed & within(part.mask, line) & ~within(part.mask, beyond)
            most = max(most, np.count_nonzero(cut) / np.count_nonzero(crossed))
    return most


def _cuts(views: Views, part: Part, parts: Sequence[Part], masks: Masks) -> Iterator[_Cut]:
    for line, after in _lines(views, part, part.box):
        pixels = within(part.mask, line)
        if not pixels.any():
            continue
        seen = np.zeros_like(pixels)
        for other in parts:
            # Whoever sees the next pixel too knows whether the object goes on or really ends here.
            beyond = Window(*after[:2], pixels.shape[1], pixels.shape[0])
            view = other.view.intersection(beyond)
            if other is not part and view:
                known = view.moved(-beyond.x, -beyond.y).slices
                claimed = within(other.mask, line)
                if other in masks:
                    # Where it did go on but was trimmed, the cut is all that is left.
                    was, still = (within(m, beyond.box_xyxy) for m in (masks[other], other.mask))
                    claimed &= ~(was & ~still)
                seen[known] |= claimed[known]
        yield _Cut(line, pixels, seen)


def _lines(views: Views, part: Part, box: Box) -> Iterator[tuple[Box, Box]]:
    """Where edges of a part's view cut a box: the last pixels inside and the next ones outside."""
    x0, y0, x1, y1 = box
    left, top, right, bottom = part.view.box_xyxy
    low_x, low_y, high_x, high_y = views.plan.extent.box_xyxy
    if x0 == left > low_x:
        yield (x0, y0, x0 + 1, y1), (x0 - 1, y0, x0, y1)
    if y0 == top > low_y:
        yield (x0, y0, x1, y0 + 1), (x0, y0 - 1, x1, y0)
    if x1 == right < high_x:
        yield (x1 - 1, y0, x1, y1), (x1, y0, x1 + 1, y1)
    if y1 == bottom < high_y:
        yield (x0, y1 - 1, x1, y1), (x0, y1, x1, y1 + 1)
