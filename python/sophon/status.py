"""What a running box says about itself, in a file beside its data, for `sophon status` and the metrics."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel, ValidationError

from sophon.store import State, Store

STATUS_FILE = "status.json"
LAST_COMMANDS = 10


class LinkReport(BaseModel):
    """One line to the outside: its phase, why, since when (s since the epoch), how often it connected."""

    phase: str
    reason: str = ""
    since: float
    connections: int = 0


class CommandReport(BaseModel):
    """One command and how it ended; times in ms since the epoch."""

    seq: int
    method: str
    message_id: str | None
    state: str
    code: int | None
    reason: str
    received_at: int
    finished_at: int | None


class EnrolmentReport(BaseModel):
    """How far the enrolment under way is."""

    seq: int
    settled: int
    total: int


class StatusReport(BaseModel):
    """The whole status."""

    version: str
    dev_sno: str
    pid: int
    started_at: float
    written_at: float
    phase: str
    login: str
    links: dict[str, LinkReport]
    no_room: str
    people: int
    recognisable: int
    inbox: dict[str, int]
    outbox: dict[str, int]
    enrolment: EnrolmentReport | None
    counters: dict[str, int]
    rates: dict[str, float]
    last_commands: list[CommandReport]
    events: int = 0
    recognition: dict[str, int] = {}
    receivers: dict[str, str] = {}
    streams: dict[str, str] = {}
    frame_ages: dict[str, float | None] = {}
    warnings: list[str] = []


def read_store(store: Store) -> dict[str, Any]:
    """The part of a status that the store knows, as `StatusReport`'s fields."""
    with store.read() as snapshot:
        running = snapshot.inbox.oldest_planned()
        progress = snapshot.batches.progress(running.seq) if running else None
        return {
            "people": snapshot.people.count(),
            "inbox": snapshot.inbox.counts(),
            "outbox": snapshot.outbox.counts(),
            "events": snapshot.events.count(),
            "counters": snapshot.counters.all(),
            "enrolment": (
                EnrolmentReport(seq=running.seq, settled=progress.settled, total=progress.total)
                if running and progress
                else None
            ),
            "last_commands": [
                CommandReport(
                    seq=row.seq,
                    method=row.method,
                    message_id=row.message_id,
                    state=row.state.value,
                    code=row.code,
                    reason=row.reason,
                    received_at=row.received_at,
                    finished_at=row.finished_at,
                )
                for row in snapshot.inbox.newest_first(State, LAST_COMMANDS)
            ],
        }


def write_status(data_dir: Path, report: StatusReport) -> None:
    """Replace the status file in one step; a full disk loses a status, nothing else."""
    temporary = data_dir / f"{STATUS_FILE}.new"
    with contextlib.suppress(OSError):
        temporary.write_bytes(orjson.dumps(report.model_dump()))
        temporary.replace(data_dir / STATUS_FILE)


def read_status(data_dir: Path) -> StatusReport | None:
    """The last status that a daemon wrote here; None if none did."""
    try:
        return StatusReport.model_validate_json((data_dir / STATUS_FILE).read_bytes())
    except (OSError, ValidationError):
        return None


class Rates:
    """Per-second rates of growing counters, over the time since they were last asked for."""

    def __init__(self) -> None:
        self._before: dict[str, int] = {}
        self._at = time.monotonic()

    def of(self, counters: dict[str, int]) -> dict[str, float]:
        """The rates; a counter that is new has none yet."""
        now = time.monotonic()
        seconds = max(now - self._at, 1e-3)
        rates = {
            name: round((value - self._before[name]) / seconds, 2)
            for name, value in counters.items()
            if name in self._before and name != "seq"
        }
        self._before, self._at = dict(counters), now
        return rates
