"""Downloads against a server on this machine: whole, resumed, refused, and only once."""

from __future__ import annotations

import hashlib
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from samgeo_core.errors import CancelledError, WeightsError
from samgeo_core.models.transfer import CHUNK_BYTES, download_file, only_one, sha256_of
from samgeo_core.progress import CancelToken, Monitor, Progress
from tests.core.models.file_server import FileServer, serve

CONTENT = bytes(range(256)) * (3 * CHUNK_BYTES // 256) + b"the end"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def start() -> Iterator[Callable[..., FileServer]]:
    """Starts one server with the manners given."""
    running = []

    def begin(**manners: object) -> FileServer:
        context = serve(FileServer(**{"content": CONTENT, **manners}))  # type: ignore[arg-type]
        running.append(context)
        return context.__enter__()

    yield begin
    for context in running:
        context.__exit__(None, None, None)


def get(server: FileServer, target: Path, monitor: Monitor | None = None) -> Path:
    return download_file(
        server.url, target, sha256=SHA256, size_bytes=len(CONTENT), monitor=monitor or Monitor()
    )


def test_a_download_arrives_whole_with_rising_progress(tmp_path, start):
    server = start()
    heard: list[Progress] = []
    target = get(server, tmp_path / "new" / "weights.pt", Monitor(heard.append))
    assert target.read_bytes() == CONTENT
    assert not target.with_name("weights.pt.part").exists()
    done = [p.done for p in heard]
    assert done == sorted(done)
    assert heard[-1] == Progress("download", len(CONTENT), len(CONTENT))


def test_what_is_there_is_not_fetched_again(tmp_path, start):
    server = start()
    get(server, tmp_path / "weights.pt")
    get(server, tmp_path / "weights.pt")
    assert server.ranges == [None]


def test_a_spoilt_target_is_replaced(tmp_path, start):
    target = tmp_path / "weights.pt"
    target.write_bytes(b"spoilt")
    assert get(start(), target).read_bytes() == CONTENT


def test_a_broken_connection_is_resumed_where_it_broke(tmp_path, start):
    server = start(breaks=[CHUNK_BYTES, CHUNK_BYTES])
    assert get(server, tmp_path / "weights.pt").read_bytes() == CONTENT
    assert server.ranges == [None, f"bytes={CHUNK_BYTES}-", f"bytes={2 * CHUNK_BYTES}-"]


def test_a_part_of_an_earlier_try_is_resumed(tmp_path, start):
    (tmp_path / "weights.pt.part").write_bytes(CONTENT[:1000])
    server = start()
    assert get(server, tmp_path / "weights.pt").read_bytes() == CONTENT
    assert server.ranges == ["bytes=1000-"]


@pytest.mark.parametrize(
    ("part", "requests"),
    [
        pytest.param(b"other version", ["bytes=13-", None], id="of another version"),
        pytest.param(b"x" * len(CONTENT), [None], id="complete but wrong"),
        pytest.param(b"x" * (len(CONTENT) + 1), [None], id="too long"),
    ],
)
def test_a_part_that_does_not_fit_is_thrown_away(tmp_path, start, part, requests):
    (tmp_path / "weights.pt.part").write_bytes(part)
    server = start()
    assert get(server, tmp_path / "weights.pt").read_bytes() == CONTENT
    assert server.ranges == requests


def test_a_server_that_does_not_resume_is_read_from_the_start(tmp_path, start):
    (tmp_path / "weights.pt.part").write_bytes(CONTENT[:1000])
    server = start(resumes=False)
    assert get(server, tmp_path / "weights.pt").read_bytes() == CONTENT


def test_a_part_too_long_for_a_file_of_unknown_size_is_started_over(tmp_path, start):
    (tmp_path / "weights.pt.part").write_bytes(CONTENT + b"more")
    server = start()
    target = download_file(server.url, tmp_path / "weights.pt", sha256=SHA256)
    assert target.read_bytes() == CONTENT
    assert server.ranges == [f"bytes={len(CONTENT) + 4}-", None]


def test_a_connection_that_keeps_breaking_ends_in_an_error_and_keeps_the_part(tmp_path, start):
    server = start(breaks=[CHUNK_BYTES, 0])
    with pytest.raises(WeightsError, match=r"127\.0\.0\.1.* can't be downloaded"):
        get(server, tmp_path / "weights.pt")
    assert (tmp_path / "weights.pt.part").read_bytes() == CONTENT[:CHUNK_BYTES]
    assert not (tmp_path / "weights.pt").exists()


def test_another_content_is_refused_and_leaves_nothing(tmp_path, start):
    server = start(content=b"y" * len(CONTENT))
    with pytest.raises(WeightsError, match=f"should have SHA-256 {SHA256}"):
        get(server, tmp_path / "weights.pt")
    assert [p.name for p in tmp_path.iterdir() if p.suffix != ".lock"] == []


def test_another_size_is_refused_before_anything_is_written(tmp_path, start):
    with pytest.raises(WeightsError, match="another file"):
        get(start(content=b"<html>Please log in</html>"), tmp_path / "weights.pt")
    assert not (tmp_path / "weights.pt.part").exists()


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_refusal_of_the_server_is_told(tmp_path, start, status):
    with pytest.raises(WeightsError, match=f"the server answers {status}"):
        get(start(status=status), tmp_path / "weights.pt")


def test_no_server_is_told_without_the_library_s_words(tmp_path):
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{reserved.getsockname()[1]}/weights.pt"
        with pytest.raises(WeightsError, match=r"can't be downloaded: no connection\.$"):
            download_file(url, tmp_path / "weights.pt", sha256=SHA256)


def test_an_unknown_host_is_told(tmp_path):
    with pytest.raises(WeightsError, match=r"no internet\?"):
        download_file("http://weights.invalid/x", tmp_path / "weights.pt", sha256=SHA256)


def test_cancel_keeps_the_part_for_the_next_time(tmp_path, start):
    server = start()
    token = CancelToken()

    def cancel_when_some_came(progress: Progress) -> None:
        if progress.done:
            token.cancel()

    with pytest.raises(CancelledError):
        get(server, tmp_path / "weights.pt", Monitor(cancel_when_some_came, token))
    assert (tmp_path / "weights.pt.part").stat().st_size == CHUNK_BYTES
    assert get(server, tmp_path / "weights.pt").read_bytes() == CONTENT
    assert server.ranges[-1] == f"bytes={CHUNK_BYTES}-"


def test_cancel_works_while_the_server_is_silent(tmp_path, start):
    server = start(delay=threading.Event())
    token = CancelToken()
    monitor = Monitor(lambda _progress: token.cancel(), token)
    with pytest.raises(CancelledError):
        get(server, tmp_path / "weights.pt", monitor)


def test_who_waits_for_another_download_can_cancel(tmp_path):
    token = CancelToken()
    heard: list[Progress] = []

    def cancel(progress: Progress) -> None:
        heard.append(progress)
        token.cancel()

    target = tmp_path / "weights.pt"
    target.with_name("weights.pt.part").write_bytes(b"12345")
    with only_one(target), pytest.raises(CancelledError):
        download_file(
            "http://weights.invalid/x", target, sha256=SHA256, monitor=Monitor(cancel, token)
        )
    assert [p.done for p in heard] == [5]


_CHILD = """
import sys
from pathlib import Path
from samgeo_core.models.transfer import download_file
url, target, sha256 = sys.argv[1:]
print("ready", flush=True)
sys.stdin.readline()
download_file(url, Path(target), sha256=sha256)
"""


def test_two_processes_download_once(tmp_path, start):
    server = start()
    target = tmp_path / "weights.pt"
    command = [sys.executable, "-c", _CHILD, server.url, str(target), SHA256]
    pipe = subprocess.PIPE
    children = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(2)]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        child.communicate("go\n", timeout=60)
    assert [child.returncode for child in children] == [0, 0]
    assert sha256_of(target) == SHA256
    assert server.ranges == [None]


def test_a_folder_that_is_a_file_is_told(tmp_path):
    (tmp_path / "cache").write_bytes(b"")
    with pytest.raises(WeightsError, match="SAMGEO_CACHE_DIR"):
        download_file("http://weights.invalid/x", tmp_path / "cache" / "w.pt", sha256=SHA256)


def test_a_part_that_cannot_be_written_is_told(tmp_path, start):
    (tmp_path / "weights.pt.part").mkdir()
    with pytest.raises(WeightsError, match="can't be written"):
        get(start(), tmp_path / "weights.pt")
