"""The audit log: who did what, when, and how it ended. Never to whom: it holds counts, no ids and no names of people.

``<data_dir>/audit.log`` has one JSON object per line. Beyond MAX_BYTES it becomes ``audit.log.1``, that one ``.2``, and
the last is dropped, so that it never takes more than (KEPT + 1) × MAX_BYTES. Several processes may write to it.
"""

from __future__ import annotations

import fcntl
import logging
import os
import time
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

import orjson
from pydantic import BaseModel

AUDIT_FILE = "audit.log"
MAX_BYTES = 4 << 20
KEPT = 4
#: Whoever has no token may fill so many lines a minute; the others are counted in the next one.
REFUSALS_PER_MINUTE = 30

_log = logging.getLogger(__name__)


class Deed(BaseModel):
    """One line: ``at`` in s since the epoch, ``code`` the contract's or an HTTP status, 0 and 200 for success."""

    at: float
    who: str
    what: str
    code: int = 0
    address: str = ""
    counts: dict[str, int] = {}


class AuditLog:
    """Writes and reads the audit log of one data directory. Thread-safe."""

    def __init__(self, data_dir: Path) -> None:
        self._file = data_dir / AUDIT_FILE
        self._minute = 0
        self._refusals = 0
        self._unnoted = 0

    def note(
        self,
        who: str,
        what: str,
        *,
        code: int = 0,
        address: str = "",
        counts: Mapping[str, int] | None = None,
    ) -> None:
        """Add a line. A disk that takes none is complained about in the ordinary log; the deed itself goes on."""
        deed = Deed(
            at=round(time.time(), 3),
            who=who,
            what=what,
            code=code,
            address=address,
            counts=dict(counts or {}),
        )
        line = orjson.dumps(deed.model_dump(exclude_defaults=True)) + b"\n"
        try:
            self._append(line)
        except OSError as error:
            _log.warning("the audit log can't be written: %s", error)

    def note_refusal(self, code: int, address: str) -> None:
        """Add a line about somebody unknown, unless there are too many of these already; used by one thread."""
        minute = int(time.monotonic() / 60)
        if minute != self._minute:
            self._minute, self._refusals = minute, 0
        if self._refusals >= REFUSALS_PER_MINUTE:
            self._unnoted += 1
            return
        self._refusals += 1
        before = {"not_noted_before": self._unnoted} if self._unnoted else {}
        self._unnoted = 0
        self.note("somebody", "refused", code=code, address=address, counts=before)

    def newest_first(self, limit: int) -> list[Deed]:
        """The newest lines; one that can't be read, as after a power cut, is left out."""
        return list(islice(self._backwards(), limit))

    def _backwards(self) -> Iterator[Deed]:
        for file in (self._file, *(self._older(number) for number in range(1, KEPT + 1))):
            try:
                lines = file.read_bytes().splitlines()
            except FileNotFoundError:
                continue
            yield from filter(None, map(_read, reversed(lines)))

    def _append(self, line: bytes) -> None:
        while True:
            opened = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(opened, fcntl.LOCK_EX)
                if not self._is_current(opened):
                    continue  # another process has begun a new file since
                if os.fstat(opened).st_size + len(line) > MAX_BYTES:
                    self._set_aside()
                    continue
                os.write(opened, line)
                return
            finally:
                os.close(opened)

    def _is_current(self, opened: int) -> bool:
        try:
            return os.path.samestat(os.fstat(opened), self._file.stat())
        except FileNotFoundError:
            return False

    def _set_aside(self) -> None:
        for number in range(KEPT, 1, -1):
            if self._older(number - 1).exists():
                self._older(number - 1).replace(self._older(number))
        self._file.replace(self._older(1))

    def _older(self, number: int) -> Path:
        return self._file.with_name(f"{AUDIT_FILE}.{number}")


def _read(line: bytes) -> Deed | None:
    try:
        return Deed.model_validate_json(line)
    except ValueError:
        return None
