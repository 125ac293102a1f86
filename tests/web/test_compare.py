from __future__ import annotations

import dataclasses
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import requests
import shapely
from starlette.applications import Starlette

from samgeo_core.edits.edits import Edit
from samgeo_core.edits.history import EDITS_FILE, EditLog
from samgeo_core.edits.shapes import as_candidate
from samgeo_core.errors import NotFoundError, ParameterError
from samgeo_core.settings import get_settings
from samgeo_core.web.compare import (
    MOST_BYTES,
    Asked,
    bring,
    brought,
    compare_token,
    comparison_of,
    forget,
    reference_of,
)
from samgeo_core.web.compare_layer import COLORS
from samgeo_core.web.context import AppContext
from samgeo_core.web.records import Run, Scene
from samgeo_core.web.routes import build_routes
from samgeo_core.web.selected import selected
from samgeo_core.web.store import Store
from samgeo_core.web.urls import comparison_url
from tests.web.conftest import MakeRun, MakeScene
from tests.web.serving import serve

# Squares of the run: 10, 20 and 30 px at 10, 20 / 20, 50 / 50, 60.
BOXES = [(10, 20, 20, 29), (50, 60, 80, 72), (100, 20, 120, 40)]
"""One is matched, one changed, one missing, px."""


@pytest.fixture
def scene(make_scene: MakeScene) -> Scene:
    return make_scene("town.tif", shape_hw=(120, 160))


@pytest.fixture
def run(scene: Scene, make_run: MakeRun) -> Run:
    return make_run(scene)


@pytest.fixture
def host(store: Store) -> Iterator[str]:
    context = AppContext.create(dataclasses.replace(get_settings(), data_dir=store.root))
    with serve(Starlette(routes=build_routes(context))) as address:
        yield address
    context.jobs.close()


def reference_file(scene: Scene, boxes: list[tuple[int, ...]] = BOXES) -> bytes:
    shapes = shapely.transform(shapely.box(*np.array(boxes, float).T), scene.raster.grid.to_crs_xy)
    return gpd.GeoDataFrame(geometry=shapes, crs="EPSG:32633").to_json().encode()


def kept_address(run: Run, filename: str | None = None, **query: str) -> str:
    kept = brought(run)
    assert kept is not None
    return comparison_url(run, {"key": compare_token(run, kept), **query}, "", filename)


def kinds(answer: requests.Response) -> list[str]:
    return sorted(item["properties"]["kind"] for item in answer.json()["features"])


def test_outlines_files_and_figures_of_what_is_shown(
    run: Run, scene: Scene, host: str, tmp_path: Path
) -> None:
    bring(selected(run), "../roofs.geojson", reference_file(scene))
    kept = brought(run)
    assert kept is not None and kept.name == "roofs.geojson"
    answer = requests.get(host + kept_address(run), timeout=60)
    assert answer.status_code == 200
    assert kinds(answer) == ["changed", "changed", "extra", "matched", "missing"]
    legend = {item["kind"]: (item["count"], item["color"]) for item in answer.json()["legend"]}
    assert legend == {kind: (1, color) for kind, color in COLORS.items()}
    same = {"If-None-Match": answer.headers["ETag"]}
    assert requests.get(host + kept_address(run), headers=same, timeout=60).status_code == 304
    # Other limits, another rule, an edit: what is shown is what is compared.
    strict = requests.get(host + kept_address(run, iou="0.95"), timeout=60)
    assert kinds(strict) == ["changed"] * 4 + ["extra", "missing"]
    fewer = requests.get(host + kept_address(run, min_area_px="150"), timeout=60)
    assert kinds(fewer) == ["changed", "changed", "extra", "missing", "missing"]
    item = selected(run).objects[1]
    EditLog(run.folder / EDITS_FILE).add(Edit("delete", (as_candidate(item),)))
    edited = requests.get(host + kept_address(run), timeout=60)
    assert kinds(edited) == ["changed", "changed", "matched", "missing"]
    layers = requests.get(host + kept_address(run, "comparison.gpkg"), timeout=60)
    (tmp_path / "layers.gpkg").write_bytes(layers.content)
    assert gpd.read_file(tmp_path / "layers.gpkg", layer="matches")["iou"].tolist() == [0.9]
    table = requests.get(host + kept_address(run, "comparison.json"), timeout=60).json()
    assert (table["all"]["matched"], table["all"]["extra"]) == (1, 0)
    csv = requests.get(host + kept_address(run, "comparison.csv"), timeout=60)
    assert csv.headers["Content-Disposition"].startswith("attachment")
    assert len(csv.text.splitlines()) == 2


