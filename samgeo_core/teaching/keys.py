"""What a mask is called whatever rule chose it: a name made of its pixels and its place."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from samgeo_core.candidates import CandidateSet
from samgeo_core.objects import ObjectSet

KEY_BYTES = 16

Keys = tuple[bytes, ...]
"""Names of masks, `KEY_BYTES` long; equal for equal masks of one raster, and for those only."""


def mask_keys(masks: CandidateSet | ObjectSet) -> Keys:
    """The name of each mask, in order."""
    if isinstance(masks, CandidateSet):
        packed = (
            (masks.bits[begin:end], box)
            for begin, end, box in zip(
                masks.starts[:-1].tolist(),
                masks.starts[1:].tolist(),
                masks.boxes_xyxy.tolist(),
                strict=True,
            )
        )
    else:
        packed = (
            (np.packbits(mask), box)
            for mask, box in zip(masks.masks, masks.boxes_xyxy.tolist(), strict=True)
        )
    return tuple(_key(bits, box) for bits, box in packed)


def _key(bits: NDArray[np.uint8], box: list[int]) -> bytes:
    told = hashlib.blake2b(bits.tobytes(), digest_size=KEY_BYTES)
    told.update(b"%d %d %d %d" % tuple(box))
    return told.digest()
