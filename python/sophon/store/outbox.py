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


def _marks(kinds: Sequence[Kind]) -> str:
    return ", ".join("?" * len(kinds))


def _values(kinds: Sequence[Kind]) -> tuple[str, ...]:
    return tuple(kind.value for kind in kinds)


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

    def holds(self, message_id: str) -> bool:
        """Whether this result is still owed."""
        row = self._connection.execute(
            "SELECT 1 FROM outbox WHERE message_id = ? LIMIT 1", (message_id,)
        ).fetchone()
        return row is not None

    def oldest(self, kinds: Sequence[Kind], limit: int) -> list[OutboxRow]:
        """What is owed, oldest first."""
        return self._many(f"kind IN ({_marks(kinds)})", _values(kinds), limit)

    def receivers(self, kinds: Sequence[Kind]) -> list[str | None]:
        """The notify paths that something is owed to; None stands for results without one."""
        rows = self._connection.execute(
            f"SELECT DISTINCT notify_path FROM outbox WHERE kind IN ({_marks(kinds)})", _values(kinds)
        )
        return [row[0] for row in rows]

    def oldest_for(self, receiver: str | None, kinds: Sequence[Kind], limit: int) -> list[OutboxRow]:
        """What is owed to one receiver, oldest first."""
        return self._many(
            f"notify_path IS ? AND kind IN ({_marks(kinds)})", (receiver, *_values(kinds)), limit
        )

    def delivered(self, ids: Iterable[int]) -> None:
        """The other side has them, or they are given up: either way they are gone."""
        self._connection.executemany("DELETE FROM outbox WHERE id = ?", [(key,) for key in ids])

    def failed(self, key: int) -> None:
        """Count a try in vain."""
        self._connection.execute("UPDATE outbox SET attempts = attempts + 1 WHERE id = ?", (key,))

    def counts(self) -> dict[str, int]:
        """How many results of each kind are owed."""
        return dict(self._connection.execute("SELECT kind, count(*) FROM outbox GROUP BY kind"))

    def size(self) -> tuple[int, int]:
        """Rows and bytes owed."""
        rows, size = self._connection.execute(
            "SELECT count(*), coalesce(sum(length(body)), 0) FROM outbox"
        ).fetchone()
        return int(rows), int(size)

    def _many(self, where: str, values: tuple[object, ...], limit: int) -> list[OutboxRow]:
        rows = self._connection.execute(
            "SELECT id, message_id, kind, notify_path, body, attempts, created_at FROM outbox "
            f"WHERE {where} ORDER BY id LIMIT ?",
            (*values, limit),
        )
        return [OutboxRow(key, message, Kind(kind), *rest) for key, message, kind, *rest in rows]
