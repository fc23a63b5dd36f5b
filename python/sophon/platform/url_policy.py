"""Which addresses a box may call: URLs come from messages, and a message must not steer the box into its own network.

A host is allowed if it is the platform's, the image server's, or configured. Its name is resolved once, every address is
checked, and the connection goes to a checked address, so that a name that changes its mind gains nothing.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable

import httpx
import psutil

from sophon.errors import Code, SophonError

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


class RefusedAddressError(SophonError):
    """A URL that this box does not call; nothing was sent, and trying again is of no use."""

    def __init__(self, message: str) -> None:
        super().__init__(Code.REMOTE_SERVER_FAILED, message)


class UrlPolicy:
    """The rule for one platform.

    Args:
        login_url: the platform; its host is always allowed.
        named_at_login: URLs of hosts that the platform named in its login answer (the image server).
        allowed_hosts: configured: a host name, a suffix (``.example.com``), an address or network
            (``192.168.1.0/24``), or ``*`` for every host that is not a special address.
        own_ports: ports this box itself listens on; they are never called at its own addresses.
    """

    def __init__(
        self,
        login_url: str,
        named_at_login: Iterable[str] = (),
        allowed_hosts: Iterable[str] = (),
        own_ports: Iterable[int] = (),
    ) -> None:
        self._platform = host_of(login_url)
        self._named = {host_of(url) for url in named_at_login}
        self._networks = [net for host in allowed_hosts if (net := _network(host)) is not None]
        self._hosts = {host.lower() for host in allowed_hosts if _network(host) is None}
        self._own_ports = frozenset(own_ports)

    def check_url(self, url: str) -> None:
        """Refuse a URL by what it says.

        Raises:
            RefusedAddressError: with the host and the remedy; never with the query, which may hold a secret.
        """
        parsed = _parse(url)
        if parsed.scheme not in ("http", "https"):
            raise RefusedAddressError(f"the scheme {parsed.scheme[:20]!r} is not called; use http or https")
        if parsed.userinfo:
            raise RefusedAddressError("a URL with a user name in it is not called")
        host = parsed.host.lower()
        if not host:
            raise RefusedAddressError("a URL without a host is not called")
        if not self._allows(host):
            raise RefusedAddressError(
                f"the host {host[:100]} is neither the platform's nor the image server's; "
                "if it may be called, add it to the setting allowed_hosts"
            )

    def check_address(self, host: str, address: str, port: int) -> None:
        """Refuse what a host's name resolved to.

        Raises:
            RefusedAddressError: if the address is special, or this box's own.
        """
        ip = _plain(ipaddress.ip_address(address))
        if port in self._own_ports and (ip.is_loopback or ip.is_unspecified or ip in own_addresses()):
            raise RefusedAddressError(f"{host}:{port} is this box itself; it does not call itself")
        host = host.lower()
        if host == self._platform or host in self._hosts or any(ip in network for network in self._networks):
            return
        if ip.is_loopback and _is_loopback(self._platform):
            return
        if ip.is_loopback or ip.is_link_local or ip.is_multicast or ip.is_unspecified or ip.is_reserved:
            raise RefusedAddressError(
                f"{host} is at the special address {ip}; if it may be called, add it to the setting allowed_hosts"
            )

    def check_literal(self, url: str) -> None:
        """Refuse a URL whose host is an address already, in whatever way it is written, or this machine's own name for itself.

        Raises:
            RefusedAddressError: as `check_address`.
        """
        parsed = _parse(url)
        host = parsed.host.lower().rstrip(".")
        port = parsed.port or (443 if parsed.scheme == "https" else 80)
        if host == "localhost" or host.endswith(".localhost"):
            self.check_address(host, "127.0.0.1", port)
            return
        try:
            # The system's own reading: it takes 127.1, 2130706433 and 0x7f000001 for what they are.
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        except OSError:
            return  # a name: it is checked when it is called
        for entry in found:
            self.check_address(host, str(entry[4][0]).partition("%")[0], port)

    def _allows(self, host: str) -> bool:
        if host == self._platform or host in self._named or host in self._hosts or "*" in self._hosts:
            return True
        if _is_loopback(self._platform) and _is_loopback(
            host
        ):  # a platform on this very machine, for a trial
            return True
        if any(suffix.startswith(".") and host.endswith(suffix) for suffix in self._hosts):
            return True
        ip = _literal(host)
        return ip is not None and any(ip in network for network in self._networks)


def host_of(url: str) -> str:
    """The host of an absolute URL, in lower case; "" if it has none."""
    return _parse(url).host.lower()


def own_addresses() -> set[IpAddress]:
    """This machine's addresses."""
    return {
        ip
        for interface in psutil.net_if_addrs().values()
        for one in interface
        if (ip := _literal(one.address.partition("%")[0])) is not None
    }


def _parse(url: str) -> httpx.URL:
    try:
        return httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        raise RefusedAddressError("a URL that can't be read is not called") from None


def _network(host: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(host, strict=False)
    except ValueError:
        return None


def _literal(host: str) -> IpAddress | None:
    try:
        return _plain(ipaddress.ip_address(host))
    except ValueError:
        return None


def _plain(ip: IpAddress) -> IpAddress:
    return ip.ipv4_mapped or ip if isinstance(ip, ipaddress.IPv6Address) else ip


def _is_loopback(host: str) -> bool:
    ip = _literal(host)
    return host == "localhost" or (ip is not None and ip.is_loopback)
