"""Who was deleted, without saying who: so that a backup made before does not bring them back unnoticed."""

from __future__ import annotations

import hashlib
import hmac
import sqlite3
from collections.abc import Iterable
from functools import cached_property

import orjson

from sophon.store.counters import Counters

#: The setting that holds the key of the digests. Each box has its own, which also tells its backups from others'.
PSEUDONYM_KEY = "pseudonym_key"
#: The counter that holds the command from which on deletions are known.
KNOWN_FROM = "erasures_known_from"
#: The counter that holds which command erased everybody last.
WIPED_AT = "wiped_at"
MAX_ERASURES = 200_000


class Erasures:
    """The table ``erasures``: keyed hashes of deleted people's ids, each with the command that deleted them."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def note(self, identity_id: str, seq: int) -> None:
        """Remember that command ``seq`` deleted the person; the oldest are forgotten beyond MAX_ERASURES."""
        self._connection.execute(
            "INSERT OR REPLACE INTO erasures VALUES (?, ?)", (self.digest(identity_id), seq)
        )
        counters = Counters(self._connection)
        if counters.add("erasures_noted") % (MAX_ERASURES // 10) == 0:
            self._forget_oldest(counters)

    def forget(self, identity_id: str) -> None:
        """The person is enrolled again."""
        self._connection.execute("DELETE FROM erasures WHERE digest = ?", (self.digest(identity_id),))

    def forget_all(self, identity_ids: Iterable[str]) -> None:
        """These people are enrolled again."""
        if self._connection.execute("SELECT 1 FROM erasures LIMIT 1").fetchone():
            for identity_id in identity_ids:
                self.forget(identity_id)

    def knows(self, identity_id: str) -> bool:
        """Whether the person was deleted, and not enrolled again."""
        found = self._connection.execute(
            "SELECT 1 FROM erasures WHERE digest = ?", (self.digest(identity_id),)
        ).fetchone()
        return found is not None

    def clear(self, seq: int) -> None:
        """Command ``seq`` deleted everybody, which is all there is to know of before."""
        self._connection.execute("DELETE FROM erasures")
        Counters(self._connection).set(KNOWN_FROM, seq)

    def since(self, seq: int) -> dict[bytes, int]:
        """Those deleted by commands after ``seq``: what stands for each, and the command that deleted them."""
        return dict(self._connection.execute("SELECT digest, seq FROM erasures WHERE seq > ?", (seq,)))

    @property
    def known_from(self) -> int:
        """The command from which on deletions are known: of everybody in a backup from before, nothing is known."""
        return Counters(self._connection).get(KNOWN_FROM)

    def digest(self, identity_id: str) -> bytes:
        """What stands for a person here; says nothing to who has not the key."""
        return hmac.digest(self._key, identity_id.encode(), hashlib.sha256)[:16]

    @cached_property
    def _key(self) -> bytes:
        row = self._connection.execute(
            "SELECT value FROM settings WHERE name = ?", (PSEUDONYM_KEY,)
        ).fetchone()
        return bytes.fromhex(orjson.loads(row[0]))

    def _forget_oldest(self, counters: Counters) -> None:
        row = self._connection.execute(
            "SELECT seq FROM erasures ORDER BY seq DESC LIMIT 1 OFFSET ?", (MAX_ERASURES,)
        ).fetchone()
        if row is not None:
            self._connection.execute("DELETE FROM erasures WHERE seq <= ?", row)
            counters.set(KNOWN_FROM, row[0])
