"""Which addresses may be fetched from: what an address must look like, and where it may lead."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from urllib.parse import SplitResult, quote, urlsplit

from samgeo_core.errors import AddressError

IPAddress = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

MAX_LENGTH = 4000
DEFAULT_PORTS = {"http": 80, "https": 443}
# Ports below this belong to other services (mail, name server, databases' managers, …), which must
# not be spoken to by way of HTTP.
FIRST_FREE_PORT = 1024

# What `ipaddress` counts as global, and isn't a host in the public internet: Azure's own service
# for virtual machines (learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16),
# addresses of protocols (RFC 6890), relays of 6to4 (RFC 7526), the former site-local (RFC 3879).
NOT_PUBLIC: tuple[Network, ...] = tuple(
    ip_network(text) for text in ("168.63.129.16/32", "192.0.0.0/24", "192.88.99.0/24", "fec0::/10")
)
NAT64 = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))  # RFC 6052, RFC 8215

_HOST_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*", re.ASCII)
# The last part of a name in the public internet is never a number; `inet_aton` reads such as an
# IPv4 address in decimal, octal or hexadecimal, whole or in parts.
_NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+", re.ASCII)


@dataclass(frozen=True)
class Target:
    """An http(s) address that has the right form; where its host lies isn't known yet.

    Attributes:
        scheme: "http" or "https".
        host: a lower-case name in ASCII, or an IP address without brackets.
        port: the port to connect to.
        path: path and query, quoted, as the request line holds it.
    """

    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> tuple[str, str, int]:
        """What kept connections are shared by."""
        return self.scheme, self.host, self.port

    @property
    def url(self) -> str:
        """The address, spelled one way."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.path}"


