"""A result's polygons as the map draws them: simplified, rounded, compressed, made once."""

from __future__ import annotations

import gzip
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samgeo_core.errors import NotFoundError
from samgeo_core.results.files import replacing
from samgeo_core.web.cache import LruCache
from samgeo_core.web.records import Run
from samgeo_core.web.results import ResultPlace, result_place

logger = logging.getLogger(__name__)

LAYER_VERSION = 1
TOLERANCES_PX = ((5_000, 0.5), (20_000, 1.0), (100_000, 2.0), (None, 4.0))
"""Up to how many objects which deviation from the outline is shown, raster px."""

_making: LruCache[Path, Path] = LruCache(0)


def objects_layer(run: Run) -> Path:
    """The polygons of a finished run as gzipped GeoJSON, largest first, so small ones stay on top.

    Coordinates are those of the map (see `frame`): longitude and latitude, or the frame of
    ``CRS.Simple``. Each feature has the attributes of the vector file and ``color``, the colour of
    the object in the mask layer. Geometry is for looking at: it leaves the true outline by half a
    raster px, by more where there are more than 5,000 objects.

    Raises:
        NotFoundError: the run has no result.
    """
    place = result_place(run)
    path = run.folder / "display" / f"objects-{LAYER_VERSION}-{place.version}.geojson.gz"
    if path.is_file():
        return path
    return _making.get(path, lambda: _make_layer(run, place, path))


def read_objects(run: Run) -> Any:
    """The objects of a finished run as a GeoDataFrame, see `vectorize`.

    Raises:
        NotFoundError: the run has no result.
        ExportError: its file is damaged.
    """
    from samgeo_core.results.export import read_vector

    if not run.objects_path.is_file():
        raise NotFoundError("The files of this run are gone; run it again.")
    return read_vector(run.objects_path)


def _make_layer(run: Run, place: ResultPlace, path: Path) -> Path:
    frame = read_objects(run)
    frame = frame.sort_values("area_px", ascending=False, kind="stable", ignore_index=True)
    geometries = _for_display(np.asarray(frame.geometry), place)
    path.parent.mkdir(exist_ok=True)
    with replacing(path) as part, gzip.open(part, "wt", compresslevel=6, encoding="utf-8") as file:
        file.write('{"type":"FeatureCollection","features":[')
        for i, text in enumerate(_features(frame, geometries)):
            file.write(f"{',' if i else ''}\n{text}")
        file.write("\n]}\n")
    logger.info("Made the layer of %d objects of run %s", len(frame), run.run_id)
    return path


def _for_display(geometries: NDArray[Any], place: ResultPlace) -> NDArray[Any]:
    """Polygons in the CRS of the result to simplified ones in the frame of the map."""
    import shapely

    tolerance = next(t for n, t in TOLERANCES_PX if n is None or len(geometries) <= n)
    shift = np.array([place.window.x, place.window.y], np.float64)
    in_px = shapely.transform(geometries, lambda xy: place.grid.to_px_xy(xy) + shift)
    simple = shapely.simplify(in_px, tolerance, preserve_topology=True)
    return np.asarray(shapely.transform(simple, place.frame.to_lnglat))


def _features(frame: Any, geometries: NDArray[Any]) -> Iterator[str]:
    """GeoJSON features as text."""
    import shapely

    from samgeo_core.results.colors import object_colors

    columns = {name: frame[name].tolist() for name in frame.columns if name != "geometry"}
    ids = np.asarray(columns["object_id"], np.int64)
    colors = object_colors(int(ids.max(initial=0)))
    # NOTE: 7 decimals of a degree are 1 cm; in the frame of CRS.Simple far less than a px.
    rounded = shapely.set_precision(geometries, 1e-7, mode="pointwise")
    for i, shape in enumerate(shapely.to_geojson(rounded)):
        values = {name: _plain(column[i]) for name, column in columns.items()}
        values["color"] = "#{:02x}{:02x}{:02x}".format(*colors[ids[i] - 1])
        yield f'{{"type":"Feature","properties":{json.dumps(values)},"geometry":{shape}}}'


def _plain(value: Any) -> Any:
    """A value as JSON has it, with as many digits as anybody reads."""
    if isinstance(value, float):
        return float(f"{value:.6g}") if np.isfinite(value) else None
    return value
