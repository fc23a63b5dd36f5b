"""Commands as they came: on disk before they are acknowledged, until they are answered, and remembered after."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

import orjson

OPEN_STATES = ("new", "planned", "running")
#: How the keys of commands begin that came by the box's own API.
JOB_KEY = "job:"


class Lane(str, Enum):
    """Commands of one lane never wait for those of the other."""

    COMMAND = "command"
    FIQA = "fiqa"


class State(str, Enum):
    """How far a command is. NEW: untouched; PLANNED: its people are listed; RUNNING: claimed; DEAD: set aside."""

    NEW = "new"
    PLANNED = "planned"
    RUNNING = "running"
    DONE = "done"
    DEAD = "dead"


@dataclass(frozen=True)
class InboxRow:
    """One command without its body.

    ``key`` names the command for suppression, ``message_id`` is the platform's id as JSON text, times are ms since the
    epoch, ``code`` and ``reason`` say how it ended. ``replays`` is the seq of an older command that this one is, or may
    be, a copy of: the broker sent it again after its acknowledgement was lost.
    """

    seq: int
    key: str
    lane: Lane
    method: str
    message_id: str | None
    body_sha256: bytes
    state: State
    attempts: int
    repeats: int
    received_at: int
    finished_at: int | None
    code: int | None
    reason: str
    notify_path: str | None
    replays: int | None

    @property
    def is_silent(self) -> bool:
        """Nobody is owed an answer: who sent a job looks it up; of a replay, the command that it replays has it."""
        return self.is_job or (self.replays is not None and self.message_id is not None)

    @property
    def is_job(self) -> bool:
        """Whether it came by the box's own API."""
        return self.key.startswith(JOB_KEY)


@dataclass(frozen=True)
class Backlog:
    """What is not done yet."""

    commands: int
    bytes: int


_COLUMNS = (
    "seq, key, lane, method, message_id, body_sha256, state, attempts, repeats, received_at, finished_at, code, "
    "reason, notify_path, replays"
)
_OPEN = "state IN ('new', 'planned', 'running')"


def _row(values: tuple[object, ...]) -> InboxRow:
    seq, key, lane, method, message_id, sha256, state, *rest = values
    return InboxRow(seq, key, Lane(lane), method, message_id, sha256, State(state), *rest)  # type: ignore[arg-type]


