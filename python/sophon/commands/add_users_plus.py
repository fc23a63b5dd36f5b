"""`add_users_plus`: people are enrolled, from one to fifty thousand, from wherever a crash left off."""

from __future__ import annotations

import itertools
import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Protocol

import structlog

from sophon.audit import AuditLog
from sophon.box import Box, Enrolled, Enrolment, QualityError, duplicate_detail
from sophon.commands.answers import answer, set_aside
from sophon.commands.jobs import finish_job, sender
from sophon.commands.trial import Trial
from sophon.contract import (
    AddUsersPlus,
    PeopleResult,
    Person,
    PersonOutcome,
    RefusedPerson,
    failed,
    parse_command,
    succeeded,
)
from sophon.errors import Code, SophonError
from sophon.store import InboxRow, OpenItem, SettledItem, Store, StoreUnavailableError, Transaction

GROUP_SIZE = 50
GROUP_SECONDS = 1.0
GROUP_BYTES = 32 << 20
PROGRESS_SECONDS = 30.0
# Far more than a trial needs to find the photograph that is to blame.
MAX_ATTEMPTS = 20
MAX_FAILURES = 3
# Beside recognition it gets a tenth of a core's time; alone, all of it.
ENROLMENT_NICENESS = 10

_log = structlog.get_logger(__name__)


class Platform(Protocol):
    """Where people's details and photographs come from."""

    def fetch_people(self, path: str, ids: Sequence[str]) -> Iterable[Person | RefusedPerson]:
        """One for each id, in order; who can't be had is refused with the code."""

    def fetch_photo(self, person: Person) -> bytes:
        """The bytes of a person's photograph, whichever way it is given. Raises SophonError with the code."""


def plan(command: AddUsersPlus, transaction: Transaction, seq: int) -> None:
    """Let the command have its turn at being carried out, once its people are listed."""
    if not transaction.batches.progress(seq).total:  # a job's are from the beginning
        list_people(command, transaction, seq)
    transaction.inbox.plan(seq)


def list_people(command: AddUsersPlus, transaction: Transaction, seq: int) -> None:
    """List whom the command enrols, so that it can be left and resumed; refuse who is refused already."""
    entries = command.entries()
    transaction.batches.plan(
        seq, (entry if isinstance(entry, str) else entry.identity_id for entry in entries)
    )
    for position, entry in enumerate(entries):
        if isinstance(entry, RefusedPerson):
            outcome = Enrolled(SophonError(entry.code, entry.detail))
            transaction.batches.settle(seq, _settled(position, entry.identity_id, entry.name, outcome))


@dataclass(frozen=True)
class _Candidate:
    """Someone whose turn it is, with the details as far as they could be had."""

    item: OpenItem
    person: Person | RefusedPerson


@dataclass(frozen=True)
class _Prepared:
    """Someone ready to be enrolled, or why not."""

    candidate: _Candidate
    enrolment: Enrolment | None = None
    error: SophonError | None = None

    @property
    def position(self) -> int:
        return self.candidate.item.position

    @property
    def size(self) -> int:
        face = self.enrolment.face if self.enrolment else None
        return len(face.photo) + len(face.crop) if face else 0


