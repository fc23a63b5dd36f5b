"""Permission groups: who may pass at which devices."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson


@dataclass(frozen=True)
class PermissionGroup:
    """One permission group; until it is named, its id is its name."""

    permission_id: str
    name: str
    description: str
    info: dict[str, Any]


class Permissions:
    """The tables ``permission_groups`` and ``person_permissions``."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def all(self) -> list[PermissionGroup]:
        """Every permission group, by id."""
        rows = self._connection.execute(
            "SELECT permission_id, name, description, info FROM permission_groups ORDER BY permission_id"
        )
        return [
            PermissionGroup(key, name, description, orjson.loads(info))
            for key, name, description, info in rows
        ]

    def find(self, id_or_name: str) -> PermissionGroup | None:
        """The group of that id, or else the first of that name."""
        found = [group for group in self.all() if id_or_name in (group.permission_id, group.name)]
        return min(found, key=lambda group: group.permission_id != id_or_name, default=None)

    def put(self, group: PermissionGroup, seq: int) -> None:
        """Insert the group, or replace what is said about it, for command ``seq``; its people stay."""
        self._connection.execute(
            "INSERT INTO permission_groups VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET name = excluded.name, "
            "description = excluded.description, info = excluded.info, last_seq = excluded.last_seq",
            (group.permission_id, group.name, group.description, orjson.dumps(group.info).decode(), seq),
        )

    def delete(self, permission_id: str) -> None:
        """Remove the group; its people stay."""
        self._connection.execute("DELETE FROM permission_groups WHERE permission_id = ?", (permission_id,))

    def members(self, permission_id: str) -> list[str]:
        """Who has the group."""
        rows = self._connection.execute(
            "SELECT identity_id FROM person_permissions WHERE permission_id = ? ORDER BY identity_id",
            (permission_id,),
        )
        return [row[0] for row in rows]

    def ensure(self, permission_ids: Iterable[str]) -> None:
        """Make those that are missing, named by their id."""
        self._connection.executemany(
            "INSERT OR IGNORE INTO permission_groups (permission_id, name) VALUES (?, ?)",
            [(permission_id, permission_id) for permission_id in permission_ids],
        )

    def rename(self, permission_id: str, name: str, seq: int) -> None:
        """Set the name, unless a command newer than ``seq`` did."""
        self._connection.execute(
            "INSERT INTO permission_groups (permission_id, name, last_seq) VALUES (?, ?, ?) "
            "ON CONFLICT DO UPDATE SET name = excluded.name, last_seq = excluded.last_seq "
            "WHERE excluded.last_seq > last_seq",
            (permission_id, name, seq),
        )

    def set_of_person(self, identity_id: str, permission_ids: Iterable[str]) -> None:
        """Replace the person's permission groups; unknown ones are made."""
        wanted = list(permission_ids)
        self.ensure(wanted)
        self._connection.execute("DELETE FROM person_permissions WHERE identity_id = ?", (identity_id,))
        self._connection.executemany(
            "INSERT OR IGNORE INTO person_permissions VALUES (?, ?)", [(identity_id, key) for key in wanted]
        )

    def of_person(self, identity_id: str) -> list[str]:
        """The ids of the person's permission groups."""
        rows = self._connection.execute(
            "SELECT permission_id FROM person_permissions WHERE identity_id = ? ORDER BY permission_id",
            (identity_id,),
        )
        return [row[0] for row in rows]

    def clear(self) -> None:
        """Remove every permission group."""
        self._connection.execute("DELETE FROM permission_groups")
