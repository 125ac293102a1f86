"""A QGIS project (.qgz) whose layers lie beside it."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit
from xml.etree.ElementTree import Element, SubElement, tostring

from pyproj import CRS

from samgeo_core.qgis.raster_styles import RasterStyle
from samgeo_core.qgis.styles import VERSION, Style


@dataclass(frozen=True)
class ProjectLayer:
    """A layer of a project.

    Attributes:
        title: for people.
        source: file beside the project, or what a provider needs instead.
        provider: "ogr", "gdal" or "wms".
        table: which layer of a GeoPackage.
        style: of vectors or rasters; None leaves it to QGIS.
        shown: whether it is switched on.
        group: under which it stands; "" under none.
        credit: whom to name for it.
    """

    title: str
    source: str
    provider: str
    table: str = ""
    style: Style | RasterStyle | None = None
    shown: bool = True
    group: str = ""
    credit: str = ""

    @property
    def is_vector(self) -> bool:
        """Whether it has outlines."""
        return self.provider == "ogr"

    @property
    def datasource(self) -> str:
        """As QGIS writes it, relative to the project."""
        if self.provider == "wms":
            return self.source
        return f"./{self.source}|layername={self.table}" if self.table else f"./{self.source}"


def basemap(address: str) -> ProjectLayer:
    """A map of the world below everything, switched off: it needs the internet.

    Args:
        address: of its tiles, with {x}, {y} and {z}.
    """
    host = urlsplit(address).hostname or "tiles"
    title = "© OpenStreetMap (online)" if host.endswith("openstreetmap.org") else f"{host} (online)"
    source = f"type=xyz&url={quote(address, safe=':/')}&zmax=19&zmin=0"
    return ProjectLayer(title, source, "wms", shown=False)


def write_project(
    path: Path,
    layers: Sequence[ProjectLayer],
    crs: CRS | None,
    extent: tuple[float, float, float, float],
    title: str,
) -> None:
    """Write a project.

    Args:
        path: the .qgz file.
        layers: from the top to the bottom.
        crs: of the files' coordinates; None: none.
        extent: what is in sight at first, left, bottom, right, top in that CRS.
        title: of the project.
    """
    document = Element("qgis", {"projectname": title, "version": VERSION})
    SubElement(document, "homePath", {"path": ""})
    SubElement(document, "title").text = title
    _add_crs(SubElement(document, "projectCrs"), crs)
    tree = SubElement(document, "layer-tree-group")
    groups: dict[str, Element] = {"": tree}
    canvas = SubElement(document, "mapcanvas", {"name": "theMapCanvas"})
    _add_canvas(canvas, crs, extent)
    order = SubElement(document, "layerorder")
    maps = SubElement(document, "projectlayers")
    for number, layer in enumerate(layers):
        # NOTE: QGIS gives layers with names of ten letters or less new ones, and loses them so.
        layer_id = f"samgeo_studio_{number}_{layer.table or layer.provider}"
        told = {"id": layer_id, "name": layer.title, "providerKey": layer.provider}
        state = "Qt::Checked" if layer.shown else "Qt::Unchecked"
        told |= {
            "source": layer.datasource,
            "checked": state,
            "expanded": "1" if layer.shown and layer.is_vector else "0",
        }
        if layer.group not in groups:
            named = {"name": layer.group, "checked": "Qt::Checked", "expanded": "1"}
            groups[layer.group] = SubElement(tree, "layer-tree-group", named)
        SubElement(groups[layer.group], "layer-tree-layer", told)
        SubElement(order, "layer", {"id": layer_id})
        maps.append(_map_layer(layer, layer_id, crs))
    _add_first_view(document, crs, extent)
    properties = SubElement(document, "properties")
    paths = SubElement(properties, "Paths")
    SubElement(paths, "Absolute", {"type": "bool"}).text = "false"
    # Without this QGIS takes the project for one without a CRS.
    systems = SubElement(properties, "SpatialRefSys")
    SubElement(systems, "ProjectionsEnabled", {"type": "int"}).text = str(int(crs is not None))
    text = tostring(document, encoding="unicode")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            f"{path.stem}.qgs",
            f"<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n{text}",
        )


def _map_layer(layer: ProjectLayer, layer_id: str, crs: CRS | None) -> Element:
    told = {"type": "raster"}
    if layer.is_vector:
        kind = layer.style.geometry if isinstance(layer.style, Style) else "Polygon"
        told = {"type": "vector", "geometry": kind}
    item = Element("maplayer", told)
    SubElement(item, "id").text = layer_id
    SubElement(item, "datasource").text = layer.datasource
    SubElement(item, "layername").text = layer.title
    if layer.credit:
        SubElement(item, "attribution").text = layer.credit
    _add_crs(SubElement(item, "srs"), CRS(3857) if layer.provider == "wms" else crs)
    provider = SubElement(item, "provider", {"encoding": "UTF-8"} if layer.is_vector else {})
    provider.text = layer.provider
    if isinstance(layer.style, Style):
        item.append(layer.style.renderer())
    elif layer.style is not None:
        item.append(layer.style.pipe())
    return item


def _add_canvas(canvas: Element, crs: CRS | None, extent: tuple[float, ...]) -> None:
    is_degrees = crs is not None and crs.is_geographic
    SubElement(canvas, "units").text = "degrees" if is_degrees else "meters"
    box = SubElement(canvas, "extent")
    for name, value in zip(("xmin", "ymin", "xmax", "ymax"), extent, strict=True):
        SubElement(box, name).text = f"{value:.15g}"
    SubElement(canvas, "rotation").text = "0"
    _add_crs(SubElement(canvas, "destinationsrs"), crs)


def _add_first_view(document: Element, crs: CRS | None, extent: tuple[float, ...]) -> None:
    settings = SubElement(document, "ProjectViewSettings", {"UseProjectScales": "0"})
    told = zip(("xmin", "ymin", "xmax", "ymax"), extent, strict=True)
    view = SubElement(settings, "DefaultViewExtent", {n: f"{v:.15g}" for n, v in told})
    _add_crs(view, crs)


def _add_crs(parent: Element, crs: CRS | None) -> None:
    system = SubElement(parent, "spatialrefsys")
    if crs is None:
        return
    SubElement(system, "wkt").text = crs.to_wkt()
    authority = crs.to_authority()
    if authority is not None:
        SubElement(system, "authid").text = ":".join(authority)
    SubElement(system, "description").text = crs.name
    SubElement(system, "geographicflag").text = "true" if crs.is_geographic else "false"
