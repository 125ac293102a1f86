"""The results of a run region by region: rasters and vectors that grow as objects are known."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from samgeo_core.geogrid import GeoGrid
from samgeo_core.progress import SILENT, Monitor
from samgeo_core.results.files import replacing
from samgeo_core.results.gaps import without_gaps
from samgeo_core.results.kept_masks import MASKS, VALID, ValidParts
from samgeo_core.results.label_writer import LabelWriter
from samgeo_core.results.vector_writer import VectorWriter
from samgeo_core.wholes import WholeObject
from samgeo_core.windows import Window

LABELS, MASK, VECTORS, RECORD = "labels.tif", "mask.tif", "objects.gpkg", "run.json"
_OF_OTHERS = ("annotations.png", "objects.npz", "candidates.npz")
"""What a run that fits into memory writes too; here it would be of another result."""


@dataclass(frozen=True)
class Figures:
    """What was written.

    Attributes:
        n_objects: how many objects.
        covered_px: pixels that belong to any.
    """

    n_objects: int
    covered_px: int


def write_results(
    groups: Iterable[list[WholeObject]],
    folder: Path,
    grid: GeoGrid,
    extent: Window,
    monitor: Monitor = SILENT,
    valid: ValidParts | None = None,
    *,
    fill_gaps: bool = False,
) -> Figures:
    """Write labels.tif, mask.tif and objects.gpkg of objects as they come.

    And masks.arrow and valid.arrow, of which other vector layers are made (`kept_masks`).

    Args:
        groups: the objects of a raster, each once.
        folder: where the files go.
        grid: of the raster.
        extent: the part of it that the results show.
        monitor: hears of the stages "write labels" and "outlines", and may cancel.
        valid: where the raster carries data, complete once the groups were gone through; None takes
            every pixel.
        fill_gaps: whether what no object covers joins the nearest; no two may share a pixel then.

    Raises:
        ExportError: a file can't be written.
    """
    if fill_gaps:
        groups = without_gaps(groups, folder, grid, extent, valid, monitor)
    count = 0
    with ExitStack() as writers:
        vectors = writers.enter_context(
            VectorWriter(
                folder / VECTORS,
                grid,
                layer="objects",
                extent=extent,
                valid=valid,
                masks_path=folder / MASKS,
                monitor=monitor,
            )
        )
        labels = writers.enter_context(
            LabelWriter(
                folder / LABELS, grid, mask_path=folder / MASK, window=extent, monitor=monitor
            )
        )
        for objects in groups:
            labels.append(objects)
            vectors.append(objects)
            count += len(objects)
    if valid is not None:
        with replacing(folder / VALID) as partial:
            valid.moved(extent.x, extent.y).save(partial)
    return Figures(count, labels.covered_px)


def put_in_place(folder: Path, out_dir: Path, record: str) -> None:
    """Move results into their folder; run.json is there if and only if all of them are.

    Raises:
        ExportError: the file system refuses.
    """
    with replacing(out_dir / RECORD) as partial:
        partial.write_text(record, "utf-8")
        for name in (RECORD, *_OF_OTHERS):
            (out_dir / name).unlink(missing_ok=True)
        for name in (LABELS, MASK, VECTORS, MASKS, VALID):
            (folder / name).replace(out_dir / name)
