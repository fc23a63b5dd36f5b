"""Who is to get the events, and up to which one each has them."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True)
class RefusedEvent:
    """An event that a receiver would not take while it took others."""

    address: str
    event_id: int
    reason: str


class EventReceivers:
    """The tables ``event_receivers`` and ``refused_events``. A cursor is an event's id: clocks may jump, ids don't."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def set_active(self, addresses: Collection[str], *, only: bool = True) -> None:
        """Name the present receivers, by default all of them.

        A new one has got nothing yet; one that comes back goes on where it was.
        """
        if only:
            self._connection.execute("UPDATE event_receivers SET is_active = 0")
        self._connection.executemany(
            "INSERT INTO event_receivers (address) VALUES (?) ON CONFLICT DO UPDATE SET is_active = 1",
            [(address,) for address in addresses],
        )

    def active(self) -> dict[str, int]:
        """The present receivers, each with the last event it has."""
        return dict(
            self._connection.execute("SELECT address, delivered_to FROM event_receivers WHERE is_active")
        )

    def delivered_to(self, address: str) -> int:
        """The last event that a receiver has; 0 if none."""
        row = self._connection.execute(
            "SELECT delivered_to FROM event_receivers WHERE address = ?", (address,)
        ).fetchone()
        return int(row[0]) if row else 0

    def advance(self, address: str, event_id: int) -> None:
        """Note that a receiver has all events up to this one; never goes back."""
        self._connection.execute(
            "UPDATE event_receivers SET delivered_to = max(delivered_to, ?) WHERE address = ?",
            (event_id, address),
        )

    def delivered_to_all(self) -> int | None:
        """The last event that every present receiver has; None if there is no receiver."""
        row = self._connection.execute(
            "SELECT min(delivered_to) FROM event_receivers WHERE is_active"
        ).fetchone()
        return None if row[0] is None else int(row[0])

    def refuse(self, refused: RefusedEvent) -> None:
        """Set an event aside for one receiver."""
        self._connection.execute(
            "INSERT OR REPLACE INTO refused_events VALUES (?, ?, ?)",
            (refused.address, refused.event_id, refused.reason),
        )

    def refused(self) -> list[RefusedEvent]:
        """All events that were set aside."""
        rows = self._connection.execute(
            "SELECT address, event_id, reason FROM refused_events ORDER BY event_id"
        )
        return [RefusedEvent(*row) for row in rows]
