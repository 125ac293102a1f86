from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import rasterio
import requests
import shapely
from affine import Affine
from shapely.geometry import shape
from starlette.applications import Starlette

from samgeo_core.reading.generated_scene import generated_scene
from samgeo_core.settings import get_settings
from samgeo_core.web.context import AppContext
from samgeo_core.web.ids import new_id
from samgeo_core.web.pick_sessions import PickSession
from samgeo_core.web.records import Scene
from samgeo_core.web.routes import build_routes
from samgeo_core.web.urls import pick_url
from tests.web.conftest import OWNER
from tests.web.serving import serve

TIMEOUT_S = 120
FRAMES = ["UTM", "turned", "pixels"]

Post = Callable[..., requests.Response]


@dataclasses.dataclass
class Desk:
    """A scene with known objects, and somebody's session in it behind a real server.

    Attributes:
        host: address of the server.
        scene: the scene.
        session: its session.
        truth: the drawn objects, px of the raster, the largest first.
    """

    host: str
    scene: Scene
    session: PickSession
    truth: list[Any]

    @property
    def address(self) -> str:
        return self.host + pick_url(self.session)

    def on_map(self, xy: Any) -> list[list[float]]:
        places: list[list[float]] = self.scene.frame.to_lnglat(np.asarray(xy)).tolist()
        return places

    def middle(self, index: int) -> list[float]:
        return self.on_map(np.array(self.truth[index].centroid.coords))[0]

    def post(self, action: str, headers: dict[str, str] | None = None, **values: Any) -> Any:
        corners = [(0, 0), (200, 0), (200, 200), (0, 200)]
        body = {"view": self.on_map(corners), **values}
        return requests.post(
            f"{self.address}/{action}", json=body, headers=headers, timeout=TIMEOUT_S
        )

    def iou(self, outline: dict[str, Any], index: int) -> float:
        """Of a GeoJSON outline in the frame of the map with a drawn object."""
        found = shapely.transform(shape(outline).buffer(0), self.scene.frame.from_lnglat)
        truth = self.truth[index]
        return float(found.intersection(truth).area / found.union(truth).area)

    def best_iou(self, index: int) -> float:
        """Of what the object at hand may be: which of it is chosen is the picker's business."""
        told = requests.get(f"{self.address}/candidates", timeout=TIMEOUT_S).json()
        return max(self.iou(outline, index) for outline in told["outlines"].values())


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppContext]:
    folder = tmp_path_factory.mktemp("picks")
    context = AppContext.create(dataclasses.replace(get_settings(), data_dir=folder, offline=True))
    yield context
    context.picks.close()
    context.jobs.close()


@pytest.fixture(scope="module")
def host(context: AppContext) -> Iterator[str]:
    with serve(Starlette(routes=build_routes(context))) as address:
        yield address


@pytest.fixture(scope="module")
def scenes(
    context: AppContext, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[Scene, list[Any]]]:
    """The same picture on a map, turned on a map, and without a place."""
    folder = tmp_path_factory.mktemp("images")
    made = {}
    for name in FRAMES:
        drawn = generated_scene(
            folder / f"{name}.tif", size=200, seed=4, crs=None if name == "pixels" else "EPSG:32633"
        )
        if name == "turned":
            with rasterio.open(drawn.path, "r+") as dataset:
                dataset.transform = dataset.transform @ Affine.rotation(30)
        truth = sorted(drawn.truth_px, key=lambda outline: -outline.area)
        made[name] = context.store.add_scene(drawn.path, drawn.path.name, OWNER), truth
    return made


@pytest.fixture(params=FRAMES)
def desk(
    request: pytest.FixtureRequest,
    context: AppContext,
    host: str,
    scenes: dict[str, tuple[Scene, list[Any]]],
) -> Desk:
    scene, truth = scenes[request.param]
    return Desk(host, scene, context.picks.sessions.begin(scene, OWNER), truth)


@pytest.fixture
def plain(context: AppContext, host: str, scenes: dict[str, tuple[Scene, list[Any]]]) -> Desk:
    """A new session in the scene on a map."""
    scene, truth = scenes["UTM"]
    return Desk(host, scene, context.picks.sessions.begin(scene, OWNER), truth)


def chosen(told: dict[str, Any]) -> dict[str, Any]:
    """The outline of the object at hand."""
    active = told["active"]
    outline: dict[str, Any] = told["outlines"][active["candidates"][active["chosen"]]["key"]]
    return outline


