"""Vector files of others, read with care: what a name says is checked before GDAL may open it."""

from __future__ import annotations

import json
import logging
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import geopandas as gpd
import pandas as pd
import shapely
import shapely.geometry
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring as parse_xml
from pyproj import CRS
from pyproj.exceptions import CRSError

from samgeo_core.errors import ParameterError, SamGeoError
from samgeo_core.words import N_

logger = logging.getLogger(__name__)

_NOUNS = (
    *(N_("objects"), N_("prompts"), N_("reference objects"), N_("areas of interest")),
    *(N_("Objects"), N_("Prompts"), N_("Reference objects"), N_("Areas of interest")),
)
"""What files are asked for, as it stands in sentences."""

SUFFIXES = (".geojson", ".json", ".gpkg", ".shp", ".zip", ".kml", ".kmz", ".fgb")

CRS_ASSUMED = "crs_assumed"
"""Key of ``frame.attrs``: the CRS is GeoJSON's default, which files in px have, too."""

_BEGINS = {
    ".gpkg": (b"SQLite format 3\0", "GPKG"),
    ".fgb": (b"fgb\x03fgb", "FlatGeobuf"),
    ".shp": (b"\0\0\x27\x0a", "ESRI Shapefile"),
    ".zip": (b"\0\0\x27\x0a", "ESRI Shapefile"),
}
_MOST_UNPACKED_BYTES = 2 << 30
_MOST_KML_BYTES = 256 << 20

Reader = Callable[[Path], gpd.GeoDataFrame]


def read_vector_file(
    path: Path,
    *,
    noun: str,
    most: int,
    crs: Any = None,
    layer: str | None = None,
    others: dict[str, Reader] | None = None,
) -> gpd.GeoDataFrame:
    """Read a layer of geometries that somebody brought.

    Args:
        path: a GeoJSON, GeoPackage, Shapefile (also zipped), KML or FlatGeobuf file.
        noun: what its rows are, for messages.
        most: how many rows it may have.
        crs: what coordinates mean, as pyproj takes it, where the file doesn't say.
        layer: which layer of a GeoPackage; None takes the first.
        others: readers of further kinds of files by their suffix.

    Returns:
        The rows with all columns; ``frame.crs`` is None where nothing tells it.

    Raises:
        ParameterError: the file is of another kind, can't be read, or has no rows.
    """
    readers = {**dict.fromkeys(SUFFIXES), **(others or {})}
    suffix = path.suffix.lower()
    if suffix not in readers:
        raise ParameterError(
            f"{noun.capitalize()} are read from {', '.join(readers)}, got {path.name}: "
            "save them as one."
        )
    if not path.is_file():
        raise ParameterError(f"The file of {noun} {path} is not there: check its name.")
    given = parsed_crs(crs)
    read = readers[suffix]
    try:
        frame = read(path) if read else _read_vector(path, suffix, layer)
    except (SamGeoError, MemoryError):
        raise
    except Exception as error:
        # NOTE: GDAL and pandas raise many kinds for files that aren't what their names say.
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        # Where a server keeps files is nobody's business.
        for name in (f"/vsizip/{{{path.resolve()}}}/", f"{path.resolve().parent}/"):
            reason = reason.replace(name, "")
        raise ParameterError(
            f"The {noun} in {path.name} can't be read ({reason}): save the file again."
        ) from error
    if not 0 < len(frame) <= most:
        raise ParameterError(f"{path.name} must hold 1 to {most:,} {noun}, got {len(frame):,}.")
    return frame if given is None else frame.set_crs(given, allow_override=True)


def _read_vector(path: Path, suffix: str, layer: str | None) -> gpd.GeoDataFrame:
    """A file as its name says it is.

    NOTE: GDAL opens a file by its content, and some formats name further files or addresses. So
    the first bytes are looked at before, and GeoJSON and KML don't go through GDAL at all.
    """
    import pyogrio

    if suffix in (".geojson", ".json"):
        return _read_geojson(path)
    if suffix == ".kml":
        return _read_kml(path, path.read_bytes())
    if suffix == ".kmz":
        return _read_kml(path, _kml_of(path))
    if suffix == ".zip":
        name, begin = _zipped_shapefile(path)
    else:
        name = str(path.resolve())
        with path.open("rb") as file:
            begin = file.read(16)
    expected, driver = _BEGINS[suffix]
    if not begin.startswith(expected):
        raise ParameterError(f"{path.name} is not what its name says: save it again.")
    if layer is None and suffix == ".gpkg":
        layer, *_ = [*vector_layers(path), None]
    found = pyogrio.read_info(name, layer=layer)["driver"]
    if found != driver:
        raise ParameterError(f"{path.name} is not what its name says, but {found}: rename it.")
    frame = pyogrio.read_dataframe(name, layer=layer)
    if not isinstance(frame, gpd.GeoDataFrame):
        raise ParameterError(f"{path.name} has no geometries: choose a layer that has some.")
    return frame


def _zipped_shapefile(path: Path) -> tuple[str, bytes]:
    """GDAL's name of the one Shapefile in an archive, and its first bytes."""
    with zipfile.ZipFile(path) as archive:
        shapes = [item for item in archive.infolist() if item.filename.lower().endswith(".shp")]
        if len(shapes) != 1:
            raise ParameterError(
                f"The archive must hold one Shapefile (.shp), {path.name} has {len(shapes)}."
            )
        if sum(item.file_size for item in archive.infolist()) > _MOST_UNPACKED_BYTES:
            raise ParameterError(f"{path.name} holds more than 2 GB: take a GeoPackage instead.")
        with archive.open(shapes[0]) as file:
            begin = file.read(16)
    return f"/vsizip/{{{path.resolve()}}}/{shapes[0].filename}", begin