class Inbox:
    """The tables ``inbox``, ``inbox_bodies`` and ``spent_bodies``."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def next_seq(self) -> int:
        """Take the next number of the one sequence that orders every change of the box."""
        return self.next_seqs(1)[0]

    def next_seqs(self, count: int) -> range:
        """Take as many of these numbers."""
        (last,) = self._connection.execute(
            "INSERT INTO counters VALUES ('seq', ?) "
            "ON CONFLICT DO UPDATE SET value = value + excluded.value RETURNING value",
            (count,),
        ).fetchone()
        return range(last - count + 1, last + 1)

    def add(
        self,
        *,
        key: str,
        lane: Lane,
        method: str,
        message_id: str | None,
        body: bytes,
        body_sha256: bytes,
        at: int,
        replays: int | None = None,
        seq: int | None = None,
    ) -> int:
        """Store a command that is not there yet; return its seq, by default the next one."""
        seq = self.next_seq() if seq is None else seq
        self._connection.execute(
            "INSERT INTO inbox (seq, key, lane, method, message_id, body_sha256, state, received_at, replays) "
            "VALUES (?, ?, ?, ?, ?, ?, 'new', ?, ?)",
            (seq, key, lane.value, method, message_id, body_sha256, at, replays),
        )
        self._connection.execute("INSERT INTO inbox_bodies VALUES (?, ?)", (seq, body))
        return seq

    def by_key(self, key: str) -> InboxRow | None:
        """The command of that key."""
        return self._one("WHERE key = ?", (key,))

    def by_seq(self, seq: int) -> InboxRow | None:
        """The command of that number."""
        return self._one("WHERE seq = ?", (seq,))

    def state(self, seq: int) -> State | None:
        """How far the command is; None if it is not there any more."""
        row = self._connection.execute("SELECT state FROM inbox WHERE seq = ?", (seq,)).fetchone()
        return State(row[0]) if row else None

    def newest(self, lane: Lane) -> InboxRow | None:
        """The command of the lane that the platform sent last."""
        return self._one(
            f"WHERE lane = ? AND key NOT GLOB '{JOB_KEY}*' ORDER BY seq DESC LIMIT 1", (lane.value,)
        )

    def beginnings_of_keys(self, beginnings: Iterable[str]) -> set[str]:
        """Those of the texts with which, and a colon, a command's key begins."""
        # A key that begins with "x:" lies between "x:" and "x;", the next character.
        rows = self._connection.execute(
            "SELECT value FROM json_each(?) WHERE EXISTS "
            "(SELECT 1 FROM inbox WHERE key >= value || ':' AND key < value || ';')",
            (orjson.dumps(list(beginnings)).decode(),),
        )
        return {row[0] for row in rows}

    def original_without_id(self, body_sha256: bytes, *, newest: int) -> int | None:
        """The seq of the last command without a messageId that has these bytes and is no replay, among the ``newest`` ones.

        Where one was meant several times, the last one settles how all that it concerns ends.
        """
        row = self._connection.execute(
            "SELECT max(coalesce(replays, seq)) FROM inbox WHERE lane = 'command' AND message_id IS NULL "
            "AND body_sha256 = ? AND seq > (SELECT max(seq) FROM inbox) - ?",
            (body_sha256, newest),
        ).fetchone()
        return None if row[0] is None else int(row[0])

    def is_overtaken_by_replay(self, seq: int) -> bool:
        """Whether a command older than this one came again, and will be or was carried out after it."""
        row = self._connection.execute(
            "SELECT 1 FROM inbox WHERE replays < ?1 "
            "AND seq > (SELECT max(seq) FROM inbox WHERE seq = ?1 OR replays = ?1) LIMIT 1",
            (seq,),
        ).fetchone()
        return row is not None

    def count_repeat(self, seq: int) -> None:
        """Note that the command came once more before it was answered."""
        self._connection.execute("UPDATE inbox SET repeats = repeats + 1 WHERE seq = ?", (seq,))

    def oldest_new(self, lane: Lane, limit: int) -> list[InboxRow]:
        """Untouched commands of a lane, oldest first."""
        return self._many("WHERE lane = ? AND state = 'new' ORDER BY seq LIMIT ?", (lane.value, limit))

    def oldest_planned(self) -> InboxRow | None:
        """The enrolment whose turn it is."""
        return self._one("WHERE lane = 'command' AND state = 'planned' ORDER BY seq LIMIT 1", ())

    def body(self, seq: int) -> bytes:
        """What the message held; b"" once that is no longer kept."""
        row = self._connection.execute(
            "SELECT body FROM inbox_bodies WHERE seq = ?1 AND NOT EXISTS (SELECT 1 FROM spent_bodies WHERE seq = ?1)",
            (seq,),
        ).fetchone()
        return bytes(row[0]) if row else b""

    def claim(self, seq: int) -> int:
        """Count an attempt, before the payload is touched; return how many there were with this one."""
        row = self._connection.execute(
            "UPDATE inbox SET state = 'running', attempts = attempts + 1 WHERE seq = ? RETURNING attempts",
            (seq,),
        ).fetchone()
        return int(row[0])

    def count_attempt(self, seq: int) -> int:
        """Count an attempt in vain; return how many there were with this one."""
        row = self._connection.execute(
            "UPDATE inbox SET attempts = attempts + 1 WHERE seq = ? RETURNING attempts", (seq,)
        ).fetchone()
        return int(row[0])

    def uncount_attempt(self, seq: int) -> None:
        """Take one attempt back: what ends the process now does not speak against the command."""
        self._connection.execute("UPDATE inbox SET attempts = attempts - 1 WHERE seq = ?", (seq,))

    def release_claim(self, seq: int, *, attempts: int) -> None:
        """Put back one command, if it is still claimed, with ``attempts`` counted."""
        self._connection.execute(
            "UPDATE inbox SET state = 'new', attempts = ? WHERE seq = ? AND state = 'running'",
            (attempts, seq),
        )

    def release_claims(self) -> None:
        """After a start nobody works on anything: what was running is new again."""
        self._connection.execute("UPDATE inbox SET state = 'new' WHERE state = 'running'")

    def plan(self, seq: int) -> None:
        """Its people are listed in ``batch_items``."""
        self._connection.execute("UPDATE inbox SET state = 'planned' WHERE seq = ?", (seq,))

    def finish(
        self,
        seq: int,
        *,
        state: State,
        code: int,
        result: bytes,
        reason: str,
        notify_path: str | None,
        at: int,
    ) -> int:
        """It is answered with ``result``; the body, which may hold faces and names, is spent.

        Returns how often the command came again before this.
        """
        row = self._connection.execute(
            "UPDATE inbox SET state = ?, code = ?, result = ?, reason = ?, notify_path = ?, finished_at = ? "
            "WHERE seq = ? RETURNING repeats",
            (state.value, code, result, reason, notify_path, at, seq),
        ).fetchone()
        self._connection.execute("INSERT OR IGNORE INTO spent_bodies VALUES (?)", (seq,))
        return int(row[0])

    def keep_body(self, seq: int, body: bytes) -> None:
        """Keep the body of a command that is set aside, to try it again or to look at."""
        self._connection.execute("INSERT OR REPLACE INTO inbox_bodies VALUES (?, ?)", (seq, body))
        self._connection.execute("DELETE FROM spent_bodies WHERE seq = ?", (seq,))

    def has_spent_bodies(self) -> bool:
        """Whether there are bodies to drop."""
        return self._connection.execute("SELECT 1 FROM spent_bodies LIMIT 1").fetchone() is not None

    def drop_spent_bodies(self) -> None:
        """Delete the bodies of commands that are answered.

        Deleted pages are overwritten. Bodies that are added in the same transaction take them, so that they are written once.
        """
        self._connection.execute("DELETE FROM inbox_bodies WHERE seq IN (SELECT seq FROM spent_bodies)")
        self._connection.execute("DELETE FROM spent_bodies")

    def result(self, seq: int) -> bytes:
        """How the command was answered."""
        row = self._connection.execute("SELECT result FROM inbox WHERE seq = ?", (seq,)).fetchone()
        return bytes(row[0]) if row and row[0] is not None else b""

    def results(self, method: str, *, after: int, limit: int) -> list[tuple[int, int, bytes]]:
        """Kept results of a method beyond a command's seq, in order: seq, when it was finished, result. Jobs have none."""
        return self._connection.execute(
            "SELECT seq, finished_at, result FROM inbox WHERE method = ? AND seq > ? AND length(result) > 0 "
            "ORDER BY seq LIMIT ?",
            (method, after, limit),
        ).fetchall()

    def replace_result(self, seq: int, result: bytes) -> None:
        """Keep another result for the command."""
        self._connection.execute("UPDATE inbox SET result = ? WHERE seq = ?", (result, seq))

    def oldest_open_seq(self) -> int | None:
        """The oldest command that may still change something."""
        row = self._connection.execute(
            f"SELECT min(seq) FROM inbox WHERE lane = 'command' AND {_OPEN}"
        ).fetchone()
        return None if row[0] is None else int(row[0])

    def backlog(self) -> Backlog:
        """How much is not done yet."""
        row = self._connection.execute(
            f"SELECT count(*), coalesce(sum(length(body)), 0) FROM inbox JOIN inbox_bodies USING (seq) WHERE {_OPEN}"
        ).fetchone()
        return Backlog(*row)

    def counts(self) -> dict[str, int]:
        """How many commands there are in each state."""
        return dict(self._connection.execute("SELECT state, count(*) FROM inbox GROUP BY state"))

    def newest_first(self, states: Iterable[State], limit: int) -> list[InboxRow]:
        """The newest commands in any of the states."""
        wanted = [state.value for state in states]
        return self._many(
            f"WHERE state IN ({', '.join('?' * len(wanted))}) ORDER BY seq DESC LIMIT ?", (*wanted, limit)
        )

    def reopen(self, seq: int) -> None:
        """Let a command that was set aside be carried out after all."""
        self._connection.execute(
            "UPDATE inbox SET state = 'new', attempts = 0, code = NULL, result = NULL, finished_at = NULL, reason = '' "
            "WHERE seq = ?",
            (seq,),
        )

    def delete(self, seq: int) -> None:
        """Forget the command altogether."""
        self._connection.execute("DELETE FROM inbox WHERE seq = ?", (seq,))

    def forget(self, *, finished_before: int, keep_done: int, keep_dead: int) -> int:
        """Drop finished commands older than a time and beyond the newest ``keep_done``, and all but ``keep_dead`` dead."""
        done = self._connection.execute(
            "DELETE FROM inbox WHERE state = 'done' AND finished_at < ? AND seq <= "
            "(SELECT max(seq) FROM inbox) - ?",
            (finished_before, keep_done),
        ).rowcount
        dead = self._connection.execute(
            "DELETE FROM inbox WHERE state = 'dead' AND seq <= "
            "(SELECT seq FROM inbox WHERE state = 'dead' ORDER BY seq DESC LIMIT 1 OFFSET ?)",
            (keep_dead,),
        ).rowcount
        return done + dead

    def _one(self, where: str, values: tuple[object, ...]) -> InboxRow | None:
        row = self._connection.execute(f"SELECT {_COLUMNS} FROM inbox {where}", values).fetchone()
        return _row(row) if row else None

    def _many(self, where: str, values: tuple[object, ...]) -> list[InboxRow]:
        return [
            _row(row) for row in self._connection.execute(f"SELECT {_COLUMNS} FROM inbox {where}", values)
        ]
