"""The hardware address a box logs in with: that of the interface that reaches the platform."""

from __future__ import annotations

import contextlib
import socket

import httpx
import psutil

NO_MAC = "0x000000000000"


def hex_mac(login_url: str) -> str:
    """``0x`` and twelve lower-case hexadecimal digits.

    Where the interface has no hardware address (loopback, a tunnel), the first one that has counts; ``0x000000000000``
    on a machine without any.
    """
    interfaces = psutil.net_if_addrs()
    local = _local_address(login_url)
    reaching = [name for name, found in interfaces.items() if any(one.address == local for one in found)]
    for name in (*reaching, *interfaces):
        for one in interfaces[name]:
            digits = one.address.lower().replace(":", "").replace("-", "")
            if one.family == psutil.AF_LINK and len(digits) == 12 and digits.strip("0"):
                return f"0x{digits}"
    return NO_MAC


def _local_address(login_url: str) -> str | None:
    """Our end of a way to the platform. Connecting a datagram socket picks a route and sends nothing."""
    url = httpx.URL(login_url)
    with contextlib.suppress(OSError):
        family, kind, _, _, address = socket.getaddrinfo(url.host, url.port or 80, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind) as probe:
            probe.connect(address)
            return str(probe.getsockname()[0])
    return None
