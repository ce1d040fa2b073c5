"""Which hosts and addresses may be asked: tables of friendly and hostile ones, the resolver faked."""

from __future__ import annotations

import ipaddress

import pytest

from ingest.errors import AddressRefused, SettingsError
from ingest.settings import IngestSettings, load_settings
from ingest.sources.guard import Guard, WebAddress
from ingest.sources.hosts import HostPattern, reach

PUBLIC = "93.184.216.34"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("93.184.216.34", "public"),
        ("1.1.1.1", "public"),
        ("2606:2800:220:1::1", "public"),
        ("::ffff:93.184.216.34", "public"),
        ("64:ff9b::5db8:d822", "public"),  # NAT64 of a public host
        ("10.1.2.3", "private"),
        ("172.16.0.1", "private"),
        ("172.31.255.255", "private"),
        ("192.168.1.1", "private"),
        ("100.64.0.1", "private"),  # CGNAT
        ("127.0.0.1", "private"),
        ("127.255.255.254", "private"),
        ("::1", "private"),
        ("fd12:3456::1", "private"),
        ("::ffff:127.0.0.1", "private"),
        ("::ffff:10.0.0.1", "private"),
        ("64:ff9b::7f00:1", "private"),
        ("64:ff9b::a00:1", "private"),
        ("0.0.0.0", "never"),
        ("0.1.2.3", "never"),
        ("::", "never"),
        ("::ffff:0.0.0.0", "never"),
        ("::7f00:1", "never"),  # IPv4-compatible, long deprecated
        ("169.254.169.254", "never"),
        ("::ffff:169.254.169.254", "never"),
        ("64:ff9b::a9fe:a9fe", "never"),
        ("64:ff9b:1::7f00:1", "never"),  # local NAT64
        ("100.100.100.200", "never"),
        ("168.63.129.16", "never"),
        ("192.0.0.192", "never"),
        ("fd00:ec2::254", "never"),
        ("fe80::1", "never"),
        ("fec0::1", "never"),
        ("ff02::1", "never"),
        ("2002:7f00:1::", "never"),  # 6to4 of loopback
        ("2001:0:7f00:1::", "never"),  # Teredo
        ("2001:db8::1", "never"),
        ("192.0.2.1", "never"),
        ("198.18.0.1", "never"),
        ("203.0.113.9", "never"),
        ("224.0.0.1", "never"),
        ("239.255.255.250", "never"),
        ("240.0.0.1", "never"),
        ("255.255.255.255", "never"),
    ],
)
def test_reach_of_an_address(address: str, expected: str) -> None:
    assert reach(ipaddress.ip_address(address)) == expected


@pytest.mark.parametrize(
    ("pattern", "url", "fits"),
    [
        ("help.example.com", "https://help.example.com/a", True),
        ("help.example.com", "http://HELP.example.com./a", True),
        ("help.example.com", "https://help.example.com:8443/a", False),
        ("help.example.com", "https://other.example.com/", False),
        ("help.example.com", "https://help.example.com.evil.example/", False),
        ("help.example.com", "https://evilhelp.example.com/", False),
        ("*.example.com", "https://a.b.example.com/", True),
        ("*.example.com", "https://example.com/", False),
        ("*.example.com", "https://evilexample.com/", False),
        ("https://help.example.com", "http://help.example.com/", False),
        ("help.example.com:8443", "https://help.example.com:8443/", True),
        ("help.example.com:8443", "https://help.example.com/", False),
        ("hilfe.münchen.example", "https://hilfe.xn--mnchen-3ya.example/", True),
        ("*.例子.example", "https://帮助.例子.example/保修", True),
        ("[2606:2800:220:1::1]", "http://[2606:2800:220:1:0::1]/", True),
    ],
)
def test_patterns(pattern: str, url: str, fits: bool) -> None:
    address = WebAddress.parse(url)
    assert HostPattern.parse(pattern).fits(address.scheme, address.host, address.port) is fits


