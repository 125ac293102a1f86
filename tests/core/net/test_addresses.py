from __future__ import annotations

import itertools
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samgeo_core.errors import AddressError
from samgeo_core.net.addresses import Allowance, check_resolved, is_public, parse_address


@pytest.mark.parametrize(
    ("url", "spelled"),
    [
        ("https://Example.ORG/a b".replace(" ", "%20"), "https://example.org/a%20b"),
        ("HTTP://example.org.:80?q=1", "http://example.org/?q=1"),
        ("https://example.org:8443/ü/{x}#part", "https://example.org:8443/%C3%BC/{x}"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/"),
        ("http://[2001:4860:4860::8888]:8080/", "http://[2001:4860:4860::8888]:8080/"),
        ("http://8.8.8.8/", "http://8.8.8.8/"),
    ],
)
def test_an_address_is_spelled_one_way(url: str, spelled: str) -> None:
    assert parse_address(url).url == spelled
    assert parse_address(spelled).url == spelled


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("ftp://example.org/a.tif", "https://"),
        ("file:///etc/passwd", "https://"),
        ("/vsicurl/http://example.org/a.tif", "https://"),
        ("gopher://example.org/", "https://"),
        ("javascript:alert(1)", "https://"),
        ("", "https://"),
        ("https://user:secret@example.org/", "password"),
        ("https://user@example.org/", "password"),
        ("https://example.org@127.0.0.1/", "password"),
        ("https:///a.tif", "host"),
        ("https://exa mple.org/", "spaces"),
        ("https://example.org/\r\nHost: inner", "spaces"),
        ("https://example.org\\@127.0.0.1/", "backslashes"),
        ("https://example.org/" + "a" * 5000, "characters"),
        ("https://example.org:22/", "Port 22"),
        ("https://example.org:0/", "Port 0"),
        ("https://example.org:99999/", "Expected an address"),
        ("http://2130706433/", "IPv4"),  # 127.0.0.1 in decimal,
        ("http://0x7f000001/", "IPv4"),  # in hexadecimal,
        ("http://0x7f.0.0.1/", "IPv4"),  # in part of it,
        ("http://0177.0.0.1/", "IPv4"),  # in octal,
        ("http://127.1/", "IPv4"),  # in short,
        ("http://127.0.0.01/", "IPv4"),
        ("http://１２７.0.0.1:80/x", None),  # in wide digits: IDNA makes plain ones of them
        ("http://[::1%25lo]/", "IPv6"),
        ("http://[fe80::1%eth0]/", "IPv6"),
        ("http://[::ffff:127.0.0.1", "Expected an address"),
        ("http://exa_mple..org/", "name of a host"),
        ("http://-a.example/", "name of a host"),
    ],
)
def test_what_hides_where_it_leads_is_refused(url: str, says: str | None) -> None:
    if says is None:
        assert not is_public(ip_address(parse_address(url).host))
        return
    with pytest.raises(AddressError, match=says):
        parse_address(url)


@given(st.text(), st.sampled_from(["", "http://", "https://[", "http://a@", "https://0x", "//"]))
def test_any_text_is_an_address_or_refused(text: str, before: str) -> None:
    try:
        target = parse_address(before + text)
    except AddressError:
        return
    assert parse_address(target.url) == target
    assert target.url.isascii() and target.url.isprintable()


INNER = [
    "0.0.0.0", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254",
    "168.63.129.16", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192",
    "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1",
    "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
    "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:1", "100::1", "2001:db8::1",
    "2002:7f00:1::", "2002:c0a8:101::1", "2001:0:7f00:1::", "fc00::1", "fd00:ec2::254",
    "fe80::1", "fec0::1", "ff02::1", "5f00::1",
]  # fmt: skip


@pytest.mark.parametrize("text", INNER)
def test_inner_and_special_addresses_are_refused(text: str) -> None:
    assert not is_public(ip_address(text))
    with pytest.raises(AddressError, match="SAMGEO_ALLOWED_HOSTS"):
        check_resolved("a.example", 443, (text,), Allowance())
    # One good address among several doesn't help.
    with pytest.raises(AddressError):
        check_resolved("a.example", 443, ("8.8.8.8", text), Allowance())


@pytest.mark.parametrize("text", ["8.8.8.8", "2001:4860:4860::8888", "::ffff:8.8.8.8"])
def test_public_addresses_are_good(text: str) -> None:
    assert check_resolved("a.example", 443, (text,), Allowance()) == (ip_address(text),)


@given(st.ip_addresses(v=4))
def test_an_address_in_ipv6_clothes_is_what_it_is(plain: IPv4Address) -> None:
    number = int(plain)
    mapped = IPv6Address((0xFFFF << 32) | number)
    sixtofour = IPv6Address((0x2002 << 112) | (number << 80))
    nat64 = IPv6Address((0x64FF9B << 96) | number)
    for dressed in (mapped, sixtofour, nat64):
        assert is_public(dressed) == is_public(plain)


def test_who_is_allowed() -> None:
    allowed = Allowance.parse(
        (
            "tiles.intranet",
            "*.maps.intranet",
            "10.1.0.0/16",
            "127.0.0.1:8080",
            "[::1]:8080",
            "fd00::/8",
        )
    )
    good = [("tiles.intranet", 80, "10.9.9.9"), ("a.maps.intranet", 1234, "192.168.0.1"),
            ("b", 80, "10.1.2.3"), ("b", 80, "::ffff:10.1.2.3"), ("c", 8080, "127.0.0.1"),
            ("c", 8080, "::1"), ("d", 443, "fd00::7")]  # fmt: skip
    bad = [("maps.intranet", 80, "10.9.9.9"), ("eviltiles.intranet", 80, "10.9.9.9"),
           ("b", 80, "10.2.0.1"), ("c", 80, "127.0.0.1"), ("c", 8080, "127.0.0.2")]  # fmt: skip
    for host, port, address in good:
        check_resolved(host, port, (address,), allowed)
    for host, port, address in bad:
        with pytest.raises(AddressError):
            check_resolved(host, port, (address,), allowed)


@pytest.mark.parametrize("entry", ["http://tiles.intranet", "10.1.0.0/33", "a b", "*"])
def test_what_no_allowance_is(entry: str) -> None:
    with pytest.raises(AddressError, match="Expected a host"):
        Allowance.parse((entry,))


def test_offline_leaves_what_is_allowed() -> None:
    allowed = Allowance.parse(("tiles.intranet",), public=False)
    check_resolved("tiles.intranet", 80, ("10.0.0.1",), allowed)
    with pytest.raises(AddressError, match="SAMGEO_OFFLINE"):
        check_resolved("example.org", 443, ("8.8.8.8",), allowed)


def test_inner_names_sound_like_names_that_dont_exist() -> None:
    said = []
    for found in (("10.0.0.1",), ()):
        with pytest.raises(AddressError) as caught:
            check_resolved("db", 443, found, Allowance())
        said.append(str(caught.value))
    assert all(a == b for a, b in itertools.pairwise(said))
