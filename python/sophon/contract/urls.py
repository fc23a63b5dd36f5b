"""Composition of the URLs that a box calls; ``login_url`` gives the platform's scheme, host and port.

All of them raise SophonError (PARAM_ERROR) for an address that can't be read as a URL.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import SplitResult, quote, urlsplit, urlunsplit

from sophon.errors import Code, SophonError


def is_absolute(address: str) -> bool:
    """Whether the address is used as it is: it begins with ``http://`` or ``https://``."""
    return address.lower().startswith(("http://", "https://"))


def login_root(login_url: str) -> str:
    """Scheme, host and port of the platform: ``http://a.com:80/x/login?y`` → ``http://a.com:80``."""
    parts = _split(login_url)
    return f"{parts.scheme}://{parts.netloc}"


def platform_url(login_url: str, address: str) -> str:
    """An address the platform gave, made absolute; the login's own path is dropped."""
    return address if is_absolute(address) else _append(login_root(login_url), address)


def photo_url(login_url: str, image_server: str | None, relative: str) -> str:
    """A person's ``relative_pic_url``, made absolute: after ``imgServerAddr`` with its path, else after the login root."""
    if is_absolute(relative):
        return relative
    return _append(platform_url(login_url, image_server) if image_server else login_root(login_url), relative)


def login_request_url(login_url: str, dev_sno: str, hex_mac: str) -> str:
    """The URL of a login; a query that ``login_url`` has stays."""
    return with_query(login_url, (("dev_sno", dev_sno), ("hex_mac", hex_mac)))


def call_url(login_url: str, address: str, dev_sno: str, token: str) -> str:
    """The URL of a call whose address the platform named for this box: always with ``dev_sno`` and ``token``."""
    return with_query(platform_url(login_url, address), (("dev_sno", dev_sno), ("token", token)))


def report_url(login_url: str, image_server: str | None, address: str, dev_sno: str, token: str) -> str:
    """The URL of a report: with ``dev_sno`` and ``token`` at the platform's and the image server's host, bare elsewhere."""
    url = platform_url(login_url, address)
    known = {_host(login_url)} | ({_host(platform_url(login_url, image_server))} if image_server else set())
    return with_query(url, (("dev_sno", dev_sno), ("token", token))) if _host(url) in known else url


def with_query(url: str, parameters: Iterable[tuple[str, str]]) -> str:
    """The URL with parameters after those it has, which stay as they are written."""
    parts = _split(url)
    added = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in parameters)
    return urlunsplit(parts._replace(query=f"{parts.query}&{added}" if parts.query else added))


def split_addresses(addresses: str) -> list[str]:
    """A comma-separated list of addresses, with or without spaces around the commas."""
    return [address.strip() for address in addresses.split(",") if address.strip()]


def _append(root: str, path: str) -> str:
    return root.rstrip("/") + (path if path.startswith("/") else f"/{path}")


def _host(url: str) -> str | None:
    return _split(url).hostname


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        raise SophonError(
            Code.PARAM_ERROR, f"the address {url.partition('?')[0][:100]!r} is not a URL"
        ) from None
