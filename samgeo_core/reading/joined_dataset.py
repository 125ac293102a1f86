"""Several files read as one: what of rasterio's datasets the rest of the project uses.

Each read opens the files that its window meets, one after the other, by `sources.open_dataset`, so
that all its rules hold for each of them, and lets GDAL warp those of another grid.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import rasterio.windows
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, Interleaving, MaskFlags, Resampling
from rasterio.vrt import WarpedVRT

from samgeo_core.reading.remote import RemoteFile
from samgeo_core.reading.source import Joined, Part
from samgeo_core.windows import ShapeHW, Window

DRIVER = "Mosaic"
_BLOCK_PX = 512

Open = Callable[[Path | RemoteFile], AbstractContextManager[Any]]
_Box = tuple[float, float, float, float]


class JoinedDataset:
    """A stand-in for `rasterio.DatasetReader` over the parts of a source.

    Args:
        joined: which parts, and how they lie.
        open_part: opens a single file.
    """

    driver = DRIVER
    interleaving = Interleaving.band
    gcps: tuple[tuple[Any, ...], None] = ((), None)

    def __init__(self, joined: Joined, open_part: Open) -> None:
        self._joined = joined
        self._open = open_part
        self._masks: dict[tuple[int, _Box, ShapeHW], NDArray[np.uint8]] = {}
        self.name = joined.name
        self.height, self.width = self.shape = joined.grid.shape_hw
        self.transform, self.crs = joined.grid.transform, joined.grid.crs
        self.count = len(joined.colors)
        self.indexes = tuple(range(1, self.count + 1))
        self.dtypes = (joined.dtype,) * self.count
        self.nodata = joined.nodata
        self.colorinterp = tuple(ColorInterp[name] for name in joined.colors)
        self.descriptions = joined.band_names
        self.block_shapes = [(min(_BLOCK_PX, self.height), min(_BLOCK_PX, self.width))] * self.count
        flags = [MaskFlags.per_dataset]
        self._has_alpha = ColorInterp.alpha in self.colorinterp
        if self._has_alpha:
            flags.append(MaskFlags.alpha)
        self.mask_flag_enums = (flags,) * self.count

    def overviews(self, band: int) -> tuple[int, ...]:
        """Decimation factors at which all parts can be read quickly."""
        return self._joined.overviews

    def tags(self, band: int = 0, ns: str | None = None) -> dict[str, str]:
        """Only whom the parts want to be named."""
        told = self._joined.attribution
        return {} if told is None or band or ns else {"ATTRIBUTION": told}

    def read(
        self,
        indexes: int | Sequence[int] | None = None,
        *,
        window: Any = None,
        out_shape: Sequence[int] | None = None,
        resampling: Resampling = Resampling.nearest,
    ) -> NDArray[Any]:
        """Values [C, H, W], or [H, W] for one band; nodata, else 0, where no part has data."""
        bands = self._numbers(indexes)
        box, shape = self._place(window, out_shape)
        fill = 0 if self.nodata is None else self.nodata
        values = np.full((len(bands), *shape), fill, self.dtypes[0])
        masks = np.zeros((len(bands), *shape), np.uint8)
        for part, number in self._parts(box):
            if self._joined.kind == "bands":
                where = [i for i, band in enumerate(bands) if band == number]
                if where:
                    self._lay(
                        part, [1], box, values[where[0]][None], masks[where[0]][None], resampling
                    )
            elif not masks.all():
                self._lay(part, bands, box, values, masks, resampling)
        self._masks = {(b, box, shape): mask for b, mask in zip(bands, masks, strict=True)}
        return values[0] if isinstance(indexes, int) else values

    def read_masks(
        self,
        indexes: int | Sequence[int] | None = None,
        *,
        window: Any = None,
        out_shape: Sequence[int] | None = None,
        resampling: Resampling = Resampling.nearest,
    ) -> NDArray[np.uint8]:
        """Uint8 like `read`: 255 where a part has data. Masks take the nearest pixel."""
        bands = self._numbers(indexes)
        box, shape = self._place(window, out_shape)
        if any((band, box, shape) not in self._masks for band in bands):
            self.read(bands, window=window, out_shape=shape)
        masks = np.stack([self._masks[band, box, shape] for band in bands])
        return np.asarray(masks[0] if isinstance(indexes, int) else masks)

    def dataset_mask(self, *, window: Any = None) -> NDArray[np.uint8]:
        """Uint8 [H, W]: 255 where any band has data."""
        return np.asarray(self.read_masks(window=window).max(axis=0))

    def colormap(self, band: int) -> dict[int, tuple[int, int, int, int]]:
        """None: images with a palette aren't joined."""
        raise ValueError("Images with a palette aren't joined.")

    def tag_namespaces(self, band: int = 0) -> list[str]:
        """None."""
        return []

    def _numbers(self, indexes: int | Sequence[int] | None) -> list[int]:
        if indexes is None:
            return list(self.indexes)
        return [indexes] if isinstance(indexes, int) else list(indexes)

    def _place(self, window: Any, out_shape: Sequence[int] | None) -> tuple[_Box, ShapeHW]:
        """Left, top, right, bottom of a window, and the shape that it becomes."""
        if window is None:
            window = rasterio.windows.Window(0, 0, self.width, self.height)
        box = (
            float(window.col_off),
            float(window.row_off),
            float(window.col_off + window.width),
            float(window.row_off + window.height),
        )
        shape = out_shape or (round(window.height), round(window.width))
        return box, (int(shape[-2]), int(shape[-1]))

    def _parts(self, box: _Box) -> list[tuple[Part, int]]:
        """The parts that a box meets, with their numbers from 1."""
        x0, y0, x1, y1 = box

        def meets(place: Window) -> bool:
            left, top, right, bottom = place.box_xyxy
            return left < x1 and x0 < right and top < y1 and y0 < bottom

        parts = enumerate(self._joined.parts, start=1)
        return [(part, number) for number, part in parts if meets(part.window)]

    def _lay(
        self,
        part: Part,
        bands: list[int],
        box: _Box,
        values: NDArray[Any],
        masks: NDArray[np.uint8],
        resampling: Resampling,
    ) -> None:
        """Fill pixels that have no data yet with those of a part, in place."""
        columns = _cells(part.window.x, part.window.width, box[0], box[2], values.shape[2])
        rows = _cells(part.window.y, part.window.height, box[1], box[3], values.shape[1])
        if columns is None or rows is None:
            return
        (x0, x1, left, right), (y0, y1, top, bottom) = columns, rows
        inner = rasterio.windows.Window(
            left - part.window.x, top - part.window.y, right - left, bottom - top
        )
        shape = (len(bands), y1 - y0, x1 - x0)
        with self._open(part.source) as dataset, self._on_grid(dataset, part) as view:
            found = view.read(bands, window=inner, out_shape=shape, resampling=resampling)
            # Opacity itself is data everywhere; it says where the colours are.
            asked = [1] * len(bands) if self._has_alpha else bands
            there = view.read_masks(asked, window=inner, out_shape=shape)
        cells = (slice(None), slice(y0, y1), slice(x0, x1))
        open_cells = (masks[cells] == 0) & (there > 0)
        # Where one band of a pixel has data, all of them are its: none is mixed of two parts.
        open_cells &= ~(masks[cells] > 0).any(axis=0)
        taken = open_cells.any(axis=0)
        values[cells] = np.where(taken, found, values[cells])
        masks[cells] = np.where(open_cells, 255, masks[cells])

    def _on_grid(self, dataset: Any, part: Part) -> AbstractContextManager[Any]:
        """A part in the pixels of the whole."""
        if part.fits:
            return nullcontext(dataset)
        has_nodata = dataset.nodata is not None
        has_alpha = ColorInterp.alpha in dataset.colorinterp
        return WarpedVRT(  # type: ignore[no-any-return]
            dataset,
            crs=self.crs,
            transform=self.transform @ Affine.translation(part.window.x, part.window.y),
            width=part.window.width,
            height=part.window.height,
            resampling=Resampling.bilinear,
            add_alpha=not has_nodata and not has_alpha,
        )


def _cells(
    start: int, length: int, low: float, high: float, count: int
) -> tuple[int, int, float, float] | None:
    """Along an axis: which cells of a read a part fills, and which of the whole's px those show.

    Args:
        start, length: of the part, px of the whole.
        low, high: what is read.
        count: of cells that it becomes.
    """
    size = (high - low) / count
    first = max(0, round((start - low) / size))
    last = min(count, round((start + length - low) / size))
    if last <= first:
        return None
    left, right = max(start, low + first * size), min(start + length, low + last * size)
    return first, last, left, right
