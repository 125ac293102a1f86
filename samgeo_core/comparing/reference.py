"""A layer that is taken for true, laid over an image or over other objects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS
from pyproj.exceptions import ProjError

from samgeo_core.comparing.ground import Ground, share_with_data
from samgeo_core.errors import ParameterError
from samgeo_core.reading.vector_files import CRS_ASSUMED, read_vector_file
from samgeo_core.results.geodesy import densified
from samgeo_core.results.outlines import Geometries

MOST_OBJECTS = 500_000

ID_COLUMNS = ("reference_id", "id", "osm_id", "@id", "gid", "uuid", "fid")
CLASS_COLUMNS = ("class_name", "class", "category", "label", "label_name")
_MOST_CLASSES = 60

LEAST_INSIDE = 0.9
"""Objects of which less lies on pixels with data are left out."""

_EDGE_PX = 0.5


@dataclass(frozen=True, eq=False)
class Reference:
    """N areas that are taken for true.

    Attributes:
        polygons: [N], valid, in the CRS of the ground, as they came.
        compared: [N], what of them lies on the image.
        counted: bool [N], False for those that are left out because the edge of the image or of its
            data cuts them.
        ids: [N], what the file calls them, else the number of the row, from 1.
        classes: [N], "" for none; None where the file has no classes.
        ground: what they lie on.
        placed: how coordinates were understood, for people.
        left_out: how many rows don't count and why: "no area", "outside", "edge".
    """

    polygons: Geometries
    compared: Geometries
    counted: NDArray[np.bool_]
    ids: list[str]
    classes: list[str] | None
    ground: Ground
    placed: str
    left_out: dict[str, int]

    @property
    def n_counted(self) -> int:
        """How many objects count."""
        return int(np.count_nonzero(self.counted))

    def take(self, rows: NDArray[np.int64]) -> Reference:
        """The same with only some of its objects."""
        return Reference(
            self.polygons[rows],
            self.compared[rows],
            self.counted[rows],
            [self.ids[i] for i in rows.tolist()],
            None if self.classes is None else [self.classes[i] for i in rows.tolist()],
            self.ground,
            self.placed,
            {},
        )


def open_reference(
    path: str | Path,
    ground: Ground,
    *,
    crs: Any = None,
    layer: str | None = None,
    class_column: str | None = None,
    keep_cut: bool = False,
) -> Reference:
    """Read a reference.

    Args:
        path: GeoJSON, GeoPackage, zipped Shapefile, KML or FlatGeobuf; areas in any CRS, or in px
            of the image.
        ground: what it is laid over.
        crs: what coordinates mean, where the file doesn't say.
        layer: which layer of a GeoPackage.
        class_column: names of classes; None looks for one of `CLASS_COLUMNS`.
        keep_cut: count what the edge of the image cuts, too.

    Raises:
        ParameterError: the file can't be read, or has no area on the ground.
    """
    frame = read_vector_file(
        Path(path), noun="reference objects", most=MOST_OBJECTS, crs=crs, layer=layer
    )
    return place_reference(frame, ground, class_column=class_column, keep_cut=keep_cut)


def place_reference(
    frame: gpd.GeoDataFrame,
    ground: Ground,
    *,
    class_column: str | None = None,
    keep_cut: bool = False,
) -> Reference:
    """Lay rows over the ground; see `open_reference`.

    Without a CRS of its own, coordinates are taken for longitude and latitude (GeoJSON), for the
    image's CRS, or for its px, whichever brings objects onto the image first.
    """
    areas = _areas_of(np.asarray(frame.geometry.values, object))
    has_area = ~shapely.is_empty(areas)
    if not has_area.any():
        raise ParameterError("The reference holds no polygons: bring a layer of areas.")
    rows = np.flatnonzero(has_area)
    polygons, placed = _placed(areas[rows], frame, ground)
    on_image, counted = _on_image(polygons, ground, keep_cut)
    inside = ~shapely.is_empty(on_image)
    if not counted.any():
        raise ParameterError(
            "No object of the reference lies wholly on the image: check that both show the same "
            "place."
            if inside.any()
            else "No object of the reference lies on the image: check its coordinate reference "
            "system, and that both show the same place."
        )
    table = frame.iloc[rows[inside]]
    left_out = {
        "no area": len(frame) - len(rows),
        "outside": int(np.count_nonzero(~inside)),
        "edge": int(np.count_nonzero(inside & ~counted)),
    }
    return Reference(
        polygons[inside],
        on_image[inside],
        counted[inside],
        _ids(table, rows[inside]),
        _classes(table, class_column),
        ground,
        placed,
        left_out,
    )


def _areas_of(shapes: Geometries) -> Geometries:
    """Valid polygons and multipolygons in two dimensions; empty where there is no area."""
    shapes = shapely.force_2d(shapes)
    shapes[shapely.is_missing(shapes)] = shapely.Polygon()
    broken = ~shapely.is_valid(shapes)
    shapes[broken] = shapely.make_valid(shapes[broken])
    for i in np.flatnonzero(~np.isin(shapely.get_type_id(shapes), (3, 6))).tolist():
        parts = shapely.get_parts(shapes[i])
        shapes[i] = shapely.union_all([part for part in parts if part.area > 0] or None)
        if shapes[i] is None or shapes[i].geom_type not in ("Polygon", "MultiPolygon"):
            shapes[i] = shapely.Polygon()
    finite = np.isfinite(shapely.bounds(shapes)).all(axis=1) & (shapely.area(shapes) > 0)
    shapes[~finite] = shapely.Polygon()
    return shapes


def _placed(areas: Geometries, frame: gpd.GeoDataFrame, ground: Ground) -> tuple[Geometries, str]:
    """Areas in the CRS of the ground, and how their coordinates were understood."""
    named = frame.crs if frame.crs is not None and not frame.attrs.get(CRS_ASSUMED) else None
    if named is not None and ground.crs is None:
        raise ParameterError(
            "The reference has a coordinate reference system but the image has none: give it in "
            "px of the image, x right and y down, without one."
        )
    frame_polygon = ground.frame()
    first: tuple[Geometries, str] | None = None
    for polygons, words in _readings(areas, named, ground):
        first = first or (polygons, words)
        if frame_polygon is None or shapely.intersects(polygons, frame_polygon).any():
            return polygons, words
    if first is None:
        raise ParameterError(
            "The reference's coordinates can't be turned into those of the image: give it in "
            "another coordinate reference system."
        )
    return first


def _readings(
    areas: Geometries, named: CRS | None, ground: Ground
) -> Iterator[tuple[Geometries, str]]:
    """What coordinates may mean, likeliest first."""
    crs = ground.crs
    if named is not None and crs is not None:
        if (moved := _moved(areas, named, crs)) is not None:
            yield moved, str(named.name)
        return
    west, south, east, north = shapely.total_bounds(areas)
    if crs is not None and west >= -180 and east <= 360 and south >= -90 and north <= 90:
        moved = _moved(areas, CRS("OGC:CRS84"), crs)
        if moved is not None:
            yield moved, "longitude and latitude"
    if crs is not None or ground.grid is None:
        yield areas, "coordinates of the objects" if crs is None else str(crs.name)
    if ground.grid is not None:
        yield shapely.transform(areas, ground.grid.to_crs_xy), "pixels of the image"
        if crs is None:
            yield areas, "coordinates of the objects"


def _moved(areas: Geometries, source: CRS, target: CRS) -> Geometries | None:
    """Areas in another CRS; empty where that isn't defined, None where no way leads there."""
    source = CRS.from_user_input(source)
    if source == target:
        return areas
    try:
        moved = gpd.GeoSeries(densified(areas, source), crs=source).to_crs(target)
    except ProjError:
        return None
    return _areas_of(np.asarray(moved.values, object))


