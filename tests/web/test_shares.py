"""Links to results: what they open, what they don't, and that nothing of them can script."""

import dataclasses
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import requests
from PIL import Image
from starlette.applications import Starlette

from samgeo_core.edits.edits import Edit
from samgeo_core.edits.history import EDITS_FILE, EditLog
from samgeo_core.edits.shapes import as_candidate
from samgeo_core.errors import GoneError, NotFoundError, ParameterError
from samgeo_core.settings import get_settings
from samgeo_core.web import shares as shares_module
from samgeo_core.web.context import AppContext
from samgeo_core.web.records import Run, Scene
from samgeo_core.web.results import result_place
from samgeo_core.web.routes import build_routes
from samgeo_core.web.selected import selected
from samgeo_core.web.shares import Shares, ShareText, key_of
from samgeo_core.web.store import Store
from samgeo_core.web.views import empty_png
from tests.web.conftest import MakeRun, MakeScene
from tests.web.serving import serve
from tests.web.tile_checks import place_on_tiles

HOSTILE = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(2)>${at}$$&amp;"


@pytest.fixture
def shares(store: Store) -> Shares:
    return Shares(store)


@pytest.fixture
def scene(make_scene: MakeScene) -> Scene:
    return make_scene("Zürich 1.tif", shape_hw=(120, 160))


@pytest.fixture
def run(scene: Scene, make_run: MakeRun) -> Run:
    return make_run(scene)


