from __future__ import annotations

import gzip
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

import pytest

from samgeo_core.errors import AddressError, FetchError
from samgeo_core.net.addresses import Allowance
from samgeo_core.net.client import GuardedClient, Limits
from tests.http_servers import Respond, answer, serving

LOOPBACK = Allowance.parse(("127.0.0.1/32",))


@contextmanager
def fetching(respond: Respond, **limits: float) -> Iterator[tuple[GuardedClient, str]]:
    """A client that may speak to 127.0.0.1, and the address of a server there."""
    client = GuardedClient(LOOPBACK, Limits(**{"total_s": 20, "step_s": 10, **limits}))  # type: ignore[arg-type]
    with serving(respond) as port:
        try:
            yield client, f"http://127.0.0.1:{port}"
        finally:
            client.close()


def test_it_fetches_what_is_there_and_keeps_connections() -> None:
    seen = []

    def respond(handler: BaseHTTPRequestHandler) -> None:
        seen.append((handler.client_address, dict(handler.headers)))
        answer(handler, b"0123456789", 206 if "Range" in handler.headers else 404, X_a="b")

    with fetching(respond) as (client, at):
        part = client.get(f"{at}/a", headers={"Range": "bytes=0-9"})
        missing = client.get(f"{at}/b")
        head = client.head(f"{at}/c")
    assert (part.status, part.ok, part.body, part.received) == (206, True, b"0123456789", 10)
    assert part.headers["x-a"] == "b"
    assert (missing.status, missing.ok) == (404, False)
    assert (head.body, head.headers["content-length"]) == (b"", "10")
    assert len({address for address, _ in seen}) == 1
    assert "SamGeo" in seen[0][1]["user-agent"] and seen[0][1]["range"] == "bytes=0-9"


def test_inner_hosts_are_never_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with serving(lambda handler: asked.append(handler.path)) as port:
        client = GuardedClient()
        for host in ("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"):
            with pytest.raises(AddressError, match="SAMGEO_ALLOWED_HOSTS"):
                client.get(f"http://{host}:{port}/")
            with pytest.raises(AddressError, match="SAMGEO_ALLOWED_HOSTS"):
                client.check(f"http://{host}:{port}/")
    assert asked == []


def test_a_name_that_leads_elsewhere_the_next_time_changes_nothing() -> None:
    """DNS rebinding: the first answer is good, all that follow are inner."""
    resolved = []

    def resolver(host: str, port: int) -> tuple[str, ...]:
        resolved.append(host)
        return ("127.0.0.1",) if len(resolved) == 1 else ("127.0.0.2",)

    asked = []

    def respond(handler: BaseHTTPRequestHandler) -> None:
        asked.append((handler.server.server_address[0], handler.headers["Host"]))
        answer(handler, b"outer")

    client = GuardedClient(LOOPBACK, resolver=resolver)
    with serving(respond) as port, serving(respond, "127.0.0.2", port):
        url = f"http://tiles.example:{port}/"
        assert client.get(url).body == b"outer"
        assert client.get(url).body == b"outer"  # the same connection
        client.close()
        with pytest.raises(AddressError):
            client.get(url)
    assert resolved == ["tiles.example"] * 2
    assert asked == [("127.0.0.1", f"tiles.example:{port}")] * 2


def test_nothing_else_resolves_names(monkeypatch: pytest.MonkeyPatch) -> None:
    real, names = socket.getaddrinfo, []

    def getaddrinfo(host: str, *args: object, **kwargs: object) -> object:
        names.append(host)
        return real("127.0.0.1" if host == "tiles.example" else host, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with fetching(lambda handler: answer(handler, b"a")) as (client, at):
        client.get(at.replace("127.0.0.1", "tiles.example"))
    assert names.count("tiles.example") == 1


@pytest.mark.parametrize(
    "inner",
    [
        "http://127.0.0.2/",
        "http://169.254.169.254/latest/meta-data/",
        "//[::1]/",
        "http://2852039166/",
        "file:///etc/passwd",
        "http://a:b@example.org/",
    ],
)
def test_redirects_are_checked_like_addresses(inner: str) -> None:
    def respond(handler: BaseHTTPRequestHandler) -> None:
        answer(handler, b"", 302, Location=inner)

    with fetching(respond) as (client, at), pytest.raises(AddressError):
        client.get(at)


def test_good_redirects_are_followed_five_times() -> None:
    def respond(handler: BaseHTTPRequestHandler) -> None:
        left = int(handler.path[1:])
        if left:
            answer(handler, b"body of the redirect", 302, Location=f"{left - 1}")
        else:
            answer(handler, handler.headers.get("Authorization", "none").encode())

    with fetching(respond) as (client, at):
        found = client.get(f"{at}/5", headers={"Authorization": "Bearer a"})
        assert (found.url, found.body) == (f"{at}/0", b"Bearer a")
        with pytest.raises(FetchError, match="more than 5 times"):
            client.get(f"{at}/6")


def test_what_is_private_stays_with_the_first_host() -> None:
    with serving(lambda h: answer(h, str(h.headers.get("Authorization")).encode())) as other:

        def respond(handler: BaseHTTPRequestHandler) -> None:
            answer(handler, b"", 302, Location=f"http://127.0.0.1:{other}/")

        with fetching(respond) as (client, at):
            assert client.get(at, headers={"Authorization": "a"}).body == b"None"


def _endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b"a" * 100_000)


