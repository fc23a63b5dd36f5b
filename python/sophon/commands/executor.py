"""Takes commands from the inbox, in order, and carries them out.

Three lanes run beside each other. The command lane carries out what is quick (`delete_users`, `wipe_data`,
`sync_permissions`, `control_config`) and plans enrolments; the enrolment lane carries these out; the FIQA lane waits for
neither. A command waits for the enrolment before it, but not for ever: a long one is overtaken, and what it still had to
do for people whom the newer command concerns is superseded, so that nothing older is done after something newer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import structlog

from sophon.audit import AuditLog
from sophon.box import Box
from sophon.commands import add_users_plus, control_config, delete_users, fiqa, sync_permissions, wipe_data
from sophon.commands.add_users_plus import Enroller
from sophon.commands.answers import answer, answer_unread, is_delivered, set_aside
from sophon.commands.intake import Incoming, Intake, take_in
from sophon.commands.jobs import sender
from sophon.commands.trial import Trial
from sophon.contract import (
    AddUsersPlus,
    Command,
    ContractError,
    ControlConfig,
    DeleteUsers,
    Fiqa,
    Message,
    SyncPermissions,
    WipeData,
    decode_photo,
    failed,
    parse_command,
    succeeded,
)
from sophon.errors import Code, SophonError
from sophon.store import InboxRow, Lane, Snapshot, State, Store, StoreUnavailableError, Transaction

GROUP_COMMANDS = 64
GROUP_BYTES = 16 << 20
# While commands go on coming; else at once.
SCRUB_SECONDS = 1.0
MAX_FIQA_ATTEMPTS = 20

_log = structlog.get_logger(__name__)

_Parsed = Command | ContractError
#: A result, why there is none, or None for an enrolment that goes on.
_Outcome = Message | SophonError | None


class Executor:
    """Carries out commands, one step at a time; who calls the steps, and from which threads, is not its business.

    Each of `run_commands`, `run_enrolment` may be called by one thread at a time, `run_fiqa` by several.
    """

    def __init__(
        self,
        store: Store,
        box: Box,
        enroller: Enroller,
        *,
        dev_sno: str,
        patience_s: float = 5.0,
        trial: Trial | None = None,
        audit: AuditLog | None = None,
    ) -> None:
        self._store = store
        self._box = box
        self._enroller = enroller
        self.dev_sno = dev_sno
        self._patience_s = patience_s
        self._trial = trial
        self._audit = audit
        self._head = 0
        self._head_since = 0.0
        self._overtaken = 0
        # fiqa commands that the store could not take the answers of, and their attempts before that one
        self._unanswered: dict[int, int] = {}
        self._unscrubbed = True  # a process that was killed may have left something
        self._scrubbed_at = time.monotonic()

    def recover(self) -> None:
        """Put back what a process that ended had claimed. To be called once, before the first step."""
        with self._store.write() as transaction:
            transaction.inbox.release_claims()

    def take_in(self, body: bytes, *, redelivered: bool = False, first_of_link: bool = False) -> Intake:
        """File one message on disk."""
        message = Incoming.read(body, redelivered)
        with self._store.write() as transaction:
            (filed,) = take_in(transaction, [message], self.dev_sno, first_of_link=first_of_link)
        return filed.intake

    def take_in_all(self, messages: Sequence[Incoming], *, first_of_link: bool) -> list[int]:
        """File messages in one transaction; return the commands' numbers."""
        with self._store.write() as transaction:
            transaction.inbox.drop_spent_bodies()
            filed = take_in(transaction, messages, self.dev_sno, first_of_link=first_of_link)
        return [one.seq for one in filed]

    def delivered(self, seqs: Sequence[int]) -> set[int]:
        """Which of these commands are answered, and the platform has the answer."""
        with self._store.read() as snapshot:
            return {seq for seq in seqs if is_delivered(snapshot, seq)}

    def run_commands(self) -> bool:
        """Carry out the oldest quick commands and plan the oldest enrolments; False if there is nothing to do now."""
        with self._store.read() as snapshot:
            group = self._next_group(snapshot)
        if not group:
            self._scrub()
            return False
        started = time.monotonic()
        with self._store.write() as transaction:
            done = [
                (row, command, self._carry_out(transaction, row, command))
                for row, command in group
                if transaction.inbox.state(row.seq) is State.NEW
            ]
        for row, command, outcome in done:
            if not isinstance(command, AddUsersPlus):
                _log_done(row, command, outcome, started)
                self._note(row, command, outcome)
        self._unscrubbed |= any(isinstance(command, (DeleteUsers, WipeData)) for _, command, _ in done)
        if time.monotonic() - self._scrubbed_at >= SCRUB_SECONDS:
            self._scrub()
        return True

    def run_enrolment(self, stopping: threading.Event) -> bool:
        """Carry out the oldest planned enrolment; False if there is none."""
        return self._enroller.run_next(stopping)

    def run_fiqa(self) -> bool:
        """Carry out the oldest fiqa command; False if there is none."""
        with self._store.write() as transaction:
            self._put_back_unanswered(transaction)
            rows = transaction.inbox.oldest_new(Lane.FIQA, 1)
            if not rows:
                return False
            row = rows[0]
            # The attempt is on disk before the photograph is touched: one that ends the process is counted.
            attempts = transaction.inbox.claim(row.seq)
            body = transaction.inbox.body(row.seq)
        try:
            self._judge(row, body, attempts)
        except StoreUnavailableError:
            self._unanswered[row.seq] = attempts - 1
            raise
        return True

    def run_until_idle(self) -> None:
        """Carry out everything there is, in this thread."""
        never = threading.Event()
        while self.run_commands() or self.run_enrolment(never) or self.run_fiqa():
            pass

    def _put_back_unanswered(self, transaction: Transaction) -> None:
        """The store is back: what it could not take the answers of is carried out again, and no attempt is counted."""
        for seq, attempts in list(self._unanswered.items()):
            transaction.inbox.release_claim(seq, attempts=attempts)
            transaction.after_commit(partial(self._unanswered.pop, seq, None))

    def _judge(self, row: InboxRow, body: bytes, attempts: int) -> None:
        """Carry out a claimed fiqa command, and answer it."""
        started = time.monotonic()
        command = _parse(body)
        outcome: Message | SophonError
        if isinstance(command, ContractError):
            outcome = command
        elif attempts > MAX_FIQA_ATTEMPTS:
            outcome = SophonError(
                Code.SERVER_PROCESS_FAILED,
                f"the box ended {MAX_FIQA_ATTEMPTS} times while it judged this photo",
            )
        else:
            assert isinstance(command, Fiqa)
            outcome = self._assess(row.seq, command, suspect=attempts > 1)
        with self._store.write() as transaction:
            self._answer_fiqa(transaction, row, command, outcome)
        _log_done(row, command, outcome, started)

    def _scrub(self) -> None:
        """Take what was deleted, or is done with, off the disk; that costs the same for one command as for many."""
        if self._unscrubbed:
            self._store.scrub()
            self._unscrubbed = False
        else:
            self._store.drop_spent_bodies()
        self._scrubbed_at = time.monotonic()

    def _note(self, row: InboxRow, command: _Parsed, outcome: _Outcome) -> None:
        if self._audit is None:
            return
        # What breaks the contract may hold anything in its method's place.
        what = "(unread)" if isinstance(command, ContractError) else command.method
        counts = {"people": len(command.entries())} if isinstance(command, DeleteUsers) else {}
        self._audit.note(sender(row), what, code=_code(outcome), counts=counts)

    def _next_group(self, snapshot: Snapshot) -> list[tuple[InboxRow, _Parsed]]:
        """The oldest commands that may be carried out together now; an enrolment ends the group."""
        group: list[tuple[InboxRow, _Parsed]] = []
        size = 0
        for row in snapshot.inbox.oldest_new(Lane.COMMAND, GROUP_COMMANDS):
            if not group and self._must_wait(snapshot, row.seq):
                break
            body = snapshot.inbox.body(row.seq)
            size += len(body)
            if group and size > GROUP_BYTES:
                break
            command = _parse(body)
            group.append((row, command))
            if isinstance(command, AddUsersPlus):
                break
        return group

    def _must_wait(self, snapshot: Snapshot, seq: int) -> bool:
        """Whether the oldest command is still patient with the enrolment before it."""
        enrolment = snapshot.inbox.oldest_planned()
        if enrolment is None or enrolment.seq == self._overtaken:
            return False
        now = time.monotonic()
        if self._head != seq:
            self._head, self._head_since = seq, now
        if now - self._head_since < self._patience_s:
            return True
        self._overtaken = enrolment.seq
        return False

    def _carry_out(self, transaction: Transaction, row: InboxRow, command: _Parsed) -> _Outcome:
        """Carry out one command wholly, or not at all."""
        if isinstance(command, ContractError):
            answer_unread(transaction, row, self.dev_sno, command)
            return command
        try:
            with transaction.savepoint():
                if isinstance(command, AddUsersPlus):
                    add_users_plus.plan(command, transaction, row.seq)
                    return None
                result = _EXECUTE[type(command)](command, transaction, self._box, row.seq)
                answer(transaction, row, succeeded(command, self.dev_sno, result), command.notify_path)
                return result
        except StoreUnavailableError:
            raise
        except Exception as error:  # noqa: BLE001 - a request's edge: a defect is answered, not passed on
            _log.exception("a command failed inside", method=command.method, seq=row.seq)
            failure = SophonError(Code.SERVER_PROCESS_FAILED, f"failed inside: {type(error).__name__}")
            set_aside(
                transaction,
                row,
                failed(command, self.dev_sno, failure),
                command.notify_path,
                reason=str(failure),
            )
            return failure

    def _assess(self, seq: int, command: Fiqa, *, suspect: bool) -> Message | SophonError:
        try:
            photo = decode_photo(command.info.image_base64_str)
            if suspect and self._trial is not None:
                # If the box ends while another process judges the photograph, that is no attempt of its own.
                with self._store.write() as transaction:
                    transaction.inbox.uncount_attempt(seq)
                survives = self._trial.survives(photo, command.level)
                with self._store.write() as transaction:
                    transaction.inbox.count_attempt(seq)
                if not survives:
                    return SophonError(
                        Code.SERVER_PROCESS_FAILED, "judging this photo ended the process that judged it"
                    )
            return fiqa.execute(photo, command.level, self._box)
        except StoreUnavailableError:
            raise
        except SophonError as error:
            return error
        except Exception as error:  # noqa: BLE001 - a request's edge: a defect is answered, not passed on
            _log.exception("fiqa failed inside")
            return SophonError(Code.SERVER_PROCESS_FAILED, f"failed inside: {type(error).__name__}")

    def _answer_fiqa(
        self, transaction: Transaction, row: InboxRow, command: _Parsed, outcome: Message | SophonError
    ) -> None:
        if isinstance(command, ContractError):
            answer_unread(transaction, row, self.dev_sno, command)
        elif not isinstance(outcome, SophonError):
            answer(transaction, row, succeeded(command, self.dev_sno, outcome), command.notify_path)
        else:
            result = failed(command, self.dev_sno, outcome)
            if outcome.code is Code.SERVER_PROCESS_FAILED:
                set_aside(transaction, row, result, command.notify_path, reason=str(outcome))
            else:
                answer(transaction, row, result, command.notify_path, reason=str(outcome))


_EXECUTE: dict[type[Command], Callable[[Any, Transaction, Box, int], Message]] = {
    DeleteUsers: delete_users.execute,
    WipeData: wipe_data.execute,
    SyncPermissions: sync_permissions.execute,
    ControlConfig: control_config.execute,
}


def _parse(body: bytes) -> _Parsed:
    try:
        return parse_command(body)
    except ContractError as error:
        return error


def _log_done(row: InboxRow, command: _Parsed, outcome: _Outcome, started: float) -> None:
    _log.info(
        "command set aside" if isinstance(command, ContractError) else "command done",
        method=row.method,
        seq=row.seq,
        message_id=row.message_id,
        code=_code(outcome),
        seconds=round(time.monotonic() - started, 4),
        **_counts(outcome),
    )


def _code(outcome: _Outcome) -> int:
    return int(outcome.code if isinstance(outcome, SophonError) else Code.SUCCESS)


def _counts(outcome: _Outcome) -> dict[str, int]:
    """How long each list of a result is."""
    fields = outcome if isinstance(outcome, Message) else ()
    return {name: len(value) for name, value in fields if isinstance(value, list)}
