"""Fetching over HTTP from addresses that strangers gave, without server-side request forgery."""

from __future__ import annotations

import http.client
import logging
import math
import threading
import zlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any
from urllib.parse import urljoin

from urllib3 import BaseHTTPResponse, Timeout
from urllib3.exceptions import EmptyPoolError, HTTPError, NewConnectionError, SSLError
from urllib3.exceptions import TimeoutError as HTTPTimeout

from samgeo_core.errors import FetchError
from samgeo_core.net.addresses import Allowance, Target, check_resolved, parse_address
from samgeo_core.net.bodies import Limits, read_body, too_large
from samgeo_core.net.connections import (
    GuardedPool,
    GuardedTLSPool,
    Resolver,
    Watch,
    system_resolver,
    tls_context,
)
from samgeo_core.settings import get_settings

__all__ = ["Answer", "GuardedClient", "Limits", "shared_client"]

logger = logging.getLogger(__name__)

USER_AGENT = "SamGeo-Studio/0.1 (segmentation of aerial and satellite images)"
REDIRECTS = frozenset({301, 302, 303, 307, 308})
_POOLS = 64
# Headers that mustn't follow a redirect to another host.
_PRIVATE = frozenset({"authorization", "cookie", "referer"})


@dataclass(frozen=True)
class Answer:
    """What came from an address.

    Attributes:
        url: where it came from, after redirects.
        status: the HTTP status, that of errors too.
        headers: by lower-case name.
        body: the whole body, unpacked.
        received: bytes of the body as they came over the network.
    """

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    received: int = 0

    @property
    def ok(self) -> bool:
        """Whether the status is one of success."""
        return 200 <= self.status < 300


class GuardedClient:
    """Fetches from the public internet, and from nowhere else but where the owner allows it.

    Connections are kept and shared; it can be used from many threads. Proxies of the environment
    aren't used: through one, what is connected to couldn't be checked.

    Args:
        allowed: hosts and networks besides the public internet.
        limits: of each request that sets none itself.
        per_host: how many connections to one host are open at a time; others wait for their turn.
        resolver: gives a host's IP addresses.
    """

    def __init__(
        self,
        allowed: Allowance | None = None,
        limits: Limits | None = None,
        *,
        per_host: int = 6,
        resolver: Resolver = system_resolver,
    ) -> None:
        self.limits = limits or Limits()
        self._allowed = allowed or Allowance()
        self._per_host = per_host
        self._resolver = resolver
        self._pools: OrderedDict[tuple[str, str, int], GuardedPool | GuardedTLSPool] = OrderedDict()
        self._lock = threading.Lock()

    def check(self, url: str) -> Target:
        """Resolve and check an address without connecting, so that a form can say it early.

        Raises:
            AddressError: it may not be fetched from.
        """
        target = parse_address(url)
        found = self._resolver(target.host, target.port)
        check_resolved(target.host, target.port, found, self._allowed)
        return target

    def head(self, url: str, *, headers: Mapping[str, str] | None = None) -> Answer:
        """Ask for status and headers alone; the same errors as `get`."""
        return self._fetch("HEAD", url, headers or {}, self.limits)

    def get(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        max_bytes: int | None = None,
        total_s: float | None = None,
    ) -> Answer:
        """Fetch an address; an answer with a status of error is an answer.

        Args:
            url: http or https.
            headers: to send besides. With Range, the body is empty unless the status is 206.
            max_bytes: the most the body may have; None takes the client's limit.
            total_s: the most seconds it may take; None takes the client's limit.

        Raises:
            AddressError: the address, or one that it redirects to, may not be fetched from.
            FetchError: nothing whole came: no connection, too slow, too large, too many redirects.
        """
        limits = replace(
            self.limits,
            max_bytes=self.limits.max_bytes if max_bytes is None else max_bytes,
            total_s=self.limits.total_s if total_s is None else total_s,
        )
        return self._fetch("GET", url, headers or {}, limits)

    def close(self) -> None:
        """End the kept connections; the client can be used again."""
        with self._lock:
            pools, self._pools = list(self._pools.values()), OrderedDict()
        for pool in pools:
            pool.close()

    def _fetch(self, method: str, url: str, headers: Mapping[str, str], limits: Limits) -> Answer:
        target = parse_address(url)
        sent = {name.lower(): value for name, value in headers.items()}
        sent = {"user-agent": USER_AGENT, "accept": "*/*", "accept-encoding": "identity", **sent}
        with Watch(limits.total_s) as watch:
            for _ in range(limits.max_redirects + 1):
                response = self._ask(method, target, sent, limits, watch)
                where = response.headers.get("location")
                if response.status not in REDIRECTS or not where:
                    return _answer(response, target, method, limits, watch, "range" in sent)
                # Its body is nobody's: the connection ends with it.
                response.close()
                response.release_conn()
                nearer = parse_address(urljoin(target.url, where))
                if nearer.origin != target.origin:
                    sent = {k: v for k, v in sent.items() if k not in _PRIVATE}
                target = nearer
        raise FetchError(
            f"“{target.host}” redirects more than {limits.max_redirects} times. Use the address "
            "at which it ends."
        )

    def _ask(
        self, method: str, target: Target, headers: dict[str, str], limits: Limits, watch: Watch
    ) -> BaseHTTPResponse:
        """Status and headers; the body is still to be read."""
        with _sentences(target, limits, watch):
            return self._pool(target).urlopen(
                method,
                target.path,
                headers=headers,
                timeout=Timeout(limits.step_s),
                retries=False,
                redirect=False,
                preload_content=False,
                decode_content=False,
                pool_timeout=math.ceil(limits.total_s),
            )

    def _pool(self, target: Target) -> GuardedPool | GuardedTLSPool:
        """The kept connections to a host; the ones unused for longest are ended."""
        with self._lock:
            pool = self._pools.pop(target.origin, None) or self._new_pool(target)
            self._pools[target.origin] = pool
            while len(self._pools) > _POOLS:
                self._pools.popitem(last=False)[1].close()
        return pool

    def _new_pool(self, target: Target) -> GuardedPool | GuardedTLSPool:
        # What a pool doesn't know it hands to its connections.
        kept: dict[str, Any] = {"maxsize": self._per_host, "block": True}
        guard: dict[str, Any] = {"allowed": self._allowed, "resolver": self._resolver}
        if target.scheme == "https":
            guard["ssl_context"] = tls_context()
            return GuardedTLSPool(target.host, target.port, **kept, **guard)
        return GuardedPool(target.host, target.port, **kept, **guard)


