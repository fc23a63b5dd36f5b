"""The machine's own figures; what can't be read is None, never invented."""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from sophon.platform import hex_mac
from sophon.platform.interface import NO_MAC

GB = 1e9
_SERIALS = ("/sys/class/dmi/id/product_serial", "/proc/device-tree/serial-number")


@dataclass(frozen=True)
class Machine:
    """Percent, GB, share 0-1 and °C, as the contract has them."""

    ip: str
    name: str
    serial: str | None
    mac: str | None
    cpu_usage: float | None
    memory_size: float | None
    memory_usage: float | None
    disk_size: float | None
    disk_free_size: float | None
    temperature: int | None


def read_machine(data_dir: Path, platform_url: str) -> Machine:
    """Read them now; the CPU's since the last call."""
    memory = psutil.virtual_memory()
    disk = psutil.disk_usage(str(data_dir))
    digits = hex_mac(platform_url)
    return Machine(
        ip=_own_address(platform_url),
        name=socket.gethostname(),
        serial=_serial(),
        mac=None if digits == NO_MAC else ":".join(digits[i : i + 2] for i in range(2, 14, 2)),
        cpu_usage=psutil.cpu_percent(None),
        memory_size=round(memory.total / GB, 2),
        memory_usage=round(memory.percent / 100, 4),
        disk_size=round(disk.total / GB, 2),
        disk_free_size=round(disk.free / GB, 2),
        temperature=_temperature(),
    )


def _own_address(url: str) -> str:
    """Our end of a way to the platform. Connecting a datagram socket picks a route and sends nothing."""
    parts = urlsplit(url)
    with contextlib.suppress(OSError):
        family, kind, _, _, address = socket.getaddrinfo(
            parts.hostname, parts.port or 80, type=socket.SOCK_DGRAM
        )[0]
        with socket.socket(family, kind) as probe:
            probe.connect(address)
            return str(probe.getsockname()[0])
    return ""


def _serial() -> str | None:
    for file in _SERIALS:
        with contextlib.suppress(OSError):
            serial = Path(file).read_text(errors="replace").strip(" \n\0")
            if serial:
                return serial
    return None


def _temperature() -> int | None:
    """The hottest sensor; virtual machines have none."""
    if not hasattr(psutil, "sensors_temperatures"):
        return None
    readings = [
        one.current for group in psutil.sensors_temperatures().values() for one in group if one.current
    ]
    return round(max(readings)) if readings else None
