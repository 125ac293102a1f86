"""What SAM's mask decoder computes of an image once, whatever the prompts (engine/decoder.py)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from samgeo_core.engine.products import project_heads
from samgeo_core.engine.upscale import Upscaler


@dataclass(frozen=True, eq=False)
class ImageTerms:
    """What the decoder needs of n image tokens, whatever the prompts; float32.

    Attributes:
        keys0, values0, queries0: [h, d, n], layer 0 on the untouched image tokens.
        norm0: [n], squared length of the centred image tokens; cross0: [h, d, n], their products
            with the output projection of layer 0.
        keys1, queries1: [h, d, 2 n], layer 1 on the prompt-independent part, then on the positional
            encoding; values1: [h, d, n].
        norm1: [n] and cross1a, cross1b: [h, d, n], bias1: [n], as norm0 and cross0 for layer 1.
        keys2: [h, d, 2 n] and values2: [h, d, n], the final attention, as in layer 1.
        upscale: [256, n], the first upscaling of the prompt-independent part.
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

    @property
    def n_tokens(self) -> int:
        """Number of these image tokens."""
        return len(self.norm0)


class FoldedWeights:
    """Products of a `MaskDecoder`'s weights alone, computed once a model.

    Args:
        decoder: the `MaskDecoder`.
        image_pe: [1, 256, 64, 64], positional encoding of the image (``get_dense_pe()``).
    """

    def __init__(self, decoder: Any, image_pe: Tensor) -> None:
        self.layer0, self.layer1 = decoder.transformer.layers
        self.final = decoder.transformer.final_attn_token_to_image
        self.n_heads: int = self.final.num_heads
        self.side: int = image_pe.shape[-1]
        h = self.n_heads
        self.pe = pe = image_pe.flatten(2)[0]
        self.pe_keys1 = project_heads(self.layer1.cross_attn_token_to_image.k_proj.weight, pe, h)
        query1 = self.layer1.cross_attn_image_to_token.q_proj
        bias1 = self.layer0.norm4.bias
        constant = (query1.weight @ bias1 + query1.bias).view(h, -1, 1)
        self.pe_queries1 = project_heads(query1.weight, pe, h) + constant
        self.pe_keys2 = project_heads(self.final.k_proj.weight, pe, h)
        out0 = self.layer0.cross_attn_image_to_token.out_proj.weight
        self.out0 = self._per_head(out0)
        self.out0_centred = self.out0 - self.out0.mean(2, keepdim=True)
        self.out1 = self._per_head(self.layer1.cross_attn_image_to_token.out_proj.weight)
        self.constant1 = bias1 + self.layer1.cross_attn_image_to_token.out_proj.bias
        self.upscaler = Upscaler(decoder, self.layer1.norm4.bias)

    def _per_head(self, out_weight: Tensor) -> Tensor:
        """An output projection [256, h d] as [h, d, 256]."""
        return out_weight.t().reshape(self.n_heads, -1, out_weight.shape[0])

    def image_terms(self, image: Tensor, tokens: slice) -> ImageTerms:
        """Everything that depends on the image only, of a stretch of its tokens.

        Args:
            image: [256, N], encoder output plus the dense prompt embedding.
            tokens: which of the N.
        """
        h, x, pe = self.n_heads, image[:, tokens], self.pe[:, tokens]
        t2i0, i2t0 = (
            self.layer0.cross_attn_token_to_image,
            self.layer0.cross_attn_image_to_token,
        )
        t2i1, i2t1 = (
            self.layer1.cross_attn_token_to_image,
            self.layer1.cross_attn_image_to_token,
        )
        placed = x + pe
        centred = x + i2t0.out_proj.bias[:, None]
        centred = centred - centred.mean(0)
        gained = self.layer0.norm4.weight[:, None] * centred
        x1 = gained - gained.mean(0)
        gained2 = self.layer1.norm4.weight[:, None] * x1
        return ImageTerms(
            keys0=project_heads(t2i0.k_proj.weight, placed, h),
            values0=project_heads(t2i0.v_proj.weight, x, h),
            queries0=project_heads(i2t0.q_proj.weight, placed, h) + i2t0.q_proj.bias.view(h, -1, 1),
            norm0=centred.square().sum(0),
            cross0=2.0 * torch.matmul(self.out0, centred),
            keys1=torch.cat(
                [project_heads(t2i1.k_proj.weight, gained, h), self.pe_keys1[:, :, tokens]], 2
            ),
            values1=project_heads(t2i1.v_proj.weight, gained, h),
            queries1=torch.cat(
                [project_heads(i2t1.q_proj.weight, gained, h), self.pe_queries1[:, :, tokens]], 2
            ),
            norm1=x1.square().sum(0),
            cross1a=2.0 * torch.matmul(self.out0_centred, self.layer0.norm4.weight[:, None] * x1),
            cross1b=2.0 * torch.matmul(self.out1, x1),
            bias1=2.0 * (self.constant1 @ x1),
            keys2=torch.cat(
                [project_heads(self.final.k_proj.weight, gained2, h), self.pe_keys2[:, :, tokens]],
                2,
            ),
            values2=project_heads(self.final.v_proj.weight, gained2, h),
            upscale=self.upscaler.weight1 @ gained2,
        )
