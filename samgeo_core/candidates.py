"""All masks that a model offered for a raster, packed, before anybody chose among them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from samgeo_core.crossings import CrossingBook, Crossings, measure_crossings
from samgeo_core.errors import ParameterError
from samgeo_core.objects import BoolMask, ObjectSet
from samgeo_core.windows import ShapeHW

Box = tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class MaskCandidate:
    """One mask at the raster's resolution, eight pixels a byte.

    Attributes:
        bits: uint8 [ceil(h w / 8)], the mask's rows one after the other (`numpy.packbits`).
        box: left, top, right, bottom of the mask, px; right and bottom exclusive.
        area_px: number of its pixels.
        score: predicted IoU.
        stability: stability score.
        point_xy: the prompt, px of the raster.
        crossings: where the model's logits pass between its edges, if that is known.
    """

    bits: NDArray[np.uint8]
    box: Box
    area_px: int
    score: float
    stability: float
    point_xy: tuple[float, float]
    crossings: Crossings | None = None

    @classmethod
    def of(
        cls,
        mask: BoolMask,
        offset_xy: tuple[int, int],
        score: float,
        stability: float,
        point_xy: tuple[float, float],
        logits: NDArray[np.float32] | None = None,
    ) -> MaskCandidate | None:
        """Trim a mask [h, w] that begins at ``offset_xy``, px; None if no pixel is set.

        Args:
            mask, offset_xy: the mask.
            score, stability, point_xy: as they will be said of it.
            logits: [h, w], above 0 in the mask: its crossings are kept; None keeps none.
        """
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        if not len(rows):
            return None
        (y0, y1), (x0, x1) = (
            (int(rows[0]), int(rows[-1]) + 1),
            (int(columns[0]), int(columns[-1]) + 1),
        )
        trimmed = mask[y0:y1, x0:x1]
        x, y = int(offset_xy[0]), int(offset_xy[1])
        box = (x + x0, y + y0, x + x1, y + y1)
        area = int(np.count_nonzero(trimmed))
        crossings = None
        if logits is not None:
            crossings = measure_crossings(trimmed, box[:2], logits, (x, y))
        return cls(np.packbits(trimmed), box, area, score, stability, point_xy, crossings)

    @property
    def quality(self) -> float:
        """Score times stability."""
        return self.score * self.stability

    @property
    def sides_px(self) -> tuple[int, int]:
        """Width and height of the box."""
        return self.box[2] - self.box[0], self.box[3] - self.box[1]

    @property
    def slices(self) -> tuple[slice, slice]:
        """Row and column slices of the mask in an array of the whole raster."""
        return slice(self.box[1], self.box[3]), slice(self.box[0], self.box[2])

    def pixels(self) -> BoolMask:
        """The mask, bool [h, w]."""
        return _unpacked(self.bits, self.box[3] - self.box[1], self.box[2] - self.box[0])


@dataclass(frozen=True, eq=False)
class CandidateSet:
    """N masks of a raster in the order in which they were found.

    Attributes:
        shape_hw: height and width of the raster, px.
        boxes_xyxy: int64 [N, 4], left, top, right, bottom, px; right and bottom exclusive.
        bits: uint8 [B], the packed masks one after the other.
        starts: int64 [N + 1], where in ``bits`` each mask begins, and the end of the last.
        areas_px: int64 [N].
        scores: float32 [N], predicted IoU.
        stabilities: float32 [N], stability scores.
        points_xy: float64 [N, 2], the prompt of each mask in px of the raster, NaN where none.
        crossings: uint8 [C], those of each mask one after the other; none by default.
        crossing_starts: int64 [N + 1], where in ``crossings`` those of each mask begin; masks of
            which none are known have none.

    Raises:
        ParameterError: the lengths differ.
    """

    shape_hw: ShapeHW
    boxes_xyxy: NDArray[np.int64]
    bits: NDArray[np.uint8]
    starts: NDArray[np.int64]
    areas_px: NDArray[np.int64]
    scores: NDArray[np.float32]
    stabilities: NDArray[np.float32]
    points_xy: NDArray[np.float64]
    crossings: Crossings | None = None
    crossing_starts: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        arrays = (self.boxes_xyxy, self.areas_px, self.scores, self.stabilities, self.points_xy)
        lengths = {len(self.starts) - 1, *(len(array) for array in arrays)}
        if len(lengths) > 1:
            raise ParameterError(
                f"A candidate set needs arrays of one length, got {sorted(lengths)}."
            )

    @classmethod
    def collect(cls, shape_hw: ShapeHW, masks: Iterable[MaskCandidate]) -> CandidateSet:
        """Put masks of one raster together, in their order."""
        masks = list(masks)
        lengths = np.array([len(m.bits) for m in masks], np.int64)
        known, ends = None, None
        if any(m.crossings is not None for m in masks):
            parts = [np.zeros(0, np.uint8) if m.crossings is None else m.crossings for m in masks]
            known = np.concatenate(parts)
            ends = np.concatenate([[0], np.cumsum([len(part) for part in parts])])
        return cls(
            shape_hw,
            np.array([m.box for m in masks], np.int64).reshape(-1, 4),
            np.concatenate([m.bits for m in masks]) if masks else np.zeros(0, np.uint8),
            np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            np.array([m.area_px for m in masks], np.int64),
            np.array([m.score for m in masks], np.float32),
            np.array([m.stability for m in masks], np.float32),
            np.array([m.point_xy for m in masks], np.float64).reshape(-1, 2),
            known,
            ends,
        )

    @classmethod
    def of_objects(cls, objects: ObjectSet, book: CrossingBook | None = None) -> CandidateSet:
        """Objects that were chosen already, as candidates, with their crossings of a book."""
        points = [(float(x), float(y)) for x, y in objects.points_xy]
        masks = (
            MaskCandidate.of(item.mask, item.offset_xy, item.score, item.stability, point)
            for item, point in zip(objects, points, strict=True)
        )
        some = [mask for mask in masks if mask is not None]
        if book is not None:
            some = [replace(m, crossings=book.get(m.pixels(), m.box[:2])) for m in some]
        return cls.collect(objects.shape_hw, some)

    def __len__(self) -> int:
        return len(self.areas_px)

    def __getitem__(self, index: int) -> MaskCandidate:
        x0, y0, x1, y1 = self.boxes_xyxy[index].tolist()
        x, y = self.points_xy[index].tolist()
        return MaskCandidate(
            self.bits[self.starts[index] : self.starts[index + 1]],
            (x0, y0, x1, y1),
            int(self.areas_px[index]),
            float(self.scores[index]),
            float(self.stabilities[index]),
            (x, y),
            self.crossings_of(index),
        )

    def crossings_of(self, index: int) -> Crossings | None:
        """Where logits pass the edges of one mask, None where that isn't known."""
        if self.crossings is None or self.crossing_starts is None:
            return None
        found = self.crossings[self.crossing_starts[index] : self.crossing_starts[index + 1]]
        return found if len(found) else None

    def __iter__(self) -> Iterator[MaskCandidate]:
        return (self[i] for i in range(len(self)))

    def mask(self, index: int) -> BoolMask:
        """One mask, bool [h, w], cropped to its box."""
        x0, y0, x1, y1 = self.boxes_xyxy[index].tolist()
        bits = self.bits[self.starts[index] : self.starts[index + 1]]
        return _unpacked(bits, y1 - y0, x1 - x0)

    def paint(self, index: int, picture: BoolMask) -> None:
        """Set one mask's pixels in ``picture``, bool [H, W]."""
        x0, y0, x1, y1 = self.boxes_xyxy[index].tolist()
        picture[y0:y1, x0:x1] |= self.mask(index)

    def new_px(self, index: int, picture: BoolMask) -> int:
        """How many of one mask's pixels aren't set in ``picture``, bool [H, W]."""
        x0, y0, x1, y1 = self.boxes_xyxy[index].tolist()
        return int(np.count_nonzero(self.mask(index) & ~picture[y0:y1, x0:x1]))

    def objects(self, keep: NDArray[np.bool_] | NDArray[np.int64]) -> ObjectSet:
        """The candidates of a boolean or index array as objects."""
        index = np.flatnonzero(keep) if keep.dtype == np.bool_ else np.sort(keep)
        return ObjectSet.of_trimmed(
            self.shape_hw,
            [self.mask(i) for i in index.tolist()],
            self.boxes_xyxy[index, :2],
            self.scores[index],
            self.stabilities[index],
            self.points_xy[index],
            self.areas_px[index],
        )

    def save(self, path: Path | IO[bytes], **others: Any) -> None:
        """Write the set as one compressed .npz, with other arrays that belong to it."""
        if self.crossings is not None and self.crossing_starts is not None:
            others |= {
                "crossings": self.crossings,
                "crossing_counts": np.diff(self.crossing_starts).astype(np.int32),
            }
        np.savez_compressed(
            path,
            shape_hw=np.array(self.shape_hw),
            boxes_xyxy=self.boxes_xyxy.astype(np.int32),
            bits=self.bits,
            areas_px=self.areas_px,
            scores=self.scores,
            stabilities=self.stabilities,
            points_xy=self.points_xy,
            **others,
        )

    @classmethod
    def load(cls, path: Path | IO[bytes]) -> CandidateSet:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as data:
            height, width = (int(v) for v in data["shape_hw"])
            boxes = data["boxes_xyxy"].astype(np.int64)
            known, ends = None, None
            if "crossings" in data:
                known = data["crossings"]
                ends = np.concatenate([[0], np.cumsum(data["crossing_counts"], dtype=np.int64)])
            n_px = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
            return cls(
                (height, width),
                boxes,
                data["bits"],
                np.concatenate([[0], np.cumsum((n_px + 7) // 8)]),
                data["areas_px"],
                data["scores"],
                data["stabilities"],
                data["points_xy"],
                known,
                ends,
            )


def _unpacked(bits: NDArray[np.uint8], height: int, width: int) -> BoolMask:
    return np.unpackbits(bits, count=height * width).view(np.bool_).reshape(height, width)
