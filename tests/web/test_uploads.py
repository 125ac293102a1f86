"""Uploads: refused early, written piece by piece, found again, made scenes in one step."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from samgeo_core.errors import (
    ConflictError,
    DiskFullError,
    NotFoundError,
    ParameterError,
    RasterTooLargeError,
    UnsupportedFormatError,
)
from samgeo_core.reading.first_bytes import HEAD_BYTES
from samgeo_core.settings import get_settings
from samgeo_core.web import upload_parts
from samgeo_core.web.context import AppContext
from samgeo_core.web.ids import new_id
from samgeo_core.web.routes import build_routes
from samgeo_core.web.upload_routes import PIECE_BYTES
from samgeo_core.web.uploads import Uploads
from samgeo_core.web.visitors import COOKIE
from tests.factories import MakeRaster
from tests.web.serving import serve

ANNA, BERT = new_id(), new_id()
BEGUN = 1_700_000_000_000


@pytest.fixture
def content(make_raster: MakeRaster) -> bytes:
    """A GeoTIFF of some hundred kilobytes."""
    return make_raster(shape_hw=(300, 400)).read_bytes()


@pytest.fixture
def context(tmp_path: Path) -> Iterator[AppContext]:
    settings = replace(get_settings(), data_dir=tmp_path / "data", max_pixels=10**8)
    made = AppContext.create(settings)
    yield made
    made.jobs.close()
    made.overviews.close()


@pytest.fixture
def uploads(context: AppContext) -> Uploads:
    return context.uploads


@pytest.fixture
def limited(context: AppContext) -> Callable[..., Uploads]:
    """Factory of uploads with other limits."""
    return lambda **limits: Uploads(context.store, replace(context.settings, **limits))


def _begin(uploads: Uploads, content: bytes, owner: str = ANNA, name: str = "a.tif") -> str:
    head = content[:HEAD_BYTES]
    return uploads.begin(owner, name, len(content), BEGUN, head).upload_id


def _send(uploads: Uploads, upload_id: str, content: bytes, start: int, stop: int) -> int:
    turn = uploads.turn(upload_id, ANNA, start)
    turn.write(content[start:stop])
    return turn.end()


class TestParts:
    def test_a_file_in_pieces_becomes_a_scene_of_the_same_bytes(
        self, uploads: Uploads, context: AppContext, content: bytes
    ) -> None:
        upload_id = _begin(uploads, content)
        middle = (HEAD_BYTES + len(content)) // 2
        assert _send(uploads, upload_id, content, HEAD_BYTES, middle) == middle
        _send(uploads, upload_id, content, middle, len(content))
        scene = uploads.finish(upload_id, ANNA, hashlib.sha256(content).hexdigest())
        assert scene.source.read_bytes() == content
        assert (scene.name, scene.owner, scene.kind) == ("a.tif", ANNA, "upload")
        assert context.store.scene(scene.scene_id) == scene
        # Whoever asks again, as after a lost answer, is told the same; others nothing.
        assert uploads.finish(upload_id, ANNA) == scene
        with pytest.raises(NotFoundError):
            uploads.finish(upload_id, BERT)
        assert uploads.unfinished() == []

    def test_the_same_file_goes_on_where_it_was_in_another_process(
        self, uploads: Uploads, limited: Callable[..., Uploads], content: bytes
    ) -> None:
        upload_id = _begin(uploads, content)
        turn = uploads.turn(upload_id, ANNA, HEAD_BYTES)
        turn.write(content[HEAD_BYTES : HEAD_BYTES + 1000])
        # As the end of a process does, and nothing of ours.
        turn._file.close()
        others = limited()
        found = others.begin(ANNA, "a.tif", len(content), BEGUN, content[:HEAD_BYTES])
        assert (found.upload_id, found.offset) == (upload_id, HEAD_BYTES + 1000)
        _send(others, upload_id, content, found.offset, len(content))
        scene = others.finish(upload_id, ANNA, hashlib.sha256(content).hexdigest())
        assert scene.source.read_bytes() == content

    @pytest.mark.parametrize("other", ["owner", "name", "size", "modified", "head"])
    def test_what_differs_is_another_file(
        self, uploads: Uploads, content: bytes, other: str
    ) -> None:
        first = _begin(uploads, content)
        head = content[:HEAD_BYTES]
        second = uploads.begin(
            BERT if other == "owner" else ANNA,
            "b.tif" if other == "name" else "a.tif",
            len(content) + (other == "size"),
            BEGUN + (other == "modified"),
            head[:-1] + b"\xee" if other == "head" else head,
        )
        assert second.upload_id != first

    def test_offsets_must_fit_and_a_new_turn_ends_the_old(
        self, uploads: Uploads, content: bytes
    ) -> None:
        upload_id = _begin(uploads, content)
        with pytest.raises(ConflictError, match=f"{HEAD_BYTES} bytes"):
            uploads.turn(upload_id, ANNA, 0)
        stuck = uploads.turn(upload_id, ANNA, HEAD_BYTES)
        stuck.write(content[HEAD_BYTES : HEAD_BYTES + 10])
        turn = uploads.turn(upload_id, ANNA, HEAD_BYTES + 10)
        with pytest.raises(ConflictError, match="another window"):
            stuck.write(b"late")
        turn.write(content[HEAD_BYTES + 10 :])
        with pytest.raises(ParameterError, match="the file has changed"):
            turn.write(b"more")
        turn.end()
        assert uploads.finish(upload_id, ANNA).source.read_bytes() == content

    def test_a_damaged_piece_is_taken_back(self, uploads: Uploads, content: bytes) -> None:
        upload_id = _begin(uploads, content)
        turn = uploads.turn(upload_id, ANNA, HEAD_BYTES)
        turn.write(b"\0" * 100)
        with pytest.raises(ConflictError, match="damaged"):
            turn.end(hashlib.sha256(b"\1" * 100).hexdigest())
        assert uploads.find(upload_id, ANNA).offset == HEAD_BYTES
        _send(uploads, upload_id, content, HEAD_BYTES, len(content))
        # The sum of the whole knows nothing of what was taken back.
        uploads.finish(upload_id, ANNA, hashlib.sha256(content).hexdigest())

    def test_nothing_unfinished_becomes_a_scene(self, uploads: Uploads, content: bytes) -> None:
        upload_id = _begin(uploads, content)
        with pytest.raises(ConflictError, match="go on from there"):
            uploads.finish(upload_id, ANNA)
        _send(uploads, upload_id, content, HEAD_BYTES, len(content))
        with pytest.raises(ConflictError, match="arrived damaged"):
            uploads.finish(upload_id, ANNA, "0" * 64)
        with pytest.raises(NotFoundError):
            uploads.find(upload_id, ANNA)

    def test_a_broken_image_leaves_nothing_and_is_called_by_its_name(
        self, uploads: Uploads, context: AppContext, content: bytes
    ) -> None:
        cut = content[: len(content) // 2]
        upload_id = _begin(uploads, cut, name="cut.tif")
        _send(uploads, upload_id, cut, HEAD_BYTES, len(cut))
        with pytest.raises(Exception, match=r"cut\.tif is damaged or cut short"):
            uploads.finish(upload_id, ANNA)
        assert uploads.unfinished() == [] and context.store.scenes() == []


class TestLimits:
    def test_each_refusal_is_a_sentence(
        self, uploads: Uploads, limited: Callable[..., Uploads], content: bytes
    ) -> None:
        with pytest.raises(UnsupportedFormatError, match="virtual raster"):
            _begin(uploads, b'<VRTDataset rasterXSize="1"/>')
        with pytest.raises(RasterTooLargeError, match="400 x 300 = 120,000 px"):
            _begin(limited(max_pixels=1000), content)
        with pytest.raises(RasterTooLargeError, match=r"more than the 0\.1 MB"):
            _begin(limited(max_upload_bytes=100_000), content)
        with pytest.raises(DiskFullError, match=r"room for 0\.0 MB"):
            _begin(limited(free_disk_bytes=10**18), content)
        with pytest.raises(ParameterError, match="a visitor may have"):
            _begin(limited(max_visitor_bytes=1000), content)
        with pytest.raises(ParameterError, match="64 KiB"):
            uploads.begin(ANNA, "a.tif", len(content), BEGUN, content[:100])
        assert uploads.unfinished() == []
        _begin(uploads, content)
        with pytest.raises(ParameterError, match="1 of your uploads"):
            _begin(limited(max_uploads=1), content, name="b.tif")
        with pytest.raises(ParameterError, match="unfinished uploads would have"):
            _begin(limited(max_unfinished_bytes=len(content)), content, name="b.tif")
        _begin(limited(max_uploads=1), content, BERT)

    def test_a_disk_that_fills_up_loses_nothing(
        self, uploads: Uploads, content: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        upload_id = _begin(uploads, content)
        turn = uploads.turn(upload_id, ANNA, HEAD_BYTES)
        turn.write(content[HEAD_BYTES : HEAD_BYTES + 100])
        usage = upload_parts.shutil.disk_usage("/")._replace(free=0)
        with monkeypatch.context() as patch:
            patch.setattr(upload_parts.shutil, "disk_usage", lambda _: usage)
            with pytest.raises(DiskFullError, match="disk is full"):
                turn.write(content[HEAD_BYTES + 100 :])
        assert turn.end() == HEAD_BYTES + 100
        _send(uploads, upload_id, content, HEAD_BYTES + 100, len(content))
        assert uploads.finish(upload_id, ANNA).source.read_bytes() == content

    def test_visitors_know_nothing_of_each_other(self, uploads: Uploads, content: bytes) -> None:
        upload_id = _begin(uploads, content)
        assert uploads.unfinished(BERT) == []
        for forbidden in (
            lambda: uploads.find(upload_id, BERT),
            lambda: uploads.turn(upload_id, BERT, HEAD_BYTES),
            lambda: uploads.finish(upload_id, BERT),
            lambda: uploads.cancel(upload_id, BERT),
            lambda: uploads.find("../scenes", BERT),
        ):
            with pytest.raises(NotFoundError):
                forbidden()
        assert uploads.cancel_all_of(ANNA) == 1 and uploads.unfinished() == []

    def test_only_what_stands_still_is_cleaned_up(self, uploads: Uploads, content: bytes) -> None:
        upload_id = _begin(uploads, content)
        assert uploads.clean_up() == []
        assert uploads.clean_up(now=time.time() + 23 * 3600) == []
        assert uploads.clean_up(now=time.time() + 25 * 3600) == [upload_id]
        assert uploads.unfinished() == []


class TestRoutes:
    @pytest.fixture
    def client(self, context: AppContext) -> Iterator[httpx.Client]:
        with (
            serve(Starlette(routes=build_routes(context, "studio"))) as address,
            httpx.Client(base_url=f"{address}/studio", cookies={COOKIE: ANNA}) as client,
        ):
            yield client

    def _begin(self, client: httpx.Client, content: bytes, **headers: str) -> httpx.Response:
        asked = {"name": "../ä.tif", "size": str(len(content)), "modified": "1"}
        body = content[:HEAD_BYTES]
        return client.post("/uploads", params=asked, content=body, headers=headers)

    def test_a_file_goes_up_in_pieces(
        self, client: httpx.Client, context: AppContext, content: bytes
    ) -> None:
        begun = self._begin(client, content)
        assert begun.status_code == 201
        place, offset = f"/uploads/{begun.json()['id']}", begun.json()["offset"]
        assert offset == HEAD_BYTES
        part = content[offset : offset + 70_000]
        summed = {"X-Piece-SHA256": hashlib.sha256(part).hexdigest()}
        sent = client.patch(place, params={"offset": offset}, content=part, headers=summed)
        assert sent.json()["offset"] == offset + len(part)
        # Sent a second time, as by who never got the answer, it changes nothing.
        again = client.patch(place, params={"offset": offset}, content=part)
        assert again.status_code == 409
        offset = client.get(f"{place}/state").json()["offset"]
        client.patch(place, params={"offset": offset}, content=content[offset:])
        summed = {"X-File-SHA256": hashlib.sha256(content).hexdigest()}
        scene_id = client.post(f"{place}/finish", headers=summed).json()["scene"]
        scene = context.store.scene(scene_id, ANNA)
        assert scene.name == "ä.tif"
        assert scene.source.read_bytes() == content

    def test_a_broken_line_keeps_what_came(
        self, client: httpx.Client, make_raster: MakeRaster
    ) -> None:
        content = make_raster(shape_hw=(900, 1000)).read_bytes()
        place = f"/uploads/{self._begin(client, content).json()['id']}"
        sent = 2 * PIECE_BYTES + 1234

        def offset() -> int:
            return int(client.get(f"{place}/state").json()["offset"])

        def wait_for(least: int) -> None:
            deadline = time.monotonic() + 20
            while offset() < least:
                assert time.monotonic() < deadline
                time.sleep(0.01)

        def pieces() -> Iterator[bytes]:
            yield content[HEAD_BYTES : HEAD_BYTES + sent]
            wait_for(HEAD_BYTES + PIECE_BYTES)
            raise ConnectionError("the line is cut")

        with pytest.raises(ConnectionError):
            client.patch(place, params={"offset": HEAD_BYTES}, content=pieces())
        wait_for(HEAD_BYTES + sent)
        client.patch(place, params={"offset": offset()}, content=content[offset() :])
        summed = {"X-File-SHA256": hashlib.sha256(content).hexdigest()}
        assert client.post(f"{place}/finish", headers=summed).status_code == 200

    def test_strangers_and_other_sites_are_refused(
        self, client: httpx.Client, content: bytes
    ) -> None:
        foreign = self._begin(client, content, **{"Sec-Fetch-Site": "cross-site"})
        assert foreign.status_code == 403
        nameless = httpx.post(f"{client.base_url}uploads?name=a&size=1&modified=1", content=b"x")
        assert nameless.status_code == 401 and "Open the app's page" in nameless.text
        place = f"/uploads/{self._begin(client, content).json()['id']}"
        other = {"Cookie": f"{COOKIE}={BERT}"}
        answers = [
            httpx.get(f"{client.base_url}{place[1:]}/state", headers=other),
            httpx.patch(f"{client.base_url}{place[1:]}?offset=65536", headers=other, content=b"x"),
            httpx.post(f"{client.base_url}{place[1:]}/finish", headers=other),
            httpx.delete(f"{client.base_url}{place[1:]}", headers=other),
        ]
        assert [answer.status_code for answer in answers] == [404] * 4
        assert client.get(f"{place}/state").json()["offset"] == HEAD_BYTES
        assert client.delete(place).status_code == 204

    @pytest.mark.parametrize(
        ("content", "status", "says"),
        [
            (b"", 422, "empty"),
            (b"not an image", 415, "can be opened"),
            (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + b"\0\1\0\0" * 2, 413, "65536 x 65536"),
        ],
    )
    def test_refusals_come_before_the_file(
        self, client: httpx.Client, content: bytes, status: int, says: str
    ) -> None:
        answer = self._begin(client, content)
        assert answer.status_code == status
        assert says in answer.text and answer.text.startswith("ä.tif")