def test_clicks_boxes_and_outlines_find_what_they_point_at(desk: Desk) -> None:
    answer = desk.post("prompt", points=[[*desk.middle(0), 1]])
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert "pick;dur=" in answer.headers["Server-Timing"]
    told = answer.json()
    assert desk.best_iou(0) > 0.8
    assert desk.iou(chosen(told), 0) > 0.3
    (item,) = told["objects"]
    assert (item["number"], item["accepted"]) == (1, False)
    assert (item["area_m2"] is None) == (desk.scene.raster.grid.crs is None)
    ((lng, lat, label),) = told["active"]["prompts"]["points"]
    assert ([lng, lat], label) == (pytest.approx(desk.middle(0)), 1)

    assert desk.post("accept").json()["active"] is None
    x0, y0, x1, y1 = desk.truth[1].bounds
    corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
    told = desk.post("prompt", box=desk.on_map(corners)).json()
    assert desk.best_iou(1) > 0.8
    assert np.allclose(told["active"]["prompts"]["box"], desk.on_map(corners))

    desk.post("accept")
    ring = np.array(desk.truth[2].buffer(2).exterior.coords)
    told = desk.post("prompt", polygon=desk.on_map(ring)).json()
    assert desk.best_iou(2) > 0.7

    # A map that was drawn anew is told all of it.
    fresh = requests.get(desk.address, timeout=TIMEOUT_S).json()
    assert [item["number"] for item in fresh["objects"]] == [1, 2, 3]
    outlines = [fresh["outlines"][item["key"]] for item in fresh["objects"]]
    assert min(desk.iou(outlines[i], i) for i in range(3)) > 0.3
    assert fresh["outlines"][told["objects"][2]["key"]] == chosen(told)
    assert fresh["revision"] == told["revision"]


def test_steps_of_a_session(plain: Desk) -> None:
    told = plain.post("prompt", points=[[*plain.middle(0), 1]]).json()
    first = told["active"]
    keys = [candidate["key"] for candidate in first["candidates"]]
    sizes = [candidate["area_px"] for candidate in first["candidates"]]
    assert sizes == sorted(sizes)
    assert set(told["outlines"]) == {keys[first["chosen"]]}
    others = requests.get(f"{plain.address}/candidates", timeout=TIMEOUT_S).json()
    assert set(others["outlines"]) == set(keys)

    other = (first["chosen"] + 1) % len(keys)
    told = plain.post("choose", index=other).json()
    assert told["objects"][0]["key"] == keys[other]
    told = plain.post("undo").json()
    assert told["objects"][0]["key"] == keys[first["chosen"]]
    assert told["can_redo"]
    told = plain.post("redo").json()
    assert told["active"]["chosen"] == other

    told = plain.post("accept").json()
    assert (told["active"], told["objects"][0]["accepted"]) == (None, True)
    told = plain.post("prompt", points=[[*plain.middle(1), 1]]).json()
    assert told["active"]["number"] == 2
    # What is at hand is accepted when another one is taken up, and can be taken back.
    told = plain.post("select", number=1).json()
    assert told["active"]["number"] == 1
    assert [item["accepted"] for item in told["objects"]] == [True, True]
    told = plain.post("set_down").json()
    assert told["active"] is None
    told = plain.post("delete", number=1).json()
    assert [item["number"] for item in told["objects"]] == [2]
    plain.post("undo")
    told = plain.post("undo").json()
    assert told["active"]["number"] == 2
    assert [item["accepted"] for item in told["objects"]] == [True, False]


def test_a_background_point_makes_the_mask_smaller_there(plain: Desk) -> None:
    middle = np.array(plain.truth[0].centroid.coords[0])
    beside = np.array(plain.truth[1].centroid.coords[0])
    both = [[*place, 1] for place in plain.on_map([middle, beside])]
    place = shapely.Point(beside)
    told = plain.post("prompt", points=both).json()
    told = plain.post("undo").json()
    assert told["objects"] == []
    plain.post("prompt", points=both[:1])
    told = plain.post("prompt", points=[[*both[1][:2], 0]]).json()
    found = shapely.transform(shape(chosen(told)).buffer(0), plain.scene.frame.from_lnglat)
    assert not found.contains(place)
    assert plain.best_iou(0) > 0.8


def test_a_view_is_prepared_and_then_previewed_without_a_trace(plain: Desk) -> None:
    assert plain.post("view").json() == {"state": "ready", "note": None}
    told = plain.post("preview", points=[[*plain.middle(0), 1]]).json()
    assert told["ready"]
    assert plain.iou(told["outlines"][told["key"]], 0) > 0.3
    assert requests.get(plain.address, timeout=TIMEOUT_S).json()["objects"] == []
    # A view beside the image needs nothing.
    far = plain.on_map([(5000, 5000), (5100, 5100)])
    assert plain.post("view", view=far).json()["state"] == "ready"


