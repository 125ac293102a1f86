"""Objects cut to the image tiles that training wants, and the pictures of these tiles."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import shapely
from numpy.typing import NDArray

from samgeo_core.errors import ParameterError
from samgeo_core.geogrid import GeoGrid
from samgeo_core.reading.raster import Raster
from samgeo_core.reading.stretch import Stretch
from samgeo_core.results.outlines import Geometries
from samgeo_core.windows import ShapeHW, Window

UNNAMED = "object"
"""Category of objects where nobody taught classes."""

_LEAST_SHARE = 0.1
_LEAST_OF_TILE = 0.01


class SomeObjects(Protocol):
    """Some objects of a raster, such as `vectors.product.PixelObjects`."""

    @property
    def exact(self) -> Geometries:
        """[N], polygons in px of the raster."""

    @property
    def columns(self) -> Any:
        """Arrays [N] by name, at least object_id."""


@dataclass(frozen=True)
class TrainingOptions:
    """How training data is cut.

    Attributes:
        tile_px: side of the image tiles; None keeps the raster in one piece.
        image_format: png or jpg.
        held_back: one tile of so many is for validation, not for training; 0 holds none back.

    Raises:
        ParameterError: a number is out of its range, or the format unknown.
    """

    tile_px: int | None = 1024
    image_format: str = "png"
    held_back: int = 5

    def __post_init__(self) -> None:
        if self.tile_px is not None and not 64 <= self.tile_px <= 16_384:
            raise ParameterError(f"A tile must have 64 to 16,384 px a side, got {self.tile_px}.")
        if self.image_format not in ("png", "jpg"):
            raise ParameterError(f"Tiles are written as png or jpg, got {self.image_format}.")
        if self.held_back < 0:
            raise ParameterError(f"held_back must be 0 or more, got {self.held_back}.")


@dataclass(frozen=True, eq=False)
class TrainingImage:
    """The image that objects were found in.

    Attributes:
        raster: the image.
        stretch: how its values become 8 bits; the same for all tiles.
        offset_xy: column and row of the result's first pixel.
    """

    raster: Raster
    stretch: Stretch
    offset_xy: tuple[int, int] = (0, 0)

    @classmethod
    def of(cls, raster: Raster, grid: GeoGrid, stretch: Stretch | None = None) -> TrainingImage:
        """The image of a result, which may cover a part of it only.

        Raises:
            ParameterError: the result doesn't lie on the image.
        """
        first = raster.grid.to_px_xy(grid.to_crs_xy([(0.0, 0.0), (1.0, 1.0)]))
        x, y = (round(float(v)) for v in first[0])
        height, width = grid.shape_hw
        whole = Window.whole(raster.shape_hw)
        same_px = np.abs(first - [(x, y), (x + 1, y + 1)]).max() < 0.01
        place = Window(x, y, width, height)
        if not same_px or place.intersection(whole) != place:
            raise ParameterError(
                "The image must be the one that was segmented: its pixels are others than those of "
                "the result."
            )
        return cls(raster, raster.stretch() if stretch is None else stretch, (x, y))

    def picture(self, window: Window, image_format: str) -> bytes:
        """A window of the result as a file."""
        from PIL import Image

        x, y = self.offset_xy
        tile = self.raster.read(window.moved(x, y), stretch=self.stretch)
        target = io.BytesIO()
        kind, more = ("PNG", {}) if image_format == "png" else ("JPEG", {"quality": 92})
        Image.fromarray(tile.rgb).save(target, kind, **more)
        return target.getvalue()


@dataclass(frozen=True, eq=False)
class Piece:
    """What a tile shows of an object.

    Attributes:
        tile: number of the tile, row by row.
        shape: polygons in px of the tile.
        category: name of its class.
        object_id: of the object.
        score: predicted IoU; None where it isn't known.
    """

    tile: int
    shape: Any
    category: str
    object_id: int
    score: float | None


def tiles_of(shape_hw: ShapeHW, tile_px: int | None) -> list[Window]:
    """Tiles side by side, row by row; those at the right and lower edge may be smaller."""
    height, width = shape_hw
    if tile_px is None:
        return [Window.whole(shape_hw)]
    return [
        Window(x, y, min(tile_px, width - x), min(tile_px, height - y))
        for y in range(0, height, tile_px)
        for x in range(0, width, tile_px)
    ]


def pieces_of(
    batches: Iterable[SomeObjects], tiles: list[Window], shapes_of: Any
) -> Iterator[Piece]:
    """Objects cut to tiles.

    A piece is left out where it is both a small part of its object and small in its tile: nobody
    could tell what it is. Where there are classes, objects without one are left out, too.

    Args:
        batches: objects, some at a time.
        tiles: side by side.
        shapes_of: draws exact outlines as they are wanted.
    """
    tree = shapely.STRtree([shapely.box(*tile.box_xyxy) for tile in tiles])
    for some in batches:
        lines: Geometries = shapes_of(some.exact)
        names = _names(some, len(lines))
        ids = np.asarray(some.columns["object_id"]).tolist()
        scores = some.columns.get("score")
        areas = shapely.area(lines)
        rows, places = tree.query(lines)
        order = np.lexsort((places, rows))
        for row, place in zip(rows[order].tolist(), places[order].tolist(), strict=True):
            if not names[row]:
                continue
            shape = _cut(lines[row], tiles[place], float(areas[row]))
            if shape is not None:
                score = None if scores is None else round(float(scores[row]), 4)
                yield Piece(place, shape, names[row], int(ids[row]), score)


def _names(some: SomeObjects, n: int) -> list[str]:
    if "class_name" not in some.columns:
        return [UNNAMED] * n
    values = np.asarray(some.columns["class_name"], object).tolist()
    return ["" if value is None or value != value else str(value) for value in values]


def _cut(shape: Any, tile: Window, area: float) -> Any:
    """What lies in a tile, in its px; None where nothing of use does."""
    left, top, right, bottom = tile.box_xyxy
    x0, y0, x1, y1 = shapely.bounds(shape)
    inside = x0 >= left and y0 >= top and x1 <= right and y1 <= bottom
    if not inside:
        shape = _areal(shapely.intersection(shape, shapely.box(left, top, right, bottom)))
        small = shape.area < _LEAST_SHARE * area
        if shape.is_empty or (small and shape.area < _LEAST_OF_TILE * tile.width * tile.height):
            return None
    return shapely.transform(shape, lambda xy: xy - (left, top))


def _areal(shape: Any) -> Any:
    parts = [part for part in shapely.get_parts(shape) if part.geom_type == "Polygon"]
    return parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)


def rings_of(polygon: Any) -> tuple[NDArray[np.float64], list[NDArray[np.float64]]]:
    """Outer ring and holes of a polygon, [K, 2] each, the first vertex not repeated."""
    outer, *holes = (shapely.get_coordinates(ring)[:-1] for ring in shapely.get_rings(polygon))
    return outer, holes
