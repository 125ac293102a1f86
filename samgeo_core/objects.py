"""The objects of a whole raster, each a cropped mask with its offset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from samgeo_core.errors import ParameterError
from samgeo_core.windows import ShapeHW

BoolMask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class SegObject:
    """One object of an `ObjectSet`.

    Attributes:
        object_id: 1 for the smallest object of its set, N for the largest.
        mask: bool [h, w], cropped to the object's extent.
        offset_xy: column and row of the mask's first pixel in the raster, px.
        score: predicted IoU, 0 to about 1.
        stability: stability score, 0 to 1.
        area_px: number of pixels.
    """

    object_id: int
    mask: BoolMask
    offset_xy: tuple[int, int]
    score: float
    stability: float
    area_px: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Row and column slices of the mask in an array of the whole raster."""
        x, y = self.offset_xy
        return slice(y, y + self.mask.shape[0]), slice(x, x + self.mask.shape[1])


@dataclass(frozen=True, eq=False)
class ObjectSet:
    """Objects of a raster, smallest first, so that ``object_id`` is the index plus one.

    Attributes:
        shape_hw: height and width of the raster, px.
        masks: N arrays bool [h, w], each cropped to its object's extent.
        offsets_xy: int64 [N, 2], column and row of each mask's first pixel.
        scores: float32 [N], predicted IoU.
        stabilities: float32 [N], stability scores.
        points_xy: float64 [N, 2], the prompt point of each object in raster px, NaN where none.
        areas_px: int64 [N].
    """

    shape_hw: ShapeHW
    masks: tuple[BoolMask, ...]
    offsets_xy: NDArray[np.int64]
    scores: NDArray[np.float32]
    stabilities: NDArray[np.float32]
    points_xy: NDArray[np.float64]
    areas_px: NDArray[np.int64]

    @classmethod
    def build(
        cls,
        shape_hw: ShapeHW,
        masks: Sequence[BoolMask],
        offsets_xy: Sequence[tuple[int, int]] | NDArray[np.int64],
        scores: Sequence[float] | NDArray[np.float32],
        stabilities: Sequence[float] | NDArray[np.float32],
        points_xy: Sequence[tuple[float, float]] | NDArray[np.float64] | None = None,
    ) -> ObjectSet:
        """Make a set of masks in any order: trims each, drops empty ones, sorts by area.

        Raises:
            ParameterError: the lengths differ, or a mask lies outside the raster.
        """
        n = len(masks)
        offsets = np.array(offsets_xy, np.int64).reshape(-1, 2)  # a copy: moved by the trimming
        points = (
            np.full((n, 2), np.nan)
            if points_xy is None
            else np.asarray(points_xy, np.float64).reshape(-1, 2)
        )
        score_array = np.asarray(scores, np.float32).reshape(-1)
        stability_array = np.asarray(stabilities, np.float32).reshape(-1)
        lengths = {n, len(offsets), len(points), len(score_array), len(stability_array)}
        if len(lengths) > 1:
            raise ParameterError(f"An object set needs lists of one length, got {sorted(lengths)}.")
        trimmed: list[BoolMask] = []
        for i in range(n):
            mask = masks[i]
            rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            if rows.size:
                mask = mask[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
                offsets[i] += cols[0], rows[0]
            else:
                mask = mask[:0, :0]
            trimmed.append(np.ascontiguousarray(mask, np.bool_))
        areas = np.array([int(m.sum()) for m in trimmed], np.int64)
        sizes_wh = np.array([m.shape[::-1] for m in trimmed], np.int64).reshape(-1, 2)
        fits = (offsets >= 0) & (offsets + sizes_wh <= np.array(shape_hw[::-1]))
        if not fits[areas > 0].all():
            raise ParameterError(
                f"A mask lies outside the raster of {shape_hw[1]} x {shape_hw[0]} px."
            )
        some = np.flatnonzero(areas > 0)
        return cls.of_trimmed(
            shape_hw,
            [trimmed[i] for i in some],
            offsets[some],
            score_array[some],
            stability_array[some],
            points[some],
            areas[some],
        )

    @classmethod
    def of_trimmed(
        cls,
        shape_hw: ShapeHW,
        masks: Sequence[BoolMask],
        offsets_xy: NDArray[np.int64],
        scores: NDArray[np.float32],
        stabilities: NDArray[np.float32],
        points_xy: NDArray[np.float64],
        areas_px: NDArray[np.int64],
    ) -> ObjectSet:
        """Make a set of masks in any order that fill their boxes and whose areas are known."""
        # NOTE: ties are broken by position, so that ids don't depend on the order of arrival.
        order = np.lexsort((offsets_xy[:, 0], offsets_xy[:, 1], areas_px))
        return cls(
            shape_hw,
            tuple(masks[i] for i in order.tolist()),
            offsets_xy[order],
            scores[order],
            stabilities[order],
            points_xy[order],
            areas_px[order],
        )

    @classmethod
    def empty(cls, shape_hw: ShapeHW) -> ObjectSet:
        """A set without objects."""
        return cls.build(shape_hw, [], [], [], [])

    def __len__(self) -> int:
        return len(self.masks)

    def __getitem__(self, index: int) -> SegObject:
        x, y = self.offsets_xy[index]
        return SegObject(
            index % len(self) + 1,
            self.masks[index],
            (int(x), int(y)),
            float(self.scores[index]),
            float(self.stabilities[index]),
            int(self.areas_px[index]),
        )

    def __iter__(self) -> Iterator[SegObject]:
        return (self[i] for i in range(len(self)))

    @property
    def boxes_xyxy(self) -> NDArray[np.int64]:
        """int64 [N, 4]: left, top, right, bottom in px; right and bottom exclusive."""
        sizes = np.array([m.shape[::-1] for m in self.masks], np.int64).reshape(-1, 2)
        return np.concatenate([self.offsets_xy, self.offsets_xy + sizes], axis=1)

    def select(self, keep: NDArray[np.bool_] | NDArray[np.int64]) -> ObjectSet:
        """The objects of a boolean or index array, renumbered."""
        index = np.flatnonzero(keep) if keep.dtype == np.bool_ else np.sort(keep)
        return ObjectSet(
            self.shape_hw,
            tuple(self.masks[i] for i in index),
            self.offsets_xy[index],
            self.scores[index],
            self.stabilities[index],
            self.points_xy[index],
            self.areas_px[index],
        )

    def full_mask(self, index: int) -> BoolMask:
        """One object as bool [H, W] of the whole raster."""
        full = np.zeros(self.shape_hw, np.bool_)
        item = self[index]
        full[item.slices] = item.mask
        return full

    def save(self, path: Path) -> None:
        """Write the set as one compressed .npz, eight mask pixels a byte."""
        bits = [np.packbits(m) for m in self.masks]
        np.savez_compressed(
            path,
            shape_hw=np.array(self.shape_hw),
            sizes_hw=np.array([m.shape for m in self.masks], np.int64).reshape(-1, 2),
            bits=np.concatenate(bits) if bits else np.zeros(0, np.uint8),
            offsets_xy=self.offsets_xy,
            scores=self.scores,
            stabilities=self.stabilities,
            points_xy=self.points_xy,
        )

    @classmethod
    def load(cls, path: Path) -> ObjectSet:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as data:
            sizes = data["sizes_hw"]
            n_bytes = (sizes.prod(1) + 7) // 8
            pieces = np.split(data["bits"], np.cumsum(n_bytes)[:-1]) if len(sizes) else []
            masks = [
                np.unpackbits(piece, count=int(h * w)).astype(np.bool_).reshape(h, w)
                for piece, (h, w) in zip(pieces, sizes, strict=True)
            ]
            height, width = (int(v) for v in data["shape_hw"])
            areas = np.array([np.count_nonzero(mask) for mask in masks], np.int64)
            return cls.of_trimmed(
                (height, width),
                masks,
                data["offsets_xy"],
                data["scores"],
                data["stabilities"],
                data["points_xy"],
                areas,
            )