def _answer(
    response: BaseHTTPResponse,
    target: Target,
    method: str,
    limits: Limits,
    watch: Watch,
    in_part: bool,
) -> Answer:
    """Read the body, no further than it may go; none where a part was asked for and isn't sent."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    whole = False
    if in_part and response.status != 206:
        response.close()
        response.release_conn()
        return Answer(target.url, response.status, headers, b"")
    try:
        with _sentences(target, limits, watch):
            body, received = b"", 0
            if method != "HEAD":
                _check_declared(headers, target, limits)
                body, received = read_body(response, headers, target, limits)
            whole = True
    finally:
        if not whole:
            response.close()
        response.release_conn()
    return Answer(target.url, response.status, headers, body, received)


def _check_declared(headers: Mapping[str, str], target: Target, limits: Limits) -> None:
    """Refuse what says that it is too large before any of it is read."""
    declared = headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared) > limits.max_bytes:
        raise too_large(target, limits)


@contextmanager
def _sentences(target: Target, limits: Limits, watch: Watch) -> Iterator[None]:
    """Say in a sentence what went wrong on the way; errors of ours go through."""
    try:
        yield
    except (HTTPError, OSError, zlib.error, http.client.HTTPException) as error:
        logger.info("Fetching from %s failed: %s", target.host, error)
        if watch.expired:
            raise _too_slow(target, limits) from error
        if isinstance(error, SSLError):
            raise FetchError(
                f"“{target.host}” has no valid certificate. Check the address, or try again later."
            ) from error
        # NOTE: urllib3 counts a connection that was refused among those that took too long.
        slow = isinstance(error, HTTPTimeout | EmptyPoolError)
        if slow and not isinstance(error, NewConnectionError):
            raise FetchError(
                f"“{target.host}” didn't answer in {limits.step_s:g} seconds. Check the address, "
                "or try again later."
            ) from error
        raise FetchError(
            f"The connection to “{target.host}” failed. Check the address, or try again later."
        ) from error
    if watch.expired:
        raise _too_slow(target, limits)


def _too_slow(target: Target, limits: Limits) -> FetchError:
    return FetchError(
        f"“{target.host}” took longer than the {limits.total_s:g} seconds that this may take. Try "
        "again later."
    )


@lru_cache(maxsize=1)
def shared_client() -> GuardedClient:
    """The client of this process, with what the server's owner allows."""
    settings = get_settings()
    return GuardedClient(Allowance.parse(settings.allowed_hosts, public=not settings.offline))
