from __future__ import annotations

import dataclasses
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import requests
from PIL import Image
from starlette.applications import Starlette

from samgeo_core.config import SegmentConfig, SelectionRule
from samgeo_core.edits.history import EDITS_FILE
from samgeo_core.objects import ObjectSet
from samgeo_core.pipeline import reselect
from samgeo_core.reading.generated_scene import GeneratedScene, generated_scene
from samgeo_core.settings import get_settings
from samgeo_core.web import urls
from samgeo_core.web.context import AppContext
from samgeo_core.web.edit_changes import map_state
from samgeo_core.web.records import Run, Scene
from samgeo_core.web.routes import build_routes
from samgeo_core.web.selected import edits_of, selected
from samgeo_core.web.store import Store
from samgeo_core.web.visitors import edit_token
from samgeo_core.windows import Window
from tests.web.conftest import OWNER, MakeRun, MakeScene
from tests.web.serving import serve
from tests.web.tile_checks import decode, place_on_tiles

TIMEOUT_S = 120
HERE = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def context(store: Store) -> Iterator[AppContext]:
    settings = dataclasses.replace(get_settings(), data_dir=store.root)
    context = AppContext.create(settings)
    yield context
    context.picks.close()
    context.jobs.close()


@pytest.fixture
def host(context: AppContext) -> Iterator[str]:
    with serve(Starlette(routes=build_routes(context, "studio"))) as address:
        yield address


@pytest.fixture
def scene(make_scene: MakeScene) -> Scene:
    return make_scene("town.tif", shape_hw=(120, 160))


@pytest.fixture
def run(scene: Scene, make_run: MakeRun) -> Run:
    """Squares 1, 2 and 3 of 10, 20 and 30 px, which share no pixel."""
    return make_run(scene)


def post(
    host: str,
    run: Run,
    action: str,
    rule: dict[str, str] | None = None,
    *,
    headers: dict[str, str] | None = None,
    body: bytes | None = None,
    **values: Any,
) -> requests.Response:
    address = host + urls.edits_url(run, "studio", rule).replace("{action}", action)
    sent = {"X-Edit-Token": edit_token(run), "Content-Type": "application/json", **HERE}
    data = json.dumps({"base": edits_of(run).revision, **values}).encode()
    return requests.post(
        address, data=body or data, headers={**sent, **(headers or {})}, timeout=TIMEOUT_S
    )


