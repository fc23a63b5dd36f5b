"""What of another database takes the place of this one's when a backup is restored, in SQL.

Restored are people with photographs, crops and embeddings, galleries, permission groups, sub-devices and what was set
about matching, events and gates. What belongs to the box itself stays: tokens, its code and platform, counters, the
commands it has taken in and the results it owes. Events come back only on a box that has made none of its own.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from sophon.errors import Code, SophonError
from sophon.store.erasures import KNOWN_FROM, PSEUDONYM_KEY, Erasures

#: Settings that stay as they are.
OWN_SETTINGS = (
    "api_tokens",
    "dev_sno",
    "devices_told",
    "enrolment_photos",
    "enrolment_photos_key",
    "login_url",
    PSEUDONYM_KEY,
)
_GROUPS = ("groups", "permission_groups")
_OF_PEOPLE = ("photos", "embeddings", "crops", "group_members", "person_permissions")


@dataclass(frozen=True)
class Restored:
    """How many people and events came back, and how many people did not: this box deleted them after the backup."""

    people: int
    events: int
    left_out: int


def replace_content(connection: sqlite3.Connection, *, with_deleted: bool) -> Restored:
    """Replace the content of the connection's database by that of the one attached to it as ``backup``."""
    execute = connection.execute
    left_out = () if with_deleted else _deleted_since(connection)
    execute("CREATE TEMP TABLE IF NOT EXISTS left_out (identity_id TEXT PRIMARY KEY)")
    execute("DELETE FROM left_out")
    connection.executemany("INSERT INTO left_out VALUES (?)", [(one,) for one in left_out])
    for table in ("people", *_GROUPS, "devices"):
        execute(f"DELETE FROM main.{table}")
    for table in (*_GROUPS, "devices"):
        execute(f"INSERT INTO main.{table} SELECT * FROM backup.{table}")
    # The numbers of the backup's commands mean nothing here; whatever this box still has to do comes after.
    execute("UPDATE main.permission_groups SET last_seq = 0")
    stays_out = "identity_id NOT IN (SELECT identity_id FROM left_out)"
    people = execute(
        "INSERT INTO main.people SELECT identity_id, info, register_type, 0, enrolled_at FROM backup.people "
        f"WHERE {stays_out}"
    ).rowcount
    for table in _OF_PEOPLE:
        execute(f"INSERT INTO main.{table} SELECT * FROM backup.{table} WHERE {stays_out}")
    own = ", ".join("?" * len(OWN_SETTINGS))
    execute(f"DELETE FROM main.settings WHERE name NOT IN ({own})", OWN_SETTINGS)
    execute(
        f"INSERT INTO main.settings SELECT * FROM backup.settings WHERE name NOT IN ({own})", OWN_SETTINGS
    )
    return Restored(people, _restore_events(connection), len(left_out))


def _deleted_since(connection: sqlite3.Connection) -> tuple[str, ...]:
    """Who is in the backup and was deleted from this box since; or at any time, if the backup is another box's."""
    made_at = _number(connection, "SELECT value FROM backup.counters WHERE name = 'seq'")
    if not _is_own(connection):
        made_at = -1
    elif _number(connection, f"SELECT value FROM main.counters WHERE name = '{KNOWN_FROM}'") > made_at:
        raise SophonError(
            Code.BAD_REQUEST,
            "the backup is from before a wipe, or from before more deletions than are remembered; say --with-deleted "
            "(with_deleted=true) to bring everybody in it back",
        )
    digest = Erasures(connection).digest
    since = dict(connection.execute("SELECT digest, seq FROM main.erasures WHERE seq > ?", (made_at,)))
    return tuple(
        identity_id
        for (identity_id,) in connection.execute("SELECT identity_id FROM backup.people")
        if digest(identity_id) in since
    )


def _is_own(connection: sqlite3.Connection) -> bool:
    own, its = (
        connection.execute(f"SELECT value FROM {schema}.settings WHERE name = ?", (PSEUDONYM_KEY,)).fetchone()
        for schema in ("main", "backup")
    )
    return bool(own == its)


def _restore_events(connection: sqlite3.Connection) -> int:
    execute = connection.execute
    if _number(connection, "SELECT seq FROM main.sqlite_sequence WHERE name = 'events'"):
        return 0
    events = execute(
        "INSERT INTO main.events SELECT * FROM backup.events WHERE identity_id NOT IN (SELECT identity_id FROM left_out)"
    ).rowcount
    came = "event_id IN (SELECT id FROM main.events)"
    execute(f"INSERT INTO main.event_pictures SELECT * FROM backup.event_pictures WHERE {came}")
    # The copied ids count on from the highest of them; one that was dropped before may be higher.
    last = _number(connection, "SELECT seq FROM backup.sqlite_sequence WHERE name = 'events'")
    execute("UPDATE main.sqlite_sequence SET seq = max(seq, ?) WHERE name = 'events'", (last,))
    # Whoever has an event does not get it again.
    execute(
        "INSERT INTO main.event_receivers SELECT address, delivered_to, 0 FROM backup.event_receivers WHERE true "
        "ON CONFLICT DO UPDATE SET delivered_to = excluded.delivered_to"
    )
    execute(f"INSERT INTO main.refused_events SELECT * FROM backup.refused_events WHERE {came}")
    return events


def _number(connection: sqlite3.Connection, query: str) -> int:
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0
