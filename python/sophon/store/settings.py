"""Settings that commands change while the box runs; they win over the configuration file."""

from __future__ import annotations

import sqlite3
from typing import Any

import orjson


class StoredSettings:
    """The table ``settings``: name → JSON value."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def get(self, name: str) -> Any:
        """Its value; None if it was never set."""
        row = self._connection.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        return orjson.loads(row[0]) if row else None

    def set(self, name: str, value: object) -> None:
        """Set it to anything JSON can hold."""
        self._connection.execute(
            "INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, orjson.dumps(value).decode())
        )

    def all(self) -> dict[str, Any]:
        """Every setting."""
        return {
            name: orjson.loads(value)
            for name, value in self._connection.execute("SELECT name, value FROM settings")
        }
