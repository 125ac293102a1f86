"""What the capabilities of a WMTS offer (OGC 07-057r7)."""

from __future__ import annotations

import math
import re
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element

from samgeo_core.basemap.lattice import HALF_M, MAX_ZOOM, TILE_SIDES_PX
from samgeo_core.basemap.source import IMAGE_FORMATS, MAX_LAYERS, Layers, Level, TileSource
from samgeo_core.basemap.xml_text import child, children, lonlat_box, text, walk
from samgeo_core.errors import ParameterError
from samgeo_core.geogrid import BoundsLonLat

# Metres of a pixel for a scale denominator of 1 (OGC 07-057r7, 6.1).
_PIXEL_M = 0.00028
_MERCATOR = re.compile(r"epsg.*?(3857|900913|102100|102113|3785)$", re.IGNORECASE)


def read_wmts(root: Element, asked: str) -> Layers:
    """Title and layers of a WMTS that lie on the lattice of web maps, as JPEG, PNG or WebP.

    Args:
        root: its capabilities.
        asked: the address they came from.
    """
    provider = text(root, "ServiceProvider/ProviderName") or urlsplit(asked).hostname or ""
    title = text(root, "ServiceIdentification/Title") or provider
    matrices = {
        text(found, "Identifier"): matrix
        for found in children(child(root, "Contents"), "TileMatrixSet")
        if (matrix := _matrix_set(found)) is not None
    }
    get_tile = _kvp_address(root, asked)
    layers = dict[str, TileSource]()
    for layer in children(child(root, "Contents"), "Layer"):
        source = _wmts_layer(layer, matrices, get_tile, provider)
        if source is not None and len(layers) < MAX_LAYERS:
            layers[text(layer, "Identifier")] = source
    return title, layers


_MatrixSet = tuple[int, dict[int, Level]]


def _matrix_set(found: Element) -> _MatrixSet | None:
    """Side of the tiles and levels of a matrix set on the web map's lattice; None for others."""
    if not _MERCATOR.search(text(found, "SupportedCRS").strip()):
        return None
    side, levels = 0, dict[int, Level]()
    for matrix in children(found, "TileMatrix"):
        try:
            width, height = int(text(matrix, "TileWidth")), int(text(matrix, "TileHeight"))
            pixel_m = float(text(matrix, "ScaleDenominator")) * _PIXEL_M
            left, top = map(float, text(matrix, "TopLeftCorner").split())
        except ValueError:
            continue
        if width != height or width not in TILE_SIDES_PX or (side and width != side):
            continue
        if not (math.isfinite(pixel_m) and pixel_m > 0):
            continue
        zoom = math.log2(2 * HALF_M / (width * pixel_m))
        first_x = (left + HALF_M) / (width * pixel_m)
        first_y = (HALF_M - top) / (width * pixel_m)
        # Rounded numbers of servers leave some thousandths of a tile.
        if not all(abs(value - round(value)) < 0.01 for value in (zoom, first_x, first_y)):
            continue
        if 0 <= round(zoom) <= MAX_ZOOM:
            side = width
            name = text(matrix, "Identifier")
            levels[round(zoom)] = Level(name, round(first_x), round(first_y))
    return (side, levels) if levels else None


def _wmts_layer(
    layer: Element, matrices: dict[str, _MatrixSet], get_tile: str | None, provider: str
) -> TileSource | None:
    links = [text(link, "TileMatrixSet") for link in children(layer, "TileMatrixSetLink")]
    name = next((link for link in links if link in matrices), None)
    formats = [element.text or "" for element in children(layer, "Format")]
    image_format = next((f for f in IMAGE_FORMATS if f in formats), None)
    if name is None or image_format is None:
        return None
    style = _default_style(layer)
    template = _wmts_template(layer, image_format) or get_tile
    if template is None:
        return None
    side, levels = matrices[name]
    values = {
        "layer": text(layer, "Identifier"),
        "style": style,
        "tilematrixset": name,
        "format": image_format,
        **_dimensions(layer),
    }
    try:
        return TileSource(
            name=text(layer, "Title") or values["layer"],
            template=_fill(template, values),
            attribution=provider,
            kind="wmts",
            min_zoom=min(levels),
            max_zoom=max(levels),
            tile_px=side,
            levels=levels,
            bounds=_corners(child(layer, "WGS84BoundingBox")),
        )
    except ParameterError:
        return None  # it wants something that it doesn't tell


def _fill(template: str, values: dict[str, str]) -> str:
    return re.sub(r"\{([^{}]*)\}", lambda found: values.get(found[1].lower(), found[0]), template)


def _wmts_template(layer: Element, image_format: str) -> str | None:
    for link in children(layer, "ResourceURL"):
        if link.get("resourceType") == "tile" and link.get("format") == image_format:
            return link.get("template")
    return None


def _kvp_address(root: Element, asked: str) -> str | None:
    """The template of tiles that are asked for by parameters."""
    for operation in children(child(root, "OperationsMetadata"), "Operation"):
        if operation.get("name") == "GetTile":
            for link in walk(operation, "Get"):
                base = link.get("{http://www.w3.org/1999/xlink}href") or asked
                kvp = "SERVICE=WMTS&REQUEST=GetTile&VERSION=1.0.0&LAYER={layer}&STYLE={style}"
                kvp += "&TILEMATRIXSET={tilematrixset}&FORMAT={format}&TILEMATRIX={TileMatrix}"
                kvp += "&TILEROW={TileRow}&TILECOL={TileCol}"
                return f"{base.rstrip('?&')}{'&' if '?' in base.rstrip('?&') else '?'}{kvp}"
    return None


def _default_style(layer: Element) -> str:
    styles = list(children(layer, "Style"))
    default = next((s for s in styles if s.get("isDefault") == "true"), None)
    chosen = default if default is not None else (styles[0] if styles else None)
    return "" if chosen is None else text(chosen, "Identifier")


def _dimensions(layer: Element) -> dict[str, str]:
    """Dimensions such as time, at the value that the server takes by default."""
    return {
        text(found, "Identifier").lower(): text(found, "Default")
        for found in children(layer, "Dimension")
    }


def _corners(box: Element | None) -> BoundsLonLat | None:
    if box is None:
        return None
    return lonlat_box([*text(box, "LowerCorner").split(), *text(box, "UpperCorner").split()])
