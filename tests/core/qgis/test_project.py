"""A bundle opens in QGIS: without QGIS as far as its files tell, with it where it is installed."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sqlite3
import subprocess
import zipfile
from contextlib import closing
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from xml.etree import ElementTree

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from PIL import Image

from samgeo_core.cli import build_parser
from samgeo_core.cli.segment import config_of
from samgeo_core.config import AutomaticConfig, SegmentConfig, SelectionRule
from samgeo_core.objects import ObjectSet
from samgeo_core.pipeline import Segmentation, segment, write_run
from samgeo_core.qgis.commands import IMAGE, prompt_command, python_lines, segment_command
from samgeo_core.qgis.project import basemap
from samgeo_core.qgis.styles import by_class, by_size
from samgeo_core.reading.generated_scene import generated_scene
from samgeo_core.reading.raster import Raster
from samgeo_core.results.export import read_vector, write_bundle
from samgeo_core.results.labels import label_raster
from samgeo_core.windows import Window

SYSTEM_PYTHON = "/usr/bin/python3"
SIDE = 256


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    """The archive of a run of 16 squares, unpacked in another folder than it was made in."""
    raster = Raster.open(generated_scene(tmp_path / "town.tif", size=SIDE).path)
    mask = np.ones((20, 30), np.bool_)
    places = [(60 * i + 8, 60 * j + 12) for i in range(4) for j in range(4)]
    sizes = [mask[: 8 + k % 12, : 10 + k] for k in range(16)]
    scores = np.linspace(0.8, 0.95, 16).tolist()
    objects = ObjectSet.build((SIDE, SIDE), sizes, places, scores, scores)
    record: dict[str, Any] = {"n_objects": 16, "seconds": {}, "raster": "town.tif"}
    run = tmp_path / "run"
    run.mkdir()
    run.mkdir(exist_ok=True)
    tile = raster.read()
    write_run(Segmentation(objects, raster.grid, tile, SegmentConfig(), record), run)
    shutil.copy(tmp_path / "town.tif", run / "image.tif")
    frame = read_vector(run / "objects.gpkg")
    left, bottom, right, top = frame.total_bounds
    whole = gpd.GeoDataFrame(
        {"object_id": [-1, 1]},
        geometry=[shapely.box(left, bottom, (left + right) / 2, top),
                  shapely.box((left + right) / 2, bottom, right, top)],
        crs=frame.crs,
    )  # fmt: skip
    write_bundle(tmp_path / "bundle.zip", run, frame, whole)
    shutil.rmtree(run)
    with zipfile.ZipFile(tmp_path / "bundle.zip") as archive:
        archive.extractall(tmp_path / "elsewhere")
    return tmp_path / "elsewhere"


def test_the_project_names_what_lies_beside_it_and_nothing_else(unpacked: Path) -> None:
    with zipfile.ZipFile(unpacked / "project.qgz") as archive:
        project = ElementTree.fromstring(archive.read("project.qgs"))
    sources = [item.text or "" for item in project.iterfind("projectlayers/maplayer/datasource")]
    assert len(sources) == 6
    for source in sources[:-1]:
        assert source.startswith("./")
        assert (unpacked / source.partition("|")[0]).is_file()
    assert sources[-1].startswith("type=xyz")
    shown = {node.get("name"): node.get("checked") for node in project.iter("layer-tree-layer")}
    assert shown["Objects"] == "Qt::Checked"
    assert shown["© OpenStreetMap (online)"] == "Qt::Unchecked"
    assert project.findtext("projectCrs/spatialrefsys/authid", "").startswith("EPSG:")


def test_another_basemap_keeps_its_address() -> None:
    layer = basemap("https://maps.example.org/a/{z}/{x}/{y}?key=b&style=c")
    assert (layer.title, layer.shown) == ("maps.example.org (online)", False)
    told = parse_qs(layer.source)
    assert told["url"] == ["https://maps.example.org/a/{z}/{x}/{y}?key=b&style=c"]
    assert told["type"] == ["xyz"]


def test_the_geopackage_brings_its_styles(unpacked: Path) -> None:
    with closing(sqlite3.connect(unpacked / "objects.gpkg")) as database:
        rows = database.execute(
            "SELECT f_table_name, f_geometry_column, useAsDefault, styleQML FROM layer_styles"
        ).fetchall()
    assert {row[0] for row in rows} == {"objects", "partition"}
    for _, column, is_default, style in rows:
        assert (column, is_default) == ("geom", 1)
        ElementTree.fromstring(style.partition("\n")[2])


def test_styles_tell_sizes_and_classes() -> None:
    style = by_size("area_m2", [*range(1, 101), float("nan")], "m²")
    spans = [part.span for part in style.parts]
    assert spans[0] is not None and spans[-1] is not None
    assert (len(spans), spans[0][0], spans[-1][1]) == (5, 1.0, 100.0)
    assert all(a and b and a[1] == b[0] for a, b in pairwise(spans))
    assert by_size("area_m2", [], "m²").kind == "singleSymbol"
    assert len(by_size("area_px", [4, 4, 4], "px").parts) == 1
    named = by_class([('a "b" <c>', "#ff0000")]).qml()
    (category, other) = ElementTree.fromstring(named.partition("\n")[2]).iter("category")
    assert (category.get("value"), other.get("value")) == ('a "b" <c>', "")


@pytest.mark.parametrize(
    ("config", "more"),
    [
        (SegmentConfig(), {}),
        (
            SegmentConfig(
                preset="full", bands=(4, 3, 2), stretch="percentile", window_px=512,
                selection=SelectionRule(least_score=0.7, overlap="flatten", min_area_m2=3.5),
            ),
            {"area_px": [10, 20, 300, 400]},
        ),
        (SegmentConfig(automatic=AutomaticConfig(points_per_side=16, crop_n_layers=1)),
         {"streaming": {"region_px": 2048, "margin_px": 256}}),
    ],
)  # fmt: skip
def test_the_command_makes_the_same_run_again(config: SegmentConfig, more: dict[str, Any]) -> None:
    record = {"parameters": config.to_dict(), "selection": asdict(config.rule), **more}
    words = shlex.split(segment_command(record))
    args = build_parser().parse_args(words[3:])
    again = config_of(args)
    assert again.rule == config.rule
    assert again.automatic == config.automatic
    for name in ("preset", "bands", "stretch", "window_px", "model"):
        assert getattr(again, name) == getattr(config, name)
    assert args.area == (Window(10, 20, 290, 380) if "area_px" in record else None)
    lines = python_lines(record)
    compile(lines, "README.txt", "exec")
    assert ("area=Window(10, 20, 290, 380)" in lines) == ("area_px" in record)


@pytest.mark.parametrize("more", [{}, {"streaming": {"region_px": 128, "margin_px": 0}}])
def test_the_lines_of_python_run(
    more: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, default_model: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    generated_scene(tmp_path / IMAGE, size=160)
    config = SegmentConfig(automatic=AutomaticConfig(points_per_side=2))
    record = {"parameters": config.to_dict(), "area_px": [4, 8, 134, 68], **more}
    exec(compile(python_lines(record), "README.txt", "exec"), {})
    raster, area = Raster.open(IMAGE), Window(4, 8, 130, 60)
    made = Raster.open("results/labels.tif")
    assert made.grid == raster.grid.window(area)
    if more:
        assert json.loads(Path("results/run.json").read_text())["streaming"]["region_px"] == 128
    else:
        found = segment(raster, config, area=area, model=default_model).objects
        with rasterio.open("results/labels.tif") as dataset:
            assert np.array_equal(dataset.read(1), label_raster(found))


def test_the_command_asks_for_picked_objects_again() -> None:
    config = SegmentConfig(bands=(3, 2, 1), stretch="minmax", checkpoint="/srv/weights/my roofs.pt")
    record = {"parameters": config.to_dict(), "picked": {"objects": 1}}
    args = build_parser().parse_args(shlex.split(prompt_command(record, "prompts.geojson"))[3:])
    assert (args.bands, args.stretch, str(args.checkpoint)) == ((3, 2, 1), "minmax", "my roofs.pt")


def _with_qgis() -> str | None:
    if not Path(SYSTEM_PYTHON).is_file():
        return "there is no system Python"
    asked = subprocess.run([SYSTEM_PYTHON, "-c", "import qgis.core"], capture_output=True)
    return None if asked.returncode == 0 else "QGIS isn't installed (Debian: python3-qgis)"


def opened(folder: Path, picture: Path, *others: Path) -> dict[str, Any]:
    """What QGIS tells of a project; the test is skipped where there is no QGIS."""
    if (reason := _with_qgis()) is not None:
        pytest.skip(reason)
    script = Path(__file__).with_name("open_project.py")
    asked = [folder / "project.qgz", folder / "objects.gpkg", picture, *others]
    done = subprocess.run(
        [SYSTEM_PYTHON, str(script), *map(str, asked)],
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen", "XDG_RUNTIME_DIR": str(picture.parent)},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def test_qgis_opens_it(unpacked: Path, tmp_path: Path) -> None:
    picture = tmp_path / "map.png"
    others = [unpacked / "objects.dxf", unpacked / "objects.kml"]
    told = opened(unpacked, picture, *others)
    assert told["others"] == {"objects.dxf": 16, "objects.kml": 16}
    layers = {layer["title"]: layer for layer in told["layers"]}
    assert told["read"] and told["crs"].startswith("EPSG:")
    assert all(layer["valid"] for layer in layers.values())
    assert (layers["Objects"]["rows"], layers["Partition"]["rows"]) == (16, 2)
    assert layers["Objects"]["renderer"] == "graduatedSymbol"
    assert layers["Objects"]["parts"][0][1] == "#fff176"
    assert [label for label, _ in layers["Partition"]["parts"]][:1] == ["background"]
    assert told["fresh"] == {"valid": True, "renderer": "graduatedSymbol"}
    drawn = np.asarray(Image.open(picture).convert("RGB")).reshape(-1, 3)
    assert len(np.unique(drawn, axis=0)) > 100
