"""Recognition events, oldest first by id; ids are never used again.

The enrolment photograph of an event is the person's own, by reference: it is not copied, and gone with the person.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from sophon.store.photo_keeping import PhotoKeeping

_COLUMNS = (
    "id, at, identity_id, identity_name, person_type, group_name, device_ip, device_type, score, details"
)
# What a row costs besides its pictures and details.
_ROW_BYTES = 200
# The contract's ``person_type``.
_STRANGER = 4
_KINDS = ("spot", "face")


@dataclass(frozen=True)
class EventRow:
    """One comparison of a captured face with a gallery.

    ``at`` is the capture in ms since the epoch, ``score`` the event score 0-1; ``details`` holds what else is reported
    under `ext_data`. ``id`` is 0 until it is stored.
    """

    at: int
    identity_id: str
    identity_name: str
    person_type: int
    group_name: str
    device_ip: str
    device_type: str
    score: float
    details: dict[str, Any]
    id: int = 0


@dataclass(frozen=True)
class EventPictures:
    """JPEG files: the scene and the face in it; None where there is none, or it was erased."""

    spot: bytes | None = field(default=None, repr=False)
    face: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class EventFilter:
    """Which events are wanted; None takes all. Times in ms since the epoch, ``until`` exclusive."""

    identity_id: str | None = None
    name: str | None = None
    device_ip: str | None = None
    person_type: int | None = None
    since: int | None = None
    until: int | None = None
    min_score: float | None = None
    refused: bool = False


@dataclass(frozen=True)
class EventsLimit:
    """How much is kept: so many events, more while a receiver still waits for them, and so many bytes of both.

    Only the newest ``strangers`` events of strangers are as good as those of known people: older ones go before them.
    """

    kept: int = 10_000
    undelivered: int = 100_000
    max_bytes: int = 4 << 30
    strangers: int = 5_000


class Events:
    """The tables ``events`` and ``event_pictures``."""

    def __init__(self, connection: sqlite3.Connection, photos: PhotoKeeping) -> None:
        self._connection = connection
        self._photos = photos

    def add(self, event: EventRow, pictures: EventPictures) -> int:
        """Store one event; return its id, which is higher than every one before."""
        details = orjson.dumps(event.details).decode()
        size = _ROW_BYTES + len(details) + len(pictures.spot or b"") + len(pictures.face or b"")
        cursor = self._connection.execute(
            "INSERT INTO events (at, identity_id, identity_name, person_type, group_name, device_ip, device_type, score, "
            "details, bytes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                event.at,
                event.identity_id,
                event.identity_name,
                event.person_type,
                event.group_name,
                event.device_ip,
                event.device_type,
                event.score,
                details,
                size,
            ),
        )
        assert cursor.lastrowid is not None
        if pictures != EventPictures():
            self._connection.execute(
                "INSERT INTO event_pictures VALUES (?, ?, ?)",
                (
                    cursor.lastrowid,
                    self._to_store(cursor.lastrowid, "spot", pictures.spot),
                    self._to_store(cursor.lastrowid, "face", pictures.face),
                ),
            )
        return cursor.lastrowid

    def get(self, event_id: int) -> EventRow | None:
        """One event, or None."""
        row = self._connection.execute(f"SELECT {_COLUMNS} FROM events WHERE id = ?", (event_id,)).fetchone()
        return _event(row) if row else None

    def pictures(self, event_id: int) -> EventPictures:
        """An event's pictures. Raises ConfigError or UnreadablePhotoError where they can't be decrypted."""
        row = self._connection.execute(
            "SELECT spot, face FROM event_pictures WHERE event_id = ?", (event_id,)
        ).fetchone()
        if not row:
            return EventPictures()
        return EventPictures(
            *(
                None if stored is None else self._photos.from_store(stored, _about(event_id, kind))
                for kind, stored in zip(_KINDS, row, strict=True)
            )
        )

    def picture_bytes(self, event_id: int) -> tuple[int, int]:
        """How much room an event's pictures take on the disk, of the scene and of the face; 0 for none."""
        row = self._connection.execute(
            "SELECT coalesce(length(spot), 0), coalesce(length(face), 0) FROM event_pictures WHERE event_id = ?",
            (event_id,),
        ).fetchone()
        return (row[0], row[1]) if row else (0, 0)

    def change_form(self, after: int, limit: int) -> int | None:
        """Bring the pictures of ``limit`` events after an id into the form they are to be kept in.

        Returns the last one's id, None if that was all. Raises ConfigError if their key is missed.
        """
        rows = self._connection.execute(
            "SELECT event_id, spot, face FROM event_pictures WHERE event_id > ? ORDER BY event_id LIMIT ?",
            (after, limit),
        ).fetchall()
        for event_id, *stored in rows:
            wanted = [
                None if one is None else self._photos.event_picture_in_form(one, _about(event_id, kind))
                for kind, one in zip(_KINDS, stored, strict=True)
            ]
            if wanted != stored:
                self._connection.execute(
                    "UPDATE event_pictures SET spot = ?, face = ? WHERE event_id = ?", (*wanted, event_id)
                )
        return rows[-1][0] if rows else None

    def after(
        self, event_id: int, limit: int = 100, *, since: int | None = None, until: int | None = None
    ) -> list[EventRow]:
        """The events after an id, in order, at most ``limit``; of a time only (ms), ``until`` not included."""
        rows = self._connection.execute(
            f"SELECT {_COLUMNS} FROM events WHERE id > :after AND (:since IS NULL OR at >= :since) "
            "AND (:until IS NULL OR at < :until) ORDER BY id LIMIT :limit",
            {"after": event_id, "since": since, "until": until, "limit": limit},
        )
        return [_event(row) for row in rows]

    def newest_first(self, wanted: EventFilter, limit: int = -1) -> Iterator[EventRow]:
        """The events that pass a filter, newest first; -1 is all of them."""
        conditions = {
            "identity_id = ?": wanted.identity_id,
            "identity_name = ?": wanted.name,
            "device_ip = ?": wanted.device_ip,
            "person_type = ?": wanted.person_type,
            "at >= ?": wanted.since,
            "at < ?": wanted.until,
            "score >= ?": wanted.min_score,
        }
        given = {condition: value for condition, value in conditions.items() if value is not None}
        where = [*given] + (["id IN (SELECT event_id FROM refused_events)"] if wanted.refused else [])
        rows = self._connection.execute(
            f"SELECT {_COLUMNS} FROM events {'WHERE ' + ' AND '.join(where) if where else ''} "
            "ORDER BY id DESC LIMIT ?",
            (*given.values(), limit),
        )
        for row in rows:
            yield _event(row)

    def count(self) -> int:
        """How many there are."""
        return int(self._connection.execute("SELECT count(*) FROM events").fetchone()[0])

    def total_bytes(self) -> int:
        """How much room they take, pictures included."""
        return int(self._connection.execute("SELECT coalesce(sum(bytes), 0) FROM events").fetchone()[0])

    def trim(self, limit: EventsLimit, delivered_to: int | None) -> int:
        """Drop the oldest events over the limit; return how many of them no receiver will get now.

        ``delivered_to`` is the last event that every receiver has; None where there is no receiver. Delivered events go
        first, so the others may be as many as ``limit.undelivered``; among each, strangers over their number go first.
        """
        last = self._last_id()
        delivered_to = last if delivered_to is None else delivered_to
        count = self.count()
        delivered = self._count_to(delivered_to)
        excess = self.total_bytes() - limit.max_bytes
        surplus = min(count - limit.kept, delivered)
        _, freed = self._drop(range(delivered_to + 1), surplus, excess, limit.strangers)
        overdue = count - delivered - limit.undelivered
        lost, _ = self._drop(range(delivered_to + 1, last + 1), overdue, excess - freed, limit.strangers)
        return lost

    def erase_person(self, identity_id: str) -> None:
        """Remove the events of a person, pictures included."""
        self._connection.execute("DELETE FROM events WHERE identity_id = ?", (identity_id,))

    def erase_pictures(self, identity_id: str | None = None) -> None:
        """Remove the pictures of a person's events, or of all; the events stay."""
        if identity_id is None:
            self._connection.execute("DELETE FROM event_pictures")
        else:
            self._connection.execute(
                "DELETE FROM event_pictures WHERE event_id IN (SELECT id FROM events WHERE identity_id = ?)",
                (identity_id,),
            )

    def clear(self) -> None:
        """Remove every event."""
        self._connection.execute("DELETE FROM events")

    def _to_store(self, event_id: int, kind: str, picture: bytes | None) -> bytes | None:
        return (
            None if picture is None else self._photos.event_picture_to_store(picture, _about(event_id, kind))
        )

    def _last_id(self) -> int:
        return int(self._connection.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()[0])

    def _count_to(self, event_id: int) -> int:
        return int(
            self._connection.execute("SELECT count(*) FROM events WHERE id <= ?", (event_id,)).fetchone()[0]
        )

    def _drop(self, ids: range, number: int, size: int, strangers: int) -> tuple[int, int]:
        """Drop at least so many of these events and so many bytes, as far as they go; how many they were and took."""
        if number <= 0 and size <= 0:
            return 0, 0
        rows = self._connection.execute(
            "SELECT id, bytes FROM events WHERE id >= :first AND id < :end ORDER BY "
            "person_type = :stranger AND id <= coalesce((SELECT id FROM events WHERE person_type = :stranger "
            "ORDER BY id DESC LIMIT 1 OFFSET :strangers), 0) DESC, id",
            {"first": ids.start, "end": ids.stop, "stranger": _STRANGER, "strangers": strangers},
        )
        going: list[tuple[int]] = []
        freed = 0
        for event_id, taken in rows:
            if len(going) >= number and freed >= size:
                break
            going.append((event_id,))
            freed += taken
        self._connection.executemany("DELETE FROM events WHERE id = ?", going)
        return len(going), freed


def _about(event_id: int, kind: str) -> bytes:
    """Which picture of which event it is."""
    return f"event_pictures/{event_id}/{kind}".encode()


def _event(row: tuple[Any, ...]) -> EventRow:
    key, at, identity, name, person_type, group, ip, device_type, score, details = row
    return EventRow(
        at, identity, name, person_type, group, ip, device_type, score, orjson.loads(details), key
    )
