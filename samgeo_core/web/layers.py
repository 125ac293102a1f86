"""A result's polygons as the map draws them: simplified, rounded, compressed."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samgeo_core.config import SelectionRule
from samgeo_core.errors import ParameterError
from samgeo_core.web.cache import LruCache
from samgeo_core.web.classes import classes_version, frame_with_classes
from samgeo_core.web.records import Run
from samgeo_core.web.results import ResultPlace
from samgeo_core.web.selected import (
    MaskMemo,
    ResultVersion,
    Selected,
    run_source,
    selected,
    version_of,
)

LAYER_VERSION = 3
TOLERANCES_PX = ((5_000, 0.5), (20_000, 1.0), (100_000, 2.0), (None, 4.0))
"""Up to how many objects which deviation from the outline is shown, raster px."""

MOST_SMOOTH = 5_000
"""Up to how many objects the map smooths stairs as files do: those of more are seen from afar."""

LAYERS_CACHE_BYTES = 64 << 20

_layers: LruCache[tuple[str, ResultVersion, str, SelectionRule], bytes] = LruCache(
    LAYERS_CACHE_BYTES, len
)


def objects_layer(run: Run, rule: SelectionRule | None = None) -> bytes:
    """The polygons of a finished run as gzipped GeoJSON, largest first, so small ones stay on top.

    Coordinates are those of the map (see `frame`): longitude and latitude, or the frame of
    ``CRS.Simple``. Each feature has the attributes of the vector file and ``color``, the colour of
    the object in the mask layer. Geometry is for looking at: it leaves the true outline by half a
    raster px, by more where there are more than 5,000 objects.

    Args:
        run: a finished run.
        rule: which candidates become objects; None takes the run's own rule.

    Raises:
        NotFoundError: the run has no result.
        ParameterError: it went region by region, see `stored.view_layer`.
    """
    if run.is_streamed:
        raise ParameterError("This result is too large for one layer; ask for a view of it.")
    source = run_source(run)
    key = (run.run_id, version_of(run), classes_version(run), rule or source.rule)
    return _layers.get(key, lambda: _make_layer(selected(run, rule)))


def _make_layer(shown: Selected) -> bytes:
    frame = frame_with_classes(shown).sort_values("area_px", ascending=False, kind="stable")
    texts = drawn_outlines(shown)
    features = ",\n".join(features_of(frame, [texts[i] for i in frame.index]))
    text = f'{{"type":"FeatureCollection","features":[\n{features}\n]}}\n'
    # The lowest level, because somebody waits for it.
    return gzip.compress(text.encode(), compresslevel=1, mtime=0)


def drawn_outlines(shown: Selected) -> list[str]:
    """GeoJSON geometry of each object as the map draws it, made once a mask."""
    tolerance = next(t for n, t in TOLERANCES_PX if n is None or len(shown.objects) <= n)
    source, polygons = shown.source, np.asarray(shown.frame.geometry, object)
    smooth = len(shown.objects) <= MOST_SMOOTH
    memo = source.drawn.setdefault((tolerance, smooth), MaskMemo())

    def make(index: NDArray[np.int64]) -> list[str]:
        lines = _smooth(shown, index) if smooth else polygons[index]
        return for_display(lines, source.place, tolerance)

    return memo.get(shown.objects, make)


def _smooth(shown: Selected, index: NDArray[np.int64]) -> NDArray[Any]:
    """Outlines of some objects, smoothed as in files; simplified they are later."""
    import shapely

    from samgeo_core.results.vectorize import in_crs
    from samgeo_core.vectors.outline import drawn, shifts_of_book
    from samgeo_core.vectors.style import OutlineStyle

    source, objects = shown.source, shown.objects.select(index)
    grid = source.place.grid
    polygons = np.asarray(shown.frame.geometry, object)[index]
    # Outlines follow pixel edges; what is left of fractions is rounding.
    exact = shapely.transform(polygons, lambda xy: np.rint(grid.to_px_xy(xy)))
    shifts = shifts_of_book(exact, objects.masks, objects.offsets_xy, source.pool.crossings)
    smooth: NDArray[Any] = drawn(exact, OutlineStyle(tolerance_px=0.0), shifts)
    return in_crs(smooth, grid)


def for_display(polygons: NDArray[Any], place: ResultPlace, tolerance_px: float) -> list[str]:
    """Polygons in the CRS of the result as simplified GeoJSON in the frame of the map."""
    import shapely

    shift = np.array([place.window.x, place.window.y], np.float64)
    in_px = shapely.transform(polygons, lambda xy: place.grid.to_px_xy(xy) + shift)
    # NOTE: what is not asked to stay valid is simplified four times as fast; to be looked at, an
    # outline may touch itself, but nothing may vanish.
    simple = shapely.simplify(in_px, tolerance_px, preserve_topology=False)
    gone = shapely.is_empty(simple)
    simple[gone] = in_px[gone]
    on_map = shapely.transform(simple, place.frame.to_lnglat)
    # NOTE: 7 decimals of a degree are 1 cm; in the frame of CRS.Simple far less than a px.
    return list(shapely.to_geojson(shapely.set_precision(on_map, 1e-7, mode="pointwise")))


def features_of(frame: Any, geometries: list[str]) -> Iterator[str]:
    """GeoJSON features of objects as text, with their attributes and colour."""
    from samgeo_core.results.colors import object_colors

    columns = {name: frame[name].tolist() for name in frame.columns if name != "geometry"}
    ids = np.asarray(columns["object_id"], np.int64)
    colors = object_colors(int(ids.max(initial=0)))[ids - 1].tolist()
    columns["color"] = ["#{:02x}{:02x}{:02x}".format(*color) for color in colors]
    names = [json.dumps(name) for name in columns]
    texts = (map(_text, column) for column in columns.values())
    for *values, shape in zip(*texts, geometries, strict=True):
        properties = ",".join(
            [f"{name}:{value}" for name, value in zip(names, values, strict=True)]
        )
        yield f'{{"type":"Feature","properties":{{{properties}}},"geometry":{shape}}}'


def _text(value: Any) -> str:
    """A value as JSON has it, with as many digits as anybody reads."""
    if isinstance(value, float):
        return f"{value:.6g}" if math.isfinite(value) else "null"
    return str(value) if isinstance(value, int) else json.dumps(value)