@pytest.fixture(params=["", "maps/studio"], ids=["at the root", "below a base path"])
def base(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def host(store: Store, base: str) -> Iterator[str]:
    context = AppContext.create(dataclasses.replace(get_settings(), data_dir=store.root))
    with serve(Starlette(routes=build_routes(context, base))) as address:
        yield f"{address}/{base}".rstrip("/")
    context.jobs.close()


def get(address: str, **headers: str) -> requests.Response:
    return requests.get(address, headers=headers, timeout=30, allow_redirects=False)


def facts_of(page: str) -> dict[str, object]:
    found = re.search(r'<script type="application/json" id="facts">(.*?)</script>', page, re.S)
    assert found is not None
    facts: dict[str, object] = json.loads(found[1])
    return facts


def test_only_a_fingerprint_of_the_token_is_kept(shares: Shares, run: Run, store: Store) -> None:
    token, share = shares.create(run, ShareText("Roofs"), downloads=["objects.gpkg"])
    assert len(token) * 6 >= 256
    files = [path for path in store.root.rglob("*") if path.is_file()]
    assert not [path for path in files if token.encode() in path.name.encode() + path.read_bytes()]
    assert share.key == key_of(token)
    assert shares.find(token) == (share, run)
    assert shares.of_run(run) == [share]


@pytest.mark.parametrize("token", ["", "x", "A" * 43, "../" * 20, "é" * 43, "A" * 44, "A" * 42])
def test_other_tokens_open_nothing(shares: Shares, run: Run, token: str) -> None:
    shares.create(run, ShareText())
    with pytest.raises(NotFoundError):
        shares.find(token)


def test_links_end(shares: Shares, run: Run) -> None:
    token, share = shares.create(run, ShareText(), lifetime_s=60)
    assert share.expires is not None
    shares.find(token, now=share.expires - 1)
    with pytest.raises(GoneError, match="expired"):
        shares.find(token, now=share.expires)
    assert shares.of_run(run, now=share.expires) == []
    other, taken = shares.create(run, ShareText())
    shares.find(other, now=share.created + 1e9)
    shares.revoke(run, taken.key)
    with pytest.raises(GoneError, match="taken back"):
        shares.find(other)
    shares.find(token)
    with pytest.raises(NotFoundError):
        shares.revoke(run, "../meta")


def test_links_go_with_their_run(shares: Shares, run: Run, store: Store) -> None:
    token, _ = shares.create(run, ShareText("A secret title"))
    lost, _ = shares.create(run, ShareText())
    store.delete_run(run.run_id)
    with pytest.raises(NotFoundError):
        shares.find(token)
    assert shares.forget_lost() == 1
    with pytest.raises(NotFoundError):
        shares.find(lost)
    kept = [path for path in store.root.rglob("*") if path.is_file()]
    assert not [path for path in kept if b"A secret title" in path.read_bytes()]


@pytest.mark.parametrize(
    "wrong",
    [
        {"text": ShareText("x" * 121)},
        {"text": ShareText(description="x" * 2001)},
        {"downloads": ["../meta.json"]},
        {"downloads": ["meta.json"]},
        {"rule": {"least_score": "nan"}},
        {"rule": {"least_score": "much"}},
        {"lifetime_s": 0},
        {"lifetime_s": float("nan")},
        {"lifetime_s": float("inf")},
    ],
)
def test_what_can_not_be_shared_is_a_sentence(
    shares: Shares, run: Run, wrong: dict[str, object]
) -> None:
    with pytest.raises(ParameterError):
        shares.create(run, **{"text": ShareText(), **wrong})  # type: ignore[arg-type]
    assert shares.of_run(run) == []


def test_a_run_has_so_many_links(shares: Shares, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shares_module, "MOST_LINKS", 2)
    first = shares.create(run, ShareText())[1]
    shares.create(run, ShareText())
    with pytest.raises(ParameterError, match="revoke"):
        shares.create(run, ShareText())
    shares.revoke(run, first.key)
    shares.create(run, ShareText())


def test_control_characters_are_left_out(shares: Shares, run: Run) -> None:
    text = ShareText(" a\u202eb\x00\n ", "one\r\ntwo\x1b[0m\n", "x\ny")
    _, share = shares.create(run, text)
    assert share.text == ShareText("ab", "one\ntwo[0m", "xy")


def test_a_page_and_all_that_it_loads(
    host: str, base: str, shares: Shares, run: Run, scene: Scene
) -> None:
    token, _ = shares.create(
        run, ShareText("Roofs", "Of 2024"), rule={"least_score": "0.93"}, downloads=["mask.tif"]
    )
    page = get(f"{host}/s/{token}")
    assert page.status_code == 200
    assert "set-cookie" not in page.headers
    policy = page.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert page.headers["referrer-policy"] == "no-referrer"
    assert "noindex" in page.headers["x-robots-tag"]
    assert run.run_id not in page.text
    assert scene.scene_id not in page.text
    assert f'property="og:image" content="{host}/s/{token}/preview.png"' in page.text
    path = f"/{base}/s/{token}".replace("//", "/")
    facts = facts_of(page.text)
    assert (facts["at"], facts["count"], facts["title"]) == (path, 2, "Roofs")
    for address in re.findall(r'(?:href|src)="([^"]+)"', page.text):
        assert address.startswith(f"{path}/static/")
        assert get(host.removesuffix(f"/{base}") + address).status_code == 200
    at = f"{host}/s/{token}"
    layer = get(f"{at}/layer.geojson")
    assert len(layer.json()["features"]) == 2
    known = {"If-None-Match": layer.headers["etag"]}
    assert get(f"{at}/layer.geojson", **known).status_code == 304
    zoom = scene.frame.native_zoom
    column, row, _, _ = place_on_tiles(scene.frame, zoom, 65, 75)
    for kind in ("tiles", "masks"):
        tile = get(f"{at}/{kind}/{zoom}/{column}/{row}.png")
        assert (tile.status_code, tile.content == empty_png()) == (200, False)
        assert tile.headers["cache-control"] == "private, no-cache"
    assert get(f"{at}/download/mask.tif").status_code == 200
    embedded = get(f"{at}/embed")
    assert "frame-ancestors *" in embedded.headers["content-security-policy"]
    assert facts_of(embedded.text)["embedded"] is True


def test_what_is_not_offered_is_refused(host: str, shares: Shares, run: Run) -> None:
    token, _ = shares.create(run, ShareText(), downloads=["mask.tif"])
    at = f"{host}/s/{token}"
    for place in (
        "download/objects.gpkg", "download/..%2fmeta.json", "download/meta.json",
        "tiles/1/2/x.png", "tiles/-1/0/0.png", "static/x/page.html", "static/x/..%2f..%2fstore.py",
        "table.json", "place/1.json", "nothing",
    ):  # fmt: skip
        assert get(f"{at}/{place}").status_code == 404, place
    assert get(f"{host}/runs/{token}/objects.geojson").status_code == 404
    assert requests.post(at, timeout=30).status_code == 405


def test_revoking_stops_everything_at_once(host: str, shares: Shares, run: Run) -> None:
    token, share = shares.create(run, ShareText(), downloads=["run.json"])
    at = f"{host}/s/{token}"
    places = ["", "/embed", "/layer.geojson", "/tiles/0/0/0.png", "/masks/0/0/0.png"]
    places += ["/preview.png", "/download/run.json", "/static/x/share.js"]
    tags = {place: get(at + place).headers.get("etag", "") for place in places}
    assert sum(map(bool, tags.values())) >= 5
    shares.revoke(run, share.key)
    for place in places:
        answer = get(at + place, **{"If-None-Match": tags[place]})
        assert (answer.status_code, answer.headers["cache-control"]) == (410, "no-store")
    page = get(at, Accept="text/html")
    assert (page.status_code, "taken back" in page.text) == (410, True)
    unknown = get(f"{host}/s/{'A' * 43}", Accept="text/html")
    assert (unknown.status_code, "anywhere" in unknown.text) == (404, True)


def test_texts_are_no_markup(host: str, shares: Shares, run: Run) -> None:
    token, _ = shares.create(run, ShareText(HOSTILE[:120], HOSTILE, HOSTILE))
    page = get(f"{host}/s/{token}", **{"X-Forwarded-Host": 'evil"><script>'}).text
    assert facts_of(page)["description"] == HOSTILE
    assert page.count("<script") == 3
    assert "<img" not in page
    assert 'evil"' not in page


def test_corrections_follow(host: str, shares: Shares, run: Run) -> None:
    token, _ = shares.create(run, ShareText())
    before = get(f"{host}/s/{token}/layer.geojson")
    EditLog(run.folder / EDITS_FILE).add(Edit("delete", (as_candidate(selected(run).objects[0]),)))
    known = {"If-None-Match": before.headers["etag"]}
    after = get(f"{host}/s/{token}/layer.geojson", **known)
    assert (len(before.json()["features"]), len(after.json()["features"])) == (3, 2)


def test_the_picture_shows_image_and_outlines(host: str, shares: Shares, run: Run) -> None:
    token, _ = shares.create(run, ShareText())
    empty, _ = shares.create(run, ShareText(), rule={"least_score": "1"})
    pictures = []
    for each in (token, empty):
        answer = get(f"{host}/s/{each}/preview.png")
        with Image.open(io.BytesIO(answer.content)) as picture:
            assert (picture.format, picture.size) == ("PNG", (1200, 630))
            pictures.append(np.asarray(picture.convert("RGB")).astype(int))
    with_objects, without = pictures
    assert without.std() > 5
    # So few colours move all of them a little.
    changed = np.abs(with_objects - without).max(-1) > 60
    assert 0.005 < changed.mean() < 0.5


def test_results_in_parts_are_asked_by_view(
    host: str, shares: Shares, bright: Scene, make_streamed_run: MakeRun
) -> None:
    run = make_streamed_run(bright)
    with pytest.raises(ParameterError):
        shares.create(run, ShareText(), rule={"least_score": "0.95"})
    token, _ = shares.create(run, ShareText(), downloads=["bundle.zip"])
    at, count = f"{host}/s/{token}", run.record["n_objects"]
    facts = facts_of(get(at).text)
    assert (facts["by_view"], facts["count"]) == (True, count)
    (south, west), (north, east) = result_place(run).frame.bounds_latlng
    view = get(f"{at}/layer.geojson?bbox={west},{south},{east},{north}&zoom=17").json()
    assert view["total"] == count
    assert get(f"{at}/layer.geojson").status_code == 400
    rows = get(f"{at}/table.json").json()
    assert len(rows) == count
    place = get(f"{at}/place/{rows[0]['object_id']}.json").json()
    assert south <= place[0][0] < place[1][0] <= north
    assert get(f"{at}/place/999999.json").status_code == 404
    assert len(get(f"{at}/preview.png").content) > 10_000
    assert get(f"{at}/download/bundle.zip").content[:2] == b"PK"


def test_a_damaged_record_opens_nothing(shares: Shares, run: Run) -> None:
    token, share = shares.create(run, ShareText())
    Path(run.folder / "shares" / f"{share.key}.json").write_text("{")
    with pytest.raises(NotFoundError):
        shares.find(token)
