"""What engine/image_attention.py and engine/upscale.py do, by compiled kernels (engine/kernels.c).

Letters and shapes are those of engine/decoder.py.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from samgeo_core.engine.image_attention import variance_form
from samgeo_core.engine.image_terms import FoldedWeights, ImageTerms
from samgeo_core.engine.kernels import Kernels
from samgeo_core.engine.products import join
from samgeo_core.engine.threads import side_by_side

OwnTerms = tuple[tuple[Tensor, ...], tuple[Tensor, ...], tuple[Tensor, ...]]
"""What prompts have of their own: by stretch, coefficients [B, 2 J, n] and two scales [B, n]."""


class CompiledAttention:
    """The three meetings of tokens and image in SAM's two-way transformer, as `ImageAttention`.

    Args:
        folded: weights of the decoder.
        kernels: the compiled functions.
    """

    def __init__(self, folded: FoldedWeights, kernels: Kernels) -> None:
        self.folded, self.kernels = folded, kernels

    def layer0(self, terms: tuple[ImageTerms, ...], q0: Tensor) -> Tensor:
        """As `ImageAttention.layer0`."""
        q0 = q0.contiguous()
        b, h, t, d = q0.shape

        def attend(part: ImageTerms) -> _Pool:
            pool = _Pool(q0)
            self.kernels.call(
                "attend_layer0", b, h, d, t, part.n_tokens, q0, part.keys0, part.values0, *pool.sums
            )
            return pool

        (values,) = _joined(side_by_side(attend, terms, q0.device))
        return values

    def layer1(
        self, terms: tuple[ImageTerms, ...], k0: Tensor, v0: Tensor, carried: Tensor, q1: Tensor,
        mix: Tensor, coefficients: list[Tensor], scales1: list[Tensor],
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """As `ImageAttention.layer1`."""
        k0, v0, q1, mix = (array.contiguous() for array in (k0, v0, q1, mix))
        b, h, t, d = k0.shape
        gram = torch.bmm(carried, carried.transpose(1, 2))

        def attend(item: tuple[ImageTerms, Tensor, Tensor]) -> _Pool:
            part, both, scale = item
            pool = _Pool(q1, rows=h * t)
            self.kernels.call(
                "attend_layer1", b, h, d, t, part.n_tokens, carried.shape[2],
                self.folded.layer0.norm4.eps, k0, v0, q1, gram, mix, part.queries0, part.cross0,
                part.norm0, part.keys1, part.values1, both, scale, *pool.sums,
            )  # fmt: skip
            return pool

        items = zip(terms, coefficients, scales1, strict=True)
        values, rows = _joined(side_by_side(attend, items, k0.device))
        return values, rows

    def final(
        self, terms: tuple[ImageTerms, ...], k1: Tensor, v0: Tensor, v1: Tensor, basis: Tensor,
        q2: Tensor, query_mix: Tensor, final_mix: Tensor, coefficients: list[Tensor],
        scales1: list[Tensor], scales2: list[Tensor],
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """As `ImageAttention.final`."""
        arrays = (k1, v0, v1, q2, query_mix, final_mix)
        k1, v0, v1, q2, query_mix, final_mix = (array.contiguous() for array in arrays)
        b, h, t, d = k1.shape
        upper, lower = variance_form(basis)

        def attend(item: tuple[ImageTerms, Tensor, Tensor, Tensor]) -> _Pool:
            part, both, scale1, scale2 = item
            pool = _Pool(q2, rows=2 * h * t)
            self.kernels.call(
                "attend_final", b, h, d, t, q2.shape[2], part.n_tokens, basis.shape[2],
                self.folded.layer1.norm4.eps, k1, v0, v1, q2, query_mix, upper, lower, final_mix,
                part.queries1, part.cross1a, part.cross1b, part.norm1, part.bias1, part.keys2,
                part.values2, both, scale1, scale2, *pool.sums,
            )  # fmt: skip
            return pool

        items = zip(terms, coefficients, scales1, scales2, strict=True)
        values, rows = _joined(side_by_side(attend, items, k1.device))
        return values, rows


class CompiledUpscaling:
    """Both upscalings of SAM's decoder, as `Upscaler`, with each pixel written where it belongs.

    Args:
        folded: weights of the decoder.
        kernels: the compiled functions.
    """

    def __init__(self, folded: FoldedWeights, kernels: Kernels) -> None:
        self.upscaler, self.kernels, self.side = folded.upscaler, kernels, folded.side
        # Where a token's first pixel lies in a mask, and from there its 16: they go by row and
        # column of the first upscaling, then by those of the second.
        steps = torch.arange(2)
        width, tokens = 4 * self.side, torch.arange(self.side**2)
        self.places = 4 * (tokens // self.side * width + tokens % self.side)
        rows = (2 * steps[:, None, None, None] + steps[:, None]) * width
        self.offsets = (rows + 2 * steps[:, None, None] + steps).flatten()

    def masks(
        self, terms: tuple[ImageTerms, ...], own: OwnTerms, mix: Tensor, hyper: Tensor,
        wanted: Tensor,
    ) -> Tensor:  # fmt: skip
        """Logits [W, 256, 256] of the wanted masks, bool [B, M], prompt by prompt."""
        counts = wanted.sum(1).tolist()
        masks = hyper.new_empty(sum(counts), 4 * self.side, 4 * self.side)
        rows = [hyper[i, wanted[i]] for i in range(len(hyper))]

        def upscale(part: tuple[ImageTerms, Tensor, Tensor, Tensor, Tensor]) -> None:
            image, places, *arrays = part
            tokens = torch.arange(image.n_tokens)
            for each in zip(mix, rows, torch.split(masks, counts), *arrays, strict=True):
                self._upscale(image, tokens, places, self.offsets, *each)

        stretches = torch.split(self.places, [part.n_tokens for part in terms])
        for _ in side_by_side(upscale, zip(terms, stretches, *own, strict=True), hyper.device):
            pass
        return masks

    def pixels_at(
        self, terms: tuple[ImageTerms, ...], own: OwnTerms, mix: Tensor, rows: Tensor,
        tokens: Tensor,
    ) -> Tensor:  # fmt: skip
        """As `FactoredDecoder.pixels_at`."""
        pixels = rows.new_empty(*rows.shape[:2], len(tokens), 16)
        places, offsets = 16 * torch.arange(len(tokens)), torch.arange(16)
        ends = torch.tensor([part.n_tokens for part in terms]).cumsum(0)
        cuts = torch.searchsorted(tokens, ends).tolist()
        for image, end, low, high, *arrays in zip(
            terms, ends.tolist(), [0, *cuts[:-1]], cuts, *own, strict=True
        ):
            at = tokens[low:high] - (end - image.n_tokens)
            for each in zip(mix, rows, pixels, *arrays, strict=True):
                self._upscale(image, at, places[low:high], offsets, *each)
        return pixels

    def _upscale(
        self, image: ImageTerms, tokens: Tensor, places: Tensor, offsets: Tensor, mix: Tensor,
        rows: Tensor, out: Tensor, coefficients: Tensor, scale1: Tensor, scale2: Tensor,
    ) -> None:  # fmt: skip
        """The pixels of some tokens of a stretch, of one prompt, to their places in its masks."""
        upscaler, (n_masks, depth) = self.upscaler, rows.shape
        norm, channels = upscaler.norm, len(mix) // 4
        if n_masks and len(tokens):
            self.kernels.call(
                "upscale", len(tokens), image.n_tokens, len(coefficients), channels, depth, n_masks,
                out[0].numel(), norm.eps, tokens, places, offsets, image.upscale, upscaler.bias1,
                mix, coefficients, scale1, scale2, norm.weight, norm.bias, upscaler.weight2,
                upscaler.bias2, rows, out,
            )  # fmt: skip


class _Pool:
    """What a stretch of image tokens sums to, under a softmax over all of them.

    Args:
        queries: [B, h, T, d].
        rows: R, of the coefficients that are summed beside the image's values; none if 0.

    Attributes:
        sums: greatest scores [B, J] and sums of two to the power of scores less these, [B, J], and
            sums with these weights: of values [B, J, d], and of coefficients [B, J, R].
    """

    def __init__(self, queries: Tensor, rows: int = 0) -> None:
        b, h, t, d = self.shape = queries.shape
        sizes = ((), (), (d,), (rows,))[: 4 if rows else 3]
        self.sums = tuple(queries.new_empty(b, h * t, *size) for size in sizes)


def _joined(pools: Iterable[_Pool]) -> list[Tensor]:
    """Attention over all image tokens: values [B, T, h d] and, where there are any, rows."""
    pools = list(pools)
    b, h, t, d = pools[0].shape
    most, total, *kinds = zip(*(pool.sums for pool in pools), strict=True)
    values, *rows = join(
        [m[..., None] for m in most], [n[..., None] for n in total], [list(kind) for kind in kinds]
    )
    return [values.view(b, h, t, d).transpose(1, 2).flatten(2), *rows]
