"""Answers: written to the outbox in the transaction of the effect they report."""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from typing import Any

from sophon.contract import ContractError, Result, failed
from sophon.store import InboxRow, Kind, Lane, Snapshot, State, Transaction

# Of a message that breaks the contract, so much is kept for the operator to look at.
EXCERPT_BYTES = 256


def answer(
    transaction: Transaction, row: InboxRow, result: Result[Any], notify_path: str, *, reason: str = ""
) -> None:
    """The command is carried out: owe the platform its result, once per copy of the command that came."""
    _finish(transaction, row, State.DONE, result, notify_path, reason)


def answer_unread(transaction: Transaction, row: InboxRow, dev_sno: str, error: ContractError) -> None:
    """The command breaks the contract: answer with what is wrong, set it aside, keep its beginning to look at."""
    excerpt = transaction.inbox.body(row.seq)[:EXCERPT_BYTES]
    _finish(transaction, row, State.DEAD, failed(error, dev_sno, error), error.notify_path, str(error))
    transaction.inbox.keep_body(row.seq, excerpt)


def set_aside(
    transaction: Transaction, row: InboxRow, result: Result[Any], notify_path: str, *, reason: str
) -> None:
    """The command fails inside the box: answer so, and keep its body for the operator to try again."""
    body = transaction.inbox.body(row.seq)
    _finish(transaction, row, State.DEAD, result, notify_path, reason)
    transaction.inbox.keep_body(row.seq, body)


def answer_again(transaction: Transaction, row: InboxRow) -> None:
    """The command came once more after it was answered: the same result again."""
    _owe(transaction, row, transaction.inbox.result(row.seq), row.notify_path, copies=1)


def is_delivered(snapshot: Snapshot, seq: int) -> bool:
    """Whether the command is answered, or gone, and no copy of its answer is owed any more."""
    row = snapshot.inbox.by_seq(seq)
    if row is None:
        return True
    return row.state in (State.DONE, State.DEAD) and not snapshot.outbox.holds(_result_id(row))


def _finish(
    transaction: Transaction, row: InboxRow, state: State, result: Result[Any], notify_path: str, reason: str
) -> None:
    now = _now_ms()
    body = result.encode()
    path = notify_path or None
    repeats = transaction.inbox.finish(
        row.seq, state=state, code=result.code, result=body, reason=reason, notify_path=path, at=now
    )
    if row.is_silent:
        return
    _owe(transaction, replace(row, finished_at=now), body, path, copies=1 + repeats)
    transaction.counters.add("commands" if state is State.DONE else "commands_set_aside")


def _owe(transaction: Transaction, row: InboxRow, body: bytes, notify_path: str | None, copies: int) -> None:
    kind = Kind.FIQA if row.lane is Lane.FIQA else Kind.RESULT
    message_id = _result_id(row)
    for _ in range(copies):
        transaction.outbox.add(
            message_id=message_id, kind=kind, notify_path=notify_path, body=body, at=_now_ms()
        )


def _result_id(row: InboxRow) -> str:
    """The same for every copy of the answer, over restarts too; another for the answer of an operator's retry."""
    return hashlib.sha256(f"{row.key} {row.finished_at}".encode()).hexdigest()[:32]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
