"""One correction: which masks it takes away and which it puts in their place.

An edit says nothing of object ids, which follow from sizes and change with every rule. It keeps the
masks themselves, as they are before overlaps are resolved, so that it holds for whatever rule chose
them; see `apply`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from samgeo_core.candidates import Box, MaskCandidate
from samgeo_core.errors import ParameterError

_LIMITS: dict[str, tuple[int, int, int | None]] = {
    # least number of masks taken away, least and greatest number put in their place
    "delete": (1, 0, 0),
    "split": (1, 2, 2),
    "merge": (2, 1, 1),
    "redraw": (1, 1, 1),
    "smooth": (1, 1, None),
    "add": (0, 1, 1),
}

KINDS = tuple(_LIMITS)
"""What can be done: delete objects, split one in two, merge several, redraw one with clicks, smooth
outlines, add one that is missing."""


@dataclass(frozen=True, eq=False)
class Edit:
    """One correction; equal ones have the same `digest`.

    Attributes:
        kind: one of `KINDS`.
        removed: masks that are no objects any more, px of the result.
        added: masks that are objects now.
        levels: for each of these, as how large it counts, px, where objects are laid flat and the
            smallest is on top; empty takes their sizes.

    Raises:
        ParameterError: the kind is unknown, or these are not as many masks as it needs.
    """

    kind: str
    removed: tuple[MaskCandidate, ...] = ()
    added: tuple[MaskCandidate, ...] = ()
    levels: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in _LIMITS:
            raise ParameterError(f"An edit is one of {', '.join(KINDS)}, got {self.kind!r}.")
        least_removed, least, most = _LIMITS[self.kind]
        if len(self.removed) < least_removed:
            raise ParameterError(
                f"To {self.kind} takes {least_removed} or more objects, got {len(self.removed)}: "
                "select more of them."
            )
        if len(self.added) < least or (most is not None and len(self.added) > most):
            raise ParameterError(
                f"To {self.kind} makes {least} objects, got {len(self.added)}: this edit is no "
                f"{self.kind}."
            )
        if self.levels and len(self.levels) != len(self.added):
            raise ParameterError(
                f"Each of {len(self.added)} masks needs a level, got {len(self.levels)}."
            )

    @property
    def added_levels(self) -> tuple[float, ...]:
        """The level of each mask that was added."""
        return self.levels or tuple(float(mask.area_px) for mask in self.added)

    @cached_property
    def digest(self) -> bytes:
        """16 bytes that tell what the edit does, whenever it was made."""
        told = hashlib.blake2b(
            f"{self.kind} {len(self.removed)} {self.levels}".encode(), digest_size=16
        )
        for mask in (*self.removed, *self.added):
            told.update(json.dumps({**_mask_to_json(mask), "bits": len(mask.bits)}).encode())
            told.update(mask.bits.tobytes())
        return told.digest()

    def to_json(self) -> dict[str, Any]:
        """This edit as JSON-ready values: masks packed, compressed, in base64."""
        return {
            "kind": self.kind,
            "removed": [_mask_to_json(mask) for mask in self.removed],
            "added": [_mask_to_json(mask) for mask in self.added],
            "levels": list(self.levels),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Edit:
        """The edit that `to_json` described.

        Raises:
            ParameterError: these are other values.
        """
        try:
            removed, added = _masks_of_json(values["removed"]), _masks_of_json(values["added"])
            levels = tuple(float(level) for level in values["levels"])
            return cls(values["kind"], removed, added, levels)
        except (KeyError, TypeError, ValueError, zlib.error, binascii.Error) as error:
            if isinstance(error, ParameterError):
                raise
            raise ParameterError(
                f"An edit needs kind, removed and added masks, got something else ({error!r})."
            ) from error


def _mask_to_json(mask: MaskCandidate) -> dict[str, Any]:
    x, y = mask.point_xy
    return {
        "box": list(mask.box),
        "bits": base64.b64encode(zlib.compress(mask.bits.tobytes(), 9)).decode(),
        "score": round(mask.score, 6),
        "stability": round(mask.stability, 6),
        "point": [round(x, 3), round(y, 3)] if math.isfinite(x + y) else None,
    }


def _masks_of_json(values: Sequence[Mapping[str, Any]]) -> tuple[MaskCandidate, ...]:
    return tuple(_mask_of_json(value) for value in values)


def _mask_of_json(value: Mapping[str, Any]) -> MaskCandidate:
    x0, y0, x1, y1 = (int(number) for number in value["box"])
    box: Box = (x0, y0, x1, y1)
    if not (0 <= x0 < x1 and 0 <= y0 < y1):
        raise ParameterError(f"The box of a mask must have an extent, got {list(box)}.")
    n_bytes = ((x1 - x0) * (y1 - y0) + 7) // 8
    packed = zlib.decompressobj().decompress(base64.b64decode(value["bits"]), n_bytes + 1)
    bits = np.frombuffer(packed, np.uint8)
    if len(bits) != n_bytes:
        raise ParameterError(f"A mask of {list(box)} needs {n_bytes} bytes, got {len(bits)}.")
    area = int(np.unpackbits(bits, count=(x1 - x0) * (y1 - y0)).sum())
    x, y = value["point"] or (math.nan, math.nan)
    point = (float(x), float(y))
    return MaskCandidate(bits, box, area, float(value["score"]), float(value["stability"]), point)
