"""SAM's mask decoder with the image side written in the few dimensions in which prompts differ.

The published decoder (segment_anything.modeling.MaskDecoder) carries a copy of all image tokens,
[256, 4096], for each prompt and projects it again and again. But a prompt enters the image tokens
only through attention to its T tokens, so after layer 0 they are, exactly,

    LayerNorm(X + U^T A),    X [256, N] the same for every prompt,
                             A [8 T, N] the attention weights, U [8 T, 256] what they carry.

With X and U centred over channels, the norm's mean is zero and its variance is a quadratic form in
A. Every later product of the image tokens with a weight matrix splits in the same way into one
that is computed once per image and one of 8 T (later 16 T) rows per prompt. Nothing is
approximated: only the order of float32 operations changes. docs/engine.md derives each step.

Shapes: B prompts, T tokens a prompt (5 output tokens and the prompt's own), N = 4096 image tokens,
h = 8 heads of d = 16, J = h T; n image tokens are worked on at a time. Image-side arrays are
channels first, so that image tokens are contiguous.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from samgeo_core.engine.compiled import CompiledAttention, CompiledUpscaling, OwnTerms
from samgeo_core.engine.image_attention import ImageAttention
from samgeo_core.engine.image_terms import FoldedWeights, ImageTerms
from samgeo_core.engine.kernels import Kernels, find_kernels
from samgeo_core.engine.products import split_heads
from samgeo_core.engine.threads import core_count, side_by_side
from samgeo_core.engine.upscale import as_pixels


@dataclass(frozen=True)
class Tiling:
    """How much is worked on at once: few enough tokens for a core's cache, and enough prompts that
    the image's terms, which don't fit it, are not read again for each.

    Attributes:
        prompts: prompts whose image side is worked on together.
        tokens: image tokens of a stretch.
    """

    prompts: int = 16
    tokens: int = 512

    @classmethod
    def of(cls, device: torch.device, kernels: Kernels | None = None) -> Tiling:
        """Small tiles on a CPU, everything at once on an accelerator.

        Kernels have smaller tiles of their own. What they read at a time, some tokens of many rows,
        lies all over the cache where rows are no power of two long.
        """
        if device.type != "cpu":
            return cls(1 << 30, 1 << 30)
        return cls(tokens=_odd(2048, kernels.chunk)) if kernels else cls()


def _odd(least: int, chunk: int) -> int:
    """The next odd number of chunks, in tokens."""
    return (-(-least // chunk) | 1) * chunk


@dataclass(frozen=True, eq=False)
class PromptState:
    """Where a batch of prompts stands after the transformer.

    Attributes:
        mask_tokens: [B, M, 256] and iou: [B, M], predicted IoU, of the mask heads.
        first_head: the first of these heads, 1 of three or 0 alone.
        basis: [B, 2 J, 256], the prompts' own part of the image tokens, with coefficients: by
            stretch of n image tokens [B, 2 J, n].
        scale1, scale2: by stretch [B, n], reciprocal standard deviations of the two image norms.
    """

    mask_tokens: Tensor
    iou: Tensor
    first_head: int
    basis: Tensor
    coefficients: tuple[Tensor, ...]
    scale1: tuple[Tensor, ...]
    scale2: tuple[Tensor, ...]

    @property
    def own(self) -> OwnTerms:
        """Coefficients and scales."""
        return self.coefficients, self.scale1, self.scale2

    def take(self, index: Tensor | slice) -> PromptState:
        """The prompts of an index array, or of a slice without copying."""
        return PromptState(
            self.mask_tokens[index],
            self.iou[index],
            self.first_head,
            self.basis[index],
            *(tuple(part[index] for part in parts) for parts in self.own),
        )


class FactoredDecoder:
    """Drop-in arithmetic for `MaskDecoder`: `image_terms` once an image, the rest per prompt.

    Args:
        decoder: the `MaskDecoder` whose weights are used.
        image_pe: [1, 256, 64, 64], positional encoding of the image (``get_dense_pe()``).
        tiling: how much to work on at once; None suits the device of the weights.
        kernels: compiled functions for a CPU; None does without.
    """

    def __init__(
        self, decoder: Any, image_pe: Tensor, tiling: Tiling | None = None,
        kernels: Kernels | None = None,
    ) -> None:  # fmt: skip
        self.decoder = decoder
        self.tiling = tiling or Tiling.of(image_pe.device, kernels)
        self.kernels = kernels
        with torch.no_grad():
            self.folded = FoldedWeights(decoder, image_pe)
        self.image: ImageAttention | CompiledAttention = ImageAttention(self.folded)
        self.compiled: CompiledUpscaling | None = None
        if kernels:
            self.image = CompiledAttention(self.folded, kernels)
            self.compiled = CompiledUpscaling(self.folded, kernels)
        self.layer0, self.layer1 = self.folded.layer0, self.folded.layer1
        self.final = self.folded.final
        self.n_heads, self.side = self.folded.n_heads, self.folded.side
        # Of queries, so that weights are powers of two (engine/products.py).
        self.scaling = math.log2(math.e) / math.sqrt(self.final.internal_dim // self.n_heads)

    @classmethod
    def of(cls, sam: Any) -> FactoredDecoder:
        """The decoder of a `Sam`, compiled where it runs on a CPU that can have it so."""
        pe = sam.prompt_encoder.get_dense_pe()
        kernels = find_kernels() if pe.device.type == "cpu" else None
        if kernels and pe[0, 0].numel() % kernels.chunk:
            kernels = None
        return cls(sam.mask_decoder, pe, kernels=kernels)

    @torch.no_grad()
    def image_terms(self, image: Tensor, few_prompts: bool = False) -> tuple[ImageTerms, ...]:
        """Everything that depends on the image only, by stretch of its tokens.

        Args:
            image: [256, 64, 64], encoder output plus the dense prompt embedding.
            few_prompts: one long stretch for each core, which suits single prompts.
        """
        x = image.flatten(1)
        step = min(self.tiling.tokens, x.shape[1])
        if few_prompts:
            step = -(-x.shape[1] // core_count())
        if self.kernels:
            step = _odd(step, self.kernels.chunk)
        stretches = [slice(i, i + step) for i in range(0, x.shape[1], step)]
        terms = side_by_side(lambda part: self.folded.image_terms(x, part), stretches, x.device)
        return tuple(terms)

    def _token_block(self, layer: Any, queries: Tensor, pe: Tensor | None) -> Tensor:
        """Self attention among the tokens of each prompt, and its norm."""
        if pe is None:
            attended = layer.self_attn(q=queries, k=queries, v=queries)
        else:
            placed = queries + pe
            attended = queries + layer.self_attn(q=placed, k=placed, v=queries)
        normed: Tensor = layer.norm1(attended)
        return normed

    def _after_image(self, layer: Any, queries: Tensor, pooled: Tensor) -> Tensor:
        """Output projection of token-to-image attention, norm, MLP, norm."""
        queries = layer.norm2(queries + layer.cross_attn_token_to_image.out_proj(pooled))
        normed: Tensor = layer.norm3(queries + layer.mlp(queries))
        return normed

    def _scaled_queries(self, attention: Any, tokens: Tensor) -> Tensor:
        return split_heads(attention.q_proj(tokens) * self.scaling, self.n_heads)

    def _carried(self, attention: Any, tokens: Tensor, out: Tensor) -> tuple[Tensor, Tensor]:
        """Values [B, h, T, d] of tokens, and what they write into the image, [B, h T, 256]."""
        values = split_heads(attention.v_proj(tokens), self.n_heads)
        return values, torch.matmul(values, out).flatten(1, 2)

    @torch.no_grad()
    def transform(
        self, terms: tuple[ImageTerms, ...], sparse: Tensor, multimask: bool | None = True
    ) -> PromptState:
        """Run the two-way transformer and the IoU head.

        Args:
            terms: the image's terms.
            sparse: [B, K, 256], sparse prompt embeddings.
            multimask: the three heads of ambiguous prompts, or the single one; None takes all four,
                the single one first.
        """
        n = len(sparse)
        at_once = max(1, self.tiling.prompts * self.tiling.tokens // terms[0].n_tokens)
        output_tokens = torch.cat([self.decoder.iou_token.weight, self.decoder.mask_tokens.weight])
        pe = torch.cat([output_tokens.expand(n, -1, -1), sparse], dim=1)
        rows = self.n_heads * pe.shape[1]
        layer0, layer1 = self.layer0, self.layer1
        groups = [slice(i, i + at_once) for i in range(0, n, at_once)]
        coefficients = tuple(sparse.new_empty(n, 2 * rows, t.n_tokens) for t in terms)
        scale1 = tuple(sparse.new_empty(n, t.n_tokens) for t in terms)
        scale2 = tuple(sparse.new_empty(n, t.n_tokens) for t in terms)

        queries = self._token_block(layer0, pe, None)
        q0 = self._scaled_queries(layer0.cross_attn_token_to_image, queries + pe)
        pooled = torch.cat([self.image.layer0(terms, q0[g]) for g in groups])
        pooled = pooled + layer0.cross_attn_token_to_image.v_proj.bias
        queries = self._after_image(layer0, queries, pooled)

        i2t0 = layer0.cross_attn_image_to_token
        k0 = split_heads(i2t0.k_proj(queries + pe) * self.scaling, self.n_heads)
        v0, carried0 = self._carried(i2t0, queries, self.folded.out0)
        carried0 = carried0 - carried0.mean(2, keepdim=True)
        queries = self._token_block(layer1, queries, pe)
        t2i1 = layer1.cross_attn_token_to_image
        q1 = self._scaled_queries(t2i1, queries + pe)
        gained0 = carried0 * layer0.norm4.weight
        key_mix = self._mix(t2i1.k_proj.weight, gained0, q1)
        steps = [
            self.image.layer1(
                terms, k0[g], v0[g], carried0[g], q1[g], key_mix[g],
                [x[g] for x in coefficients], [x[g] for x in scale1],
            )
            for g in groups
        ]  # fmt: skip
        pooled = torch.cat([s[0] for s in steps])
        mixed = torch.cat([s[1] for s in steps])
        pooled = pooled + self._unmix(t2i1.v_proj.weight, gained0, mixed)
        pooled = pooled + t2i1.v_proj.weight @ layer0.norm4.bias + t2i1.v_proj.bias
        queries = self._after_image(layer1, queries, pooled)

        i2t1 = layer1.cross_attn_image_to_token
        k1 = split_heads(i2t1.k_proj(queries + pe) * self.scaling, self.n_heads)
        v1, carried1 = self._carried(i2t1, queries, self.folded.out1)
        # Attention weights of each head sum to one, so a constant can ride on the carried rows.
        carried1 = carried1 + self.folded.constant1 / self.n_heads
        basis = torch.cat([gained0, carried1], dim=1)
        basis = basis - basis.mean(2, keepdim=True)
        # Of the tokens only the IoU token and those of the wanted masks are read from here on.
        first = 2 if multimask else 1
        last = 2 if multimask is False else 1 + self.decoder.num_mask_tokens
        wanted = torch.tensor([0, *range(first, last)], device=sparse.device)
        queries, pe = queries[:, wanted], pe[:, wanted]
        q2 = self._scaled_queries(self.final, queries + pe)
        gained1 = basis * layer1.norm4.weight
        query_mix = self._mix(i2t1.q_proj.weight, gained0, k1)
        final_mix = self._mix(self.final.k_proj.weight, gained1, q2)
        steps = [
            self.image.final(
                terms, k1[g], v0[g], v1[g], basis[g], q2[g], query_mix[g], final_mix[g],
                [x[g] for x in coefficients], [x[g] for x in scale1], [x[g] for x in scale2],
            )
            for g in groups
        ]  # fmt: skip
        pooled = torch.cat([s[0] for s in steps])
        mixed = torch.cat([s[1] for s in steps])
        pooled = pooled + self._unmix(self.final.v_proj.weight, gained1, mixed)
        pooled = pooled + self.final.v_proj.weight @ layer1.norm4.bias + self.final.v_proj.bias
        queries = self.decoder.transformer.norm_final_attn(queries + self.final.out_proj(pooled))
        return PromptState(
            mask_tokens=queries[:, 1:],
            iou=self.decoder.iou_prediction_head(queries[:, 0])[:, first - 1 : last - 1],
            first_head=first - 1,
            basis=gained1,
            coefficients=coefficients,
            scale1=scale1,
            scale2=scale2,
        )

    def _mix(self, weight: Tensor, rows: Tensor, tokens: Tensor) -> Tensor:
        """Scores of carried rows [B, R, 256] with tokens [B, h, T, d], as [B, h T, R]."""
        projected = (rows @ weight.t()).view(*rows.shape[:2], self.n_heads, -1)
        return torch.matmul(tokens, projected.permute(0, 2, 3, 1)).flatten(1, 2)

    def _unmix(self, weight: Tensor, rows: Tensor, mixed: Tensor) -> Tensor:
        """Attention [B, h T, R] over carried rows [B, R, 256], as values [B, T, h d]."""
        b, _, r = mixed.shape
        projected = (rows @ weight.t()).view(b, r, self.n_heads, -1).transpose(1, 2)
        out = torch.matmul(mixed.view(b, self.n_heads, -1, r), projected)
        return out.transpose(1, 2).flatten(2)

    @torch.no_grad()
    def hyper(self, state: PromptState) -> Tensor:
        """Weights [B, M, 32] with which each mask head reads the upscaled image tokens."""
        mlps = self.decoder.output_hypernetworks_mlps
        tokens = state.mask_tokens
        return torch.stack(
            [mlps[state.first_head + i](tokens[:, i]) for i in range(tokens.shape[1])], dim=1
        )

    @torch.no_grad()
    def masks(
        self, terms: tuple[ImageTerms, ...], state: PromptState, hyper: Tensor, wanted: Tensor
    ) -> Tensor:
        """Mask logits of some prompts.

        Args:
            terms: the image's terms.
            state: prompts as `transform` returned them.
            hyper: [B, M, 32], of the same prompts.
            wanted: bool [B, M], the masks wanted of each prompt.

        Returns:
            float32 [W, 256, 256], the wanted masks in prompt-major order.
        """
        upscaler, mix = self.folded.upscaler, self.upscaled_basis(state)
        if self.compiled:
            return self.compiled.masks(terms, state.own, mix, hyper, wanted)
        columns = wanted.any(0)
        rows = hyper[:, columns]

        def upscale(item: tuple[ImageTerms, Tensor, Tensor, Tensor]) -> Tensor:
            part, coefficients, scale1, scale2 = item
            return upscaler.logits(part.upscale, mix, coefficients, scale1, scale2, rows)

        parts = zip(terms, state.coefficients, state.scale1, state.scale2, strict=True)
        blocks = torch.cat(list(side_by_side(upscale, parts, hyper.device)), dim=2)
        return as_pixels(blocks[wanted[:, columns]], self.side, self.side)

    def upscaled_basis(self, state: PromptState) -> Tensor:
        """The first upscaling of the prompts' own rows, [B, 256, 2 J]."""
        return torch.matmul(self.folded.upscaler.weight1, state.basis.transpose(1, 2))

    @torch.no_grad()
    def pixels_at(
        self, terms: tuple[ImageTerms, ...], state: PromptState, mix: Tensor, rows: Tensor,
        tokens: Tensor,
    ) -> Tensor:  # fmt: skip
        """Mask logits at some image tokens only.

        Args:
            terms: the image's terms.
            state: prompts as `transform` returned them.
            mix: their `upscaled_basis`.
            rows: [B, M, 32], of `hyper`, for the masks wanted.
            tokens: int64 [n], ascending.

        Returns:
            float32 [B, M, n, 16], the pixels of each token (`upscale.as_pixels`).
        """
        if self.compiled:
            return self.compiled.pixels_at(terms, state.own, mix, rows, tokens)
        ends = torch.tensor([part.n_tokens for part in terms]).cumsum(0)
        cuts = torch.searchsorted(tokens, ends).tolist()
        starts = [0, *ends.tolist()]
        picked: list[tuple[Tensor, ...]] = []
        for i, (low, high) in enumerate(zip([0, *cuts], cuts, strict=False)):
            if low < high:
                at = tokens[low:high] - starts[i]
                arrays = (state.coefficients[i], state.scale1[i], state.scale2[i])
                own = (array.index_select(-1, at) for array in arrays)
                picked.append((terms[i].upscale.index_select(1, at), *own))
        shared, *owns = zip(*picked, strict=True)
        all_shared, step = torch.cat(shared, 1), self.tiling.tokens
        coefficients, scale1, scale2 = (torch.cat(own, -1) for own in owns)
        pixels = [
            self.folded.upscaler.logits(
                all_shared[:, i : i + step], mix, coefficients[:, :, i : i + step],
                scale1[:, i : i + step], scale2[:, i : i + step], rows,
            )
            for i in range(0, len(tokens), step)
        ]  # fmt: skip
        return torch.cat(pixels, 2)
