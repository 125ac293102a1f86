"""Connections that go to the very IP address that was checked, and end when their time is over."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from contextvars import ContextVar
from functools import lru_cache
from types import TracebackType
from typing import Any

import certifi
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from samgeo_core.net.addresses import Allowance, check_resolved

Resolver = Callable[[str, int], tuple[str, ...]]


def system_resolver(host: str, port: int) -> tuple[str, ...]:
    """The IP addresses of a host as this machine's resolver tells them; none where it has none."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError):
        return ()
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))


class Watch:
    """Ends the connections of one request when its whole time is over.

    Timeouts of sockets hold for each single read: who sends a byte every few seconds could go on
    for days. A timer shuts the socket down instead, whatever is being waited for.
    """

    def __init__(self, seconds: float) -> None:
        self.expired = False
        self._twins: list[socket.socket] = []
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._expire)
        self._timer.daemon = True

    def follow(self, made: socket.socket) -> None:
        """End this connection, too, when the time is over.

        NOTE: kept is a second handle of it: TLS takes the first one over, and http.client gives it
        up before the body is read where the server announces that it will close.
        """
        twin = socket.fromfd(made.fileno(), made.family, made.type)
        with self._lock:
            self._twins.append(twin)
            if self.expired:
                _shut_down(twin)

    def _expire(self) -> None:
        with self._lock:
            self.expired = True
            for twin in self._twins:
                _shut_down(twin)

    def __enter__(self) -> Watch:
        self._token = _WATCH.set(self)
        self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        _WATCH.reset(self._token)
        with self._lock:
            for twin in self._twins:
                twin.close()
            self._twins.clear()


def _shut_down(connected: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it ended by itself
        connected.shutdown(socket.SHUT_RDWR)


_WATCH: ContextVar[Watch | None] = ContextVar("watch", default=None)


class _Guarded(HTTPConnection):
    """A connection to an address that was checked in the moment of connecting.

    The name is resolved once, here, and the socket goes to what came of it: a name server that
    answers otherwise the next time changes nothing. TLS and the header Host keep the name.
    """

    def __init__(self, *args: Any, allowed: Allowance, resolver: Resolver, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._allowed = allowed
        self._resolver = resolver

    def _new_conn(self) -> socket.socket:
        host, port = self.host.strip("[]"), self.port
        addresses = check_resolved(host, port, self._resolver(host, port), self._allowed)
        last: OSError | None = None
        for address in addresses:
            try:
                # A numeric address: nothing is resolved a second time.
                made = socket.create_connection((str(address), port), self.timeout)
            except OSError as error:
                last = error
                continue
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _watch(made)
            return made
        if isinstance(last, TimeoutError):
            raise ConnectTimeoutError(self, f"Connecting to {host} took too long.") from last
        raise NewConnectionError(self, f"Connecting to {host} failed.") from last

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is not None:  # kept from a former request
            _watch(self.sock)
        super().request(*args, **kwargs)


def _watch(made: socket.socket) -> None:
    """Let the request under way watch a connection."""
    watch = _WATCH.get()
    if watch is not None:
        watch.follow(made)


class _GuardedTLS(_Guarded, HTTPSConnection):
    """The same with TLS; the certificate must be that of the name."""


class GuardedPool(HTTPConnectionPool):
    """Kept connections to one host."""

    ConnectionCls = _Guarded


class GuardedTLSPool(HTTPSConnectionPool):
    """Kept connections to one host, with TLS."""

    ConnectionCls = _GuardedTLS


@lru_cache(maxsize=1)
def tls_context() -> ssl.SSLContext:
    """The system's certificates (SSL_CERT_FILE) and Mozilla's."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context