def done(answer: requests.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def layer(host: str, run: Run, rule: dict[str, str] | None = None) -> list[dict[str, Any]]:
    """What the map gets, by object_id."""
    answer = requests.get(host + urls.objects_url(run, "studio", rule), timeout=TIMEOUT_S)
    features = answer.json()["features"]
    return sorted(features, key=lambda feature: feature["properties"]["object_id"])


def patched(before: list[dict[str, Any]], change: dict[str, Any]) -> list[dict[str, Any]]:
    """What the map has after an answer, as map_layers.js makes it."""
    gone, added = set(change["removed"]), change["added"]
    taken = {feature["properties"]["object_id"] for feature in added}
    free = [i for i in range(1, change["total"] + 1) if i not in taken]
    stays = [f for f in before if f["properties"]["object_id"] not in gone]
    numbers = {f["properties"]["object_id"]: new for f, new in zip(stays, free, strict=True)}
    moved = []
    for feature in stays:
        properties = dict(feature["properties"])
        new = properties["object_id"] = numbers[properties["object_id"]]
        parent = numbers.get(properties["parent_id"], 0)
        properties["parent_id"] = change["parents"].get(str(new), parent)
        moved.append({**feature, "properties": properties})
    return sorted([*moved, *added], key=lambda feature: feature["properties"]["object_id"])


def plain(features: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without colours, which follow from the numbers."""
    return [
        {**f, "properties": {k: v for k, v in f["properties"].items() if k != "color"}}
        for f in features
    ]


def test_edits_are_told_as_differences_and_kept(host: str, run: Run, store: Store) -> None:
    states, shown = [""], [layer(host, run)]
    for action, values in (
        ("delete", {"objects": [2]}),
        ("merge", {"objects": [1, 2]}),
        ("smooth", {"objects": [1], "radius_px": 3}),
        ("undo", {}),
        ("undo", {}),
        ("redo", {}),
    ):
        change = done(post(host, run, action, **values))
        assert plain(patched(shown[-1], change)) == plain(layer(host, run))
        history = edits_of(run)
        assert change["revision"] == history.revision
        assert (change["can_undo"], change["can_redo"]) == (history.can_undo, history.can_redo)
        assert change["step"] == len(states)
        states.append(change["revision"])
        shown.append(layer(host, run))
    assert [len(features) for features in shown] == [3, 2, 1, 1, 1, 2, 1]
    # The same edits have the same name; merged is merged.
    assert states[2] == states[4] == states[6] and states[1] == states[5]
    assert shown[2] == shown[6]
    assert shown[2][0]["properties"]["area_px"] == 100 + 900
    # Another process finds them.
    again = Store(store.root).run(run.run_id)
    assert len(selected(again).objects) == 1
    assert edits_of(again).can_redo


def test_answers_tell_what_the_page_tells(host: str, run: Run) -> None:
    rule = {"least_score": "0.92"}
    change = done(post(host, run, "delete", rule, objects=[1]))
    shown = selected(run, dataclasses.replace(SelectionRule.keep_all(), least_score=0.92))
    state = map_state(shown, edits_of(run), "studio")
    assert {name: change[name] for name in state} == state
    # What is drawn of a result that was edited meanwhile is no news to a map.
    earlier = map_state(shown, edits_of(run).undone(), "studio")
    assert earlier == {**state, "step": 0, "can_undo": False, "can_redo": True}
    assert change["source"].endswith(f"?least_score=0.92&edits={change['revision']}")
    assert done(post(host, run, "undo", rule))["can_redo"]
    assert done(post(host, run, "redo", rule))["revision"] == change["revision"]
    # It was the second of all, and is gone whatever the rule.
    assert [f["properties"]["area_px"] for f in layer(host, run)] == [100, 900]


def test_all_files_layers_and_tiles_follow(
    host: str, run: Run, scene: Scene, tmp_path: Path
) -> None:
    def get(name: str) -> bytes:
        address = host + urls.download_url(run, name, "studio")
        answer = requests.get(address, timeout=TIMEOUT_S)
        assert answer.status_code == 200, answer.text
        return answer.content

    def tile() -> requests.Response:
        zoom = scene.frame.native_zoom
        column, row, _, _ = place_on_tiles(scene.frame, zoom, 65, 75)
        address = urls.label_template(run, "studio").format(z=zoom, x=column, y=row)
        return requests.get(host + address, timeout=TIMEOUT_S)

    def areas(content: bytes) -> list[int]:
        (tmp_path / "objects.gpkg").write_bytes(content)
        return sorted(gpd.read_file(tmp_path / "objects.gpkg", layer="objects")["area_px"].tolist())

    before = {name: get(name) for name in ("objects.gpkg", "labels.tif", "annotations.png")}
    seen = tile()
    assert areas(before["objects.gpkg"]) == [100, 400, 900]
    done(post(host, run, "delete", objects=[3]))
    done(post(host, run, "merge", objects=[1, 2]))
    assert areas(get("objects.gpkg")) == [500]
    assert len(json.loads(get("objects.geojson"))["features"]) == 1
    with rasterio.MemoryFile(get("labels.tif")) as memory, memory.open() as dataset:
        assert np.bincount(dataset.read(1).ravel()).tolist() == [120 * 160 - 500, 500]
    with rasterio.MemoryFile(get("mask.tif")) as memory, memory.open() as dataset:
        assert np.count_nonzero(dataset.read(1)) == 500
    picture = [
        np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)
        for content in (before["annotations.png"], get("annotations.png"))
    ]
    changed = np.abs(picture[0] - picture[1]).max(axis=2) > 0
    assert changed[60:90, 50:80].mean() > 0.9  # the square that is gone
    record = json.loads(get("run.json"))
    assert (record["n_objects"], record["edits"]) == (1, {"delete": 1, "merge": 1})
    with zipfile.ZipFile(io.BytesIO(get("bundle.zip"))) as archive:
        assert areas(archive.read("objects.gpkg")) == [500]
        assert json.loads(archive.read("run.json"))["n_objects"] == 1
        assert "annotations.png" in archive.namelist()
    now = tile()
    assert now.headers["etag"] != seen.headers["etag"]
    assert decode(seen.content)[..., 3].any() and not decode(now.content)[..., 3].all()
    # What is undone is as it was, from the browser's own memory.
    done(post(host, run, "undo"))
    done(post(host, run, "undo"))
    assert tile().headers["etag"] == seen.headers["etag"]
    assert get("labels.tif") == before["labels.tif"]
    # The command line chooses again with the edits.
    done(post(host, run, "redo"))
    (tmp_path / "again").mkdir()
    reselect(run.folder, SelectionRule.keep_all(), tmp_path / "again")
    assert len(ObjectSet.load(tmp_path / "again" / "objects.npz")) == 2
    assert (tmp_path / "again" / EDITS_FILE).is_file()


class TestWhoMay:
    def test_only_the_owner_changes_a_result(self, host: str, run: Run, make_run: MakeRun) -> None:
        other = dataclasses.replace(run, owner="visitor-two")
        for headers in ({"X-Edit-Token": ""}, {"X-Edit-Token": edit_token(other)}):
            answer = post(host, run, "delete", objects=[1], headers=headers)
            assert answer.status_code == 404
            assert "Only the browser that segmented this image" in answer.text
        without = requests.post(
            host + urls.edits_url(run, "studio").replace("{action}", "delete"),
            json={"base": "", "objects": [1]},
            timeout=TIMEOUT_S,
        )
        assert without.status_code == 404
        assert not edits_of(run).done

    @pytest.mark.parametrize(
        "headers",
        [
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
            {"Sec-Fetch-Site": "none", "Origin": "https://elsewhere.example"},
        ],
    )
    def test_pages_elsewhere_are_refused(
        self, host: str, run: Run, headers: dict[str, str]
    ) -> None:
        answer = post(host, run, "delete", objects=[1], headers=headers)
        if headers["Sec-Fetch-Site"] == "none":
            headers = {name: value for name, value in headers.items() if name == "Origin"}
            answer = requests.post(
                host + urls.edits_url(run, "studio").replace("{action}", "delete"),
                json={"base": edits_of(run).revision, "objects": [1]},
                headers={"X-Edit-Token": edit_token(run), **headers},
                timeout=TIMEOUT_S,
            )
            assert answer.status_code == 403
            return
        assert answer.status_code == 403
        assert not edits_of(run).done

    def test_an_edit_of_what_was_changed_elsewhere_is_refused(self, host: str, run: Run) -> None:
        done(post(host, run, "delete", objects=[1]))
        answer = post(host, run, "delete", objects=[1], base="")
        assert (answer.status_code, edits_of(run).done) == (409, 1)
        assert "another window" in answer.text


@pytest.mark.parametrize(
    ("action", "values", "status", "message"),
    [
        ("delete", {"objects": []}, 400, "No object is selected"),
        ("delete", {"objects": [9]}, 400, "no object 9"),
        ("delete", {"objects": [True]}, 400, "list of object ids"),
        ("delete", {"objects": "all"}, 400, "list of object ids"),
        ("delete", {"objects": list(range(1, 600))}, 400, "select fewer"),
        ("merge", {"objects": [1]}, 400, "two objects"),
        ("smooth", {"objects": [1]}, 400, "radius_px must be a whole number"),
        ("smooth", {"objects": [1], "radius_px": 0}, 400, "1 to 100 px"),
        ("smooth", {"objects": [1], "radius_px": 40}, 400, "smaller radius"),
        ("split", {"objects": [1, 2], "points": [[0, 0, 1]]}, 400, "only one"),
        ("split", {"objects": [1], "points": [[0, 0]]}, 400, "3 finite numbers"),
        ("split", {"objects": [1], "points": [[0, 0, 1]]}, 400, "beside the image"),
        ("redraw", {"objects": []}, 400, "one object"),
        ("add", {"points": [[1e300, 0, 1]]}, 400, "finite"),
        ("add", {}, 400, "points must be a list"),
        ("undo", {}, 400, "0 edits can be undone"),
        ("redo", {}, 400, "0 edits can be made again"),
        ("paint", {"objects": [1]}, 404, "no such edit"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(
    host: str, run: Run, action: str, values: dict[str, Any], status: int, message: str
) -> None:
    answer = post(host, run, action, **values)
    assert (answer.status_code, message in answer.text) == (status, True), answer.text
    assert not (run.folder / EDITS_FILE).exists()


def test_bodies_that_are_no_json_are_refused(host: str, run: Run) -> None:
    for body in (b"[1]", b"{", b'{"base": NaN}', b'{"base": "' + b"x" * 300_000 + b'"}'):
        assert post(host, run, "delete", body=body).status_code == 400


def test_a_result_in_parts_is_not_edited_yet(
    host: str, bright: Scene, make_streamed_run: MakeRun
) -> None:
    run = make_streamed_run(bright)
    answer = post(host, run, "delete", objects=[1])
    assert answer.status_code == 400
    assert "can't be corrected one by one here yet" in answer.text


class TestWithAModel:
    """Real weights on a drawn town: what is found at clicks is the thing that was drawn."""

    @pytest.fixture
    def drawn(self, tmp_path: Path) -> GeneratedScene:
        return generated_scene(tmp_path / "drawn.tif", size=512, seed=3)

    @pytest.fixture
    def town(self, store: Store, drawn: GeneratedScene) -> Scene:
        return store.add_scene(drawn.path, "drawn.tif", OWNER)

    def clicks(self, scene: Scene, *places: tuple[float, float, int]) -> list[list[float]]:
        on_map = scene.frame.to_lnglat(np.array([(x, y) for x, y, _ in places]))
        return [
            [lng, lat, label]
            for (lng, lat), (_, _, label) in zip(on_map.tolist(), places, strict=True)
        ]

    def test_split_redraw_and_add(
        self, host: str, store: Store, drawn: GeneratedScene, town: Scene, make_run: MakeRun
    ) -> None:
        grid = town.raster.grid
        area = Window(30, 20, 460, 470)
        truth = _masks(drawn, grid, area)
        # Two things that were found as one, and the worst part of a third.
        first, second = _neighbours(truth)
        third = next(i for i in range(len(truth)) if i not in (first, second))
        both = truth[first] | truth[second]
        columns = np.nonzero(truth[third])[1]
        part = truth[third] & (np.arange(area.width) < np.median(columns))
        run = make_run(town, [(both, (0, 0), 0.9), (part, (0, 0), 0.8)], area)
        small, large = (1, 2) if part.sum() < both.sum() else (2, 1)

        def middle(mask: np.ndarray) -> tuple[float, float]:
            rows, columns = np.nonzero(mask)
            return float(columns.mean()) + 0.5 + area.x, float(rows.mean()) + 0.5 + area.y

        points = self.clicks(town, (*middle(truth[first]), 1), (*middle(truth[second]), 1))
        change = done(post(host, run, "split", objects=[large], points=points))
        assert len(change["select"]) == 2
        parts = [selected(run).objects.full_mask(i - 1) for i in change["select"]]
        assert ((parts[0] ^ parts[1]) == both).all()
        for found in (first, second):
            assert max(_iou(p, truth[found]) for p in parts) > 0.9
        done(post(host, run, "undo"))

        points = self.clicks(town, (*middle(truth[third]), 1))
        preview = done(post(host, run, "preview", objects=[small], points=points))
        assert preview["outline"]["type"] in ("Polygon", "MultiPolygon")
        change = done(post(host, run, "redraw", objects=[small], points=points))
        (number,) = change["select"]
        assert _iou(selected(run).objects.full_mask(number - 1), truth[third]) > 0.85
        assert len(selected(run).objects) == 2

        missing = next(i for i in range(len(truth)) if i not in (first, second, third))
        points = self.clicks(town, (*middle(truth[missing]), 1))
        change = done(post(host, run, "add", points=points))
        (number,) = change["select"]
        assert _iou(selected(run).objects.full_mask(number - 1), truth[missing]) > 0.85
        again = post(host, run, "add", points=points)
        assert (again.status_code, "is there already" in again.text) == (400, True)
        assert [edit.kind for edit in edits_of(run).active] == ["redraw", "add"]
        # What limits leave out is told.
        rule = {"min_area_px": "100000"}
        done(post(host, run, "undo"))
        hidden = done(post(host, run, "add", rule, points=points))
        assert hidden["select"] == [] and "not in sight" in hidden["note"]


def _masks(drawn: GeneratedScene, grid: Any, area: Window) -> list[np.ndarray]:
    """The drawn things that lie in an area, bool [h, w] of it."""
    from rasterio.features import rasterize

    pictures = [
        rasterize([polygon], grid.shape_hw, transform=grid.transform).astype(bool)
        for polygon in drawn.truth
    ]
    inside = [picture[area.slices] for picture in pictures]
    return [
        part for part, whole in zip(inside, pictures, strict=True) if part.sum() == whole.sum() > 0
    ]


def _neighbours(masks: list[np.ndarray]) -> tuple[int, int]:
    """The two of like size that are nearest to each other."""
    middles = np.array([np.argwhere(mask).mean(0) for mask in masks])
    sizes = np.array([mask.sum() for mask in masks])
    away = np.linalg.norm(middles[:, None] - middles, axis=2)
    unlike = np.maximum(sizes[:, None], sizes) > 1.5 * np.minimum(sizes[:, None], sizes)
    away[unlike | np.eye(len(masks), dtype=bool)] = np.inf
    first, second = np.unravel_index(int(np.argmin(away)), away.shape)
    return int(first), int(second)


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


def test_a_new_run_in_the_same_folder_has_no_edits(host: str, run: Run, scene: Scene) -> None:
    from samgeo_core.pipeline import Segmentation, write_run

    done(post(host, run, "delete", objects=[1]))
    tile = scene.raster.read(stretch=scene.stretch)
    objects = ObjectSet.empty((120, 160))
    fresh = Segmentation(objects, scene.raster.grid, tile, SegmentConfig(), {"seconds": {}})
    write_run(fresh, run.folder)
    assert not (run.folder / EDITS_FILE).exists()
