"""The people of an enrolment under way, one row each, so that a crash resumes where it was."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class OpenItem:
    """Someone still to be enrolled; ``position`` is the place in the command's entries."""

    position: int
    identity_id: str
    attempts: int


@dataclass(frozen=True)
class SettledItem:
    """How it went with one person; ``failed_items`` are the FIQA items that the photograph failed."""

    position: int
    identity_id: str
    code: int
    username: str = ""
    failed_items: tuple[str, ...] = ()
    detail: str = ""


@dataclass(frozen=True)
class Progress:
    """How far an enrolment is; those refused are settled, too."""

    total: int
    settled: int
    refused: int


_ANONYMISE = (
    "UPDATE batch_items SET identity_id = '', detail = '' WHERE code IS NOT NULL "
    "AND EXISTS (SELECT 1 FROM inbox i WHERE i.seq = batch_items.seq AND i.state IN ('done', 'dead'))"
)


class Batches:
    """The table ``batch_items``; ``code`` is NULL while an item is open."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def plan(self, seq: int, identity_ids: Iterable[str]) -> None:
        """List the people of command ``seq``, in the order of its entries, which is that of the answer."""
        self._connection.executemany(
            "INSERT INTO batch_items (seq, position, identity_id) VALUES (?, ?, ?)",
            [(seq, position, identity_id) for position, identity_id in enumerate(identity_ids)],
        )

    def open_items(self, seq: int, limit: int, after: int = -1) -> list[OpenItem]:
        """People still to be enrolled beyond a position, in order."""
        rows = self._connection.execute(
            "SELECT position, identity_id, attempts FROM batch_items "
            "WHERE seq = ? AND position > ? AND code IS NULL ORDER BY position LIMIT ?",
            (seq, after, limit),
        )
        return [OpenItem(*row) for row in rows]

    def claim(self, seq: int, positions: Sequence[int]) -> set[int]:
        """Count an attempt for each that is still open, before its photograph is touched; return those."""
        return {
            position
            for position in positions
            if self._connection.execute(
                "UPDATE batch_items SET attempts = attempts + 1 WHERE seq = ? AND position = ? AND code IS NULL",
                (seq, position),
            ).rowcount
        }

    def uncount(self, seq: int, position: int) -> None:
        """Take one attempt back: what ends the process now does not speak against the photograph."""
        self._connection.execute(
            "UPDATE batch_items SET attempts = attempts - 1 WHERE seq = ? AND position = ?", (seq, position)
        )

    def settle(self, seq: int, item: SettledItem) -> None:
        """Note how it went; the first outcome stays."""
        self._connection.execute(
            "UPDATE batch_items SET code = ?, username = ?, failed_items = ?, detail = ? "
            "WHERE seq = ? AND position = ? AND code IS NULL",
            (item.code, item.username, ",".join(item.failed_items), item.detail, seq, item.position),
        )

    def is_open(self, seq: int, position: int) -> bool:
        """Whether the person is still to be enrolled."""
        row = self._connection.execute(
            "SELECT 1 FROM batch_items WHERE seq = ? AND position = ? AND code IS NULL", (seq, position)
        ).fetchone()
        return row is not None

    def settled(self, seq: int, limit: int = -1, after: int = -1) -> list[SettledItem]:
        """The outcomes so far beyond a position, in the order of the answer."""
        rows = self._connection.execute(
            "SELECT position, identity_id, code, username, failed_items, detail FROM batch_items "
            "WHERE seq = ? AND position > ? AND code IS NOT NULL ORDER BY position LIMIT ?",
            (seq, after, limit),
        )
        return [
            SettledItem(
                position, identity_id, code, username, tuple(items.split(",")) if items else (), detail
            )
            for position, identity_id, code, username, items, detail in rows
        ]

    def progress(self, seq: int) -> Progress:
        """How far command ``seq`` is."""
        row = self._connection.execute(
            "SELECT count(*), count(code), count(nullif(code, 0)) FROM batch_items WHERE seq = ?", (seq,)
        ).fetchone()
        return Progress(*row)

    def underway(self, identity_ids: Iterable[str], before: int) -> set[str]:
        """Which of the people an older command is still to enrol."""
        return {
            identity_id
            for identity_id in identity_ids
            if self._connection.execute(
                "SELECT 1 FROM batch_items WHERE identity_id = ? AND seq < ? AND code IS NULL LIMIT 1",
                (identity_id, before),
            ).fetchone()
        }

    def any_underway(self, before: int) -> bool:
        """Whether an older command is still to enrol anybody."""
        row = self._connection.execute(
            "SELECT 1 FROM batch_items WHERE seq < ? AND code IS NULL LIMIT 1", (before,)
        ).fetchone()
        return row is not None

    def supersede(self, identity_ids: Iterable[str], before: int, code: int, detail: str) -> None:
        """Settle what older commands were still to do for these people."""
        self._connection.executemany(
            "UPDATE batch_items SET code = ?, detail = ? WHERE identity_id = ? AND seq < ? AND code IS NULL",
            [(code, detail, identity_id, before) for identity_id in identity_ids],
        )

    def supersede_all(self, before: int, code: int, detail: str) -> None:
        """Settle what older commands were still to do for anybody."""
        self._connection.execute(
            "UPDATE batch_items SET code = ?, detail = ? WHERE seq < ? AND code IS NULL",
            (code, detail, before),
        )

    def keep_outcomes(self, seq: int, wiped_at: int) -> None:
        """Keep the finished job's list without names, and without who was deleted, or wiped, since it came."""
        self._connection.execute("UPDATE batch_items SET username = '' WHERE seq = ?", (seq,))
        self._connection.execute(
            "UPDATE batch_items SET identity_id = '', detail = '' WHERE seq = :seq AND (:wiped_at > :seq OR EXISTS "
            "(SELECT 1 FROM tombstones t WHERE t.identity_id = batch_items.identity_id AND t.seq > :seq))",
            {"seq": seq, "wiped_at": wiped_at},
        )

    def forget_person(self, identity_id: str) -> None:
        """Let no finished job speak of a person any more; the counts stay."""
        self._connection.execute(_ANONYMISE + " AND identity_id = ?", (identity_id,))

    def forget_everybody(self) -> None:
        """Let no finished job speak of anybody any more; the counts stay."""
        self._connection.execute(_ANONYMISE)

    def clear(self, seq: int) -> None:
        """Forget the list; the command is answered."""
        self._connection.execute("DELETE FROM batch_items WHERE seq = ?", (seq,))