def _kml_of(path: Path) -> bytes:
    """The document of a KMZ archive: the first KML file in it (OGC KML 2.3, annex C)."""
    with zipfile.ZipFile(path) as archive:
        names = [n for n in archive.namelist() if n.lower().endswith(".kml")]
        if not names:
            raise ParameterError(f"{path.name} holds no KML document: save it again.")
        # What is unpacked is counted, as an archive may say what it likes of sizes.
        with archive.open(names[0]) as file:
            document = file.read(_MOST_KML_BYTES + 1)
    if len(document) > _MOST_KML_BYTES:
        raise ParameterError(
            f"{path.name} holds more than 256 MB of KML: take a GeoPackage instead."
        )
    return document


def vector_layers(path: Path) -> list[str]:
    """Names of the layers with geometries in a GeoPackage; none for files of other kinds.

    Raises:
        ParameterError: it is no GeoPackage though it is called one.
    """
    if path.suffix.lower() != ".gpkg":
        return []
    import pyogrio

    with path.open("rb") as file:
        begin = file.read(16)
    if not begin.startswith(_BEGINS[".gpkg"][0]):
        raise ParameterError(f"{path.name} is not what its name says: save it again.")
    try:
        return [str(name) for name, kind in pyogrio.list_layers(path) if kind is not None]
    except Exception as error:
        # NOTE: GDAL raises many kinds for files that aren't what their names say.
        logger.info("Layers can't be listed.", exc_info=True)
        raise ParameterError(f"{path.name} can't be read: save the file again.") from error


def _read_geojson(path: Path) -> gpd.GeoDataFrame:
    """Features in longitude and latitude (RFC 7946), or in the CRS of the older member "crs"."""
    content = json.loads(path.read_text("utf-8-sig"))
    kind = content.get("type") if isinstance(content, dict) else None
    if kind == "Feature":
        content = {"features": [content]}
    elif kind != "FeatureCollection":
        raise ParameterError(f"{path.name} must be a GeoJSON FeatureCollection, got {kind}.")
    features = [item for item in content["features"] if isinstance(item, dict)]
    named = ((content.get("crs") or {}).get("properties") or {}).get("name")
    frame = gpd.GeoDataFrame(
        pd.DataFrame([item.get("properties") or {} for item in features], range(len(features))),
        geometry=[_shape_of(item.get("geometry")) for item in features],
        crs=parsed_crs(named or "OGC:CRS84"),
    )
    frame.attrs[CRS_ASSUMED] = named is None
    return frame


def _shape_of(geometry: Any) -> Any:
    """A GeoJSON geometry; None where it can't be understood, which is told of its row later."""
    try:
        return None if geometry is None else shapely.geometry.shape(geometry)
    except Exception:
        logger.info("A geometry of GeoJSON can't be read.", exc_info=True)
        return None


def _read_kml(path: Path, text: bytes) -> gpd.GeoDataFrame:
    """Placemarks with an area or a point (OGC KML 2.3); what they link to isn't followed."""
    try:
        # NOTE: not by a search for "<!ENTITY": the document may be in UTF-16.
        document = parse_xml(text, forbid_dtd=True)
    except DefusedXmlException as error:
        raise ParameterError(
            f"{path.name} declares entities, which KML has no use for: save it anew."
        ) from error
    rows = []
    for place in document.iterfind(".//{*}Placemark"):
        row = {item.get("name", ""): item.findtext("{*}value") for item in _all(place, "Data")}
        row |= {item.get("name", ""): item.text for item in _all(place, "SimpleData")}
        row["name"] = place.findtext("{*}name")
        rows.append({**row, "geometry": _kml_shape(place)})
    frame = pd.DataFrame(rows, columns=None if rows else ["geometry"])
    return gpd.GeoDataFrame(frame, geometry="geometry", crs="OGC:CRS84")


def _all(item: ElementTree.Element, tag: str) -> Iterator[ElementTree.Element]:
    """Elements of whatever version of KML."""
    return item.iterfind(f".//{{*}}{tag}")


def _kml_shape(place: ElementTree.Element) -> shapely.Geometry | None:
    areas = [area for item in _all(place, "Polygon") if (area := _kml_polygon(item))]
    if areas:
        return areas[0] if len(areas) == 1 else shapely.MultiPolygon(areas)
    points = [_lonlat(item.findtext("{*}coordinates") or "") for item in _all(place, "Point")]
    if len(points) > 1:
        return shapely.MultiPoint(points)
    return shapely.Point(points[0]) if points else None


def _kml_polygon(item: ElementTree.Element) -> shapely.Polygon | None:
    """An area of longitudes and latitudes; heights are left out."""
    outer, *_ = [*_kml_rings(item, "outerBoundaryIs"), []]
    holes = [ring for ring in _kml_rings(item, "innerBoundaryIs") if len(ring) > 3]
    return shapely.Polygon(outer, holes) if len(outer) > 3 else None


def _kml_rings(item: ElementTree.Element, side: str) -> list[list[tuple[float, float]]]:
    found = item.iterfind(f"{{*}}{side}/{{*}}LinearRing/{{*}}coordinates")
    return [[_lonlat(place) for place in (ring.text or "").split()] for ring in found]


def _lonlat(place: str) -> tuple[float, float]:
    lon, lat = place.split(",")[:2]
    return float(lon), float(lat)


def parsed_crs(crs: Any) -> CRS | None:
    """A CRS as pyproj takes it; None for None.

    Raises:
        ParameterError: it is none that is known.
    """
    try:
        return None if crs is None else CRS.from_user_input(crs)
    except CRSError as error:
        raise ParameterError(f"{crs!r} is no CRS that is known; such as EPSG:4326 is.") from error
