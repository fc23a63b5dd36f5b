"""Composition of URLs, and who gets the token."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sophon.contract import urls
from sophon.errors import Code, SophonError

LOGIN = "http://a.com:8080/x/login?site=3"


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("/getRecord", "http://a.com:8080/getRecord"),
        ("getRecord", "http://a.com:8080/getRecord"),
        ("http://b.com/y", "http://b.com/y"),
        ("HTTPS://b.com/y", "HTTPS://b.com/y"),
    ],
)
def test_a_relative_address_follows_the_logins_root(address: str, url: str) -> None:
    assert urls.platform_url(LOGIN, address) == url


@pytest.mark.parametrize(
    ("image_server", "relative", "url"),
    [
        (None, "/p/1.jpg", "http://a.com:8080/p/1.jpg"),
        ("", "p/1.jpg", "http://a.com:8080/p/1.jpg"),
        ("http://img.com/root", "/p/1.jpg", "http://img.com/root/p/1.jpg"),
        ("http://img.com/root/", "p/1.jpg", "http://img.com/root/p/1.jpg"),
        ("/images", "/p/1.jpg", "http://a.com:8080/images/p/1.jpg"),
        ("http://img.com", "/p/1.jpg?sign=a%2Fb", "http://img.com/p/1.jpg?sign=a%2Fb"),
    ],
)
def test_a_relative_photo_follows_the_image_server_with_its_path(
    image_server: str | None, relative: str, url: str
) -> None:
    assert urls.photo_url(LOGIN, image_server, relative) == url


def test_a_login_keeps_the_query_it_has() -> None:
    assert (
        urls.login_request_url(LOGIN, "BOX 1", "0xe0a5")
        == "http://a.com:8080/x/login?site=3&dev_sno=BOX%201&hex_mac=0xe0a5"
    )


@pytest.mark.parametrize("address", ["/getResult", "http://elsewhere.com/getResult"])
def test_a_call_the_platform_named_always_carries_the_token(address: str) -> None:
    assert urls.call_url(LOGIN, address, "B", "t&1").endswith("/getResult?dev_sno=B&token=t%261")


def test_a_call_keeps_its_own_query_as_it_is_written() -> None:
    assert urls.call_url(LOGIN, "/r?a=%2F&b", "B", "t") == "http://a.com:8080/r?a=%2F&b&dev_sno=B&token=t"


@pytest.mark.parametrize(
    ("address", "carries"),
    [
        ("/record", True),
        ("http://a.com/record", True),
        ("http://img.com/record", True),
        ("http://c.com/record", False),
    ],
)
def test_a_report_carries_the_token_to_known_hosts_only(address: str, carries: bool) -> None:
    assert ("token=t" in urls.report_url(LOGIN, "http://img.com/root", address, "B", "t")) is carries


def test_an_address_that_is_no_url_is_an_error_of_the_contract() -> None:
    with pytest.raises(SophonError) as caught:
        urls.call_url(LOGIN, "http://[::1/getResult", "B", "CANARY")

    assert caught.value.code is Code.PARAM_ERROR
    assert "CANARY" not in str(caught.value)


@given(st.text(max_size=60))
def test_any_address_makes_a_url_or_an_error_of_the_contract(address: str) -> None:
    for url in (address, f"http://{address}", f"//{address}"):
        with contextlib.suppress(SophonError):
            composed = urls.call_url(LOGIN, url, "B", "t")
            assert composed.startswith(("http://", "https://", "HTTP"))
            assert "token=t" in composed
        with contextlib.suppress(SophonError):
            assert urls.report_url(LOGIN, None, url, "B", "t")
