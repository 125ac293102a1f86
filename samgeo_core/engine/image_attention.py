"""Attention between prompts' tokens and the image, on the few dimensions in which prompts differ.

Each step goes through the image tokens stretch by stretch, and joins what it summed on the way
(`products.join`). Letters and shapes are those of engine/decoder.py.
"""

from __future__ import annotations

import torch
from torch import Tensor

from samgeo_core.engine.image_terms import FoldedWeights, ImageTerms
from samgeo_core.engine.products import (
    Stretch,
    by_head,
    by_prompt,
    join,
    pooled,
    scores,
    scratch,
    softmax_over_tokens,
)
from samgeo_core.engine.threads import side_by_side


class ImageAttention:
    """The three meetings of tokens and image in SAM's two-way transformer.

    Args:
        folded: weights of the decoder.
    """

    def __init__(self, folded: FoldedWeights) -> None:
        self.folded = folded

    def _joined(
        self, stretches: list[tuple[Stretch, Tensor, Tensor]], n_prompts: int
    ) -> tuple[Tensor, Tensor]:
        """Attention over all image tokens: values [B, T, h d] and sums of carried rows [B, J, R].

        Args:
            stretches: of each, the softmax of rows [B, J], values [h, B T, d] and sums [B, J, R].
            n_prompts: B.
        """
        h = self.folded.n_heads

        def prompt_major(x: Tensor) -> Tensor:
            return x.view(h, n_prompts, -1, x.shape[2]).transpose(0, 1).flatten(1, 2)

        values, rows = join(
            [s.maximum for s, _, _ in stretches],
            [s.total for s, _, _ in stretches],
            [[prompt_major(p) for _, p, _ in stretches], [m for _, _, m in stretches]],
        )
        return values.view(n_prompts, h, -1, values.shape[2]).transpose(1, 2).flatten(2), rows

    def layer0(self, terms: tuple[ImageTerms, ...], q0: Tensor) -> Tensor:
        """Token-to-image attention of layer 0, [B, T, h d]: the image is still untouched."""
        tokens, b = by_head(q0), len(q0)

        def attend(part: ImageTerms) -> tuple[Stretch, Tensor]:
            weights = scores(tokens, part.keys0)
            stretch = Stretch.of(weights)
            return stretch, torch.bmm(weights, part.values0.transpose(1, 2))

        seen, sums = map(list, zip(*side_by_side(attend, terms, q0.device), strict=True))
        (values,) = join([s.maximum for s in seen], [s.total for s in seen], [sums])
        return values.view(len(values), b, -1, values.shape[2]).permute(1, 2, 0, 3).flatten(2)

    def layer1(
        self, terms: tuple[ImageTerms, ...], k0: Tensor, v0: Tensor, carried: Tensor, q1: Tensor,
        mix: Tensor, coefficients: list[Tensor], scales1: list[Tensor],
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """Image-to-token attention of layer 0, its norm, token-to-image attention of layer 1.

        Fills the first half of ``coefficients`` [B, 2 J, n] with the scaled attention, and
        ``scales1`` [B, n].
        """
        b, rows, eps = len(k0), carried.shape[1], self.folded.layer0.norm4.eps
        keys, values, queries = by_head(k0), by_head(v0), by_head(q1)
        gram = torch.bmm(carried, carried.transpose(1, 2))

        def attend(item: tuple[ImageTerms, Tensor, Tensor]) -> tuple[Stretch, Tensor, Tensor]:
            part, both, scale_out = item
            scaled, n = both[:, :rows], part.n_tokens
            a0 = scratch.take("attention", scaled, *scaled.shape)
            softmax_over_tokens(by_prompt(scores(keys, part.queries0), b), out=a0)
            rated = torch.bmm(gram, a0, out=scratch.take("rated", scaled, *scaled.shape))
            headed = rated.view(b, keys.shape[0], -1, n)
            headed.add_(by_prompt(scores(values, part.cross0), b))
            variance = rated.mul_(a0).sum(1).add_(part.norm0).div_(carried.shape[2])
            scale = torch.rsqrt(variance.add_(eps), out=scale_out)[:, None]
            torch.mul(a0, scale, out=scaled)
            torch.bmm(mix, scaled, out=rated)
            headed.addcmul_(by_prompt(scores(queries, part.keys1[..., :n]), b), scale[:, None])
            headed.add_(by_prompt(scores(queries, part.keys1[..., n:]), b))
            stretch = Stretch.of(rated)
            mixed = torch.bmm(rated, scaled.transpose(1, 2))
            rated.mul_(scale)
            return stretch, pooled(headed, part.values1), mixed

        items = zip(terms, coefficients, scales1, strict=True)
        return self._joined(list(side_by_side(attend, items, k0.device)), b)

    def final(
        self, terms: tuple[ImageTerms, ...], k1: Tensor, v0: Tensor, v1: Tensor, basis: Tensor,
        q2: Tensor, query_mix: Tensor, final_mix: Tensor, coefficients: list[Tensor],
        scales1: list[Tensor], scales2: list[Tensor],
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """Image-to-token attention of layer 1, its norm, the final token-to-image attention.

        Fills the second half of ``coefficients`` [B, 2 J, n] and ``scales2`` [B, n].
        """
        b, h, rows = len(k1), self.folded.n_heads, basis.shape[1] // 2
        keys, queries = by_head(k1), by_head(q2)
        variance = _Variance(basis, by_head(v0), by_head(v1), self.folded.layer1.norm4.eps)

        def attend(
            item: tuple[ImageTerms, Tensor, Tensor, Tensor],
        ) -> tuple[Stretch, Tensor, Tensor]:
            part, both, scale_in, scale_out = item
            scale, n = scale_in[:, None], part.n_tokens
            rated = scratch.take("rated", both, b, rows, n)
            headed = torch.bmm(query_mix, both[:, :rows], out=rated).view(b, h, -1, n)
            headed.addcmul_(by_prompt(scores(keys, part.queries1[..., :n]), b), scale[:, None])
            headed.add_(by_prompt(scores(keys, part.queries1[..., n:]), b))
            softmax_over_tokens(headed, out=both[:, rows:])
            scale2 = variance.scale(part, both, scale, scale_out)[:, None]
            rated = scratch.take("rated", both, b, final_mix.shape[1], n)
            headed = torch.bmm(final_mix, both, out=rated).view(b, h, -1, n)
            headed.addcmul_(by_prompt(scores(queries, part.keys2[..., :n]), b), scale[:, None])
            rated.mul_(scale2)
            headed.add_(by_prompt(scores(queries, part.keys2[..., n:]), b))
            stretch = Stretch.of(rated)
            rated.mul_(scale2)
            mixed = torch.bmm(rated, both.transpose(1, 2))
            rated.mul_(scale)
            return stretch, pooled(headed, part.values2), mixed

        items = zip(terms, coefficients, scales1, scales2, strict=True)
        return self._joined(list(side_by_side(attend, items, k1.device)), b)


def variance_form(basis: Tensor) -> tuple[Tensor, Tensor]:
    """The prompts' part of the variance over channels, a form in the coefficients of both layers.

    Args:
        basis: [B, 2 J, 256], centred.

    Returns:
        the form between layer 0 and both layers, [B, J, 2 J], and within layer 1, [B, J, J].
    """
    rows = basis.shape[1] // 2
    gram = torch.bmm(basis, basis.transpose(1, 2))
    # The form is symmetric: its mixed part is counted once, doubled.
    upper = gram[:, :rows].clone()
    upper[:, :, rows:] *= 2
    return upper, gram[:, rows:, rows:].contiguous()


class _Variance:
    """The variance of image tokens over channels after layer 1, as a form in coefficients.

    Args:
        basis: [B, 2 J, 256], centred.
        values0, values1: [h, B T, d], what the tokens carry into the image in each layer.
        eps: of the norm.
    """

    def __init__(self, basis: Tensor, values0: Tensor, values1: Tensor, eps: float) -> None:
        self.channels, self.rows, self.eps = basis.shape[2], basis.shape[1] // 2, eps
        self.values0, self.values1 = values0, values1
        self.upper, self.lower = variance_form(basis)

    def scale(self, part: ImageTerms, both: Tensor, scale1: Tensor, out: Tensor) -> Tensor:
        """Reciprocal standard deviations [B, n] of a stretch, written to ``out``.

        Args:
            part: the stretch.
            both: [B, 2 J, n], coefficients of both layers.
            scale1: [B, 1, n], reciprocal standard deviations of layer 0.
            out: [B, n].
        """
        b = len(both)
        total = scale1[:, 0].square().mul_(part.norm1).addcmul_(scale1[:, 0], part.bias1)
        for matrix, columns, weights, values, cross in (
            (self.upper, both, both[:, : self.rows], self.values0, part.cross1a),
            (self.lower, both[:, self.rows :], both[:, self.rows :], self.values1, part.cross1b),
        ):
            size = b, matrix.shape[1], part.n_tokens
            form = torch.bmm(matrix, columns, out=scratch.take("rated", both, *size))
            products = by_prompt(scores(values, cross), b)
            headed = form.view(products.shape).addcmul_(products, scale1[:, None])
            total.add_(headed.flatten(1, 2).mul_(weights).sum(1))
        return torch.rsqrt(total.div_(self.channels).add_(self.eps), out=out)