def _packed(handler: BaseHTTPRequestHandler) -> None:
    answer(handler, gzip.compress(bytes(50_000_000)), Content_Encoding="gzip")


@pytest.mark.parametrize(
    "respond", [_endless, _packed, lambda handler: answer(handler, bytes(1_000_001))]
)
def test_what_is_too_large_is_left(respond: Respond) -> None:
    with fetching(respond) as (client, at), pytest.raises(FetchError, match="1,000,000 bytes"):
        client.get(at, max_bytes=1_000_000)


def test_a_bomb_isnt_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    real = zlib.decompressobj

    class Counting:
        def __init__(self, *args: int) -> None:
            self._real = real(*args)

        def decompress(self, data: bytes, most: int) -> bytes:
            made.append(len(piece := self._real.decompress(data, most)))
            return piece

    monkeypatch.setattr(zlib, "decompressobj", Counting)
    with fetching(_packed) as (client, at), pytest.raises(FetchError):
        client.get(at, max_bytes=1_000_000)
    assert sum(made) == 1_000_001


def test_packed_answers_are_unpacked_and_strange_ones_refused() -> None:
    packed = {
        "gzip": gzip.compress(b"words" * 100_000),
        "deflate": zlib.compress(b"words" * 100_000),
        "br": b"?",
        "gzip, gzip": b"?",
    }

    def respond(handler: BaseHTTPRequestHandler) -> None:
        kind = handler.path[1:].replace("%20", " ")
        answer(handler, packed[kind], Content_Encoding=kind)

    with fetching(respond) as (client, at):
        for kind in ("gzip", "deflate"):
            found = client.get(f"{at}/{kind}")
            assert found.body == b"words" * 100_000
            assert found.received == len(packed[kind])
        for path in ("br", "gzip,%20gzip"):
            with pytest.raises(FetchError, match="packing"):
                client.get(f"{at}/{path}")


def _drip(handler: BaseHTTPRequestHandler, until: threading.Event) -> None:
    for _ in range(1000):
        handler.wfile.write(b"a")
        if until.wait(0.05):
            return


@pytest.mark.parametrize("part", ["silence", "headers", "body", "closing body"])
def test_what_is_too_slow_is_left_though_it_goes_on(part: str) -> None:
    """A byte now and then keeps each single read alive; the whole is limited."""
    over = threading.Event()

    def respond(handler: BaseHTTPRequestHandler) -> None:
        if part == "silence":
            over.wait(20)
        if part == "headers":
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-a: ")
        elif part == "body":
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        elif part == "closing body":
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        _drip(handler, over)

    with fetching(respond) as (client, at):
        started = time.monotonic()
        with pytest.raises(FetchError, match=r"longer than the 0\.4 seconds"):
            client.get(at, total_s=0.4)
        # Far below the 50 s for which it would go on, far above what a busy machine adds.
        assert time.monotonic() - started < 15
        over.set()


def test_no_connection_is_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(FetchError, match=r"connection to “.*” failed"):
        GuardedClient(LOOPBACK).get(f"http://127.0.0.1:{port}/")
    with fetching(lambda handler: handler.wfile.write(b"SSH-2.0\r\n\r\n")) as (client, at):  # noqa: SIM117
        with pytest.raises(FetchError, match="failed"):
            client.get(at)
    with fetching(lambda h: answer(h, b"plain")) as (client, at):  # noqa: SIM117
        with pytest.raises(FetchError, match=r"certificate|failed"):
            client.get(at.replace("http:", "https:"))


def test_an_answer_cut_off_isnt_whole() -> None:
    def respond(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
        handler.close_connection = True

    with fetching(respond) as (client, at), pytest.raises(FetchError, match="failed"):
        client.get(at)


def test_certificates_are_those_of_the_name() -> None:
    """The connection goes to the checked number, and TLS still asks for the name."""
    from samgeo_core.net.connections import tls_context

    context = tls_context()
    assert context.check_hostname and context.verify_mode == ssl.CERT_REQUIRED
    hello = []

    def listen(server: socket.socket) -> None:
        with server.accept()[0] as taken:
            hello.append(taken.recv(4000))

    client = GuardedClient(LOOPBACK, resolver=lambda host, port: ("127.0.0.1",))
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=listen, args=(server,))
        thread.start()
        with pytest.raises(FetchError):
            client.get(f"https://tiles.example:{server.getsockname()[1]}/")
        thread.join()
    assert b"tiles.example" in hello[0]


def test_few_connections_at_a_time() -> None:
    lock, now, most = threading.Lock(), [0], [0]

    def respond(handler: BaseHTTPRequestHandler) -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.01)
        with lock:
            now[0] -= 1
        answer(handler, b"a")

    client = GuardedClient(LOOPBACK, per_host=2)
    with serving(respond) as port:
        threads = [
            threading.Thread(target=client.get, args=(f"http://127.0.0.1:{port}/",))
            for _ in range(12)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        client.close()
    assert most[0] == 2
