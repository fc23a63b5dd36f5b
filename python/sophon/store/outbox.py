"""Results on their way: written with the effect they report, gone when the other side has them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum


class Kind(str, Enum):
    """FIQA answers have a queue of their own."""

    RESULT = "result"
    FIQA = "fiqa"


@dataclass(frozen=True)
class OutboxRow:
    """One result to deliver. ``message_id`` is the same for every copy of it; times are ms since the epoch."""

    id: int
    message_id: str
    kind: Kind
    notify_path: str | None
    body: bytes
    attempts: int
    created_at: int


class Outbox:
    """The table ``outbox``."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, *, message_id: str, kind: Kind, notify_path: str | None, body: bytes, at: int) -> None:
        """Owe the platform a result."""
        self._connection.execute(
            "INSERT INTO outbox (message_id, kind, notify_path, body, created_at) VALUES (?, ?, ?, ?, ?)",
            (message_id, kind.value, notify_path, body, at),
        )

    def due(self, kinds: Sequence[Kind], now: int, limit: int, longest_pause: int) -> list[OutboxRow]:
        """What may be tried now, oldest first.

        A row whose next try lies further off than any pause was written before the clock was set back: it is due too.
        """
        rows = self._connection.execute(
            "SELECT id, message_id, kind, notify_path, body, attempts, created_at FROM outbox "
            f"WHERE kind IN ({', '.join('?' * len(kinds))}) AND (next_at <= ? OR next_at > ?) ORDER BY id LIMIT ?",
            (*(kind.value for kind in kinds), now, now + longest_pause, limit),
        )
        return [OutboxRow(key, message, Kind(kind), *rest) for key, message, kind, *rest in rows]

    def delivered(self, ids: Iterable[int]) -> None:
        """The other side has them."""
        self._connection.executemany("DELETE FROM outbox WHERE id = ?", [(key,) for key in ids])

    def postpone(self, key: int, next_at: int) -> None:
        """It failed; try again at ``next_at``."""
        self._connection.execute(
            "UPDATE outbox SET attempts = attempts + 1, next_at = ? WHERE id = ?", (next_at, key)
        )

    def counts(self) -> dict[str, int]:
        """How many results of each kind are owed."""
        return dict(self._connection.execute("SELECT kind, count(*) FROM outbox GROUP BY kind"))

    def size(self) -> tuple[int, int]:
        """Rows and bytes owed."""
        rows, size = self._connection.execute(
            "SELECT count(*), coalesce(sum(length(body)), 0) FROM outbox"
        ).fetchone()
        return int(rows), int(size)
