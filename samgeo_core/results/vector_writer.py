"""A GeoPackage of any number of objects, in flat memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import geopandas as gpd
import pyarrow as pa

from samgeo_core.geogrid import GeoGrid
from samgeo_core.results.batches import Batches, arrow_batch, frames_of
from samgeo_core.results.export import LAYER, write_batches
from samgeo_core.results.files import folder_beside
from samgeo_core.results.geodesy import pyproj_crs
from samgeo_core.results.vectorize import vectorize_wholes
from samgeo_core.wholes import WholeObject

_OBJECTS = 1024
"""How many are traced and measured at once."""


class VectorWriter:
    """Writes a layer of polygons at the end of a ``with`` block.

    Rows are those of `vectorize`, in the order in which objects come. They are kept on disk until
    all are there, as GDAL is many times quicker with one long stream of rows than with appending,
    and makes the spatial index once. An error inside the block leaves what was there before.

    Args:
        path: the file; its name asks for a format, see `export.FORMATS`. GeoPackage is the one to
            take: every other can be made of it by `export.convert_vector`.
        grid: of the raster in which objects lie.
        layer: name of the layer.
        simplify_px: as in `vectorize`.

    Raises:
        ParameterError: ``simplify_px`` is negative.
        ExportError: the file can't be written.
    """

    def __init__(
        self, path: str | Path, grid: GeoGrid, *, layer: str = LAYER, simplify_px: float = 0.0
    ) -> None:
        self._path = Path(path)
        self._grid = grid
        self._layer = layer
        self._simplify_px = simplify_px
        self._schema = arrow_batch(self._frame([])).schema
        self._open = ExitStack()

    def __enter__(self) -> VectorWriter:
        folder = self._open.enter_context(folder_beside(self._path))
        self._rows = folder / "rows.arrow"
        self._stream = pa.ipc.new_stream(self._rows, self._schema)
        self._open.callback(self._stream.close)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            with self._open:
                self._stream.close()
                with pa.OSFile(str(self._rows)) as file, pa.ipc.open_stream(file) as rows:
                    crs = pyproj_crs(self._grid.crs)
                    layer = Batches(self._schema, crs, frames_of(rows, crs))
                    write_batches(layer, self._path, layer=self._layer)
        else:
            self._open.__exit__(kind, error, trace)

    def append(self, objects: Sequence[WholeObject]) -> None:
        """Take objects, each once and whole: trace, measure and keep them."""
        for some in _some_at_a_time(objects):
            self._stream.write_batch(arrow_batch(self._frame(some), self._schema))

    def _frame(self, objects: Sequence[WholeObject]) -> gpd.GeoDataFrame:
        return vectorize_wholes(objects, self._grid, simplify_px=self._simplify_px)


def _some_at_a_time(objects: Sequence[WholeObject]) -> Iterator[Sequence[WholeObject]]:
    for begin in range(0, len(objects), _OBJECTS):
        yield objects[begin : begin + _OBJECTS]
