"""The masks of a run's objects on disk, so that other outlines can be drawn of them later.

Beside results that went region by region lie masks.arrow, one row for each object with its packed
pieces, and valid.arrow, the pieces of where data is; in px of the result. Both are Arrow streams
that are read some rows at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from samgeo_core.errors import ExportError
from samgeo_core.objects import BoolMask
from samgeo_core.wholes import PackedMask, PackedPieces, Piece, WholeObject
from samgeo_core.windows import Window

MASKS, VALID = "masks.arrow", "valid.arrow"

_ROWS = 1024
_PIECE = pa.struct([("box", pa.list_(pa.int64(), 4)), ("bits", pa.binary())])
_OBJECT = pa.schema(
    [
        ("object_id", pa.int64()), ("parent_id", pa.int64()), ("score", pa.float64()),
        ("stability", pa.float64()), ("area_px", pa.int64()), ("pieces", pa.list_(_PIECE)),
    ]
)  # fmt: skip


class MaskWriter:
    """Writes objects as they come, in a ``with`` block.

    Args:
        path: the file; one that is there goes on.
        origin_xy: column and row where the result begins in the raster of the objects.
    """

    def __init__(self, path: Path, origin_xy: tuple[int, int] = (0, 0)) -> None:
        self._path = path
        self._origin_xy = origin_xy

    def __enter__(self) -> MaskWriter:
        # NOTE: a stream that opens its file itself leaves it open.
        self._file = pa.OSFile(str(self._path), "ab")
        self._stream = pa.ipc.new_stream(self._file, _OBJECT)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the file; a second time does nothing."""
        if not self._file.closed:
            with self._file:
                self._stream.close()

    def append(self, objects: Sequence[WholeObject]) -> None:
        """Take objects, each once and whole."""
        for begin in range(0, len(objects), _ROWS):
            rows = [self._row(item) for item in objects[begin : begin + _ROWS]]
            self._stream.write_batch(pa.RecordBatch.from_pylist(rows, schema=_OBJECT))

    def _row(self, item: WholeObject) -> dict[str, Any]:
        return {
            "object_id": item.object_id, "parent_id": item.parent_id, "score": item.score,
            "stability": item.stability, "area_px": item.area_px,
            "pieces": [_piece(packed, self._origin_xy) for packed in packed_pieces(item.pieces)],
        }  # fmt: skip


def packed_pieces(pieces: Sequence[Piece]) -> Iterator[PackedMask]:
    """Pieces of an object, packed if they aren't."""
    if isinstance(pieces, PackedPieces):
        yield from pieces.packed
        return
    for offset_xy, mask in pieces:
        yield PackedMask.of(mask, offset_xy)


def _piece(packed: PackedMask, origin_xy: tuple[int, int]) -> dict[str, Any]:
    x, y = origin_xy
    x0, y0, x1, y1 = (int(v) for v in packed.box)
    return {"box": [x0 - x, y0 - y, x1 - x, y1 - y], "bits": packed.data}


def kept_masks(path: Path) -> Iterator[list[WholeObject]]:
    """Objects that `MaskWriter` wrote, some at a time, in their order.

    Raises:
        ExportError: the file is missing or damaged.
    """
    for batch in _batches(path):
        yield [_object(row) for row in batch.to_pylist()]


def _object(row: dict[str, Any]) -> WholeObject:
    packed = tuple(_packed_mask(piece) for piece in row["pieces"])
    boxes = np.array([item.box for item in packed], np.int64).reshape(-1, 4)
    (left, top), (right, bottom) = boxes[:, :2].min(0).tolist(), boxes[:, 2:].max(0).tolist()
    return WholeObject(
        row["object_id"], row["parent_id"], PackedPieces(packed), row["score"], row["stability"],
        (float("nan"), float("nan")), row["area_px"], (left, top, right, bottom),
    )  # fmt: skip


def _packed_mask(piece: dict[str, Any]) -> PackedMask:
    left, top, right, bottom = piece["box"]
    return PackedMask(piece["bits"], (left, top, right, bottom))


class ValidParts:
    """Where a raster carries data, put together from parts that come one by one.

    Deflated, they take some hundred bytes a part where data has few edges.
    """

    def __init__(self, parts: Sequence[PackedMask] = ()) -> None:
        self._parts = list(parts)
        self._known = np.zeros((0, 4), np.int64)

    def add(self, valid: BoolMask, offset_xy: tuple[int, int]) -> None:
        """Take a part [h, w] that no other overlaps; where none is, there is no data."""
        if valid.any():
            self._parts.append(PackedMask.of(valid, offset_xy))

    def read(self, window: Window) -> BoolMask:
        """Bool [h, w] of a window of the raster."""
        left, top, right, bottom = window.box_xyxy
        result = np.zeros(window.shape_hw, np.bool_)
        boxes = self._boxes()
        meet = (boxes[:, :2] < (right, bottom)).all(1) & (boxes[:, 2:] > (left, top)).all(1)
        for part in (self._parts[i] for i in np.flatnonzero(meet).tolist()):
            x0, y0, x1, y1 = part.box
            a, b, c, d = max(x0, left), max(y0, top), min(x1, right), min(y1, bottom)
            # Most are full, and are asked for strip by strip.
            full = part.data == _full(y1 - y0, x1 - x0)
            pixels = True if full else part.pixels()[b - y0 : d - y0, a - x0 : c - x0]
            result[b - top : d - top, a - left : c - left] = pixels
        return result

    def _boxes(self) -> NDArray[np.int64]:
        """Around each part, int64 [N, 4]."""
        if len(self._known) != len(self._parts):
            self._known = np.array([part.box for part in self._parts], np.int64).reshape(-1, 4)
        return self._known

    def moved(self, x: int, y: int) -> ValidParts:
        """The same in a frame whose first pixel lies elsewhere."""
        boxes = [(np.array(part.box) - (x, y, x, y)).tolist() for part in self._parts]
        return ValidParts(
            [
                PackedMask(part.data, (box[0], box[1], box[2], box[3]))
                for part, box in zip(self._parts, boxes, strict=True)
            ]
        )

    def save(self, path: Path) -> None:
        """Write the parts."""
        schema = pa.schema(list(_PIECE))
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, schema) as stream:
            rows = [_piece(part, (0, 0)) for part in self._parts]
            stream.write_batch(pa.RecordBatch.from_pylist(rows, schema=schema))

    @classmethod
    def load(cls, path: Path) -> ValidParts:
        """Read what `save` wrote.

        Raises:
            ExportError: the file is missing or damaged.
        """
        return cls([_packed_mask(row) for batch in _batches(path) for row in batch.to_pylist()])


@lru_cache(maxsize=16)
def _full(height: int, width: int) -> bytes:
    """What a mask without a hole is packed to."""
    return PackedMask.of(np.ones((height, width), np.bool_), (0, 0)).data


def _batches(path: Path) -> Iterator[Any]:
    """The rows of all streams of a file, one after the other."""
    try:
        with pa.OSFile(str(path)) as file:
            while True:
                with pa.ipc.open_stream(file) as stream:
                    yield from stream
                if file.tell() >= file.size():
                    return
    except (OSError, pa.ArrowException) as error:
        raise ExportError(f"{path} can't be read ({error}): write the run anew.") from error
