"""Where objects come from: a label raster, the folder of a run, or objects in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pyogrio
import rasterio.windows
import shapely
from pyogrio.errors import DataLayerError, DataSourceError

from samgeo_core.errors import ExportError, ParameterError
from samgeo_core.geogrid import GeoGrid
from samgeo_core.objects import BoolMask, ObjectSet
from samgeo_core.pool import CANDIDATES_FILE, CandidatePool
from samgeo_core.reading.raster import Raster, open_dataset
from samgeo_core.results.batches import stored_batches
from samgeo_core.results.labels import Labels, label_raster
from samgeo_core.results.nesting import parent_ids
from samgeo_core.results.outlines import trace, trace_wholes
from samgeo_core.vectors.attributes import Columns
from samgeo_core.vectors.mosaic import ReadLabels, ReadValid, read_mosaic
from samgeo_core.vectors.product import PixelObjects
from samgeo_core.windows import Window

_AT_ONCE = 1024
_OWN_COLUMNS = (
    "object_id", "parent_id", "class_name", "class_color", "confidence", "score", "stability",
)  # fmt: skip
_LABELS, _OBJECTS, _LAYER = "labels.tif", "objects.gpkg", "objects"


@dataclass(frozen=True, eq=False)
class LabelFile:
    """A raster of object ids, read window by window.

    Attributes:
        path: the file.
        grid: its grid.
    """

    path: Path
    grid: GeoGrid

    @classmethod
    def open(cls, path: Path) -> LabelFile:
        """Open a label raster.

        Raises:
            RasterError: the file can't be read.
            ParameterError: its values are not whole numbers.
        """
        raster = Raster.open(path)
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

    def batches(self) -> Iterator[PixelObjects]:
        """Its objects: one for each id, in one part or several."""
        mosaic = read_mosaic(self.grid.shape_hw, self.read)
        for begin in range(0, len(mosaic.values), _AT_ONCE):
            some = slice(begin, begin + _AT_ONCE)
            yield PixelObjects(
                trace_wholes(mosaic.pieces[some]), {"object_id": mosaic.values[some]}
            )


def objects_in_memory(objects: ObjectSet, more: Columns | None = None) -> Iterator[PixelObjects]:
    """Objects of a set, smallest first, some at a time.

    Args:
        objects: N objects.
        more: arrays [N] of what else is known of them, such as their class.
    """
    parents = parent_ids(objects)
    for begin in range(0, len(objects), _AT_ONCE):
        some = slice(begin, begin + _AT_ONCE)
        columns: Columns = {
            "object_id": np.arange(1, len(objects) + 1, dtype=np.int64)[some],
            "parent_id": parents[some],
            # float32 holds 7 digits; those beyond would be noise in every file.
            "score": objects.scores[some].astype(np.float64).round(6),
            "stability": objects.stabilities[some].astype(np.float64).round(6),
        }
        columns |= {name: values[some] for name, values in (more or {}).items()}
        yield PixelObjects(trace(objects.masks[some], objects.offsets_xy[some]), columns)


def labels_in_memory(objects: ObjectSet) -> ReadLabels:
    """Reads ids of a set, the smaller object where two lie on a pixel."""
    return lambda window: label_raster(objects, window=window)


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """The results of a run on disk, whole or region by region.

    Attributes:
        folder: the run's folder.
        labels: its label raster.
    """

    folder: Path
    labels: LabelFile

    @classmethod
    def open(cls, folder: Path) -> FinishedRun:
        """Open the results of a run.

        Raises:
            ExportError: the folder holds none.
        """
        missing = [name for name in (_LABELS, _OBJECTS) if not (folder / name).is_file()]
        if missing:
            raise ExportError(
                f"A folder of results with {', '.join(missing)} is needed, but {folder} holds "
                "none: name one that the command segment wrote, or a label raster."
            )
        return cls(folder, LabelFile.open(folder / _LABELS))

    def batches(self) -> Iterator[PixelObjects]:
        """Its objects, nested ones too."""
        inverse = ~self.labels.grid.transform
        a, b, c, d, e, f = inverse[:6]
        matrix, shift = np.array([[a, b], [d, e]]), np.array([c, f])
        with _layer_errors(self.folder), stored_batches(self.folder / _OBJECTS, _LAYER) as layer:
            for frame in layer.frames:
                exact = shapely.transform(
                    np.asarray(frame.geometry.values, object),
                    # Outlines follow pixel edges; what is left of fractions is rounding.
                    lambda xy: np.rint(xy @ matrix.T + shift),
                )
                columns = {n: frame[n].to_numpy() for n in _OWN_COLUMNS if n in frame}
                yield PixelObjects(_single_parts(exact), columns)

    def known(self) -> gpd.GeoDataFrame:
        """What it says of its objects, without outlines."""
        with _layer_errors(self.folder):
            table = pyogrio.read_dataframe(
                self.folder / _OBJECTS, layer=_LAYER, read_geometry=False
            )
        return table[[name for name in _OWN_COLUMNS if name in table]]

    def valid(self) -> ReadValid | None:
        """Where its raster carries data, if the run kept that."""
        path = self.folder / CANDIDATES_FILE
        if not path.is_file():
            return None
        valid = CandidatePool.load(path, self.labels.grid).valid
        return lambda window: valid[window.slices]


def valid_of(raster: Raster) -> ReadValid:
    """Reads where an image carries data in any band."""

    def read(window: Window) -> BoolMask:
        with open_dataset(raster.path) as dataset:
            valid: BoolMask = (dataset.read_masks(window=_place(window)) > 0).any(axis=0)
        return valid

    return read


def _single_parts(geometries: Any) -> Any:
    """Polygons where a multipolygon has one part only, as a GeoPackage holds nothing else."""
    single = shapely.get_num_geometries(geometries) == 1
    return np.where(single, shapely.get_geometry(geometries, 0), geometries)


class _layer_errors:  # noqa: N801
    """Turns what a damaged layer raises into a sentence."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, DataLayerError | DataSourceError):
            raise ExportError(
                f"The objects of {self.folder} can't be read ({error}): write the run anew."
            ) from error


def _place(window: Window) -> Any:
    return rasterio.windows.Window(window.x, window.y, window.width, window.height)
