"""Where a message becomes a command in the inbox; after the commit it may be acknowledged."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
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

    @cached_property
    def id_digest(self) -> str | None:
        """Stands for the messageId, whatever its length."""
        return None if self.message_id is None else hashlib.sha256(self.message_id.encode()).hexdigest()


def take_in(
    transaction: Transaction, messages: Sequence[Incoming], dev_sno: str, *, first_of_link: bool = False
) -> list[Filed]:
    """File messages, in the order of the queue.

    The same messageId with the same bytes is one command: it is answered again, not carried out again. Commands
    without a messageId are all carried out, in order, which ends in the same state; only a copy of the newest one that
    the broker sends again as a new link's first message is absorbed: its acknowledgement was lost.

    When acknowledgements are lost, the broker sends the end of what it sent before once more, in its order. Then a
    command without a messageId is carried out again after newer ones that have one; these are carried out again too, in
    their turn, so that all ends as it did before. They are not answered more often for that.

    One case can't be told from that: the platform repeats commands without and with a messageId in an order in which it
    sent them before, and the broker marks them as redelivered before they were ever filed. They are carried out then.
    """
    filing = _Filing(transaction, dev_sno, filter(None, (one.id_digest for one in messages)))
    seqs = transaction.inbox.next_seqs(len(messages))
    return [
        filing.file(seq, message, first_of_link=first_of_link and seq == seqs[0])
        for seq, message in zip(seqs, messages, strict=True)
    ]


class _Filing:
    """Messages that are filed together; ``id_digests`` are those of all of them."""

    def __init__(self, transaction: Transaction, dev_sno: str, id_digests: Iterable[str]) -> None:
        self._transaction = transaction
        self._inbox = transaction.inbox
        self._dev_sno = dev_sno
        self._known_ids = transaction.inbox.beginnings_of_keys(id_digests)

    def file(self, seq: int, message: Incoming, *, first_of_link: bool) -> Filed:
        """File one message; if that makes a command, under this number."""
        if message.id_digest is None:
            return self._file_without_id(seq, message, first_of_link=first_of_link)
        key = f"{message.id_digest}:{message.body_sha256.hex()}"
        if message.id_digest in self._known_ids:
            known = self._inbox.by_key(key)
            if known is not None:
                self._repeat(known)
                if message.redelivered and self._inbox.is_overtaken_by_replay(known.seq):
                    self._replay(seq, known, message.body)
                return Filed(Intake.REPEATED, known.seq)
            _log.warning(
                "a messageId came again with another content; it is a new command", method=message.method
            )
        self._known_ids.add(message.id_digest)
        return self._add(seq, key, message)

    def _file_without_id(self, seq: int, message: Incoming, *, first_of_link: bool) -> Filed:
        newest = self._inbox.newest(message.lane) if message.redelivered and first_of_link else None
        if newest is not None and newest.message_id is None and newest.body_sha256 == message.body_sha256:
            return Filed(Intake.ABSORBED, newest.seq)
        replays = None
        if message.redelivered and message.lane is Lane.COMMAND:
            replays = self._inbox.original_without_id(message.body_sha256, newest=REPLAY_WINDOW)
        return self._add(seq, secrets.token_hex(16), message, replays)

    def _add(self, seq: int, key: str, message: Incoming, replays: int | None = None) -> Filed:
        is_refused = len(message.body) > MAX_COMMAND_BYTES
        self._inbox.add(
            seq=seq,
            key=key,
            lane=message.lane,
            method=message.method,
            message_id=message.message_id,
            body=message.body[:EXCERPT_BYTES] if is_refused else message.body,
            body_sha256=message.body_sha256,
            at=_now_ms(),
            replays=replays,
        )
        if is_refused:
            row = self._inbox.by_seq(seq)
            assert row is not None
            error = ContractError(f"the message is larger than {MAX_COMMAND_BYTES // 2**20} MiB")
            answer_unread(self._transaction, row, self._dev_sno, error)
            return Filed(Intake.REFUSED, seq)
        return Filed(Intake.NEW, seq)

    def _repeat(self, known: InboxRow) -> None:
        if known.state in (State.DONE, State.DEAD):
            answer_again(self._transaction, known)
        else:
            self._inbox.count_repeat(known.seq)

    def _replay(self, seq: int, known: InboxRow, body: bytes) -> None:
        """Carry the command out once more, after an older one that was."""
        if known.state is State.DEAD:
            return
        self._inbox.add(
            seq=seq,
            key=f"{known.key}:{secrets.token_hex(16)}",
            lane=known.lane,
            method=known.method,
            message_id=known.message_id,
            body=body,
            body_sha256=known.body_sha256,
            at=_now_ms(),
            replays=known.seq,
        )


def _id_text(message_id: Any) -> str | None:
    return None if message_id in (None, "") else to_json(message_id, inf_nan_mode="null").decode()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
