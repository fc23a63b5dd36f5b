"""Where a message becomes a command in the inbox; after the commit it may be acknowledged."""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import structlog
from pydantic_core import to_json

from sophon.commands.answers import EXCERPT_BYTES, answer_again, answer_unread
from sophon.contract import ContractError, Envelope, read_envelope
from sophon.contract.json_body import MAX_COMMAND_BYTES
from sophon.store import InboxRow, Lane, State, Transaction

# More than are ever on their way without an acknowledgement: a copy's original is among so many newest commands.
REPLAY_WINDOW = 4096

_log = structlog.get_logger(__name__)


class Intake(Enum):
    """What became of a message."""

    NEW = "new"
    REPEATED = "repeated"
    ABSORBED = "absorbed"
    REFUSED = "refused"


@dataclass(frozen=True)
class Filed:
    """A message in the inbox: what became of it, and the command it is."""

    intake: Intake
    seq: int


@dataclass(frozen=True)
class Incoming:
    """A message, read as far as is needed to file it; the rest is checked when its turn comes.

    ``message_id`` is the platform's id as JSON text; None if there is none, or an empty one.
    """

    body: bytes = field(repr=False)
    body_sha256: bytes
    redelivered: bool
    method: str
    message_id: str | None

    @classmethod
    def read(cls, body: bytes, redelivered: bool = False) -> Incoming:
        """Read a message; one that can't be read has no method and no id."""
        try:
            envelope = read_envelope(body)
        except ValueError:
            envelope = Envelope()
        method = envelope.method[:64] if isinstance(envelope.method, str) else ""
        return cls(body, hashlib.sha256(body).digest(), redelivered, method, _id_text(envelope.message_id))

    @property
    def lane(self) -> Lane:
        """Which commands it waits for."""
        return Lane.FIQA if self.method == "fiqa" else Lane.COMMAND

    @property
    def id_digest(self) -> str | None:
        """Stands for the messageId, whatever its length."""
        return None if self.message_id is None else hashlib.sha256(self.message_id.encode()).hexdigest()


def take_in(
    transaction: Transaction, message: Incoming, dev_sno: str, *, first_of_link: bool = False
) -> Filed:
    """File one message, in the order of the queue.

    The same messageId with the same bytes is one command: it is answered again, not carried out again. Commands
    without a messageId are all carried out, in order, which ends in the same state; only a copy of the newest one that
    the broker sends again as a new link's first message is absorbed: its acknowledgement was lost.

    When acknowledgements are lost, the broker sends the end of what it sent before once more, in its order. Then a
    command without a messageId is carried out again after newer ones that have one; these are carried out again too, in
    their turn, so that all ends as it did before. They are not answered more often for that.

    One case can't be told from that: the platform repeats commands without and with a messageId in an order in which it
    sent them before, and the broker marks them as redelivered before they were ever filed. They are carried out then.
    """
    body, body_sha256, redelivered = message.body, message.body_sha256, message.redelivered
    id_digest = message.id_digest
    replays = None
    if id_digest is None:
        key = secrets.token_hex(16)
        newest = transaction.inbox.newest(message.lane) if redelivered and first_of_link else None
        if newest is not None and newest.message_id is None and newest.body_sha256 == body_sha256:
            return Filed(Intake.ABSORBED, newest.seq)
        if redelivered and message.lane is Lane.COMMAND:
            replays = transaction.inbox.original_without_id(body_sha256, newest=REPLAY_WINDOW)
    else:
        key = f"{id_digest}:{body_sha256.hex()}"
        if transaction.inbox.has_key_prefix(f"{id_digest}:"):
            known = transaction.inbox.by_key(key)
            if known is not None:
                _repeat(transaction, known)
                if redelivered and transaction.inbox.is_overtaken_by_replay(known.seq):
                    _replay(transaction, known, body)
                return Filed(Intake.REPEATED, known.seq)
            _log.warning(
                "a messageId came again with another content; it is a new command", method=message.method
            )
    refused = len(body) > MAX_COMMAND_BYTES
    seq = transaction.inbox.add(
        key=key,
        lane=message.lane,
        method=message.method,
        message_id=message.message_id,
        body=body[:EXCERPT_BYTES] if refused else body,
        body_sha256=body_sha256,
        at=_now_ms(),
        replays=replays,
    )
    if refused:
        row = transaction.inbox.by_seq(seq)
        assert row is not None
        error = ContractError(f"the message is larger than {MAX_COMMAND_BYTES // 2**20} MiB")
        answer_unread(transaction, row, dev_sno, error)
        return Filed(Intake.REFUSED, seq)
    return Filed(Intake.NEW, seq)


def _id_text(message_id: Any) -> str | None:
    return None if message_id in (None, "") else to_json(message_id, inf_nan_mode="null").decode()


def _repeat(transaction: Transaction, known: InboxRow) -> None:
    if known.state in (State.DONE, State.DEAD):
        answer_again(transaction, known)
    else:
        transaction.inbox.count_repeat(known.seq)


def _replay(transaction: Transaction, known: InboxRow, body: bytes) -> None:
    """Carry the command out once more, after an older one that was."""
    if known.state is State.DEAD:
        return
    transaction.inbox.add(
        key=f"{known.key}:{secrets.token_hex(16)}",
        lane=known.lane,
        method=known.method,
        message_id=known.message_id,
        body=body,
        body_sha256=known.body_sha256,
        at=_now_ms(),
        replays=known.seq,
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
