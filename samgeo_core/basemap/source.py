"""Where tiles come from: what the address of each tile is."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from samgeo_core.basemap.lattice import HALF_M, MAX_ZOOM, RADIUS_M, Tile
from samgeo_core.errors import ParameterError
from samgeo_core.geogrid import BoundsLonLat

Kind = Literal["xyz", "wmts", "wms"]

_FIELD = re.compile(r"\{([^{}]*)\}")
IMAGE_FORMATS = ("image/jpeg", "image/png", "image/webp", "image/vnd.jpeg-png", "image/png8")
"""What is asked of services, what is best first: photographs are smallest as JPEG."""

MAX_LAYERS = 2000
_DEFAULT_SUBDOMAINS = ("a", "b", "c")


@dataclass(frozen=True)
class Level:
    """A zoom level of a WMTS as its server calls it.

    Attributes:
        name: identifier of the tile matrix.
        first_x, first_y: column and row of its first tile among those of the whole world.
    """

    name: str
    first_x: int = 0
    first_y: int = 0


@dataclass(frozen=True)
class WmsLayer:
    """What a WMS is asked for.

    Attributes:
        layers: names, separated by commas.
        version: "1.1.1" or "1.3.0".
        crs: "EPSG:3857" (or an older name of it), "EPSG:4326" or "CRS:84".
        styles: names, separated by commas; empty for the default.
        image_format: such as "image/png".
    """

    layers: str
    version: str = "1.3.0"
    crs: str = "EPSG:3857"
    styles: str = ""
    image_format: str = "image/png"

    @property
    def is_geographic(self) -> bool:
        """Whether its images are in degrees, so that their rows aren't those of the map."""
        return self.crs in ("EPSG:4326", "CRS:84")


@dataclass(frozen=True)
class TileSource:
    """A tiled map.

    Attributes:
        name: what people call it.
        template: address with {x}, {y} (from the north) or {-y} (from the south), {z}, {q}
            (quadkey), {s} (subdomain), {r}, or {bbox-epsg-3857}, {width}, {height}; of a WMS the
            address without its query for images.
        attribution: whom to name wherever the image is shown.
        kind: how addresses are made.
        min_zoom, max_zoom: levels that there are.
        tile_px: side of a tile; None is found out from the first one.
        subdomains: what {s} stands for, in turn.
        levels: of a WMTS, by zoom.
        wms: of a WMS.
        bounds: where there are tiles; None where that isn't known.
        terms: what its terms allow, in a sentence; None where that isn't known.
    """

    name: str
    template: str
    attribution: str = ""
    kind: Kind = "xyz"
    min_zoom: int = 0
    max_zoom: int = 22
    tile_px: int | None = None
    subdomains: tuple[str, ...] = _DEFAULT_SUBDOMAINS
    levels: Mapping[int, Level] = field(default_factory=dict)
    wms: WmsLayer | None = None
    bounds: BoundsLonLat | None = None
    terms: str | None = None

    def __post_init__(self) -> None:
        if self.kind != "wms":
            _check_template(self.template)
        if not 0 <= self.min_zoom <= self.max_zoom <= MAX_ZOOM:
            raise ParameterError(
                f"Zoom levels must be 0 to {MAX_ZOOM}, got {self.min_zoom} to {self.max_zoom}."
            )

    def address(self, tile: Tile) -> str:
        """The address of a tile."""
        if self.wms is not None:
            return _wms_address(self.template, self.wms, tile, self.tile_px or 256)
        level = self.levels.get(tile.zoom, Level(str(tile.zoom)))
        values = _values(self, tile, level)
        return _FIELD.sub(lambda found: values[found[1].lower()](), self.template)


