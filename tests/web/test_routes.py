import dataclasses
import json
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from urllib.parse import unquote

import geopandas as gpd
import numpy as np
import pytest
import requests
from starlette.applications import Starlette

from samgeo_core.settings import get_settings
from samgeo_core.web import urls
from samgeo_core.web.context import AppContext
from samgeo_core.web.ids import new_id
from samgeo_core.web.records import Run, Scene
from samgeo_core.web.routes import build_routes
from samgeo_core.web.store import Store
from samgeo_core.web.views import empty_png
from tests.web.conftest import OWNER, MakeRun, MakeScene
from tests.web.serving import serve
from tests.web.tile_checks import decode, place_on_tiles

SHAPE = {"shape_hw": (120, 160)}
TIMEOUT_S = 30


@pytest.fixture
def context(store: Store, tmp_path: Path) -> Iterator[AppContext]:
    assets = tmp_path / "node_modules"
    for name, text in {
        "leaflet/dist/leaflet.js": "var L = {};",
        "leaflet/dist/images/layers.png": "png",
        "leaflet/package.json": "{}",
        "leaflet/src/secret.js": "no",
        "leftpad/dist/index.js": "no",
        "secret.js": "no",
    }.items():
        (assets / name).parent.mkdir(parents=True, exist_ok=True)
        (assets / name).write_text(text)
    settings = dataclasses.replace(get_settings(), data_dir=store.root, assets_dir=assets)
    context = AppContext.create(settings)
    yield context
    context.jobs.close()


@pytest.fixture(params=["", "studio"], ids=["at the root", "below a base path"])
def base(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def host(context: AppContext, base: str) -> Iterator[str]:
    with serve(Starlette(routes=build_routes(context, base))) as address:
        yield address


@pytest.fixture
def scene(make_scene: MakeScene) -> Scene:
    return make_scene("Zürich 1.tif", **SHAPE)


@pytest.fixture
def run(scene: Scene, make_run: MakeRun) -> Run:
    return make_run(scene)


def get(address: str, **headers: str) -> requests.Response:
    return requests.get(address, headers=headers, timeout=TIMEOUT_S, allow_redirects=False)


def tile_path(template: str, scene: Scene) -> str:
    zoom = scene.frame.native_zoom
    column, row, _, _ = place_on_tiles(scene.frame, zoom, 65, 75)
    return template.format(z=zoom, x=column, y=row)


class TestTiles:
    def test_scene_and_masks(self, host: str, base: str, scene: Scene, run: Run) -> None:
        for template in (urls.tile_template(scene, base), urls.label_template(run, base)):
            answer = get(host + tile_path(template, scene))
            assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
            assert decode(answer.content)[..., 3].any()
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert "max-age" in answer.headers["cache-control"]

    def test_a_browser_that_has_it_gets_no_body(
        self, host: str, base: str, scene: Scene, store: Store
    ) -> None:
        address = host + tile_path(urls.tile_template(scene, base), scene)
        tag = get(address).headers["etag"]
        again = get(address, **{"If-None-Match": f'"other", W/{tag}'})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag
        store.set_display(scene.scene_id, (3, 2, 1))
        changed = get(address, **{"If-None-Match": tag})
        assert changed.status_code == 200
        assert changed.headers["etag"] != tag

    def test_beside_the_raster_is_nothing_to_see(self, host: str, base: str, scene: Scene) -> None:
        prefix = urls.base_path(base)
        for place in ("0/1/0", "18/0/0", "99/0/0", "5/99999999999999999999/0"):
            answer = get(f"{host}{prefix}/tiles/{scene.scene_id}/{place}.png")
            assert (answer.status_code, answer.content) == (200, empty_png())

    def test_what_is_no_tile_is_not_found(
        self, host: str, base: str, scene: Scene, run: Run
    ) -> None:
        prefix = urls.base_path(base)
        for path in (
            f"/tiles/{new_id()}/0/0/0.png",
            f"/tiles/{run.run_id}/0/0/0.png",
            "/tiles/..%2f..%2fscenes/0/0/0.png",
            "/tiles/%2e%2e/0/0/0.png",
            f"/tiles/{scene.scene_id}/-1/0/0.png",
            f"/tiles/{scene.scene_id}/a/0/0.png",
            f"/tiles/{scene.scene_id}/0/{'9' * 5000}/0.png",
            f"/tiles/{scene.scene_id}/0/0/0.tif",
            f"/runs/{scene.scene_id}/labels/0/0/0.png",
            "/runs/x/labels/0/0/0.png",
        ):
            assert get(host + prefix + path).status_code == 404, path

    def test_a_file_that_is_gone_is_a_sentence(self, host: str, base: str, scene: Scene) -> None:
        address = host + tile_path(urls.tile_template(scene, base), scene)
        scene.source.unlink()
        answer = get(address)
        assert answer.status_code == 404
        assert "not there any more" in answer.text
        assert str(scene.folder) not in answer.text

    def test_twenty_browsers_at_once(self, host: str, base: str, scene: Scene, run: Run) -> None:
        paths = [
            tile_path(urls.tile_template(scene, base), scene),
            tile_path(urls.label_template(run, base), scene),
            urls.objects_url(run, base),
            f"{urls.base_path(base)}/healthz",
        ]
        alone = [get(host + path).content for path in paths]
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda path: get(host + path), paths * 25))
        assert [a.content for a in answers] == alone * 25


