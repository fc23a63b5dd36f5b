"""Jobs: commands that came by the box's own API. They wait in the same inbox; who sent one looks up how it goes."""

from __future__ import annotations

import hashlib
import time
import uuid
from dataclasses import dataclass

from sophon.errors import Code
from sophon.store import (
    JOB_KEY,
    WIPED_AT,
    InboxRow,
    Lane,
    Progress,
    SettledItem,
    Snapshot,
    State,
    Transaction,
)


@dataclass(frozen=True)
class Job:
    """How far a job is, and how it went with some of its people."""

    row: InboxRow
    progress: Progress
    outcomes: list[SettledItem]


def file_job(transaction: Transaction, method: str, body: bytes) -> int:
    """Put a command into the inbox, behind all that is there; return its number."""
    return transaction.inbox.add(
        key=f"{JOB_KEY}{uuid.uuid4().hex}",
        lane=Lane.COMMAND,
        method=method,
        message_id=None,
        body=body,
        body_sha256=hashlib.sha256(body).digest(),
        at=time.time_ns() // 1_000_000,
    )


def look_up_job(snapshot: Snapshot, seq: int, *, limit: int, after: int) -> Job | None:
    """The job of that number, with at most ``limit`` outcomes beyond a position; None if there is none (any more)."""
    row = snapshot.inbox.by_seq(seq)
    if row is None or not row.is_job:
        return None
    return Job(row, snapshot.batches.progress(seq), snapshot.batches.settled(seq, limit, after))


def finish_job(transaction: Transaction, seq: int) -> None:
    """The job is carried out: its body goes, its outcomes stay to be looked up, without names."""
    transaction.inbox.finish(
        seq,
        state=State.DONE,
        code=int(Code.SUCCESS),
        result=b"",
        reason="",
        notify_path=None,
        at=time.time_ns() // 1_000_000,
    )
    transaction.batches.keep_outcomes(seq, transaction.counters.get(WIPED_AT))
    transaction.counters.add("commands")


def sender(row: InboxRow) -> str:
    """Whom the audit log names for a command; who filed a job is in its line about the filing."""
    return f"job {row.seq}" if row.is_job else "platform"
