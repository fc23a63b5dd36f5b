"""What of another database takes the place of this one's when a backup is restored, a bounded group after the other.

Restored are people with photographs, crops and embeddings, galleries, permission groups, sub-devices and what was set
about matching, events and gates. What belongs to the box itself stays: tokens, its code and platform, counters, the
commands it has taken in and the results it owes. Events come back only on a box that has made none of its own.

The first transaction decides everything and leaves a note; from then on the restoration goes on until it is complete,
across crashes too. What commands do meanwhile counts as done after it: whoever they write or delete stays so.
"""

from __future__ import annotations

import sqlite3
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from sophon.errors import Code, SophonError
from sophon.store.counters import Counters
from sophon.store.erasures import KNOWN_FROM, PSEUDONYM_KEY, WIPED_AT, Erasures
from sophon.store.settings import StoredSettings

#: The setting that says how far a restoration has come; null when there is none.
RESTORATION = "restoration"
#: Settings that stay as they are.
OWN_SETTINGS = (
    "api_tokens",
    "dev_sno",
    "devices_told",
    "enrolment_photos",
    "enrolment_photos_key",
    "login_url",
    PSEUDONYM_KEY,
    RESTORATION,
)
#: One transaction takes in so many people or events, fewer if they are so large together.
GROUP_ROWS = 50
GROUP_BYTES = 2 << 20
#: So many people are looked through at once for those that the backup does not have.
LOOK_THROUGH = 2000
#: The `last_seq` of people from before the restoration; those it brought have 0, and those written since a command's.
_FORMER = -1
_GROUPS = ("groups", "permission_groups")
_FACE = ("photos", "embeddings", "crops")


@dataclass(frozen=True)
class Restored:
    """How many people and events came back, and how many people did not: this box deleted them after the backup."""

    people: int
    events: int
    left_out: int


@dataclass(frozen=True)
class Step:
    """What one group changed: these people; and the whole, if it was the last."""

    people: tuple[str, ...] = ()
    restored: Restored | None = None


@dataclass(frozen=True)
class _Progress:
    phase: Literal["leaving", "coming", "events"]
    wiped_at: int
    with_events: bool
    left_out: int
    after: str = ""
    people: int = 0
    after_event: int = 0
    events: int = 0


