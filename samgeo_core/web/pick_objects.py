"""One picked object: what points at it, and what it may be, packed."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np

from samgeo_core.objects import BoolMask
from samgeo_core.picking.prompts import ObjectPrompts
from samgeo_core.wholes import PackedMask

if TYPE_CHECKING:
    from samgeo_core.picking.masks import PickedMask

NO_PROMPTS: dict[str, Any] = {"points": [], "box": None, "polygon": None}


@dataclass(frozen=True, eq=False)
class KeptMask:
    """One mask that a click was answered with, packed.

    Attributes:
        packed: the mask and its box, px of the raster.
        score: predicted IoU.
        stability: stability score.
        area_px: number of pixels.
    """

    packed: PackedMask
    score: float
    stability: float
    area_px: int

    @classmethod
    def of(cls, picked: PickedMask) -> KeptMask:
        """Pack what the picker found."""
        packed = PackedMask.of(picked.mask, picked.offset_xy)
        return cls(packed, float(picked.score), float(picked.stability), int(picked.area_px))

    @cached_property
    def key(self) -> str:
        """A short text that differs for different masks."""
        return blake2b(repr(self.packed.box).encode() + self.packed.data, digest_size=9).hexdigest()

    @property
    def offset_xy(self) -> tuple[int, int]:
        """Column and row in the raster where the mask begins."""
        return self.packed.box[:2]

    def pixels(self) -> BoolMask:
        """The mask, bool [h, w]."""
        return self.packed.pixels()

    def to_json(self) -> dict[str, Any]:
        """This mask as JSON-ready values."""
        data = base64.b64encode(self.packed.data).decode()
        return {
            "box": list(self.packed.box),
            "data": data,
            "score": self.score,
            "stability": self.stability,
            "area_px": self.area_px,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> KeptMask:
        """The mask that `to_json` described."""
        x0, y0, x1, y1 = (int(v) for v in values["box"])
        packed = PackedMask(base64.b64decode(values["data"]), (x0, y0, x1, y1))
        return cls(packed, values["score"], values["stability"], values["area_px"])


@dataclass(frozen=True, eq=False)
class PickedObject:
    """One object with what points at it.

    Attributes:
        number: unique within its session, from 1.
        prompts: what points at it.
        candidates: what it may be, smallest first; at least one.
        chosen: index of the candidate that it is.
        accepted: whether it was accepted, and not only tried.
    """

    number: int
    prompts: ObjectPrompts
    candidates: tuple[KeptMask, ...]
    chosen: int
    accepted: bool = False

    @property
    def mask(self) -> KeptMask:
        """The chosen candidate."""
        return self.candidates[self.chosen]

    @property
    def cost(self) -> int:
        """Bytes that it holds, about."""
        prompts = self.prompts
        ring = 0 if prompts.polygon_xy is None else prompts.polygon_xy.nbytes
        return 1000 + ring + sum(len(mask.packed.data) for mask in self.candidates)

    def to_json(self) -> dict[str, Any]:
        """This object as JSON-ready values."""
        return {
            "number": self.number,
            "prompts": prompts_to_json(self.prompts),
            "candidates": [mask.to_json() for mask in self.candidates],
            "chosen": self.chosen,
            "accepted": self.accepted,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> PickedObject:
        """The object that `to_json` described."""
        candidates = tuple(KeptMask.from_json(mask) for mask in values["candidates"])
        return cls(
            int(values["number"]),
            prompts_from_json(values["prompts"]),
            candidates,
            int(values["chosen"]),
            bool(values["accepted"]),
        )


def prompts_to_json(prompts: ObjectPrompts) -> dict[str, Any]:
    """Prompts as JSON-ready values, px of the raster."""
    labels = prompts.labels.tolist()
    points = [
        [x, y, label] for (x, y), label in zip(prompts.points_xy.tolist(), labels, strict=True)
    ]
    ring = prompts.polygon_xy
    return {
        "points": points,
        "box": None if prompts.box_xyxy is None else list(prompts.box_xyxy),
        "polygon": None if ring is None else ring.tolist(),
    }


def prompts_from_json(values: Mapping[str, Any]) -> ObjectPrompts:
    """The prompts that `prompts_to_json` described."""
    points = [(float(x), float(y), int(label)) for x, y, label in values["points"]]
    return ObjectPrompts.of(points=points, box=values["box"], polygon=values["polygon"])


def joined(prompts: ObjectPrompts | None, more: Mapping[str, Any]) -> ObjectPrompts:
    """Prompts with others added: points are added, a box or polygon takes the place of an earlier.

    Args:
        prompts: those so far.
        more: new ones, as `prompts_to_json` describes them; what isn't named stays.

    Raises:
        ParameterError: see `ObjectPrompts.of`.
    """
    now = NO_PROMPTS if prompts is None else prompts_to_json(prompts)
    points = [*now["points"], *more.get("points", [])]
    return prompts_from_json({**now, **more, "points": points})


def masks_of(candidates: Iterable[PickedMask], chosen: int) -> tuple[tuple[KeptMask, ...], int]:
    """What a pick found, packed, and which of it was chosen; masks without a pixel are left out."""
    found = [(i, KeptMask.of(mask)) for i, mask in enumerate(candidates) if np.any(mask.mask)]
    index = next((k for k, (i, _) in enumerate(found) if i == chosen), 0)
    return tuple(mask for _, mask in found), index
