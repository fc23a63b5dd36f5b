"""Slows down whoever tries tokens: after ten wrong ones within a minute an address is not listened to for a while."""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from dataclasses import dataclass, field

WRONG_TOKENS = 10
WITHIN_SECONDS = 60.0
FIRST_SECONDS = 30.0
LONGEST_SECONDS = 900.0
MAX_ADDRESSES = 10_000


@dataclass
class _Record:
    failures: list[float] = field(default_factory=list)
    locked_until: float = 0.0
    pause: float = FIRST_SECONDS


class Lockout:
    """Wrong tokens by address; of IPv6 the /64, which is one customer. Used by one thread, the server's."""

    def __init__(self) -> None:
        self._records: OrderedDict[str, _Record] = OrderedDict()

    def seconds_left(self, address: str) -> float:
        """How long the address is still not listened to; 0 if it is."""
        record = self._records.get(network_of(address))
        return max(0.0, record.locked_until - time.monotonic()) if record else 0.0

    def failed(self, address: str) -> bool:
        """Note a wrong token; whether it was one too many. Each lock is twice as long as the one before."""
        key = network_of(address)
        record = self._records.setdefault(key, _Record())
        self._records.move_to_end(key)
        if len(self._records) > MAX_ADDRESSES:
            self._records.popitem(last=False)
        now = time.monotonic()
        record.failures = [at for at in record.failures if now - at < WITHIN_SECONDS] + [now]
        if len(record.failures) < WRONG_TOKENS:
            return False
        record.failures.clear()
        record.locked_until = now + record.pause
        record.pause = min(record.pause * 2, LONGEST_SECONDS)
        return True

    def succeeded(self, address: str) -> None:
        """Forget what was wrong before."""
        self._records.pop(network_of(address), None)


def network_of(address: str) -> str:
    """An address; of IPv6 its /64."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ipaddress.ip_network((ip, 64), strict=False))
    return str(ip)
