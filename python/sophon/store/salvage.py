"""What to do about a damaged database: never refuse to start, never lose what can still be read."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sophon.store.database import DATABASE, DamagedError, Store
from sophon.store.photo_keeping import PhotoKeeping

_LOG_SUFFIXES = ("-wal", "-shm")


@dataclass(frozen=True)
class Salvage:
    """What was wrong, where the damaged file is now, and how many rows of each table could be read."""

    damage: str
    moved_to: Path
    rows: dict[str, int]


def open_or_salvage(data_dir: Path, *, photos: PhotoKeeping | None = None) -> tuple[Store, Salvage | None]:
    """Open the store; a damaged one is moved aside, and what can be read of it is copied into a new one.

    The file moved aside holds faces: whoever has no use for it deletes it.

    Raises ConfigError as `Store` does.
    """
    try:
        store = Store(data_dir, photos=photos)
    except DamagedError as error:
        return _salvage(data_dir, str(error), photos)
    problems = store.check()
    if not problems:
        return store, None
    store.close()
    return _salvage(data_dir, problems[0], photos)


def _salvage(data_dir: Path, damage: str, photos: PhotoKeeping | None) -> tuple[Store, Salvage]:
    moved_to = data_dir / f"damaged-{time.strftime('%Y%m%d-%H%M%S')}-{time.time_ns() % 10**9:09}.db"
    # The log goes first: beside a new database it would be taken for its own.
    for suffix in (*_LOG_SUFFIXES, ""):
        with contextlib.suppress(FileNotFoundError):
            (data_dir / (DATABASE + suffix)).rename(f"{moved_to}{suffix}")
    store = Store(data_dir, photos=photos)
    with contextlib.closing(sqlite3.connect(moved_to)) as damaged:
        rows = {table: _copy(damaged, store, table) for table in store.tables()}
    return store, Salvage(damage, moved_to, rows)


def _copy(damaged: sqlite3.Connection, store: Store, table: str) -> int:
    copied = 0
    with store.write() as transaction:
        for row in _readable(damaged, table):
            copied += transaction.insert_salvaged(table, row)
    return copied


def _readable(damaged: sqlite3.Connection, table: str) -> Iterator[tuple[object, ...]]:
    """Every row that can be read, from both ends towards the damage; some come twice."""
    for direction in ("ASC", "DESC"):
        with contextlib.suppress(sqlite3.DatabaseError):
            yield from damaged.execute(f"SELECT * FROM {table} ORDER BY 1 {direction}")
