"""Named whole numbers: the sequence of commands, and what is counted over restarts."""

from __future__ import annotations

import sqlite3


class Counters:
    """The table ``counters``."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def get(self, name: str) -> int:
        """Its value; 0 if it never counted."""
        row = self._connection.execute("SELECT value FROM counters WHERE name = ?", (name,)).fetchone()
        return int(row[0]) if row else 0

    def add(self, name: str, amount: int = 1) -> int:
        """Add ``amount`` and return the new value."""
        row = self._connection.execute(
            "INSERT INTO counters VALUES (?, ?) ON CONFLICT DO UPDATE SET value = value + excluded.value RETURNING value",
            (name, amount),
        ).fetchone()
        return int(row[0])

    def set(self, name: str, value: int) -> None:
        """Set it."""
        self._connection.execute("INSERT OR REPLACE INTO counters VALUES (?, ?)", (name, value))

    def all(self) -> dict[str, int]:
        """Every counter."""
        return dict(self._connection.execute("SELECT name, value FROM counters ORDER BY name"))