class Enroller:
    """Carries out planned enrolments, oldest first: fetches and judges in parallel, commits in groups."""

    def __init__(
        self,
        store: Store,
        box: Box,
        platform: Platform,
        *,
        dev_sno: str,
        people_per_fetch: int = 100,
        downloads: int = 8,
        analyses: int = 2,
        trial: Trial | None = None,
        audit: AuditLog | None = None,
    ) -> None:
        self._store = store
        self._box = box
        self._platform = platform
        self.dev_sno = dev_sno
        self._people_per_fetch = people_per_fetch
        self._trial = trial
        self._audit = audit
        self._window = downloads + analyses + 1
        self._pool = ThreadPoolExecutor(self._window, thread_name_prefix="enrol", initializer=_give_way)
        self._fetcher = ThreadPoolExecutor(1, thread_name_prefix="fetch people")
        # One more: while it waits for the interpreter, another computes.
        self._analyses = threading.Semaphore(analyses + 1)

    def close(self) -> None:
        """End the threads; what is under way is carried on after the next start."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._fetcher.shutdown(wait=True, cancel_futures=True)

    def run_next(self, stopping: threading.Event) -> bool:
        """Carry out the oldest planned enrolment, or as much of it as ``stopping`` allows; False if there is none."""
        with self._store.read() as snapshot:
            row = snapshot.inbox.oldest_planned()
            body = snapshot.inbox.body(row.seq) if row else b""
        if row is None:
            return False
        command = parse_command(body)
        assert isinstance(command, AddUsersPlus)
        try:
            self._enrol_all(row.seq, command, stopping)
        except StoreUnavailableError:
            raise
        except Exception as error:  # noqa: BLE001 - a request's edge: a defect must not block who comes next
            _log.exception("an enrolment failed inside", seq=row.seq)
            self._count_failure(row, command, f"failed inside: {type(error).__name__}")
        else:
            if not stopping.is_set():
                self._finish(row, command)
        return True

    def _enrol_all(self, seq: int, command: AddUsersPlus, stopping: threading.Event) -> None:
        candidates = self._candidates(seq, command)
        under_way: dict[Future[_Prepared], int] = {}
        ready: list[_Prepared] = []
        committed_at = progress_at = time.monotonic()
        more = True
        while more or under_way:
            if more and len(under_way) <= self._window // 2:
                taken = list(itertools.islice(candidates, self._window - len(under_way)))
                more = bool(taken) and not stopping.is_set()
                if more:
                    # Who is ready, and whose turn it is, goes with it: a long commit would let those under way run out.
                    first = min(under_way.values(), default=sys.maxsize)
                    in_turn = [one for one in ready if one.position < first]
                    with self._store.write() as transaction:
                        self._settle(transaction, seq, in_turn)
                        claimed = self._claim(transaction, seq, taken)
                    ready, committed_at = [one for one in ready if one.position >= first], time.monotonic()
                    under_way |= {
                        self._pool.submit(self._prepare, seq, one): one.item.position for one in claimed
                    }
            done, _ = wait(under_way, timeout=GROUP_SECONDS, return_when=FIRST_COMPLETED)
            for future in done:
                del under_way[future]
                ready.append(future.result())
            now = time.monotonic()
            full = len(ready) >= GROUP_SIZE or sum(one.size for one in ready) >= GROUP_BYTES
            if ready and (full or now - committed_at >= GROUP_SECONDS or not under_way):
                with self._store.write() as transaction:
                    self._settle(transaction, seq, ready)
                ready, committed_at = [], now
            if now - progress_at >= PROGRESS_SECONDS:
                self._log_progress(seq)
                progress_at = now

    def _candidates(self, seq: int, command: AddUsersPlus) -> Iterator[_Candidate]:
        """The people still to be enrolled, in order; the next ones' details are fetched meanwhile."""
        entries = command.entries()
        chunk = self._fetch(seq, command, entries, -1)
        while chunk:
            following = self._fetcher.submit(self._fetch, seq, command, entries, chunk[-1].item.position)
            yield from chunk
            chunk = following.result()

    def _fetch(
        self, seq: int, command: AddUsersPlus, entries: list[str | Person | RefusedPerson], after: int
    ) -> list[_Candidate]:
        with self._store.read() as snapshot:
            items = snapshot.batches.open_items(seq, self._people_per_fetch, after)
        wanted = [item.identity_id for item in items if isinstance(entries[item.position], str)]
        people = self._details(command.extend_params.path or "", wanted)
        candidates = []
        for item in items:
            entry = entries[item.position]
            candidates.append(_Candidate(item, people[entry] if isinstance(entry, str) else entry))
        return candidates

    def _details(self, path: str, wanted: list[str]) -> dict[str, Person | RefusedPerson]:
        try:
            return dict(zip(wanted, self._platform.fetch_people(path, wanted), strict=True))
        except Exception as error:  # noqa: BLE001 - a request's edge: what the platform sent must not block who comes next
            _log.exception("fetching people failed inside")
            code, detail = Code.REMOTE_SERVER_FAILED, f"the people can't be fetched: {error}"
            return {key: RefusedPerson(key, "", code, detail) for key in wanted}

    def _claim(self, transaction: Transaction, seq: int, candidates: list[_Candidate]) -> list[_Candidate]:
        """Count the attempt before a photograph is touched; drop who was superseded meanwhile."""
        claimed = transaction.batches.claim(seq, [one.item.position for one in candidates])
        return [one for one in candidates if one.item.position in claimed]

    def _prepare(self, seq: int, candidate: _Candidate) -> _Prepared:
        person = candidate.person
        try:
            if isinstance(person, RefusedPerson):
                raise SophonError(person.code, person.detail)
            if candidate.item.attempts >= MAX_ATTEMPTS:
                raise SophonError(
                    Code.SERVER_PROCESS_FAILED,
                    f"the box ended {MAX_ATTEMPTS} times while it worked on this person",
                )
            return _Prepared(candidate, enrolment=self._enrolment(seq, candidate.item, person))
        except StoreUnavailableError:
            raise
        except SophonError as error:
            return _Prepared(candidate, error=error)
        except Exception as error:  # noqa: BLE001 - a request's edge: a defect is answered, not passed on
            _log.exception("enrolling a person failed inside", identity_id=candidate.item.identity_id)
            failure = SophonError(Code.SERVER_PROCESS_FAILED, f"failed inside: {type(error).__name__}")
            return _Prepared(candidate, error=failure)

    def _enrolment(self, seq: int, item: OpenItem, person: Person) -> Enrolment:
        level = person.quality_level
        photo = self._platform.fetch_photo(person)
        face = None
        if not self._box.stands_from(person.identity_id, photo, level):
            if item.attempts > 0 and self._trial is not None:
                self._try(self._trial, seq, item, photo, level)
            with self._analyses:
                face = self._box.portrait(photo, level)
        return Enrolment(
            identity_id=person.identity_id,
            info=person.info.model_dump(mode="json"),
            register_type=person.register_type,
            permission_ids=tuple(person.info.permission_ids),
            face=face,
        )

    def _try(self, trial: Trial, seq: int, item: OpenItem, photo: bytes, level: str) -> None:
        """Let another process judge the photograph first; if the box ends meanwhile, that is no attempt of its own.

        Raises SophonError where the other process ended.
        """
        with self._store.write() as transaction:
            transaction.batches.uncount(seq, item.position)
        survives = trial.survives(photo, level)
        with self._store.write() as transaction:
            transaction.batches.claim(seq, [item.position])
        if not survives:
            raise SophonError(
                Code.SERVER_PROCESS_FAILED, "judging this photo ended the process that judged it"
            )

    def _settle(self, transaction: Transaction, seq: int, prepared: list[_Prepared]) -> None:
        """Enrol who is ready and not superseded meanwhile, and note how it went with each."""
        # Where the gallery has room for some only, or two have one face, the command's first ones get it.
        prepared = sorted(prepared, key=lambda one: one.position)
        batches = transaction.batches
        live = [one for one in prepared if batches.is_open(seq, one.position)]
        wanted = [one.enrolment for one in live if one.enrolment is not None]
        outcomes = iter(self._box.enrol(transaction, seq, wanted))
        enrolled = 0
        for one in live:
            outcome = next(outcomes) if one.enrolment is not None else Enrolled(one.error)
            enrolled += outcome.error is None
            item, person = one.candidate.item, one.candidate.person
            batches.settle(seq, _settled(item.position, item.identity_id, person.name, outcome))
        transaction.counters.add("people_enrolled", enrolled)
        transaction.counters.add("people_refused", len(live) - enrolled)

    def _finish(self, row: InboxRow, command: AddUsersPlus) -> None:
        with self._store.write() as transaction:
            progress = transaction.batches.progress(row.seq)
            if progress.settled < progress.total:
                return
            if row.is_job:
                finish_job(transaction, row.seq)
            else:
                outcomes = [_outcome(item) for item in transaction.batches.settled(row.seq)]
                result = succeeded(command, self.dev_sno, PeopleResult.of(outcomes))
                answer(transaction, row, result, command.notify_path)
                transaction.batches.clear(row.seq)
        if self._store.photos.mode != "keep":
            # The command itself held photographs as they came.
            self._store.scrub()
        counts = {"enrolled": progress.total - progress.refused, "refused": progress.refused}
        if self._audit is not None:
            self._audit.note(sender(row), command.method, counts=counts)
        _log.info(
            "command done",
            method=command.method,
            seq=row.seq,
            message_id=row.message_id,
            **counts,
            seconds=round(time.time() - row.received_at / 1000, 3),
        )

    def _count_failure(self, row: InboxRow, command: AddUsersPlus, reason: str) -> None:
        with self._store.write() as transaction:
            if transaction.inbox.count_attempt(row.seq) < MAX_FAILURES:
                return
            result = failed(command, self.dev_sno, SophonError(Code.SERVER_PROCESS_FAILED, reason))
            set_aside(transaction, row, result, command.notify_path, reason=reason)
            if not row.is_job:
                transaction.batches.clear(row.seq)

    def _log_progress(self, seq: int) -> None:
        with self._store.read() as snapshot:
            progress = snapshot.batches.progress(seq)
        _log.info("enrolment under way", seq=seq, settled=progress.settled, total=progress.total)


def _give_way() -> None:
    """Lower this thread's priority: someone may stand at a door while the platform has others enrolled."""
    if sys.platform == "linux":  # elsewhere the whole process has one
        thread = threading.get_native_id()
        niceness = max(os.getpriority(os.PRIO_PROCESS, thread), ENROLMENT_NICENESS)
        os.setpriority(os.PRIO_PROCESS, thread, niceness)


def _settled(position: int, identity_id: str, username: str, outcome: Enrolled) -> SettledItem:
    error, duplicate = outcome.error, outcome.duplicate_of
    if error is None:
        detail = "" if duplicate is None else duplicate_detail(duplicate)
        return SettledItem(position, identity_id, int(Code.SUCCESS), username, detail=detail)
    failed_items = error.failed_items if isinstance(error, QualityError) else ()
    return SettledItem(position, identity_id, int(error.code), username, failed_items, str(error))


def _outcome(item: SettledItem) -> PersonOutcome:
    if item.code == Code.SUCCESS:
        return PersonOutcome.added(item.identity_id, item.username, item.detail or None)
    return PersonOutcome.not_added(
        item.identity_id, item.username, Code(item.code), item.detail, item.failed_items
    )
