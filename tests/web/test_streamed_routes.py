"""What routes answer of runs that went region by region."""

import dataclasses
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import geopandas as gpd
import pyogrio
import pytest
import requests
from starlette.applications import Starlette

from samgeo_core.settings import get_settings
from samgeo_core.web import downloads, urls
from samgeo_core.web.context import AppContext
from samgeo_core.web.records import Run, Scene
from samgeo_core.web.results import result_place
from samgeo_core.web.routes import build_routes
from samgeo_core.web.store import Store
from tests.web.conftest import MakeRun
from tests.web.serving import serve
from tests.web.test_routes import get

BASE = "studio"


@pytest.fixture
def host(store: Store) -> Iterator[str]:
    context = AppContext.create(dataclasses.replace(get_settings(), data_dir=store.root))
    with serve(Starlette(routes=build_routes(context, BASE))) as address:
        yield address
    context.jobs.close()


@pytest.fixture
def run(bright: Scene, make_streamed_run: MakeRun) -> Run:
    return make_streamed_run(bright)


def download(host: str, run: Run, name: str) -> requests.Response:
    return get(host + urls.download_url(run, name, BASE))


def test_a_view_comes_compressed_and_plain_and_is_known_again(host: str, run: Run) -> None:
    (south, west), (north, east) = result_place(run).frame.bounds_latlng
    address = f"{host}{urls.view_url(run, BASE)}?bbox={west},{south},{east},{north}&zoom=17"
    packed = get(address)
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["content-type"].startswith("application/geo+json")
    assert len(packed.json()["features"]) == packed.json()["total"] == run.record["n_objects"]
    plain = get(address, **{"Accept-Encoding": "identity"})
    assert plain.json() == packed.json()
    assert get(address, **{"If-None-Match": packed.headers["etag"]}).status_code == 304


@pytest.mark.parametrize("query", ["", "?bbox=1,2,3&zoom=4", "?bbox=1,2,3,4&zoom=x"])
def test_a_view_that_is_none_is_a_sentence(host: str, run: Run, query: str) -> None:
    answer = get(f"{host}{urls.view_url(run, BASE)}{query}")
    assert (answer.status_code, answer.text[-2:]) == (400, ".\n")


@pytest.mark.parametrize("place", ["objects.geojson", "labels/0/0/0.png?least_score=0.5"])
def test_all_objects_at_once_and_other_rules_are_refused(host: str, run: Run, place: str) -> None:
    answer = get(f"{host}/{BASE}/runs/{run.run_id}/{place}")
    assert (answer.status_code, "Traceback" in answer.text) == (400, False)


@pytest.mark.parametrize("name", ["objects.gpkg", "labels.tif", "mask.tif", "run.json"])
def test_what_lies_in_the_folder_is_sent_as_it_is(host: str, run: Run, name: str) -> None:
    answer = download(host, run, name)
    assert answer.content == (run.folder / name).read_bytes()
    assert f"Bright-parts-{name}" in answer.headers["content-disposition"]


@pytest.mark.parametrize("suffix", [".geojson", ".fgb", ".parquet", ".kml", ".shp.zip"])
def test_other_formats_are_made_of_the_geopackage(
    host: str, run: Run, suffix: str, tmp_path: Path
) -> None:
    answer = download(host, run, f"objects{suffix}")
    assert answer.status_code == 200
    path = tmp_path / f"objects{suffix}"
    path.write_bytes(answer.content)
    layer = gpd.read_parquet(path) if suffix == ".parquet" else gpd.read_file(path)
    assert len(layer) == run.record["n_objects"]


def test_the_archive_holds_the_files_of_the_run(host: str, run: Run, tmp_path: Path) -> None:
    answer = download(host, run, "bundle.zip")
    assert "content-length" not in answer.headers
    assert "Bright-parts-bundle.zip" in answer.headers["content-disposition"]
    with zipfile.ZipFile(BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        names = ["run.json", "labels.tif", "mask.tif"]
        more = ["objects.gpkg", "report.pdf", "quicklook.png", "project.qgz"]
        more += ["labels.qml", "mask.qml"]
        assert archive.namelist() == ["README.txt", *names, *more]
        for name in names:
            assert archive.read(name) == (run.folder / name).read_bytes()
        package = Path(archive.extract("objects.gpkg", tmp_path))
        text = archive.read("README.txt").decode()
    assert f"Objects: {run.record['n_objects']}\n" in text
    assert "EPSG:32633" in text
    assert "python -m samgeo_core segment IMAGE.tif" in text
    assert pyogrio.list_layers(package)[:, 0].tolist() == ["objects", "layer_styles"]
    assert len(gpd.read_file(package, layer="objects")) == run.record["n_objects"]
    assert not (run.folder / "downloads").exists()
    assert not list(run.folder.glob(".bundle-*"))


@pytest.mark.parametrize(
    "name",
    [
        "plan.json", "meta.json", "annotations.png", "regions", ".lock", "objects.npz",
        "regions%2f0123456789abcdef%2f00000%2f000.npz", "..%2fplan.json",
    ],
)  # fmt: skip
def test_nothing_else_of_the_folder_is_served(host: str, run: Run, name: str) -> None:
    assert (run.folder / "plan.json").is_file()
    for place in (f"download/{name}", name):
        assert get(f"{host}/{BASE}/runs/{run.run_id}/{place}").status_code == 404


def test_the_archive_of_a_run_whose_files_are_gone_is_a_sentence(host: str, run: Run) -> None:
    (run.folder / "mask.tif").unlink()
    for name in ("bundle.zip", "mask.tif"):
        answer = download(host, run, name)
        assert (answer.status_code, "run it again" in answer.text) == (404, True)


def test_a_run_that_is_not_done_has_no_files(host: str, run: Run, store: Store) -> None:
    store.set_run_state(run.run_id, "interrupted")
    for name in ("objects.gpkg", "bundle.zip", "objects.fgb"):
        assert download(host, run, name).status_code == 404


def test_what_programs_can_not_hold_is_not_offered(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "objects.kml" in downloads.offered_downloads(run)
    monkeypatch.setattr(downloads, "MOST_IN_KML", 10)
    assert "objects.kml" not in downloads.offered_downloads(run)
    assert "objects.kml" in downloads.downloads()