class TestLayer:
    def test_it_comes_compressed_and_plain(self, host: str, base: str, run: Run) -> None:
        address = host + urls.objects_url(run, base)
        packed = get(address)
        assert packed.headers["content-encoding"] == "gzip"
        assert packed.headers["content-type"].startswith("application/geo+json")
        plain = get(address, **{"Accept-Encoding": "identity"})
        assert "content-encoding" not in plain.headers
        assert plain.json() == packed.json()
        assert len(plain.json()["features"]) == 3
        assert packed.headers["vary"] == "Accept-Encoding"
        known = get(address, **{"If-None-Match": packed.headers["etag"]})
        assert known.status_code == 304

    def test_polygons_and_masks_follow_the_rule_of_the_address(
        self, host: str, base: str, scene: Scene, run: Run
    ) -> None:
        rule = {"least_score": "0.92", "overlap": "flatten"}
        own = get(host + urls.objects_url(run, base))
        other = get(host + urls.objects_url(run, base, rule))
        assert [f["properties"]["area_px"] for f in other.json()["features"]] == [900, 400]
        assert other.headers["etag"] != own.headers["etag"]
        template = urls.label_template(run, base, rule)
        tiles = [
            get(host + tile_path(t, scene)) for t in (urls.label_template(run, base), template)
        ]
        assert tiles[0].headers["etag"] != tiles[1].headers["etag"]
        assert (decode(tiles[1].content) != decode(tiles[0].content)).any()
        for place in ("objects.geojson", "labels/0/0/0.png"):
            wrong = get(f"{host}{urls.base_path(base)}/runs/{run.run_id}/{place}?overlap=some")
            assert (wrong.status_code, "overlap must be" in wrong.text) == (400, True)

    def test_a_run_under_way_has_none(
        self, host: str, base: str, store: Store, scene: Scene
    ) -> None:
        waiting = store.new_run(scene, {}, OWNER)
        answer = get(host + urls.objects_url(waiting, base))
        assert answer.status_code == 404
        assert answer.headers["cache-control"] == "no-store"


class TestDownloads:
    def test_the_name_is_the_scenes(self, host: str, base: str, run: Run) -> None:
        answer = get(host + urls.download_url(run, "objects.gpkg", base))
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/geopackage+sqlite3"
        disposition = unquote(answer.headers["content-disposition"])
        assert disposition == "attachment; filename*=utf-8''Zürich-1-objects.gpkg"
        assert answer.content == run.objects_path.read_bytes()

    def test_the_rule_of_the_page_is_that_of_the_file(
        self, host: str, base: str, run: Run, tmp_path: Path
    ) -> None:
        limits = {"least_score": "0.92", "max_area_m2": "150.0", "min_area_px": "none"}
        address = host + urls.download_url(run, "objects.gpkg", base, limits)
        (tmp_path / "some.gpkg").write_bytes(get(address).content)
        assert gpd.read_file(tmp_path / "some.gpkg")["area_px"].tolist() == [400]
        bundle = host + urls.download_url(run, "bundle.zip", base, {"min_area_px": "400.0"})
        with zipfile.ZipFile(BytesIO(get(bundle).content)) as archive:
            collection = json.loads(archive.read("objects.geojson"))
        assert [f["properties"]["area_px"] for f in collection["features"]] == [400, 900]

    def test_part_of_a_file_can_be_asked_for(self, host: str, base: str, run: Run) -> None:
        answer = get(host + urls.download_url(run, "labels.tif", base), Range="bytes=0-3")
        assert answer.status_code == 206
        assert answer.content in (b"II*\0", b"II+\0")

    @pytest.mark.parametrize(
        ("name", "status"),
        [
            ("objects.exe", 404),
            ("meta.json", 404),
            ("..%2fmeta.json", 404),
            ("objects.gpkg?least_score=nan", 400),
            ("objects.gpkg?max_area_m2=much", 400),
            ("objects.gpkg?overlap=some", 400),
        ],
    )
    def test_what_cannot_be_had_is_a_sentence(
        self, host: str, base: str, run: Run, name: str, status: int
    ) -> None:
        answer = get(f"{host}{urls.base_path(base)}/runs/{run.run_id}/download/{name}")
        assert answer.status_code == status
        if "%2f" not in name:
            assert answer.text.endswith(".\n")
        assert answer.headers.get("content-disposition") is None

    def test_a_format_that_needs_a_place_says_so(
        self, host: str, base: str, make_scene: MakeScene, make_run: MakeRun
    ) -> None:
        run = make_run(make_scene("photo.tif", crs=None, transform=None, **SHAPE))
        answer = get(host + urls.download_url(run, "objects.kml", base))
        assert answer.status_code == 422
        assert "coordinate reference system" in answer.text.lower() or "CRS" in answer.text
        assert get(host + urls.download_url(run, "objects.fgb", base)).status_code == 200


