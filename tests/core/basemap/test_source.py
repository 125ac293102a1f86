from __future__ import annotations

import pytest

from samgeo_core.basemap.choosing import find_source, parse_bbox
from samgeo_core.basemap.lattice import Tile
from samgeo_core.basemap.providers import named_source, offered, terms_page
from samgeo_core.basemap.records import source_of_record, source_record
from samgeo_core.basemap.services import ask_service, template_source
from samgeo_core.basemap.source import TileSource
from samgeo_core.errors import ParameterError
from samgeo_core.net.client import GuardedClient
from tests.http_servers import answer, serving
from tests.tile_server import TileServer

TILE = Tile(3, 5, 2)


@pytest.mark.parametrize(
    ("template", "address"),
    [
        ("https://e.org/{z}/{x}/{y}.png", "https://e.org/3/5/2.png"),
        ("https://e.org/{z}/{x}/{-y}.png", "https://e.org/3/5/5.png"),
        ("https://{s}.e.org/{z}/{y}/{x}{r}.jpg", "https://b.e.org/3/2/5.jpg"),
        ("https://e.org/{q}.jpg", "https://e.org/121.jpg"),
        ("https://e.org/{TileMatrix}/{TileRow}/{TileCol}", "https://e.org/3/2/5"),
        (
            "https://e.org/?BBOX={bbox-epsg-3857}&W={width}",
            "https://e.org/?BBOX=5009377.08569731,5009377.08569731,"
            "10018754.17139462,10018754.17139462&W=256",
        ),
    ],
)
def test_addresses_of_tiles(template: str, address: str) -> None:
    assert template_source(template).address(TILE) == address


@pytest.mark.parametrize(
    "template", ["https://e.org/{z}/{x}.png", "https://e.org/{z}/{x}/{y}?k={key}"]
)
def test_what_no_template_is(template: str) -> None:
    with pytest.raises(ParameterError, match="address"):
        template_source(template)


def test_offered_maps_have_terms_and_whom_to_name() -> None:
    for name, source in offered().items():
        assert source.terms and source.attribution and terms_page(name)
        assert source.address(Tile(12, 2100, 1400)).startswith("https://")
        assert source_of_record(source_record(source)) == source


def test_other_maps_by_name() -> None:
    source = named_source("esri worldimagery")
    assert (source.name, source.terms) == ("Esri.WorldImagery", None)
    assert "World_Imagery/MapServer/tile/3/2/5" in source.address(TILE)
    for name, says in [
        ("Nobody.Nowhere", "no map named"),
        ("MapBox", "needs a key"),
        ("Esri.ArcticImagery", "Web Mercator"),
    ]:
        with pytest.raises(ParameterError, match=says):
            named_source(name)


def test_sources_are_found_by_what_people_write(tiles: TileServer, client: GuardedClient) -> None:
    assert find_source(tiles.xyz, client, attribution="©").attribution == "©"
    assert find_source("USGS.USImagery", client).name == "USA: USGS imagery"
    found = find_source(f"{tiles.url}/wmts", client, layer="photos")
    assert found.kind == "wmts"
    assert source_of_record(source_record(found)) == found


@pytest.mark.parametrize("text", ["1,2,3,4", " 1, 2 ,3;4 ", "1 2 3 4"])
def test_areas_as_text(text: str) -> None:
    assert parse_bbox(text) == (1, 2, 3, 4)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"<html>Welcome</html>", "capabilities of either"),
        (b"\x89PNG", "capabilities of either"),
        (
            b'<!DOCTYPE a [<!ENTITY b "c"><!ENTITY d "&b;&b;">]><Capabilities>&d;</Capabilities>',
            "capabilities of either",
        ),
        (
            b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><Capabilities>&b;</Capabilities>',
            "capabilities of either",
        ),
        (b"<Capabilities/>", "None of the layers"),
        (b"<WMS_Capabilities/>", "None of the layers"),
    ],
)
def test_what_no_service_is(client: GuardedClient, body: bytes, says: str) -> None:
    with (
        serving(lambda handler: answer(handler, body)) as port,
        pytest.raises(ParameterError, match=says),
    ):
        ask_service(f"http://127.0.0.1:{port}/wms", client)


def test_zooms_of_a_source() -> None:
    with pytest.raises(ParameterError, match="Zoom levels"):
        TileSource("a", "https://e.org/{z}/{x}/{y}", min_zoom=5, max_zoom=4)
