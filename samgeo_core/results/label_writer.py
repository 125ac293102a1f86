"""A label raster of any size, from objects that come in any order, in flat memory.

What objects cover is kept on disk, in a file for each square of the raster, until all are known.
Then square by square is painted, the largest object first: so the order of arrival doesn't matter,
nor how many objects there are or how far one of them reaches.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window as RasterioWindow

from samgeo_core.geogrid import GeoGrid
from samgeo_core.objects import BoolMask
from samgeo_core.progress import SILENT, Monitor
from samgeo_core.results.files import folder_beside
from samgeo_core.results.labels import Labels, label_dtype, paint, writing_labels, writing_mask
from samgeo_core.wholes import WholeObject
from samgeo_core.windows import Window

_SQUARE_PX = 2048
"""Whole blocks of the file, and few enough pixels to be painted in memory."""

_Square = tuple[int, int]
"""Column and row of a square of the raster."""


class LabelWriter:
    """Writes a label raster, and if wanted a mask of all objects, at the end of a ``with`` block.

    Where objects overlap, the smaller one lies on top, of two that are equally large the one with
    the lower id, as in `label_raster`. An error inside the block leaves what was there before.

    Args:
        path: the label raster; its type follows from the highest id.
        grid: of the raster in which objects lie.
        mask_path: 255 where any object lies, else 0; None writes none.
        window: the part of the raster to write; None takes all.
        monitor: hears of the stage "write labels", square by square.

    Attributes:
        covered_px: pixels of any object; known once the block has ended.

    Raises:
        ParameterError: an id is too high.
        ExportError: a file can't be written.
    """

    def __init__(
        self,
        path: str | Path,
        grid: GeoGrid,
        *,
        mask_path: str | Path | None = None,
        window: Window | None = None,
        monitor: Monitor = SILENT,
    ) -> None:
        self._path = Path(path)
        self._mask_path = mask_path
        self._window = window or Window.whole(grid.shape_hw)
        self._grid = grid.window(self._window)
        self._monitor = monitor
        self._highest = 0
        self.covered_px = 0
        self._open = ExitStack()

    def __enter__(self) -> LabelWriter:
        self._folder = self._open.enter_context(folder_beside(self._path))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            with self._open:
                self._write()
        else:
            self._open.__exit__(kind, error, trace)

    def append(self, objects: Sequence[WholeObject]) -> None:
        """Take objects, each once and whole, with pieces that lie within the raster."""
        squares: dict[_Square, _Batch] = {}
        for item in objects:
            self._highest = max(self._highest, item.object_id)
            for offset_xy, mask in item.pieces:
                for square, crop_xy, crop in self._cut(offset_xy, mask):
                    batch = squares.setdefault(square, _Batch())
                    batch.add(item.object_id, item.area_px, crop_xy, crop)
        for square, batch in squares.items():
            with self._file(square).open("ab") as file:
                batch.save(file)

    def _cut(
        self, offset_xy: tuple[int, int], mask: BoolMask
    ) -> Iterator[tuple[_Square, tuple[int, int], BoolMask]]:
        """The parts of a mask by the squares they lie in, with their offsets there."""
        x, y = offset_xy[0] - self._window.x, offset_xy[1] - self._window.y
        height, width = mask.shape
        right, bottom = min(x + width, self._window.width), min(y + height, self._window.height)
        if right <= max(x, 0) or bottom <= max(y, 0):
            return
        for row in range(max(y, 0) // _SQUARE_PX, -(-bottom // _SQUARE_PX)):
            for column in range(max(x, 0) // _SQUARE_PX, -(-right // _SQUARE_PX)):
                left, top = column * _SQUARE_PX, row * _SQUARE_PX
                crop = mask[
                    max(top - y, 0) : min(top + _SQUARE_PX, bottom) - y,
                    max(left - x, 0) : min(left + _SQUARE_PX, right) - x,
                ]
                if crop.any():
                    yield (column, row), (max(x - left, 0), max(y - top, 0)), crop

    def _file(self, square: _Square) -> Path:
        return self._folder / f"{square[0]}_{square[1]}"

    def _write(self) -> None:
        """Paint all squares that any object touches, row by row."""
        dtype = label_dtype(self._highest)
        names = [path.name.split("_") for path in self._folder.iterdir()]
        used = sorted((int(row), int(column)) for column, row in names)
        with ExitStack() as files:
            targets = [files.enter_context(writing_labels(self._path, self._grid, dtype))]
            if self._mask_path is not None:
                targets.append(files.enter_context(writing_mask(self._mask_path, self._grid)))
            for done, (row, column) in enumerate(used):
                self._monitor.step("write labels", done, len(used))
                x, y = column * _SQUARE_PX, row * _SQUARE_PX
                width = min(_SQUARE_PX, self._window.width - x)
                height = min(_SQUARE_PX, self._window.height - y)
                labels = np.zeros((height, width), dtype)
                _paint_square(self._file((column, row)), labels)
                self.covered_px += int(np.count_nonzero(labels))
                for target, values in zip(targets, (labels, _mask(labels)), strict=False):
                    target.write(values, 1, window=RasterioWindow(x, y, width, height))
        self._monitor.step("write labels", len(used), len(used))


def _mask(labels: Labels) -> NDArray[np.uint8]:
    return np.where(labels > 0, np.uint8(255), np.uint8(0))


@dataclass(eq=False)
class _Batch:
    """Crops of a square, eight pixels a byte; `load` gives the arrays that `save` wrote.

    Attributes:
        keys: rows of area of the whole object, id, x, y, width, height; px of the square.
        bits: bytes of each crop.
    """

    keys: list[tuple[int, int, int, int, int, int]] = field(default_factory=list)
    bits: list[NDArray[np.uint8]] = field(default_factory=list)

    def add(self, object_id: int, area_px: int, offset_xy: tuple[int, int], mask: BoolMask) -> None:
        """Take a crop that lies within the square."""
        height, width = mask.shape
        self.keys.append((area_px, object_id, *offset_xy, width, height))
        self.bits.append(np.packbits(mask))

    def save(self, file: BinaryIO) -> None:
        """Append these crops to a file."""
        packed = zlib.compress(np.concatenate(self.bits).tobytes(), 1)
        np.save(file, np.array(self.keys, np.int64))
        np.save(file, np.frombuffer(packed, np.uint8))

    @classmethod
    def load(cls, file: BufferedReader) -> _Batch:
        """Read all crops of a file."""
        found = cls()
        while file.peek(1):
            keys = np.load(file, allow_pickle=False)
            bits = np.frombuffer(zlib.decompress(np.load(file, allow_pickle=False)), np.uint8)
            ends = np.cumsum((keys[:, 4] * keys[:, 5] + 7) // 8)
            found.keys += map(tuple, keys.tolist())
            found.bits += np.split(bits, ends[:-1])
        return found


def _paint_square(path: Path, labels: Labels) -> None:
    with path.open("rb") as file:
        batch = _Batch.load(file)
    # NOTE: ids break ties as the order of an object set does.
    for i in sorted(range(len(batch.keys)), key=batch.keys.__getitem__, reverse=True):
        _, object_id, x, y, width, height = batch.keys[i]
        mask = np.unpackbits(batch.bits[i], count=width * height).astype(np.bool_)
        paint(labels, mask.reshape(height, width), (x, y), object_id)