def test_a_layer_is_its_owners_alone(run: Run, scene: Scene, host: str) -> None:
    bring(selected(run), "roofs.geojson", reference_file(scene))
    before = kept_address(run)
    for address in (
        f"/runs/{run.run_id}/comparison.geojson",
        before[:-3] + "abc",
        f"/runs/{run.run_id}/comparison/comparison.gpkg?key=é",
        kept_address(run, "reference.gpkg"),
        f"/runs/{run.run_id}/download/about.json",
    ):
        assert requests.get(host + address, timeout=60).status_code == 404
    bring(selected(run), "others.geojson", reference_file(scene, BOXES[:1]))
    # An address that was known shows nothing of what came later.
    assert requests.get(host + before, timeout=60).status_code == 404
    for words in ("iou=x", "iou=nan", "iou=3", "scope=street"):
        assert requests.get(f"{host}{kept_address(run)}&{words}", timeout=60).status_code == 400


def test_a_layer_can_be_replaced_and_removed(run: Run, scene: Scene) -> None:
    shown = selected(run)
    with pytest.raises(NotFoundError, match="no layer to compare with"):
        reference_of(shown)
    bring(shown, "a.geojson", reference_file(scene))
    assert comparison_of(shown, Asked()).figures[0].reference == 3
    bring(shown, "b.geojson", reference_file(scene, BOXES[:2]))
    assert comparison_of(shown, Asked()).figures[0].reference == 2
    forget(run)
    assert brought(run) is None
    assert not [path for path in run.folder.iterdir() if path.is_dir()]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("notes.txt", b"roofs", "are read from"),
        ("roofs.geojson", b"", "roofs.geojson"),
        ("roofs.geojson", b'{"type":"FeatureCollection","features":[]}', "1 to"),
        ("roofs.gpkg", b"SQLite format 3\0 and no more", "roofs.gpkg"),
        ("roofs.kml", b"<!DOCTYPE x><kml/>", "entities"),
        ("roofs.zip", b"PK\3\4", "roofs.zip"),
        ("roofs.geojson", b" " * (MOST_BYTES + 1), "20 MB"),
    ],
)
def test_a_file_that_is_none_leaves_the_layer_before(
    name: str, content: bytes, words: str, run: Run, scene: Scene
) -> None:
    bring(selected(run), "good.geojson", reference_file(scene))
    with pytest.raises(ParameterError, match=words) as told:
        bring(selected(run), name, content)
    assert str(run.folder) not in str(told.value)
    kept = brought(run)
    assert kept is not None and kept.name == "good.geojson"
    assert len(reference_of(selected(run)).ids) == 3
    assert not list(run.folder.glob(".reference-*"))


def test_a_shapefile_of_another_crs(run: Run, scene: Scene, tmp_path: Path) -> None:
    (tmp_path / "a.geojson").write_bytes(reference_file(scene))
    gpd.read_file(tmp_path / "a.geojson").to_crs(4326).to_file(tmp_path / "roofs.shp")
    with zipfile.ZipFile(tmp_path / "roofs.zip", "w") as archive:
        for part in tmp_path.glob("roofs.*"):
            if part.suffix != ".zip":
                archive.write(part, part.name)
    bring(selected(run), "roofs.zip", (tmp_path / "roofs.zip").read_bytes())
    figures: Any = comparison_of(selected(run), Asked()).figures[0]
    assert (figures.matched, figures.changed, figures.missing) == (1, 1, 1)
    assert json.loads(comparison_of(selected(run), Asked()).json())["coordinates"] == "WGS 84"