def _values(source: TileSource, tile: Tile, level: Level) -> dict[str, Callable[[], str]]:
    """What stands for each placeholder."""
    side = source.tile_px or 256
    row = tile.y - level.first_y
    column = str(tile.x - level.first_x)
    return {
        "x": lambda: column,
        "y": lambda: str(row),
        "z": lambda: level.name,
        "-y": lambda: str(2**tile.zoom - 1 - tile.y),
        "q": lambda: _quadkey(tile),
        "s": lambda: source.subdomains[(tile.x + tile.y) % len(source.subdomains)],
        "r": lambda: "",
        "tilematrix": lambda: level.name,
        "tilecol": lambda: column,
        "tilerow": lambda: str(row),
        "bbox-epsg-3857": lambda: _numbers(tile.bounds_m),
        "width": lambda: str(side),
        "height": lambda: str(side),
    }


_KNOWN = frozenset(
    {"x", "y", "z", "-y", "q", "s", "r", "tilematrix", "tilecol", "tilerow"}
    | {"bbox-epsg-3857", "width", "height"}
)
_PLACES = ({"x", "y", "z"}, {"x", "-y", "z"}, {"q"}, {"tilematrix", "tilecol", "tilerow"})


def _check_template(template: str) -> None:
    names = {name.lower() for name in _FIELD.findall(template)}
    if unknown := sorted(names - _KNOWN):
        raise ParameterError(
            f"The address holds {{{unknown[0]}}}, which stands for nothing here. Expected {{x}}, "
            "{y} or {-y}, {z}, and perhaps {s}, {q} or {bbox-epsg-3857}."
        )
    if not any(needed <= names for needed in (*_PLACES, {"bbox-epsg-3857"})):
        raise ParameterError(
            "The address of a tiled map must hold {x}, {y} and {z}, as in "
            "https://example.org/{z}/{x}/{y}.png."
        )


def _quadkey(tile: Tile) -> str:
    """A digit for each level: 1 for the eastern half, 2 for the southern one, added."""
    return "".join(
        str((tile.x >> bit & 1) + 2 * (tile.y >> bit & 1)) for bit in reversed(range(tile.zoom))
    )


def _wms_address(base: str, layer: WmsLayer, tile: Tile, side_px: int) -> str:
    """The address of a GetMap request for a tile.

    NOTE: from version 1.3.0 on, the order of the numbers is that of the CRS's axes: EPSG:4326
    has latitude first (OGC 06-042, 6.7.3.2), EPSG:3857 and CRS:84 have x first.
    """
    box = tile.bounds_m
    if layer.is_geographic:
        west, south, east, north = to_degrees(box)
        latitude_first = layer.version >= "1.3" and layer.crs == "EPSG:4326"
        box = (south, west, north, east) if latitude_first else (west, south, east, north)
    asked = {
        "SERVICE": "WMS",
        "VERSION": layer.version,
        "REQUEST": "GetMap",
        "LAYERS": layer.layers,
        "STYLES": layer.styles,
        "CRS" if layer.version >= "1.3" else "SRS": layer.crs,
        "BBOX": _numbers(box),
        "WIDTH": str(side_px),
        "HEIGHT": str(side_px),
        "FORMAT": layer.image_format,
        "TRANSPARENT": "TRUE" if "png" in layer.image_format else "FALSE",
    }
    return with_query(base, asked)


def with_query(address: str, asked: Mapping[str, str]) -> str:
    """An address with these parameters; others that it has stay."""
    parts = urlsplit(address)
    given = parse_qsl(parts.query, keep_blank_values=True)
    kept = [(name, value) for name, value in given if name.upper() not in asked]
    query = urlencode([*kept, *asked.items()], safe=",:/")
    return urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))


def to_degrees(box: tuple[float, float, float, float]) -> BoundsLonLat:
    """A box of EPSG:3857 in longitude and latitude."""

    def latitude(y: float) -> float:
        return math.degrees(math.atan(math.sinh(y / RADIUS_M)))

    left, bottom, right, top = box
    return left / HALF_M * 180, latitude(bottom), right / HALF_M * 180, latitude(top)


def _numbers(values: tuple[float, ...]) -> str:
    return ",".join(repr(round(value, 8)) for value in values)


Layers = tuple[str, dict[str, TileSource]]
"""What a service calls itself, and its layers by name in its own order."""