@pytest.mark.parametrize(
    ("action", "values", "status", "words"),
    [
        ("prompt", {}, 400, "click or draw"),
        ("prompt", {"points": [[1, 2]]}, 400, "3 finite numbers"),
        ("prompt", {"points": [[1, 2, "x"]]}, 400, "3 finite numbers"),
        ("prompt", {"points": [[1, 2, True]]}, 400, "3 finite numbers"),
        ("prompt", {"points": [[10**400, 2, 1]]}, 400, "3 finite numbers"),
        ("prompt", {"points": [[0, 0, 1]]}, 400, "beside the image"),
        ("prompt", {"points": [[15.1, 45.2, 1]] * 65}, 400, "1 to 64"),
        ("prompt", {"points": 7}, 400, "1 to 64"),
        ("prompt", {"box": [[1, 2]] * 5}, 400, "1 to 4"),
        ("prompt", {"box": [[0, 0], [0, 1], [1, 1], [1, 0]]}, 400, "width and a height"),
        ("prompt", {"polygon": [[15.1, 45.2]] * 2001}, 400, "1 to 2000"),
        ("prompt", {"polygon": [[15.1, 45.2]] * 3}, 400, "three corners"),
        ("prompt", {"points": "inside", "view": [["a", 1]]}, 400, "2 finite numbers"),
        ("prompt", {"label": 0, "points": "background"}, 400, "point on it"),
        ("prompt", {"polygon": "x" * 300_000}, 400, "256 KiB"),
        ("choose", {"index": 0}, 400, "click one on the image first"),
        ("choose", {"index": 1.5}, 400, "whole number"),
        ("accept", {}, 400, "click one on the image first"),
        ("delete", {"number": 3}, 404, "no object 3"),
        ("delete", {"number": -1}, 400, "whole number"),
        ("select", {}, 400, "whole number"),
        ("explode", {}, 404, "choose"),
    ],
)
def test_what_makes_no_sense_is_a_sentence_and_changes_nothing(
    plain: Desk, action: str, values: dict[str, Any], status: int, words: str
) -> None:
    if values.get("points") in ("inside", "background"):
        label = 0 if values["points"] == "background" else 1
        values = {**values, "points": [[*plain.middle(0), label]]}
    answer = plain.post(action, **values)
    assert answer.status_code == status
    assert words in answer.text
    assert answer.text.strip().endswith(".")
    told = requests.get(plain.address, timeout=TIMEOUT_S).json()
    assert (told["revision"], told["objects"]) == (0, [])


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 400),
        ({"Sec-Fetch-Site": "same-origin"}, 400),
        ({"Origin": "http://HOST"}, 400),
        ({"Origin": "https://maps.example", "X-Forwarded-Host": "maps.example"}, 400),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://HOST"}, 403),
        ({"Origin": "http://elsewhere.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_other_sites_cannot_ask(plain: Desk, headers: dict[str, str], status: int) -> None:
    sent = {name: text.replace("HOST", plain.host[7:]) for name, text in headers.items()}
    answer = plain.post("accept", headers=sent)
    assert answer.status_code == status


def test_a_form_cannot_ask(plain: Desk) -> None:
    """What a page elsewhere can send without being asked first has another type."""
    answer = requests.post(f"{plain.address}/accept", data='{"a":1}', timeout=TIMEOUT_S)
    assert (answer.status_code, "JSON" in answer.text) == (400, True)
    typed = {"Content-Type": "application/json"}
    for body in ("[1]", "{", '{"index": NaN}', "[" * 100_000):
        answer = requests.post(
            f"{plain.address}/accept", data=body, headers=typed, timeout=TIMEOUT_S
        )
        assert (answer.status_code, "JSON object" in answer.text) == (400, True)


def test_only_both_ids_lead_to_a_session(
    plain: Desk, scenes: dict[str, tuple[Scene, list[Any]]]
) -> None:
    ids = plain.scene.scene_id, plain.session.session_id
    for scene_id, session_id in [
        (scenes["pixels"][0].scene_id, ids[1]), (ids[0], new_id()), (new_id(), ids[1]),
        (ids[0], "x"), ("..", ids[1]),
    ]:  # fmt: skip
        place = f"{plain.host}/picks/{scene_id}/{session_id}"
        assert requests.get(place, timeout=TIMEOUT_S).status_code == 404
        assert requests.post(f"{place}/accept", json={}, timeout=TIMEOUT_S).status_code == 404
