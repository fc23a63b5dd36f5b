"""Which hosts and addresses a box calls."""

from __future__ import annotations

import pytest

from sophon.platform import RefusedAddressError, UrlPolicy

POLICY = UrlPolicy(
    "http://platform.example:8080/login",
    named_at_login=["https://img.example/root"],
    allowed_hosts=["Photos.example", ".cdn.example", "192.168.1.0/24", "fd00::/8"],
    own_ports=[5555],
)


@pytest.mark.parametrize(
    "url",
    [
        "http://platform.example/x",
        "https://PLATFORM.example:9/x",
        "https://img.example/1.jpg",
        "http://photos.example/1.jpg",
        "http://a.cdn.example/1.jpg",
        "http://192.168.1.7/1.jpg",
        "http://[fd00::1]/1.jpg",
    ],
)
def test_known_hosts_are_called(url: str) -> None:
    POLICY.check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://evil.example/x",
        "http://cdn.example.evil.example/x",
        "http://evilcdn.example/x",
        "http://192.168.2.7/x",
        "http://platform.example@evil.example/x",
        "http://user@platform.example/x",
        "ftp://platform.example/x",
        "file:///etc/passwd",
        "gopher://platform.example",
        "http:///x",
        "//platform.example/x",
        "",
        "http://[::1",
        "http://127.0.0.1/x",
        "http://2130706433/x",
    ],
)
def test_other_urls_are_refused_before_anything_is_sent(url: str) -> None:
    with pytest.raises(RefusedAddressError):
        POLICY.check_url(url)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.9.9.9",
        "::1",
        "169.254.169.254",
        "fe80::1",
        "224.0.0.1",
        "0.0.0.0",
        "::",
        "::ffff:127.0.0.1",
        "240.0.0.1",
    ],
)
def test_special_addresses_are_refused_behind_a_name_from_outside(address: str) -> None:
    with pytest.raises(RefusedAddressError, match="special address"):
        POLICY.check_address("img.example", address, 80)


@pytest.mark.parametrize("address", ["10.0.0.1", "192.168.7.7", "93.184.216.34", "2606:2800:220:1::1"])
def test_private_and_public_addresses_are_called(address: str) -> None:
    POLICY.check_address("img.example", address, 80)


def test_the_platforms_own_host_and_configured_ones_may_be_anywhere() -> None:
    POLICY.check_address("platform.example", "127.0.0.1", 8080)
    POLICY.check_address("photos.example", "127.0.0.1", 80)


@pytest.mark.parametrize("host", ["platform.example", "photos.example", "img.example"])
def test_a_box_never_calls_its_own_ports(host: str) -> None:
    with pytest.raises(RefusedAddressError, match="this box itself"):
        POLICY.check_address(host, "127.0.0.1", 5555)


def test_beside_a_platform_on_loopback_others_may_be_there_too_but_for_the_box_itself() -> None:
    policy = UrlPolicy("http://127.0.0.1:8900/login", own_ports=[5555])

    policy.check_url("http://localhost:8901/1.jpg")
    policy.check_address("localhost", "::1", 8901)
    with pytest.raises(RefusedAddressError, match="this box itself"):
        policy.check_address("localhost", "127.0.0.1", 5555)


def test_a_star_allows_every_host_but_no_special_address() -> None:
    policy = UrlPolicy("http://platform.example", allowed_hosts=["*"])

    policy.check_url("http://anywhere.example/1.jpg")
    with pytest.raises(RefusedAddressError):
        policy.check_address("anywhere.example", "127.0.0.1", 80)


def test_a_refusal_names_the_host_and_the_remedy_but_not_the_query() -> None:
    with pytest.raises(RefusedAddressError, match=r"evil\.example .* allowed_hosts") as caught:
        POLICY.check_url("http://evil.example/x?token=CANARY")

    assert "CANARY" not in str(caught.value)
