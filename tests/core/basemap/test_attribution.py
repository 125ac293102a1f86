"""Whom an image names goes with it, wherever its results go."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
import rasterio
from folium import Map

from pages.ui.map import build_map
from samgeo_core.qgis.project import ProjectLayer, write_project
from samgeo_core.reading.raster import Raster
from samgeo_core.results.export import write_bundle
from samgeo_core.streaming.options import StreamOptions
from samgeo_core.streaming.run import segment_to_folder
from samgeo_core.web.frame import map_frame
from samgeo_core.web.share_view import _credits
from tests.stand_in import BrightPartsFinder, bright_scene

CREDIT = "© Survey <b>of</b> Tests"


@pytest.fixture
def credited(tmp_path: Path) -> Raster:
    path = bright_scene(tmp_path / "a.tif", size=300)
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(TIFFTAG_COPYRIGHT=f"  {CREDIT}\n\x07 ")
    return Raster.open(path)


def test_it_is_one_line_of_text(credited: Raster, tmp_path: Path) -> None:
    assert credited.attribution == CREDIT
    assert Raster.open(bright_scene(tmp_path / "b.tif", size=300)).attribution is None


def test_runs_archives_and_projects_name_it(credited: Raster, tmp_path: Path) -> None:
    run, archive = tmp_path / "run", tmp_path / "run.zip"
    segment_to_folder(
        credited, run, options=StreamOptions.of_region(256), finder=BrightPartsFinder()
    )
    assert json.loads((run / "run.json").read_text("utf-8"))["attribution"] == CREDIT
    import geopandas

    write_bundle(archive, run, geopandas.read_file(run / "objects.gpkg"))
    with zipfile.ZipFile(archive) as found:
        (readme,) = (found.read(n).decode() for n in found.namelist() if n.endswith("README.txt"))
        assert f"Image: {CREDIT}\n" in readme
        assert any(name.endswith(".qgz") for name in found.namelist())


def test_layers_of_projects_name_it(tmp_path: Path) -> None:
    layer = ProjectLayer("Image", "image.tif", "gdal", credit=CREDIT)
    write_project(tmp_path / "a.qgz", [layer], None, (0.0, 0.0, 1.0, 1.0), "a")
    with zipfile.ZipFile(tmp_path / "a.qgz") as found:
        text = found.read("a.qgs").decode()
    assert "<attribution>© Survey &lt;b&gt;of&lt;/b&gt; Tests</attribution>" in text


def test_maps_show_it_as_text(credited: Raster) -> None:
    made = build_map(map_frame(credited.grid), "/{z}/{x}/{y}", credit=credited.attribution)
    assert isinstance(made, Map)
    html = made.get_root().render()
    assert "Survey &lt;b&gt;of" in html.replace("\\u0026", "&")
    assert "Survey <b>" not in html and "Survey \\u003cb" not in html


def test_shared_pages_name_it_beside_what_their_owner_wrote() -> None:
    assert _credits("", CREDIT) == CREDIT
    assert _credits("By us", CREDIT) == f"By us · {CREDIT}"
    assert _credits(f"By us, {CREDIT}", CREDIT) == f"By us, {CREDIT}"
    assert _credits("By us", "") == "By us"
