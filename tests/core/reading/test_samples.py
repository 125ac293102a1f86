from __future__ import annotations

import hashlib
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from samgeo_core.errors import NotFoundError, RasterError
from samgeo_core.reading import samples
from samgeo_core.reading.raster import Raster
from samgeo_core.reading.samples import Sample, fetch_samples, list_samples, sample_path
from samgeo_core.settings import Settings

PICTURE = b"the bytes of a picture"
MEMBER = "deepforest/data/picture.tif"


@pytest.fixture
def cache_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, and a table with one sample to fetch."""
    settings = replace(Settings.from_env(), cache_dir=tmp_path / "cache", offline=False)
    monkeypatch.setattr(samples, "get_settings", lambda: settings)
    sample = Sample("picture", "A picture", "To test with.", "nobody")
    fetched = samples._Fetched(sample, MEMBER, hashlib.sha256(PICTURE).hexdigest())
    monkeypatch.setattr(samples, "_SAMPLES", (fetched,))
    return settings.cache_dir


@pytest.fixture
def local_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes packages from, and from nowhere else."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def write_wheel(folder: Path, members: dict[str, bytes]) -> None:
    """A wheel that pip accepts as the package with the samples."""
    facts = "deepforest-2.1.0.dist-info/"
    with zipfile.ZipFile(folder / "deepforest-2.1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(
            facts + "METADATA", "Metadata-Version: 2.1\nName: deepforest\nVersion: 2.1.0\n"
        )
        wheel.writestr(
            facts + "WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(facts + "RECORD", "")
        for name, content in members.items():
            wheel.writestr(name, content)


class TestSamplesOnThisMachine:
    def test_those_of_installed_packages_are_always_there(self) -> None:
        assert {"salt-ponds", "bahamas"} <= {sample.key for sample in list_samples()}

    def test_each_opens_and_says_what_it_is(self) -> None:
        for sample in list_samples():
            raster = Raster.open(sample_path(sample.key))
            assert raster.band_count >= 3
            assert raster.preview(64).rgb.std() > 10
            assert sample.title and sample.description and sample.attribution

    def test_keys_are_unique(self) -> None:
        keys = [sample.key for sample in list_samples()]
        assert len(keys) == len(set(keys))

    def test_an_unknown_one(self) -> None:
        with pytest.raises(NotFoundError, match=r"no sample 'nowhere'.*salt-ponds"):
            sample_path("nowhere")


class TestAddressed:
    """Samples at an address, fetched from a server of the test's own."""

    @pytest.fixture
    def served(
        self, cache_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[None]:
        (tmp_path / "web").mkdir()
        (tmp_path / "web" / "picture.tif").write_bytes(PICTURE)
        handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "web"))
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            self._offer(monkeypatch, server.server_port, hashlib.sha256(PICTURE).hexdigest())
            yield
            server.shutdown()

    @staticmethod
    def _offer(monkeypatch: pytest.MonkeyPatch, port: int, sha256: str) -> None:
        sample = Sample("web", "From the web", "To test with.", "nobody")
        url = f"http://127.0.0.1:{port}/picture.tif"
        addressed = samples._Addressed(sample, url, sha256, len(PICTURE))
        monkeypatch.setattr(samples, "_SAMPLES", (addressed,))

    def test_is_fetched_and_then_there(self, served: None) -> None:
        assert list_samples() == []
        assert fetch_samples() == [sample_path("web")]
        assert sample_path("web").read_bytes() == PICTURE

    def test_another_file_than_expected_is_left_out(
        self, served: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        wrong = replace(samples._SAMPLES[0], sha256="0" * 64)  # type: ignore[type-var]
        monkeypatch.setattr(samples, "_SAMPLES", (wrong,))
        assert fetch_samples() == []
        assert list_samples() == []

    def test_without_a_web_the_rest_goes_on(
        self, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self._offer(monkeypatch, 9, "0" * 64)
        assert fetch_samples() == []


class TestFetch:
    def test_makes_samples_available(self, cache_dir: Path, local_index: Path) -> None:
        write_wheel(local_index, {MEMBER: PICTURE})
        assert list_samples() == []
        with pytest.raises(NotFoundError, match="there are: none"):
            sample_path("picture")
        assert fetch_samples() == [sample_path("picture")]
        assert sample_path("picture").read_bytes() == PICTURE
        assert [path.name for path in cache_dir.rglob("*.*")] == ["picture.tif"]

    def test_what_is_there_needs_no_package(self, cache_dir: Path, local_index: Path) -> None:
        write_wheel(local_index, {MEMBER: PICTURE})
        fetch_samples()
        for wheel in local_index.iterdir():
            wheel.unlink()
        assert fetch_samples() == [sample_path("picture")]

    def test_a_damaged_one_is_fetched_again(self, cache_dir: Path, local_index: Path) -> None:
        write_wheel(local_index, {MEMBER: PICTURE})
        fetch_samples()
        sample_path("picture").write_bytes(b"damaged")
        fetch_samples()
        assert sample_path("picture").read_bytes() == PICTURE

    def test_other_content_is_not_kept(self, cache_dir: Path, local_index: Path) -> None:
        write_wheel(local_index, {MEMBER: b"something else"})
        with pytest.raises(RasterError, match="should have SHA-256"):
            fetch_samples()
        assert list_samples() == []

    def test_a_package_without_the_sample(self, cache_dir: Path, local_index: Path) -> None:
        write_wheel(local_index, {})
        with pytest.raises(RasterError, match=f"holds no {MEMBER}"):
            fetch_samples()

    def test_a_package_that_can_not_be_had(self, cache_dir: Path, local_index: Path) -> None:
        with pytest.raises(RasterError, match="could not be fetched by pip: ERROR"):
            fetch_samples()

    def test_offline(self, cache_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        settings = replace(samples.get_settings(), offline=True)
        monkeypatch.setattr(samples, "get_settings", lambda: settings)
        with pytest.raises(RasterError, match="SAMGEO_OFFLINE"):
            fetch_samples()
