"""What the capabilities of a WMS offer (OGC 01-068r3 for version 1.1.1, 06-042 for 1.3.0)."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element

from samgeo_core.basemap.source import IMAGE_FORMATS, MAX_LAYERS, Layers, TileSource, WmsLayer
from samgeo_core.basemap.xml_text import child, children, lonlat_box, tag_name, text, walk
from samgeo_core.geogrid import BoundsLonLat


def read_wms(root: Element, asked: str) -> Layers:
    """Title and layers of a WMS that can be had in Web Mercator or in degrees; as `read_wmts`."""
    version = "1.3.0" if tag_name(root) == "WMS_Capabilities" else "1.1.1"
    title = text(root, "Service/Title") or urlsplit(asked).hostname or ""
    request = child(child(child(root, "Capability"), "Request"), "GetMap")
    formats = [element.text or "" for element in children(request, "Format")]
    image_format = next((f for f in IMAGE_FORMATS if f in formats), None)
    links = [] if request is None else list(walk(request, "OnlineResource"))
    base = links[0].get("{http://www.w3.org/1999/xlink}href") if links else None
    layers = dict[str, TileSource]()
    top = child(child(root, "Capability"), "Layer")
    if image_format is not None and top is not None:
        common = _Inherited(base or asked, version, image_format, title)
        _wms_layers(top, common, frozenset(), layers)
    return title, layers


@dataclass(frozen=True)
class _Inherited:
    """What all layers of a WMS share."""

    base: str
    version: str
    image_format: str
    title: str


def _wms_layers(
    layer: Element, common: _Inherited, above: frozenset[str], found: dict[str, TileSource]
) -> None:
    """Layers that have a name, and those below them; they have the CRSs of those above."""
    tags = ("CRS", "SRS")
    own = {c for tag in tags for e in children(layer, tag) for c in (e.text or "").split()}
    codes = above | own
    name = text(layer, "Name")
    wanted = ("EPSG:3857", "EPSG:900913", "EPSG:102100", "CRS:84", "EPSG:4326")
    crs = next((code for code in wanted if code in codes), None)
    if name and crs is not None and len(found) < MAX_LAYERS:
        wms = WmsLayer(name, common.version, crs, image_format=common.image_format)
        found[name] = TileSource(
            name=text(layer, "Title") or name,
            template=common.base,
            attribution=text(layer, "Attribution/Title") or common.title,
            kind="wms",
            tile_px=256,
            wms=wms,
            bounds=_geographic_box(layer),
        )
    for below in children(layer, "Layer"):
        _wms_layers(below, common, codes, found)


def _geographic_box(layer: Element) -> BoundsLonLat | None:
    box = child(layer, "EX_GeographicBoundingBox")
    names = ("westBoundLongitude", "southBoundLatitude", "eastBoundLongitude", "northBoundLatitude")
    if box is not None:
        return lonlat_box([text(box, name) for name in names])
    older = child(layer, "LatLonBoundingBox")
    if older is not None:
        return lonlat_box([older.get(name, "") for name in ("minx", "miny", "maxx", "maxy")])
    return None
