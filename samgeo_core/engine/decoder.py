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
h = 8 heads of d = 16, J = h T. Image-side arrays are channels first, so that N is contiguous.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


def _heads(tokens: Tensor, n_heads: int) -> Tensor:
    """[B, T, C] to [B, h, T, C / h]."""
    b, t, c = tokens.shape
    return tokens.view(b, t, n_heads, c // n_heads).transpose(1, 2)


def _shared(left: Tensor, image: Tensor) -> Tensor:
    """Per-head products [B, h, T, d] x [h, d, N] with one image for all prompts, as [B, h T, N]."""
    b, h, t, d = left.shape
    if b == 1:
        return torch.bmm(left[0], image).view(1, h * t, -1)
    out = torch.bmm(left.transpose(0, 1).reshape(h, b * t, d), image)
    return out.view(h, b, t, -1).transpose(0, 1).reshape(b, h * t, -1)


def _pooled(weights: Tensor, image: Tensor, n_heads: int) -> Tensor:
    """Per-head sums over image tokens [B, h T, N] x [h, d, N] as [B, T, h d]."""
    b, j, n = weights.shape
    t = j // n_heads
    left = weights.view(b, n_heads, t, n).transpose(0, 1).reshape(n_heads, b * t, n)
    out = torch.bmm(left, image.transpose(1, 2))
    return out.view(n_heads, b, t, -1).permute(1, 2, 0, 3).reshape(b, t, -1)


def _softmax_tokens(scores: Tensor, n_heads: int) -> Tensor:
    """Softmax of [B, h T, N] over the T tokens of each head."""
    b, j, n = scores.shape
    return torch.softmax(scores.view(b, n_heads, j // n_heads, n), dim=2).view(b, j, n)


def _linear_heads(weight: Tensor, image: Tensor, n_heads: int) -> Tensor:
    """A projection [h d, 256] of an image [256, N], as [h, d, N]."""
    return (weight @ image).view(n_heads, -1, image.shape[1])


@dataclass(frozen=True, eq=False)
class ImageTerms:
    """What the decoder needs of one image, whatever the prompts; float32.

    Attributes:
        keys0, values0, queries0: [h, d, N], layer 0 on the untouched image tokens.
        norm0: [N], squared length of the centred image tokens; cross0: [h, d, N], their products
            with the output projection of layer 0.
        keys1, values1, queries1: [h, d, N], layer 1 on the prompt-independent part.
        norm1: [N] and cross1a, cross1b: [h, d, N], bias1: [N], the same for layer 1's norm.
        keys2, values2: [h, d, N], the final attention on the prompt-independent part.
        upscale: [256, N], the first upscaling of the prompt-independent part.
    """

    keys0: Tensor
    values0: Tensor
    queries0: Tensor
    norm0: Tensor
    cross0: Tensor
    keys1: Tensor
    values1: Tensor
    queries1: Tensor
    norm1: Tensor
    cross1a: Tensor
    cross1b: Tensor
    bias1: Tensor
    keys2: Tensor
    values2: Tensor
    upscale: Tensor


@dataclass(frozen=True, eq=False)
class PromptState:
    """Where a batch of prompts stands after the transformer.

    Attributes:
        mask_tokens: [B, 4, 256]; iou: [B, 4] predicted IoU of the four mask heads.
        coefficients: [B, 2 J, N] and basis: [B, 2 J, 256], the prompt's part of the image tokens.
        scale1, scale2: [B, N], reciprocal standard deviations of the two image norms.
    """

    mask_tokens: Tensor
    iou: Tensor
    coefficients: Tensor
    basis: Tensor
    scale1: Tensor
    scale2: Tensor

    def select(self, index: Tensor) -> PromptState:
        """The prompts of an index array."""
        return PromptState(
            self.mask_tokens[index],
            self.iou[index],
            self.coefficients[index],
            self.basis[index],
            self.scale1[index],
            self.scale2[index],
        )


class FactoredDecoder:
    """Drop-in arithmetic for `MaskDecoder`: `image_terms` once an image, the rest per prompt.

    Args:
        decoder: the `MaskDecoder` whose weights are used.
        image_pe: [1, 256, 64, 64], positional encoding of the image (``get_dense_pe()``).
    """

    def __init__(self, decoder: Any, image_pe: Tensor) -> None:
        self.decoder = decoder
        self.layer0, self.layer1 = decoder.transformer.layers
        self.final = decoder.transformer.final_attn_token_to_image
        self.n_heads = self.final.num_heads
        self.scaling = 1.0 / math.sqrt(self.final.internal_dim // self.n_heads)
        self.side = image_pe.shape[-1]
        with torch.no_grad():
            self._fold_weights(image_pe.flatten(2)[0])

    def _fold_weights(self, pe: Tensor) -> None:
        """Products of weights alone, computed once a model."""
        h = self.n_heads
        self.pe = pe
        self.pe_keys1 = _linear_heads(self.layer1.cross_attn_token_to_image.k_proj.weight, pe, h)
        query1 = self.layer1.cross_attn_image_to_token.q_proj
        bias1 = self.layer0.norm4.bias
        constant = (query1.weight @ bias1 + query1.bias).view(h, -1, 1)
        self.pe_queries1 = _linear_heads(query1.weight, pe, h) + constant
        self.pe_keys2 = _linear_heads(self.final.k_proj.weight, pe, h)
        up1, self.up_norm, _, up2, _ = self.decoder.output_upscaling
        # A stride-2, 2x2 transposed convolution is one matrix product per sub-pixel.
        weight1 = up1.weight.permute(2, 3, 1, 0).reshape(4, -1, up1.in_channels)
        bias_up1 = up1.bias + weight1 @ self.layer1.norm4.bias
        self.up1_weight = (weight1 - weight1.mean(1, keepdim=True)).flatten(0, 1)
        self.up1_bias = (bias_up1 - bias_up1.mean(1, keepdim=True)).reshape(-1, 1)
        self.up2_weight = up2.weight.permute(2, 3, 1, 0).reshape(-1, up2.in_channels)
        self.up2_bias = up2.bias.repeat(4).view(-1, 1)
        out0 = self.layer0.cross_attn_image_to_token.out_proj.weight
        self.out0 = self._per_head(out0)
        self.out0_centred = self.out0 - self.out0.mean(2, keepdim=True)
        self.out1 = self._per_head(self.layer1.cross_attn_image_to_token.out_proj.weight)
        self.constant1 = bias1 + self.layer1.cross_attn_image_to_token.out_proj.bias

    def _per_head(self, out_weight: Tensor) -> Tensor:
        """An output projection [256, h d] as [h, d, 256]."""
        return out_weight.t().reshape(self.n_heads, -1, out_weight.shape[0])

    @torch.no_grad()
    def image_terms(self, image: Tensor) -> ImageTerms:
        """Everything that depends on the image only.

        Args:
            image: [256, 64, 64], encoder output plus the dense prompt embedding.
        """
        h, x = self.n_heads, image.flatten(1)
        t2i0, i2t0 = (
            self.layer0.cross_attn_token_to_image,
            self.layer0.cross_attn_image_to_token,
        )
        t2i1, i2t1 = (
            self.layer1.cross_attn_token_to_image,
            self.layer1.cross_attn_image_to_token,
        )
        placed = x + self.pe
        centred = x + i2t0.out_proj.bias[:, None]
        centred = centred - centred.mean(0)
        gained = self.layer0.norm4.weight[:, None] * centred
        x1 = gained - gained.mean(0)
        gained2 = self.layer1.norm4.weight[:, None] * x1
        return ImageTerms(
            keys0=_linear_heads(t2i0.k_proj.weight, placed, h),
            values0=_linear_heads(t2i0.v_proj.weight, x, h),
            queries0=_linear_heads(i2t0.q_proj.weight, placed, h) + i2t0.q_proj.bias.view(h, -1, 1),
            norm0=centred.square().sum(0),
            cross0=2.0 * torch.matmul(self.out0, centred),
            keys1=_linear_heads(t2i1.k_proj.weight, gained, h),
            values1=_linear_heads(t2i1.v_proj.weight, gained, h),
            queries1=_linear_heads(i2t1.q_proj.weight, gained, h),
            norm1=x1.square().sum(0),
            cross1a=2.0 * torch.matmul(self.out0_centred, self.layer0.norm4.weight[:, None] * x1),
            cross1b=2.0 * torch.matmul(self.out1, x1),
            bias1=2.0 * (self.constant1 @ x1),
            keys2=_linear_heads(self.final.k_proj.weight, gained2, h),
            values2=_linear_heads(self.final.v_proj.weight, gained2, h),
            upscale=self.up1_weight @ gained2,
        )

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
        return _heads(attention.q_proj(tokens) * self.scaling, self.n_heads)

    def _carried(self, attention: Any, tokens: Tensor, out: Tensor) -> tuple[Tensor, Tensor]:
        """Values [B, h, T, d] of tokens, and what they write into the image, [B, h T, 256]."""
        values = _heads(attention.v_proj(tokens), self.n_heads)
        return values, torch.matmul(values, out).flatten(1, 2)

    @torch.no_grad()
    def transform(self, terms: ImageTerms, sparse: Tensor, group: int = 1) -> PromptState:
        """Run the two-way transformer and the IoU head.

        Args:
            terms: the image's terms.
            sparse: [B, K, 256], sparse prompt embeddings.
            group: prompts whose image side is worked on together; 1 keeps it in a CPU's cache.
        """
        n = sparse.shape[0]
        output_tokens = torch.cat([self.decoder.iou_token.weight, self.decoder.mask_tokens.weight])
        pe = torch.cat([output_tokens.expand(n, -1, -1), sparse], dim=1)
        layer0, layer1 = self.layer0, self.layer1
        groups = [slice(i, i + group) for i in range(0, n, group)]

        queries = self._token_block(layer0, pe, None)
        q0 = self._scaled_queries(layer0.cross_attn_token_to_image, queries + pe)
        pooled = torch.cat([self._attend0(terms, q0[g]) for g in groups])
        pooled = pooled + layer0.cross_attn_token_to_image.v_proj.bias
        queries = self._after_image(layer0, queries, pooled)

        i2t0 = layer0.cross_attn_image_to_token
        k0 = _heads(i2t0.k_proj(queries + pe) * self.scaling, self.n_heads)
        v0, carried0 = self._carried(i2t0, queries, self.out0)
        carried0 = carried0 - carried0.mean(2, keepdim=True)
        queries = self._token_block(layer1, queries, pe)
        t2i1 = layer1.cross_attn_token_to_image
        q1 = self._scaled_queries(t2i1, queries + pe)
        gained0 = carried0 * layer0.norm4.weight
        key_mix = self._mix(t2i1.k_proj.weight, gained0, q1)
        steps1 = [
            self._attend1(terms, k0[g], v0[g], carried0[g], q1[g], key_mix[g]) for g in groups
        ]
        scaled = torch.cat([s[0] for s in steps1])
        scale1 = torch.cat([s[1] for s in steps1])
        pooled = torch.cat([s[2] for s in steps1])
        mixed = torch.cat([s[3] for s in steps1])
        pooled = pooled + self._unmix(t2i1.v_proj.weight, gained0, mixed)
        pooled = pooled + t2i1.v_proj.weight @ layer0.norm4.bias + t2i1.v_proj.bias
        queries = self._after_image(layer1, queries, pooled)

        i2t1 = layer1.cross_attn_image_to_token
        k1 = _heads(i2t1.k_proj(queries + pe) * self.scaling, self.n_heads)
        v1, carried1 = self._carried(i2t1, queries, self.out1)
        # Attention weights of each head sum to one, so a constant can ride on the carried rows.
        carried1 = carried1 + self.constant1 / self.n_heads
        basis = torch.cat([gained0, carried1], dim=1)
        basis = basis - basis.mean(2, keepdim=True)
        q2 = self._scaled_queries(self.final, queries + pe)
        gained1 = basis * layer1.norm4.weight
        query_mix = self._mix(i2t1.q_proj.weight, gained0, k1)
        final_mix = self._mix(self.final.k_proj.weight, gained1, q2)
        steps2 = [
            self._attend2(
                terms, scaled[g], scale1[g], k1[g], v0[g], v1[g], basis[g], q2[g], query_mix[g],
                final_mix[g],
            )
            for g in groups
        ]  # fmt: skip
        pooled = torch.cat([s[2] for s in steps2])
        mixed = torch.cat([s[3] for s in steps2])
        pooled = pooled + self._unmix(self.final.v_proj.weight, gained1, mixed)
        pooled = pooled + self.final.v_proj.weight @ layer1.norm4.bias + self.final.v_proj.bias
        queries = self.decoder.transformer.norm_final_attn(queries + self.final.out_proj(pooled))
        return PromptState(
            mask_tokens=queries[:, 1 : 1 + self.decoder.num_mask_tokens],
            iou=self.decoder.iou_prediction_head(queries[:, 0]),
            coefficients=torch.cat([s[0] for s in steps2]),
            basis=gained1,
            scale1=scale1,
            scale2=torch.cat([s[1] for s in steps2]),
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

    def _attend0(self, terms: ImageTerms, q0: Tensor) -> Tensor:
        weights = torch.softmax(_shared(q0, terms.keys0), dim=-1)
        return _pooled(weights, terms.values0, self.n_heads)

    def _attend1(
        self, terms: ImageTerms, k0: Tensor, v0: Tensor, carried: Tensor, q1: Tensor, mix: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Image-to-token attention of layer 0, its norm, token-to-image attention of layer 1."""
        a0 = _softmax_tokens(_shared(k0, terms.queries0), self.n_heads)
        gram = torch.bmm(carried, carried.transpose(1, 2))
        quadratic = torch.baddbmm(_shared(v0, terms.cross0), gram, a0).mul_(a0).sum(1)
        scale1 = quadratic.add_(terms.norm0).div_(carried.shape[2])
        scale1 = scale1.add_(self.layer0.norm4.eps).rsqrt_()
        scaled = a0.mul_(scale1[:, None])
        scores = _shared(q1, terms.keys1).mul_(scale1[:, None])
        scores = scores.add_(_shared(q1, self.pe_keys1)).baddbmm_(mix, scaled)
        weights = torch.softmax(scores, dim=-1)
        mixed = torch.bmm(weights, scaled.transpose(1, 2))
        pooled = _pooled(weights.mul_(scale1[:, None]), terms.values1, self.n_heads)
        return scaled, scale1, pooled, mixed

    def _attend2(
        self, terms: ImageTerms, scaled: Tensor, scale1: Tensor, k1: Tensor, v0: Tensor,
        v1: Tensor, basis: Tensor, q2: Tensor, query_mix: Tensor, final_mix: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
        """Image-to-token attention of layer 1, its norm, the final token-to-image attention."""
        scores = _shared(k1, terms.queries1).mul_(scale1[:, None])
        scores = scores.add_(_shared(k1, self.pe_queries1)).baddbmm_(query_mix, scaled)
        a1 = _softmax_tokens(scores, self.n_heads)
        coefficients = torch.cat([scaled, a1], dim=1)
        gram = torch.bmm(basis, basis.transpose(1, 2))
        cross = torch.cat([_shared(v0, terms.cross1a), _shared(v1, terms.cross1b)], dim=1)
        cross = cross.mul_(scale1[:, None])
        quadratic = cross.baddbmm_(gram, coefficients).mul_(coefficients).sum(1)
        quadratic = quadratic.addcmul_(scale1, terms.bias1)
        scale2 = quadratic.addcmul_(scale1.square(), terms.norm1).div_(basis.shape[2])
        scale2 = scale2.add_(self.layer1.norm4.eps).rsqrt_()
        scores = _shared(q2, terms.keys2).mul_(scale1[:, None]).baddbmm_(final_mix, coefficients)
        scores = scores.mul_(scale2[:, None]).add_(_shared(q2, self.pe_keys2))
        weights = torch.softmax(scores, dim=-1).mul_(scale2[:, None])
        mixed = torch.bmm(weights, coefficients.transpose(1, 2))
        pooled = _pooled(weights.mul_(scale1[:, None]), terms.values2, self.n_heads)
        return coefficients, scale2, pooled, mixed

    @torch.no_grad()
    def hyper(self, state: PromptState) -> Tensor:
        """Weights [B, 4, 32] with which each mask head reads the upscaled image tokens."""
        mlps = self.decoder.output_hypernetworks_mlps
        return torch.stack([mlp(state.mask_tokens[:, i]) for i, mlp in enumerate(mlps)], dim=1)

    @torch.no_grad()
    def masks(self, terms: ImageTerms, state: PromptState, hyper: Tensor, heads: Tensor) -> Tensor:
        """Mask logits of some prompts.

        Args:
            terms: the image's terms.
            state: prompts as `transform` returned them.
            hyper: [B, 4, 32], of the same prompts.
            heads: bool [B, 4], the mask heads wanted of each prompt.

        Returns:
            float32 [M, 256, 256], the wanted masks in prompt-major order.
        """
        columns = heads.any(0)
        return self._upscale(terms, state, hyper[:, columns])[heads[:, columns]]

    def _upscale(self, terms: ImageTerms, state: PromptState, hyper: Tensor) -> Tensor:
        """Both upscalings of image tokens, times the prompts' hypernetwork rows [B, M, 32]."""
        b, m, _ = hyper.shape
        s = self.side
        mix = torch.matmul(self.up1_weight, state.basis.transpose(1, 2))
        x = torch.mul(terms.upscale, state.scale1[:, None]).baddbmm_(mix, state.coefficients)
        x = x.mul_(state.scale2[:, None]).add_(self.up1_bias).view(b, 4, -1, s * s)
        scale = x.square().mean(2, keepdim=True).add_(self.up_norm.eps).rsqrt_()
        x = x.mul_(scale).mul_(self.up_norm.weight[:, None]).add_(self.up_norm.bias[:, None])
        x = F.gelu(x)
        fine = [
            F.gelu(torch.matmul(self.up2_weight, x[:, i]).add_(self.up2_bias)) for i in range(4)
        ]
        logits = [torch.matmul(hyper[:, None], f.view(b, 4, -1, s * s)) for f in fine]
        # Each of them is [B, 4, M, N]: sub-pixels of the fine step within those of the coarse one.
        pixels = torch.stack(logits, dim=1).view(b, 2, 2, 2, 2, m, s, s)
        return pixels.permute(0, 5, 6, 1, 3, 7, 2, 4).reshape(b, m, 4 * s, 4 * s)
