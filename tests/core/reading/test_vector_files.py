"""Vector files of strangers: what they say they are is checked, and they lead nowhere else."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from samgeo_core.errors import ParameterError
from samgeo_core.reading.vector_files import read_vector_file

KML = """<?xml version="1.0"{encoding}?>{doctype}
<kml xmlns="http://www.opengis.net/kml/2.2"><Document><Placemark><name>{name}</name>
<Point><coordinates>5,52,0</coordinates></Point></Placemark></Document></kml>"""
BOMB = '<!DOCTYPE k [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>'
PEEK = '<!DOCTYPE k [<!ENTITY a SYSTEM "file://{secret}">]>'


def _read(path: Path) -> list[str]:
    return list(read_vector_file(path, noun="places", most=10)["name"])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_plain_kml_is_read_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "places.kml"
    said = f' encoding="{encoding}"'
    path.write_text(KML.format(encoding=said, doctype="", name="Dorf"), encoding)
    assert _read(path) == ["Dorf"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("doctype", [BOMB, PEEK], ids=["bomb", "peek"])
def test_entities_are_refused_in_any_encoding(tmp_path: Path, encoding: str, doctype: str) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("password")
    path = tmp_path / "places.kml"
    content = KML.format(
        encoding=f' encoding="{encoding}"', doctype=doctype.format(secret=secret), name="&a;"
    )
    path.write_text(content, encoding)
    with pytest.raises(ParameterError, match="declares entities"):
        _read(path)


def test_messages_do_not_tell_where_files_lie(tmp_path: Path) -> None:
    path = tmp_path / "places.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.shp", b"\0\0\x27\x0a" + bytes(96))
    with pytest.raises(ParameterError, match="can't be read") as refusal:
        _read(path)
    assert str(tmp_path) not in str(refusal.value)


def test_kml_of_several_geometries_and_heights_is_read_without_them(tmp_path: Path) -> None:
    ring = "0,0,100 0,1,120 1,1,80 0,0,100"
    polygon = (
        f"<Polygon><outerBoundaryIs><LinearRing><coordinates>{ring}</coordinates></LinearRing>"
        "</outerBoundaryIs></Polygon>"
    )
    points = "".join(f"<Point><coordinates>{x},52,7</coordinates></Point>" for x in (5, 6))
    places = "".join(
        f"<Placemark><MultiGeometry>{inner}</MultiGeometry></Placemark>"
        for inner in (polygon * 2, points)
    )
    path = tmp_path / "places.kml"
    path.write_text(f'<kml xmlns="http://www.opengis.net/kml/2.2">{places}</kml>')
    shapes = read_vector_file(path, noun="places", most=10).geometry
    assert [shape.geom_type for shape in shapes] == ["MultiPolygon", "MultiPoint"]
    assert not shapes.has_z.any()
    assert shapes[1].bounds == (5, 52, 6, 52)
