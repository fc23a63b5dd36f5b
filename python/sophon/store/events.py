"""Recognition events, oldest first by id; ids are never used again."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any

import orjson


@dataclass(frozen=True)
class EventRow:
    """One comparison: its report without pictures, and the pictures."""

    id: int
    at: int
    body: dict[str, Any]
    spot_picture: bytes | None
    face_picture: bytes | None


class Events:
    """The table ``events``."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(
        self,
        at: int,
        body: dict[str, Any],
        spot_picture: bytes | None = None,
        face_picture: bytes | None = None,
    ) -> int:
        """Store one event that happened at ``at`` (ms); return its id."""
        cursor = self._connection.execute(
            "INSERT INTO events (at, body, spot_picture, face_picture) VALUES (?, ?, ?, ?)",
            (at, orjson.dumps(body).decode(), spot_picture, face_picture),
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def after(self, event_id: int, limit: int = 100) -> list[EventRow]:
        """The events after an id, in order, at most ``limit``."""
        rows = self._connection.execute(
            "SELECT id, at, body, spot_picture, face_picture FROM events WHERE id > ? ORDER BY id LIMIT ?",
            (event_id, limit),
        )
        return [EventRow(key, at, orjson.loads(body), spot, face) for key, at, body, spot, face in rows]

    def count(self) -> int:
        """How many there are."""
        return int(self._connection.execute("SELECT count(*) FROM events").fetchone()[0])

    def clear(self) -> None:
        """Remove every event."""
        self._connection.execute("DELETE FROM events")