class TestAssets:
    def test_allowed_files_come_with_their_type(self, host: str, base: str) -> None:
        answer = get(host + urls.asset_url("leaflet", "dist/leaflet.js", base))
        assert (answer.status_code, answer.text) == (200, "var L = {};")
        assert answer.headers["content-type"].startswith("text/javascript")
        tag = answer.headers["etag"]
        again = get(answer.url, **{"If-None-Match": tag})
        assert again.status_code == 304
        image = get(host + urls.asset_url("leaflet", "dist/images/layers.png", base))
        assert image.headers["content-type"] == "image/png"

    @pytest.mark.parametrize(
        "path",
        [
            "leaflet/package.json",
            "leaflet/src/secret.js",
            "leaflet/dist/../src/secret.js",
            "leaflet/dist/%2e%2e/src/secret.js",
            "leaflet/dist/..%2fsrc%2fsecret.js",
            "leftpad/dist/index.js",
            "secret.js",
            "..%2f..%2fetc/passwd",
            "leaflet//etc/passwd",
        ],
    )
    def test_nothing_else_is_served(self, host: str, base: str, path: str) -> None:
        # requests would tidy the path up, so the request is written by hand.
        session = requests.Session()
        prepared = requests.Request("GET", host).prepare()
        prepared.url = f"{host}{urls.base_path(base)}/assets/{path}"
        assert session.send(prepared, timeout=TIMEOUT_S).status_code == 404

    def test_assets_that_come_later_are_found(self, context: AppContext, tmp_path: Path) -> None:
        late = dataclasses.replace(context.settings, assets_dir=tmp_path / "later")
        assets = AppContext.create(late).assets
        assert assets.find("jquery", "dist/jquery.js") is None
        (tmp_path / "later" / "jquery" / "dist").mkdir(parents=True)
        (tmp_path / "later" / "jquery" / "dist" / "jquery.js").write_text("$")
        assert assets.find("jquery", "dist/jquery.js") is not None


def test_routes_answer_below_the_base_path_only(host: str, base: str) -> None:
    assert get(f"{host}{urls.base_path(base)}/healthz").json() == {"status": "ok"}
    if base:
        assert get(f"{host}/healthz").status_code == 404


def test_only_reading_is_allowed(host: str, base: str, scene: Scene) -> None:
    address = host + tile_path(urls.tile_template(scene, base), scene)
    for method in ("POST", "PUT", "DELETE"):
        assert requests.request(method, address, timeout=TIMEOUT_S).status_code == 405
    head = requests.head(address, timeout=TIMEOUT_S)
    assert (head.status_code, head.content) == (200, b"")


def test_a_tile_is_the_same_through_the_route_and_beside_it(
    context: AppContext, host: str, base: str, scene: Scene
) -> None:
    zoom = scene.frame.native_zoom
    column, row, _, _ = place_on_tiles(scene.frame, zoom, 65, 75)
    through = get(host + urls.tile_template(scene, base).format(z=zoom, x=column, y=row)).content
    assert through == context.tiles.scene_tile(scene, zoom, column, row)
    assert np.unique(decode(through)[..., 3]).tolist() in ([255], [0, 255])
