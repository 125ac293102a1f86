"""A GeoPackage of any number of finished objects, in flat memory."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from samgeo_core.geogrid import GeoGrid
from samgeo_core.progress import SILENT, Monitor
from samgeo_core.results.export import LAYER, write_batches
from samgeo_core.results.files import folder_beside, replacing
from samgeo_core.results.kept_masks import MaskWriter, ValidParts
from samgeo_core.vectors.product import Surroundings, objects_layer
from samgeo_core.vectors.sources import objects_of_masks
from samgeo_core.vectors.style import OutlineStyle
from samgeo_core.wholes import WholeObject
from samgeo_core.windows import Window


class VectorWriter:
    """Writes a layer of finished objects at the end of a ``with`` block.

    Rows are those of `vectors.product.objects_layer`, in the order in which objects come. Their
    masks are kept on disk until all are there: only then is known where data ends, and GDAL is many
    times quicker with one long stream of rows than with appending. An error inside the block leaves
    what was there before.

    Args:
        path: the file; its name asks for a format, see `export.FORMATS`. GeoPackage is the one to
            take: every other can be made of it by `export.convert_vector`.
        grid: of the raster in which objects lie.
        layer: name of the layer.
        style: how outlines are drawn; None takes the usual way.
        extent: the part of the raster that is the result; None takes all.
        valid: where the raster carries data, complete when the block ends; None takes every pixel.
        masks_path: where the masks stay (`kept_masks`); None keeps none.
        monitor: hears of the stage "outlines", and may cancel.

    Raises:
        ExportError: the file can't be written.
    """

    def __init__(
        self,
        path: str | Path,
        grid: GeoGrid,
        *,
        layer: str = LAYER,
        style: OutlineStyle | None = None,
        extent: Window | None = None,
        valid: ValidParts | None = None,
        masks_path: Path | None = None,
        monitor: Monitor = SILENT,
    ) -> None:
        self._path = Path(path)
        self._extent = extent or Window.whole(grid.shape_hw)
        self._grid = grid.window(self._extent)
        self._layer = layer
        self._style = style or OutlineStyle()
        self._valid = valid
        self._masks_path = masks_path
        self._monitor = monitor
        self._open = ExitStack()

    def __enter__(self) -> VectorWriter:
        origin_xy = self._extent.x, self._extent.y
        with ExitStack() as opening:
            if self._masks_path is None:
                self._kept = opening.enter_context(folder_beside(self._path)) / "masks.arrow"
            else:
                self._kept = opening.enter_context(replacing(self._masks_path))
            self._masks = opening.enter_context(MaskWriter(self._kept, origin_xy))
            self._open = opening.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            with self._open:
                self._masks.close()
                write_batches(
                    objects_layer(objects_of_masks(self._kept), self._around(), self._monitor),
                    self._path,
                    layer=self._layer,
                )
        else:
            self._open.__exit__(kind, error, trace)

    def append(self, objects: Sequence[WholeObject]) -> None:
        """Take objects, each once and whole, and keep them."""
        self._masks.append(objects)

    def _around(self) -> Surroundings:
        valid = None
        if self._valid is not None:
            valid = self._valid.moved(self._extent.x, self._extent.y).read
        return Surroundings(self._grid, self._style, valid=valid)
