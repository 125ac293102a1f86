from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import samgeo_core
from samgeo_core.basemap import area as area_module
from samgeo_core.cli import main
from samgeo_core.errors import ExportError, ParameterError
from samgeo_core.net import client as client_module
from samgeo_core.settings import get_settings
from tests.tile_server import TileServer, tile_server, world

AREA = "-104.9912,39.7391,-104.9875,39.7412"


@pytest.fixture
def tiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TileServer]:
    """A tile server that this installation may ask, and a cache of the test's own."""
    monkeypatch.setenv("SAMGEO_ALLOWED_HOSTS", "127.0.0.1")
    monkeypatch.setenv("SAMGEO_CACHE_DIR", str(tmp_path / "cache"))
    caches = (get_settings, client_module.shared_client, area_module.shared_cache)
    for cached in caches:
        cached.cache_clear()
    with tile_server() as server:
        yield server
    client_module.shared_client().close()
    for cached in caches:
        cached.cache_clear()


def test_an_area_becomes_a_file(
    tmp_path: Path, tiles: TileServer, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "a.tif"
    command = ["basemap", "--bbox", AREA, "--zoom", "17", "--source", tiles.xyz, str(target)]
    assert main([*command, "--plan"]) == 0
    assert "6 tiles, 346 x 255 px of 0.918 m" in capsys.readouterr().out
    assert tiles.asked == []
    assert main([*command, "--attribution", "© Survey", "--quiet"]) == 0
    assert "346 x 255 px" in capsys.readouterr().out
    assert samgeo_core.Raster.open(target).attribution == "© Survey"
    assert main([*command, "--max-tiles", "3"]) == 2
    assert "more than the 3" in capsys.readouterr().err


def test_services_layers_and_lists(
    tmp_path: Path, tiles: TileServer, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["basemap", "--bbox", AREA, "--zoom", "17", "--quiet", str(tmp_path / "a.tif")]
    assert main([*command, "--source", f"{tiles.url}/wmts", "--layer", "photos"]) == 0
    assert main([*command, "--source", f"{tiles.url}/wmts", "--layer", "else"]) == 2
    assert "photos" in capsys.readouterr().err
    assert main(["basemap", "--list"]) == 0
    assert "USGS.USImagery" in capsys.readouterr().out
    assert main(["basemap", "--zoom", "3"]) == 2
    assert main([*command, "--bbox", "1,2,3"]) == 2
    assert "four numbers" in capsys.readouterr().err


def test_scripts_for_samgeo(tmp_path: Path, tiles: TileServer) -> None:
    bbox = [float(value) for value in AREA.split(",")]
    target = tmp_path / "a.tif"
    image = samgeo_core.tms_to_geotiff(
        str(target), bbox, zoom=17, source=tiles.xyz, return_image=True, quiet=True
    )
    assert image is not None and image.shape == (255, 346, 3)
    grid = samgeo_core.Raster.open(target).grid
    left = round((grid.transform.c + 20037508.342789244) / grid.transform.a)
    top = round((20037508.342789244 - grid.transform.f) / grid.transform.a)
    np.testing.assert_array_equal(image, world(left, top, 346, 255, 17))
    with pytest.raises(ExportError, match="overwrite"):
        samgeo_core.tms_to_geotiff(target, bbox, zoom=17, source=tiles.xyz)
    samgeo_core.tms_to_geotiff(
        target, bbox, resolution=1.0, source=tiles.xyz, overwrite=True, quiet=True
    )
    assert samgeo_core.Raster.open(target).shape_hw == (255, 346)  # zoom 17 has 0.92 m
    with pytest.raises(ParameterError, match="Google"):
        samgeo_core.tms_to_geotiff(tmp_path / "b.tif", bbox, 17, source="SATELLITE")
    assert "USGS.USImagery" in samgeo_core.get_basemaps()