def parse_address(url: str) -> Target:
    """Read an address.

    Raises:
        AddressError: it isn't http or https, holds a user's name or password, is no address at
            all, or spells its host or port in a way that hides what it is.
    """
    if len(url) > MAX_LENGTH or any(ord(c) <= 32 or ord(c) == 127 or c == "\\" for c in url):
        raise AddressError(
            f"An address has at most {MAX_LENGTH:,} characters, no spaces and no backslashes."
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise AddressError("Expected an address such as https://example.org/image.tif.") from None
    if parts.scheme not in DEFAULT_PORTS:
        raise AddressError("An address must begin with https:// or http://.")
    if "@" in parts.netloc:
        raise AddressError(
            "An address must not hold a user's name or password. Use one that opens without them."
        )
    host = _host(parts)
    return Target(parts.scheme, host, _port(parts.scheme, port), _path(parts))


def _host(parts: SplitResult) -> str:
    """The host of an address, spelled one way."""
    text = (parts.hostname or "").removesuffix(".")
    if not text:
        raise AddressError("An address must name a host, as in https://example.org/image.tif.")
    if parts.netloc.startswith("["):
        try:
            # A zone names an interface of this very machine.
            return str(IPv6Address("" if "%" in text else text))
        except ValueError:
            raise AddressError(f"“{text[:80]}” isn't an IPv6 address without a zone.") from None
    try:
        name = text.encode("idna").decode("ascii").lower()
    except UnicodeError:
        name = ""
    if len(name) > 253 or not _HOST_NAME.fullmatch(name):
        raise AddressError(f"“{text[:80]}” isn't the name of a host.")
    if _NUMBER.fullmatch(name.rpartition(".")[2]):
        try:
            return str(IPv4Address(name))
        except ValueError:
            raise AddressError(
                f"“{text[:80]}” isn't an IPv4 address of four plain numbers, such as 192.0.2.7."
            ) from None
    return name


def _port(scheme: str, port: int | None) -> int:
    if port is None:
        return DEFAULT_PORTS[scheme]
    if port < FIRST_FREE_PORT and port not in DEFAULT_PORTS.values():
        raise AddressError(
            f"Port {port} isn't one of the web's: expected 80, 443, or {FIRST_FREE_PORT} and above."
        )
    return port


def _path(parts: SplitResult) -> str:
    """Path and query; what isn't ASCII is quoted, what is quoted stays."""
    text = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return quote(text, safe="/?&=%:@!$'()*+,;~[]{}|-._", errors="replace")


def is_public(address: IPAddress) -> bool:
    """Whether an IP address is one of a single host in the public internet.

    An IPv6 address that stands for an IPv4 one (mapped, 6to4, NAT64, Teredo) is what that is.
    """
    inside = _embedded(address)
    if inside is not None:
        return all(is_public(part) for part in inside)
    if any(address in network for network in NOT_PUBLIC if network.version == address.version):
        return False
    return address.is_global and not (
        address.is_multicast or address.is_reserved or address.is_unspecified
    )


def _embedded(address: IPAddress) -> tuple[IPv4Address, ...] | None:
    """The IPv4 addresses for which an IPv6 address stands; None where it stands for none."""
    if isinstance(address, IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    if address.sixtofour is not None:
        return (address.sixtofour,)
    if address.teredo is not None:
        return address.teredo
    if any(address in network for network in NAT64):
        return (IPv4Address(int(address) & 0xFFFFFFFF),)
    return None


@dataclass(frozen=True)
class Allowance:
    """What may be fetched from: the public internet, and hosts and networks besides.

    Attributes:
        names: (host, port); a host that begins with "*." stands for all below it, a port of None
            for all ports.
        networks: (network, port), likewise.
        public: whether the public internet may be fetched from.
    """

    names: tuple[tuple[str, int | None], ...] = ()
    networks: tuple[tuple[Network, int | None], ...] = ()
    public: bool = True

    @classmethod
    def parse(cls, entries: tuple[str, ...], *, public: bool = True) -> Allowance:
        """Read ``"tiles.intranet"``, ``"*.intranet"``, ``"10.1.0.0/16"``, ``"127.0.0.1:8080"``.

        Raises:
            AddressError: an entry is none of these.
        """
        names: list[tuple[str, int | None]] = []
        networks: list[tuple[Network, int | None]] = []
        for entry in (text.strip().lower() for text in entries):
            host, port = _entry(entry)
            try:
                networks.append((ip_network(host), port))
            except ValueError:
                if not _HOST_NAME.fullmatch(host.removeprefix("*.")):
                    raise AddressError(
                        f"Expected a host, a network such as 10.1.0.0/16, or either with a port, "
                        f"got {entry!r}."
                    ) from None
                names.append((host, port))
        return cls(tuple(names), tuple(networks), public)

    def allows_name(self, host: str, port: int) -> bool:
        """Whether a host may be fetched from, wherever its name leads."""
        return any(
            port in (only or port,)
            and (host == name or (name.startswith("*.") and host.endswith(name[1:])))
            for name, only in self.names
        )

    def allows_address(self, address: IPAddress, port: int) -> bool:
        """Whether an IP address is in an allowed network; a mapped one is what it stands for."""
        plain = getattr(address, "ipv4_mapped", None) or address
        return any(
            port in (only or port,) and plain.version == network.version and plain in network
            for network, only in self.networks
        )


def _entry(entry: str) -> tuple[str, int | None]:
    """An entry of the allowance as host or network, and its port."""
    match = re.fullmatch(r"\[?([^\]]+?)\]?:(\d{1,5})", entry)
    if match and (":" not in match[1] or entry.startswith("[")):
        return match[1], int(match[2])
    return entry.strip("[]"), None


def check_resolved(
    host: str, port: int, found: tuple[str, ...], allowed: Allowance
) -> tuple[IPAddress, ...]:
    """The IP addresses of a host, if all of them may be connected to.

    Args:
        host: the host's name or IP address.
        port: the port to connect to.
        found: what the name resolves to.
        allowed: what may be fetched from.

    Raises:
        AddressError: one leads elsewhere, or there is none. Both give one sentence, so that nobody
            learns which names an inner network knows.
    """
    addresses = tuple(ip_address(text.partition("%")[0]) for text in found)
    good = allowed.allows_name(host, port) or all(
        (allowed.public and is_public(address)) or allowed.allows_address(address, port)
        for address in addresses
    )
    if addresses and good:
        return addresses
    if not allowed.public:
        raise AddressError(
            f"This server fetches nothing from “{host}”: it is set to stay offline "
            "(SAMGEO_OFFLINE). Upload the file instead."
        )
    raise AddressError(
        f"“{host}” is no host that this server can find in the public internet. Check the address; "
        "a host of an inner network needs the leave of the server's owner (SAMGEO_ALLOWED_HOSTS)."
    )