class Takeover:
    """The content of ``backup`` on its way into the database of ``connection``, which is in a transaction at every call."""

    def __init__(self, connection: sqlite3.Connection, backup: sqlite3.Connection) -> None:
        self._connection = connection
        self._backup = backup
        self._erasures = Erasures(connection)
        self._settings = StoredSettings(connection)

    def begin(self, *, with_deleted: bool) -> None:
        """Decide who comes back, and take all but people and events.

        Raises SophonError if the backup is from before deletions that are not known one by one.
        """
        execute = self._connection.execute
        erased = set() if with_deleted else self._deleted_since()
        everybody = self._backup.execute("SELECT identity_id FROM people")
        self._erasures.forget_all(one for (one,) in everybody if one not in erased)
        execute("UPDATE people SET last_seq = ?", (_FORMER,))
        for table in _GROUPS:
            self._make_alike(table)
        # The numbers of the backup's commands mean nothing here; whatever this box still has to do comes after.
        execute("UPDATE permission_groups SET last_seq = 0")
        execute("DELETE FROM devices")
        self._insert("devices", self._backup.execute("SELECT * FROM devices").fetchall())
        own = ", ".join("?" * len(OWN_SETTINGS))
        execute(f"DELETE FROM settings WHERE name NOT IN ({own})", OWN_SETTINGS)
        settings = self._backup.execute(f"SELECT * FROM settings WHERE name NOT IN ({own})", OWN_SETTINGS)
        self._insert("settings", settings.fetchall())
        with_events = not _number(self._connection, "SELECT seq FROM sqlite_sequence WHERE name = 'events'")
        if with_events:
            self._reserve_event_ids()
        self._note(_Progress("leaving", Counters(self._connection).get(WIPED_AT), with_events, len(erased)))

    def step(self) -> Step:
        """Take the next group."""
        progress = _Progress(**self._settings.get(RESTORATION))
        if Counters(self._connection).get(WIPED_AT) != progress.wiped_at:  # since then; nobody comes any more
            return self._end(progress)
        if progress.phase == "leaving":
            return self._let_leave(progress)
        if progress.phase == "coming":
            return self._let_come(progress)
        return self._take_events(progress)

    def _let_leave(self, progress: _Progress) -> Step:
        rows = self._connection.execute(
            "SELECT identity_id FROM people WHERE last_seq = ? AND identity_id > ? ORDER BY identity_id LIMIT ?",
            (_FORMER, progress.after, LOOK_THROUGH),
        ).fetchall()
        leaving: list[str] = []
        last = progress.after
        for (last,) in rows:
            if not self._backup.execute("SELECT 1 FROM people WHERE identity_id = ?", (last,)).fetchone():
                leaving.append(last)
                self._remove(last)
                if len(leaving) == GROUP_ROWS:
                    break
        self._note(replace(progress, after=last) if rows else replace(progress, phase="coming", after=""))
        return Step(tuple(leaving))

    def _let_come(self, progress: _Progress) -> Step:
        came: list[str] = []
        size = 0
        last: str | None = None
        for last, *fields in self._backup.execute(
            "SELECT identity_id, info, register_type, enrolled_at FROM people WHERE identity_id > ? "
            "ORDER BY identity_id LIMIT ?",
            (progress.after, GROUP_ROWS),
        ):
            if self._is_former(last):
                self._remove(last)
            elif self._is_there(last):
                continue
            came.append(last)
            if not self._is_erased(last):
                size += self._bring(last, *fields)
                progress = replace(progress, people=progress.people + 1)
            if size > GROUP_BYTES:
                break
        if last is not None:
            self._note(replace(progress, after=last))
        elif progress.with_events:
            self._note(replace(progress, phase="events"))
        else:
            return self._end(progress)
        return Step(tuple(came))

    def _bring(self, identity_id: str, info: str, register_type: int, enrolled_at: int) -> int:
        """Take one person; how many bytes that is."""
        execute = self._connection.execute
        execute("INSERT INTO people VALUES (?, ?, ?, 0, ?)", (identity_id, info, register_type, enrolled_at))
        size = len(info)
        for table in _FACE:
            rows = self._of("identity_id", identity_id, table)
            self._insert(table, rows)
            size += sum(len(field) for row in rows for field in row if isinstance(field, bytes))
        # A command may have deleted a group since.
        for _, group in self._of("identity_id", identity_id, "group_members"):
            execute(
                "INSERT INTO group_members SELECT ?, name FROM groups WHERE name = ?", (identity_id, group)
            )
        for _, permission in self._of("identity_id", identity_id, "person_permissions"):
            execute(
                "INSERT INTO person_permissions SELECT ?, permission_id FROM permission_groups "
                "WHERE permission_id = ?",
                (identity_id, permission),
            )
        return size

    def _take_events(self, progress: _Progress) -> Step:
        # Of an event's columns the first is its id, the third whom it shows, the last how large it is.
        size = 0
        last: int | None = None
        for event in self._backup.execute(
            "SELECT * FROM events WHERE id > ? ORDER BY id LIMIT ?", (progress.after_event, GROUP_ROWS)
        ):
            last = event[0]
            if not self._is_erased(event[2]):
                self._insert("events", [event])
                for table in ("event_pictures", "refused_events"):
                    self._insert(table, self._of("event_id", last, table))
                size += event[-1]
                progress = replace(progress, events=progress.events + 1)
            if size > GROUP_BYTES:
                break
        if last is None:
            # Whoever has an event does not get it again.
            self._connection.executemany(
                "INSERT INTO event_receivers VALUES (?, ?, 0) "
                "ON CONFLICT DO UPDATE SET delivered_to = excluded.delivered_to",
                self._backup.execute("SELECT address, delivered_to FROM event_receivers").fetchall(),
            )
            return self._end(progress)
        self._note(replace(progress, after_event=last))
        return Step()

    def _reserve_event_ids(self) -> None:
        """Let the box's own events count on from the backup's highest id, also from one that was dropped before."""
        last = _number(self._backup, "SELECT seq FROM sqlite_sequence WHERE name = 'events'")
        self._connection.execute("DELETE FROM sqlite_sequence WHERE name = 'events'")
        self._connection.execute("INSERT INTO sqlite_sequence VALUES ('events', ?)", (last,))

    def _make_alike(self, table: str) -> None:
        """Let a table of groups hold what the backup's does. People who are in a group of both stay in it meanwhile."""
        rows = self._backup.execute(f"SELECT * FROM {table}").fetchall()
        known = {row[0] for row in rows}
        columns = [str(row[1]) for row in self._connection.execute(f"PRAGMA table_info('{table}')")]
        key = columns[0]
        for (name,) in self._connection.execute(f"SELECT {key} FROM {table}").fetchall():
            if name not in known:
                self._connection.execute(f"DELETE FROM {table} WHERE {key} = ?", (name,))
        changes = ", ".join(f"{column} = excluded.{column}" for column in columns[1:])
        self._insert(table, rows, f"ON CONFLICT DO UPDATE SET {changes}")

    def _insert(self, table: str, rows: list[tuple[Any, ...]], otherwise: str = "") -> None:
        if rows:
            marks = ", ".join("?" * len(rows[0]))
            self._connection.executemany(f"INSERT INTO {table} VALUES ({marks}) {otherwise}", rows)

    def _of(self, column: str, value: str | int, table: str) -> list[tuple[Any, ...]]:
        return self._backup.execute(f"SELECT * FROM {table} WHERE {column} = ?", (value,)).fetchall()

    def _is_former(self, identity_id: str) -> bool:
        return self._last_seq(identity_id) == _FORMER

    def _is_there(self, identity_id: str) -> bool:
        return self._last_seq(identity_id) is not None

    def _last_seq(self, identity_id: str) -> int | None:
        row = self._connection.execute(
            "SELECT last_seq FROM people WHERE identity_id = ?", (identity_id,)
        ).fetchone()
        return row[0] if row else None

    def _remove(self, identity_id: str) -> None:
        self._connection.execute("DELETE FROM people WHERE identity_id = ?", (identity_id,))

    def _is_erased(self, identity_id: str) -> bool:
        """Whether the person was left out at the beginning, or deleted since."""
        return self._erasures.knows(identity_id)

    def _deleted_since(self) -> set[str]:
        """Who is in the backup and was deleted from this box since; or at any time, if the backup is another box's."""
        made_at = _number(self._backup, "SELECT value FROM counters WHERE name = 'seq'")
        if self._settings.get(PSEUDONYM_KEY) != StoredSettings(self._backup).get(PSEUDONYM_KEY):
            made_at = -1
        elif Counters(self._connection).get(KNOWN_FROM) > made_at:
            raise SophonError(
                Code.BAD_REQUEST,
                "the backup is from before a wipe, or from before more deletions than are remembered; say "
                "--with-deleted (with_deleted=true) to bring everybody in it back",
            )
        since = self._erasures.since(made_at)
        return {
            identity_id
            for (identity_id,) in self._backup.execute("SELECT identity_id FROM people")
            if self._erasures.digest(identity_id) in since
        }

    def _note(self, progress: _Progress) -> None:
        self._settings.set(RESTORATION, asdict(progress))

    def _end(self, progress: _Progress) -> Step:
        self._settings.set(RESTORATION, None)
        return Step(restored=Restored(progress.people, progress.events, progress.left_out))


def _number(connection: sqlite3.Connection, query: str) -> int:
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0