def _on_image(
    polygons: Geometries, ground: Ground, keep_cut: bool
) -> tuple[Geometries, NDArray[np.bool_]]:
    """What lies on the image, empty where nothing does, and which of the areas count."""
    frame = ground.frame()
    if frame is None:
        return polygons, ~shapely.is_empty(polygons)
    shapely.prepare(frame)
    inside = shapely.covers(frame, polygons)
    cut = polygons.copy()
    cut[~inside] = _areas_of(shapely.intersection(polygons[~inside], frame))
    counted = ~shapely.is_empty(cut)
    if keep_cut:
        return cut, counted
    within = ground.frame(_EDGE_PX)
    shapely.prepare(within)
    counted &= shapely.covers(within, polygons)
    if ground.valid is not None and ground.grid is not None:
        for i in np.flatnonzero(counted).tolist():
            counted[i] = share_with_data(cut[i], ground.grid, ground.valid) >= LEAST_INSIDE
    return cut, counted


def _ids(table: gpd.GeoDataFrame, rows: NDArray[np.int64]) -> list[str]:
    """Names of rows that tell them apart."""
    for name in _columns_like(table, ID_COLUMNS):
        values = table[name]
        if values.notna().all() and values.astype(str).is_unique:
            return [_word(value) for value in values]
    return [str(row + 1) for row in rows.tolist()]


def _classes(table: gpd.GeoDataFrame, asked: str | None) -> list[str] | None:
    if asked is not None and asked not in table.columns:
        names = [str(name) for name in table.columns if name != table.geometry.name]
        raise ParameterError(
            f"The reference has no column {asked!r} of classes; it has {', '.join(names[:12])}."
        )
    for name in [asked] if asked is not None else _columns_like(table, CLASS_COLUMNS):
        words = [_word(value) for value in table[name]]
        if asked is not None or 1 <= len({*words} - {""}) <= _MOST_CLASSES:
            return words
    return None


def _columns_like(table: gpd.GeoDataFrame, names: tuple[str, ...]) -> list[str]:
    lower = {str(name).lower(): str(name) for name in table.columns}
    return [lower[name] for name in names if name in lower]


def _word(value: Any) -> str:
    if value is None or value != value:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()[:200]
