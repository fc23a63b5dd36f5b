"""The sub-devices attached to the box."""

from __future__ import annotations

import sqlite3
from dataclasses import astuple, dataclass, field, fields

from sophon.store.groups import DEFAULT_GROUP


@dataclass(frozen=True)
class DeviceRow:
    """A pad or camera.

    ``device_type`` as the contract has it: "0" turnstile, "1" snapshot camera, "2" IPC static, "3" IPC dynamic, "4" door
    pad. ``direction`` 0 in, 1 out. ``permission_id`` "" lets everybody of the group pass. ``ftp_password`` is a hash.
    """

    ip: str
    device_type: str
    name: str
    direction: int = 0
    group_name: str = DEFAULT_GROUP
    permission_id: str = ""
    memo: str = ""
    location: str = ""
    stream_url: str = field(default="", repr=False)
    door_url: str = field(default="", repr=False)
    ftp_user: str = ""
    ftp_password: str = field(default="", repr=False)


_NAMES = ", ".join(one.name for one in fields(DeviceRow))
_MARKS = ", ".join("?" for _ in fields(DeviceRow))
_CHANGES = ", ".join(f"{one.name} = excluded.{one.name}" for one in fields(DeviceRow))


class Devices:
    """The table ``devices``."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def all(self) -> list[DeviceRow]:
        """Every sub-device, by address."""
        return [
            DeviceRow(*row) for row in self._connection.execute(f"SELECT {_NAMES} FROM devices ORDER BY ip")
        ]

    def get(self, ip: str) -> DeviceRow | None:
        """The sub-device at an address, or None."""
        row = self._connection.execute(f"SELECT {_NAMES} FROM devices WHERE ip = ?", (ip,)).fetchone()
        return DeviceRow(*row) if row else None

    def put(self, device: DeviceRow) -> None:
        """Add the sub-device, or replace the one at its address."""
        self._connection.execute(
            f"INSERT INTO devices ({_NAMES}) VALUES ({_MARKS}) ON CONFLICT (ip) DO UPDATE SET {_CHANGES}",
            astuple(device),
        )

    def remove(self, ip: str) -> bool:
        """Remove the sub-device at an address; False if there was none."""
        return self._connection.execute("DELETE FROM devices WHERE ip = ?", (ip,)).rowcount > 0
