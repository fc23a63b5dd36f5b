"""Face galleries ("groups") and who is in them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson

DEFAULT_GROUP = "default_group"


@dataclass(frozen=True)
class Group:
    """One face gallery."""

    name: str
    description: str
    info: dict[str, Any]


class Groups:
    """The tables ``groups`` and ``group_members``."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def all(self) -> list[Group]:
        """Every group, by name."""
        rows = self._connection.execute("SELECT name, description, info FROM groups ORDER BY name")
        return [Group(name, description, orjson.loads(info)) for name, description, info in rows]

    def get(self, name: str) -> Group | None:
        """The group of that name, or None."""
        return next((group for group in self.all() if group.name == name), None)

    def put(self, group: Group) -> None:
        """Insert the group, or replace what is said about it; its people stay."""
        self._connection.execute(
            "INSERT INTO groups VALUES (?, ?, ?) "
            "ON CONFLICT DO UPDATE SET description = excluded.description, info = excluded.info",
            (group.name, group.description, orjson.dumps(group.info).decode()),
        )

    def delete(self, name: str) -> None:
        """Remove the group; its people stay."""
        self._connection.execute("DELETE FROM groups WHERE name = ?", (name,))

    def members(self, name: str) -> list[str]:
        """Who is in the group."""
        rows = self._connection.execute(
            "SELECT identity_id FROM group_members WHERE group_name = ? ORDER BY identity_id", (name,)
        )
        return [row[0] for row in rows]

    def ensure(self, name: str) -> None:
        """Make it if it is missing."""
        self._connection.execute("INSERT OR IGNORE INTO groups (name) VALUES (?)", (name,))

    def add_members(self, name: str, identity_ids: Iterable[str]) -> None:
        """Bind people to a group that exists; bindings that exist stay."""
        self._connection.executemany(
            "INSERT OR IGNORE INTO group_members (identity_id, group_name) VALUES (?, ?)",
            [(identity_id, name) for identity_id in identity_ids],
        )

    def remove_members(self, name: str, identity_ids: Iterable[str]) -> None:
        """Undo people's binding to a group."""
        self._connection.executemany(
            "DELETE FROM group_members WHERE identity_id = ? AND group_name = ?",
            [(identity_id, name) for identity_id in identity_ids],
        )

    def of_person(self, identity_id: str) -> list[str]:
        """The names of the person's groups."""
        rows = self._connection.execute(
            "SELECT group_name FROM group_members WHERE identity_id = ? ORDER BY group_name", (identity_id,)
        )
        return [row[0] for row in rows]

    def clear(self) -> None:
        """Remove every group but the default, which is made again."""
        self._connection.execute("DELETE FROM groups")
        self.ensure(DEFAULT_GROUP)