@pytest.mark.parametrize(
    "pattern", ["*", "*.", "", "a b", "https://", "ftp://x.example", "x.example/path", "x:99999", "a@b"]
)
def test_patterns_that_are_none(pattern: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="is no host"):
        HostPattern.parse(pattern)
    if pattern:
        monkeypatch.setenv("FRONTDESK_URL_ALLOW", f"help.example.com, {pattern}")
        with pytest.raises(SettingsError, match=r"FRONTDESK_URL_ALLOW"):
            load_settings(IngestSettings)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://help.example.com/",
        "gopher://help.example.com/_x",
        "javascript:alert(1)",
        "//help.example.com/",
        "help.example.com/a",
        "https:///a",
        "https://user@help.example.com/",
        "https://user:secret@help.example.com/",
        "https://help.example.com@evil.example/",
        "https://help.example.com\\@evil.example/",
        "https://evil.example#@help.example.com/",
        "https://help.example.com:0/",
        "https://help.example.com:99999/",
        "https://help.example.com:8x/",
        "https://help.example.com/a b",
        "https://help.example.com/a\r\nHost: evil.example",
        "https://help.example.com\t.evil.example/",
        "https://help..example.com/",
        "https://[::1/",
        "https://[fe80::1%25eth0]/",
        "https://help.example.com/" + "a" * 3000,
    ],
)
def test_addresses_that_are_refused_unasked(url: str) -> None:
    guard = Guard(["help.example.com"], resolver=lambda host, port: pytest.fail("it was resolved"))
    with pytest.raises(AddressRefused) as caught:
        guard.check(url)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_an_allow_list_nothing_is_fetched_and_the_variable_is_named() -> None:
    with pytest.raises(AddressRefused, match="FRONTDESK_URL_ALLOW"):
        Guard([]).check("https://help.example.com/")


# What resolvers make of odd spellings; what counts is what comes out.
@pytest.mark.parametrize(
    ("host", "resolved"),
    [
        ("2130706433", "127.0.0.1"),
        ("0x7f000001", "127.0.0.1"),
        ("0177.0.0.1", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("0", "0.0.0.0"),
        ("localhost", "::1"),
        ("help.example.com", "169.254.169.254"),
        ("help.example.com", "::ffff:10.0.0.8"),
        ("help.example.com", "fe80::1%eth0"),
    ],
)
def test_what_a_name_resolves_to_decides(host: str, resolved: str) -> None:
    guard = Guard([host], resolver=lambda host, port: [resolved])
    guard.check(f"http://{host}/")
    with pytest.raises(AddressRefused, match="may not be asked"):
        guard.addresses(host, 80)


def test_one_private_address_among_public_ones_is_enough_to_refuse() -> None:
    guard = Guard(["help.example.com"], resolver=lambda host, port: [PUBLIC, "10.0.0.8"])
    with pytest.raises(AddressRefused, match="FRONTDESK_URL_ALLOW_PRIVATE"):
        guard.addresses("help.example.com", 443)


def test_an_intranet_host_may_be_private_but_never_the_metadata_service() -> None:
    answers = {"wiki.corp.example": ["10.0.0.8"], "odd.corp.example": ["169.254.169.254"]}
    guard = Guard(["*.corp.example"], ["*.corp.example"], resolver=lambda host, port: answers[host])
    assert guard.addresses("wiki.corp.example", 443) == ["10.0.0.8"]
    with pytest.raises(AddressRefused, match="not an address of the internet"):
        guard.addresses("odd.corp.example", 443)


def test_an_address_is_asked_as_it_was_read() -> None:
    address = WebAddress.parse("HTTPS://Help.Example.com:443/保修?q=ä b".replace(" b", ""))
    assert str(address) == "https://help.example.com/%E4%BF%9D%E4%BF%AE?q=%C3%A4"
    assert str(WebAddress.parse("https://help.example.com")) == "https://help.example.com/"
    assert str(WebAddress.parse("http://[2606:2800:220:1::1]:8080/x#part")) == "http://[2606:2800:220:1::1]:8080/x"
