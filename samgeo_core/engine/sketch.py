"""Masks upscaled only around what they show: first a sketch, then the part that matters.

Most things in a window cover a small part of it, but SAM upscales its masks everywhere. Here the
logits are computed on a thin grid of image tokens and around the prompt; then on the rectangle
in which any of them came near the cutoff, which grows as long as the mask reaches its edge. What
lies apart from the prompt and slips through the thin grid is lost: that is noise more often than
not, but it is no longer what SAM's decoder says to the last pixel, so exact paths don't use it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from samgeo_core.engine.decoder import FactoredDecoder, PromptState
from samgeo_core.engine.image_terms import ImageTerms
from samgeo_core.engine.upscale import OUTER_PIXELS, as_pixels

_STRIDE = 4
_NEAR = 6
_GROW = 6
_WHOLE_SHARE = 0.5
_FAR_BELOW = -32.0
# Masks this alike at the probes are the same; of smaller masks the probes see too little.
_SAME_IOU = 0.92
_SAME_SCORE = 0.02
_LEAST_SIGNS = 64

Rectangle = tuple[int, int, int, int]


@dataclass(frozen=True)
class Bounds:
    """Which masks are not worth forming.

    Attributes:
        level: logits below this don't matter.
        cut_edges: whether a mask that reaches the top, left, bottom and right edge is cut there.
        largest_share: masks that cover more of the window are left out.
    """

    level: float
    cut_edges: tuple[bool, bool, bool, bool] = (False, False, False, False)
    largest_share: float = 1.0


class Seen:
    """Masks of a window that were formed before, known by their signs at the probes.

    Args:
        before: what was known earlier; it is read, never changed.
    """

    def __init__(self, before: Seen | None = None) -> None:
        self._before = before
        self._signs: list[Tensor] = []
        self._scores: list[float] = []
        self._known: tuple[Tensor, Tensor, Tensor] | None = None

    def add(self, other: Seen) -> None:
        """Take over what another met."""
        self._signs.extend(other._signs)
        self._scores.extend(other._scores)
        self._known = None

    def _stacked(self) -> tuple[Tensor, Tensor, Tensor]:
        """Signs [k, n] of all masks, how many each has, [k], and scores, [k]."""
        if self._known is None:
            signs = torch.stack(self._signs)
            self._known = signs, signs.sum(1), torch.tensor(self._scores)
        return self._known

    def note(self, signs: Tensor, scores: Tensor) -> Tensor:
        """Remember masks that are new; which of them are.

        Args:
            signs: bool [M, n], at the probes.
            scores: [M], predicted IoU.
        """
        is_new = []
        for sign, score in zip(signs.float(), scores.tolist(), strict=True):
            known = self._has(sign, score) or (self._before and self._before._has(sign, score))
            is_new.append(not known)
            if not known and sign.sum() >= _LEAST_SIGNS:
                self._signs.append(sign)
                self._scores.append(score)
                self._known = None
        return torch.tensor(is_new, dtype=torch.bool)

    def _has(self, sign: Tensor, score: float) -> bool:
        """Whether one nearly the same, and hardly worse, was met."""
        if not self._signs or sign.sum() < _LEAST_SIGNS:
            return False
        signs, sizes, scores = self._stacked()
        common = signs @ sign
        alike = common > _SAME_IOU * (sizes + sign.sum() - common)
        return bool((alike & (scores >= score - _SAME_SCORE)).any())


def sketched_masks(
    decoder: FactoredDecoder,
    terms: tuple[ImageTerms, ...],
    state: PromptState,
    wanted: Tensor,
    places: list[tuple[int, int]],
    bounds: Bounds,
    seen: Seen,
) -> Iterator[tuple[int, list[int], Tensor]]:
    """The wanted masks, bool [B, M], prompt by prompt.

    Args:
        decoder: the decoder.
        terms: the image's terms.
        state: prompts as `FactoredDecoder.transform` returned them.
        wanted: which masks.
        places: row and column of the image token in which each prompt lies.
        bounds: which masks to leave out.
        seen: masks met before, which are left out too, unless these are better; it learns.

    Yields:
        index of a prompt, its masks that are left, and their logits [W, 256, 256], far below the
        level where nothing was computed.
    """
    hyper = decoder.hyper(state)
    for i in wanted.any(1).nonzero()[:, 0].tolist():
        heads = wanted[i].nonzero()[:, 0]
        sketch = _Sketch(decoder, terms, state.take(slice(i, i + 1)), hyper[i : i + 1, heads])
        left = sketch.probe(places[i], bounds)
        left = sketch.keep(left, seen.note(sketch.signs[left], state.iou[i, heads[left]]))
        if len(left):
            yield i, heads[left].tolist(), sketch.logits(bounds.level)


class _Sketch:
    """The masks of one prompt while their extent is being found."""

    def __init__(
        self, decoder: FactoredDecoder, terms: tuple[ImageTerms, ...], state: PromptState,
        rows: Tensor,
    ) -> None:  # fmt: skip
        self.decoder, self.terms, self.state = decoder, terms, state
        self.rows, self.side = rows, decoder.side
        self.mix = decoder.upscaled_basis(state)
        self.area: Rectangle = (0, 0, self.side, self.side)
        self.signs = torch.zeros(0)

    def _pixels(self, tokens: Tensor) -> Tensor:
        """Logits [M, n, 16] at tokens."""
        return self.decoder.pixels_at(self.terms, self.state, self.mix, self.rows, tokens)[0]

    def probe(self, place: tuple[int, int], bounds: Bounds) -> Tensor:
        """Look at a few tokens; returns which masks are worth forming."""
        side = self.side
        probed = torch.zeros(side, side, dtype=torch.bool)
        r, c = place
        probed[max(r - _NEAR, 0) : r + _NEAR + 1, max(c - _NEAR, 0) : c + _NEAR + 1] = True
        probed[_STRIDE // 2 :: _STRIDE, _STRIDE // 2 :: _STRIDE] = True
        edges = (probed[0], probed[:, 0], probed[-1], probed[:, -1])
        for edge, cut in zip(edges, bounds.cut_edges, strict=True):
            edge |= cut
        tokens = probed.view(-1).nonzero()[:, 0]
        pixels = self._pixels(tokens)
        rows, columns = tokens // side, tokens % side
        is_cut = torch.zeros(len(pixels), dtype=torch.bool)
        at_edges = (rows == 0, columns == 0, rows == side - 1, columns == side - 1)
        for at_edge, outer, cut in zip(at_edges, OUTER_PIXELS, bounds.cut_edges, strict=True):
            if cut:
                is_cut |= (pixels[:, at_edge][:, :, outer] > 0).any(2).any(1)
        seen = pixels.amax(2)
        thin = (rows % _STRIDE == _STRIDE // 2) & (columns % _STRIDE == _STRIDE // 2)
        shares = (seen[:, thin] > 0).float().mean(1)
        self.near, self.token_rows, self.token_columns = seen > bounds.level, rows, columns
        self.signs = (pixels[:, thin] > 0).flatten(1)
        wanted = self.near.any(1) & ~is_cut & (shares <= bounds.largest_share)
        return wanted.nonzero()[:, 0]

    def keep(self, left: Tensor, is_new: Tensor) -> Tensor:
        """Of the masks that the probe left keep the new ones, and where they lie."""
        left = left[is_new]
        self.rows = self.rows[:, left]
        if len(left):
            hit = self.near[left].any(0)
            rows, columns = self.token_rows[hit], self.token_columns[hit]
            self.area = self._around(
                int(rows.min()), int(columns.min()), int(rows.max()), int(columns.max())
            )
        return left

    def logits(self, level: float) -> Tensor:
        """Logits [M, 256, 256] of the masks that are left."""
        while True:
            r0, c0, r1, c1 = area = self.area
            if (r1 - r0) * (c1 - c0) > _WHOLE_SHARE * self.side**2:
                r0, c0, r1, c1 = area = (0, 0, self.side, self.side)
            tokens = torch.arange(r0, r1)[:, None] * self.side + torch.arange(c0, c1)
            pixels = self._pixels(tokens.view(-1)).view(-1, r1 - r0, c1 - c0, 16)
            self.area = self._grown(area, pixels.amax((0, 3)) > level)
            if self.area == area:
                return self._filled(area, pixels)

    def _around(self, r0: int, c0: int, r1: int, c1: int) -> Rectangle:
        """The rectangle of tokens in which what was met from r0, c0 to r1, c1 may lie."""
        margin, side = _STRIDE - 1, self.side
        return (
            max(r0 - margin, 0),
            max(c0 - margin, 0),
            min(r1 + margin + 1, side),
            min(c1 + margin + 1, side),
        )

    def _grown(self, area: Rectangle, above: Tensor) -> Rectangle:
        """A larger rectangle where the mask [h, w] reaches an edge that is not the image's."""
        r0, c0, r1, c1 = area
        edges = (above[0], above[:, 0], above[-1], above[:, -1])
        reach = [int(edge.any()) * _GROW for edge in edges]
        return (
            max(r0 - reach[0], 0),
            max(c0 - reach[1], 0),
            min(r1 + reach[2], self.side),
            min(c1 + reach[3], self.side),
        )

    def _filled(self, area: Rectangle, pixels: Tensor) -> Tensor:
        """Logits [M, 256, 256] with those of a rectangle [M, h, w, 16] in their place."""
        r0, c0, r1, c1 = area
        part = as_pixels(pixels, r1 - r0, c1 - c0)
        logits = part.new_full((len(part), 4 * self.side, 4 * self.side), _FAR_BELOW)
        logits[:, 4 * r0 : 4 * r1, 4 * c0 : 4 * c1] = part
        return logits
