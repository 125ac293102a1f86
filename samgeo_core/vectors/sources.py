"""Where objects come from: a label raster, the folder of a run, or objects in memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import rasterio.windows
from numpy.typing import NDArray

from samgeo_core.config import SegmentConfig, SelectionRule
from samgeo_core.crossings import CrossingBook
from samgeo_core.edits.history import EDITS_FILE, EditLog
from samgeo_core.errors import ExportError, ParameterError
from samgeo_core.geogrid import GeoGrid
from samgeo_core.objects import BoolMask, ObjectSet
from samgeo_core.pool import CANDIDATES_FILE, CandidatePool
from samgeo_core.reading.raster import Raster, open_dataset
from samgeo_core.results.kept_masks import MASKS, VALID, ValidParts, kept_masks
from samgeo_core.results.labels import Labels, label_raster
from samgeo_core.results.nesting import parent_ids
from samgeo_core.results.outlines import trace, trace_wholes
from samgeo_core.streaming.options import NO_LIMIT_PX
from samgeo_core.vectors.attributes import Columns
from samgeo_core.vectors.mosaic import ReadLabels, ReadValid, read_mosaic
from samgeo_core.vectors.outline import shifts_by_edge, shifts_of_book
from samgeo_core.vectors.product import PixelObjects
from samgeo_core.vectors.unit_edges import Keys
from samgeo_core.windows import Window

_AT_ONCE = 1024
_LABELS, _RECORD = "labels.tif", "run.json"


@dataclass(frozen=True, eq=False)
class LabelFile:
    """A raster of object ids, read window by window.

    Attributes:
        path: the file.
        grid: its grid.
        valid: where data is: every pixel, as far as such a raster tells.
    """

    path: Path
    grid: GeoGrid
    valid: ReadValid | None = None

    @classmethod
    def open(cls, path: Path) -> LabelFile:
        """Open a label raster.

        Raises:
            RasterError: the file can't be read.
            ParameterError: its values are not whole numbers.
        """
        raster = Raster.open(path, max_pixels=NO_LIMIT_PX)
        if np.dtype(raster.dtype).kind not in "iu":
            raise ParameterError(
                f"Labels must be whole numbers, but {path.name} holds {raster.dtype}: give a "
                "raster of object ids or a mask."
            )
        return cls(path, raster.grid)

    def read(self, window: Window) -> Labels:
        """Ids of a window, 0 where there is none."""
        with open_dataset(self.path) as dataset:
            place = _place(window)
            labels, valid = dataset.read(1, window=place), dataset.read_masks(1, window=place)
        return np.where(valid > 0, labels, 0)

    def known(self) -> pd.DataFrame | None:
        """What it says of its objects besides their ids: nothing."""
        return None

    def edge_shifts(self) -> None:
        """Where a model's logits pass its edges: it doesn't know."""

    def batches(self) -> Iterator[PixelObjects]:
        """Its objects: one for each id, in one part or several."""
        mosaic = read_mosaic(self.grid.shape_hw, self.read)
        for begin in range(0, len(mosaic.values), _AT_ONCE):
            some = slice(begin, begin + _AT_ONCE)
            yield PixelObjects(
                trace_wholes(mosaic.pieces[some]), {"object_id": mosaic.values[some]}
            )


def objects_in_memory(
    objects: ObjectSet, more: Columns | None = None, book: CrossingBook | None = None
) -> Iterator[PixelObjects]:
    """Objects of a set, smallest first, some at a time.

    Args:
        objects: N objects.
        more: arrays [N] of what else is known of them, such as their class.
        book: where the model's logits pass the edges of masks, see `pool.CandidatePool.crossings`.
    """
    known = {**_columns_of(objects), **(more or {})}
    for begin in range(0, len(objects), _AT_ONCE):
        some = slice(begin, begin + _AT_ONCE)
        columns = {name: values[some] for name, values in known.items()}
        masks, offsets = objects.masks[some], objects.offsets_xy[some]
        exact = trace(masks, offsets)
        shifts = None if book is None else shifts_of_book(exact, masks, offsets, book)
        yield PixelObjects(exact, columns, shifts)


def _columns_of(objects: ObjectSet) -> Columns:
    """What a set says of its objects."""
    return {
        "object_id": np.arange(1, len(objects) + 1, dtype=np.int64),
        "parent_id": parent_ids(objects),
        # float32 holds 7 digits; those beyond would be noise in every file.
        "score": objects.scores.astype(np.float64).round(6),
        "stability": objects.stabilities.astype(np.float64).round(6),
    }


def labels_in_memory(objects: ObjectSet) -> ReadLabels:
    """Reads ids of a set, the smaller object where two lie on a pixel."""
    return lambda window: label_raster(objects, window=window)


def objects_of_masks(path: Path) -> Iterator[PixelObjects]:
    """Objects of a run that kept their masks (`results.kept_masks`), some at a time.

    Raises:
        ExportError: the file is missing or damaged.
    """
    for some in kept_masks(path):
        columns: Columns = {
            "object_id": np.array([item.object_id for item in some], np.int64),
            "parent_id": np.array([item.parent_id for item in some], np.int64),
            "score": np.array([item.score for item in some], np.float64).round(6),
            "stability": np.array([item.stability for item in some], np.float64).round(6),
        }
        yield PixelObjects(trace_wholes(item.pieces for item in some), columns)


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """The results of a run on disk: whole, as its rule and its edits have it, or in regions.

    Attributes:
        folder: the run's folder.
        grid: of the result.
        objects: of a run that went in one piece, else None.
        valid: reads where its raster carries data; None where the run doesn't know.
        crossings: where the model's logits pass the edges of its masks, as far as it kept that.
    """

    folder: Path
    grid: GeoGrid
    objects: ObjectSet | None
    valid: ReadValid | None
    crossings: CrossingBook | None = None

    @classmethod
    def open(cls, folder: Path) -> FinishedRun:
        """Open the results of a run.

        Raises:
            ExportError: the folder holds none.
        """
        missing = [name for name in (_LABELS, _RECORD) if not (folder / name).is_file()]
        if missing:
            raise ExportError(
                f"A folder of results with {', '.join(missing)} is needed, but {folder} holds "
                "none: name one that the command segment wrote, or a label raster."
            )
        grid = Raster.open(folder / _LABELS, max_pixels=NO_LIMIT_PX).grid
        if (folder / MASKS).is_file():
            parts = ValidParts.load(folder / VALID) if (folder / VALID).is_file() else None
            return cls(folder, grid, None, None if parts is None else parts.read)
        if not (folder / CANDIDATES_FILE).is_file():
            raise ExportError(
                f"The masks of the run in {folder} are not there: give its labels.tif, or run the "
                "command segment again, which goes on with what it found."
            )
        pool = CandidatePool.load(folder / CANDIDATES_FILE, grid)
        edits = EditLog(folder / EDITS_FILE).read()
        objects = pool.objects(rule_of(folder), edits.active)
        valid = pool.valid
        return cls(folder, grid, objects, lambda window: valid[window.slices], pool.crossings)

    def batches(self) -> Iterator[PixelObjects]:
        """Its objects, nested ones too."""
        if self.objects is None:
            return objects_of_masks(self.folder / MASKS)
        return objects_in_memory(self.objects, None, self.crossings)

    def read(self, window: Window) -> Labels:
        """Ids of a window, the smaller object where two lie on a pixel."""
        if self.objects is None:
            return LabelFile(self.folder / _LABELS, self.grid).read(window)
        return label_raster(self.objects, window=window)

    def edge_shifts(self) -> tuple[Keys, NDArray[np.float64]] | None:
        """Where the model's logits pass the edges of its objects, as far as that was kept."""
        if self.objects is None or self.crossings is None:
            return None
        return shifts_by_edge(self.objects, self.crossings)

    def known(self) -> pd.DataFrame:
        """What it says of its objects, without outlines."""
        if self.objects is None:
            tables = [
                {"object_id": o.object_id, "parent_id": o.parent_id, "score": round(o.score, 6),
                 "stability": round(o.stability, 6)}
                for some in kept_masks(self.folder / MASKS) for o in some
            ]  # fmt: skip
            return pd.DataFrame(tables, columns=list(_columns_of(ObjectSet.empty((1, 1)))))
        return pd.DataFrame(_columns_of(self.objects))


def rule_of(folder: Path) -> SelectionRule:
    """The rule by which a run chose."""
    try:
        record = json.loads((folder / _RECORD).read_text("utf-8"))
    except ValueError as error:
        raise ExportError(f"{folder / _RECORD} can't be read ({error}): write it anew.") from error
    if written := record.get("selection"):
        return SelectionRule.from_dict(written)
    return SegmentConfig.from_dict(record.get("parameters", {})).rule


def valid_of(raster: Raster) -> ReadValid:
    """Reads where an image carries data in any band."""

    def read(window: Window) -> BoolMask:
        with open_dataset(raster.source) as dataset:
            valid: BoolMask = (dataset.read_masks(window=_place(window)) > 0).any(axis=0)
        return valid

    return read


def _place(window: Window) -> Any:
    return rasterio.windows.Window(window.x, window.y, window.width, window.height)
