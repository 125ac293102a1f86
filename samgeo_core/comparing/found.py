"""Objects that are compared with a reference: those of a run, or a layer; gone through at will."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from pyogrio.errors import DataLayerError, DataSourceError

from samgeo_core.comparing.ground import Ground
from samgeo_core.edits.history import EDITS_FILE
from samgeo_core.errors import ExportError
from samgeo_core.reading.vector_files import read_vector_file
from samgeo_core.results.batches import stored_batches
from samgeo_core.vectors.sources import FinishedRun

MOST_IN_FILE = 2_000_000


@dataclass(frozen=True, eq=False)
class FoundObjects:
    """Objects in the coordinates of a ground.

    Attributes:
        ground: what they lie on.
        frames: begins anew to go through them, some rows at a time, each time in the same order;
            areas with at least the column object_id.
    """

    ground: Ground
    frames: Callable[[], Iterator[gpd.GeoDataFrame]]

    @classmethod
    def of_frame(cls, frame: gpd.GeoDataFrame, ground: Ground) -> FoundObjects:
        """Objects that are held whole."""
        return cls(ground, lambda: iter([frame]))

    @classmethod
    def of_run(cls, run: FinishedRun, layer: str = "objects") -> FoundObjects:
        """The objects of a run, which need not fit into memory.

        They are those of its GeoPackage, but for a run that was corrected after it was written.
        """
        ground = Ground.of_image(run.grid, run.valid)
        path = run.folder / "objects.gpkg"
        if (run.folder / EDITS_FILE).is_file() or not path.is_file():
            return cls(ground, lambda: _traced(run, ground))

        def frames() -> Iterator[gpd.GeoDataFrame]:
            with _readable(path), stored_batches(path, layer) as batches:
                yield from batches.frames

        return cls(ground, frames)

    @classmethod
    def of_file(cls, path: Path, ground: Ground | None = None) -> FoundObjects:
        """The polygons of a vector file, numbered by rows where it has no column object_id.

        Raises:
            ParameterError: it can't be read.
        """
        frame = read_vector_file(path, noun="objects", most=MOST_IN_FILE)
        if ground is None:
            ground = Ground(frame.crs)
        elif frame.crs is not None and ground.crs is not None and frame.crs != ground.crs:
            frame = frame.to_crs(ground.crs)
        if "object_id" not in frame:
            frame["object_id"] = np.arange(1, len(frame) + 1)
        shapes = np.asarray(frame.geometry.values, object)
        areal = np.isin(shapely.get_type_id(shapes), (3, 6))
        shapes[~shapely.is_valid(shapes)] = shapely.make_valid(shapes[~shapely.is_valid(shapes)])
        frame = frame.set_geometry(gpd.GeoSeries(shapes, index=frame.index, crs=frame.crs))
        return cls.of_frame(frame[areal].reset_index(drop=True), ground)


def _traced(run: FinishedRun, ground: Ground) -> Iterator[gpd.GeoDataFrame]:
    """Objects by the outlines of their masks."""
    for some in run.batches():
        polygons = shapely.transform(some.exact, run.grid.to_crs_xy)
        yield gpd.GeoDataFrame(dict(some.columns), geometry=polygons, crs=ground.crs)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turns what a damaged layer raises into a sentence."""
    try:
        yield
    except (DataLayerError, DataSourceError) as error:
        raise ExportError(
            f"The objects in {path} can't be read ({error}): write the run anew."
        ) from error


def classes_in(frame: gpd.GeoDataFrame) -> list[str] | None:
    """Names of classes, "" for none; None where there is no such column."""
    if "class_name" not in frame:
        return None
    values: list[Any] = frame["class_name"].tolist()
    return ["" if value is None or value != value else str(value) for value in values]
