"""Every event to one receiver, in order, at least once, for as long as it takes."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Literal

import orjson
import structlog

from sophon.contract import Event
from sophon.errors import SophonError
from sophon.platform import Pauses, PlatformError
from sophon.reports.body import Post, many, one
from sophon.reports.event_message import EventForm, event_message
from sophon.reports.receivers import HistoryReceiver
from sophon.store import (
    EventPictures,
    EventRow,
    RefusedEvent,
    Store,
    StoreUnavailableError,
    UnreadablePhotoError,
)

EVENTS_PER_UPLOAD = 100
# The cursor reaches the disk after so many single events; what was sent since is sent again after a crash.
CURSOR_EVERY = 20
# So often an event may be refused before it is suspected: a 4xx says that it is wrong, a 5xx may pass.
TRIES_4XX = 5
TRIES_5XX = 20
# A receiver that is behind gets uploads this far apart, so that catching up leaves the machine to recognition.
BACKLOG_PAUSE_S = 0.1
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0

UPLOADED = "events_uploaded"
REFUSED = "events_refused"

_log = structlog.get_logger(__name__)

Batch = Literal["single", "list"]


@dataclass
class _Trouble:
    """The event that the receiver refused last, and how often."""

    event_id: int = 0
    tries_4xx: int = 0
    tries_5xx: int = 0

    def is_suspect(self, event_id: int) -> bool:
        return self.event_id == event_id and (self.tries_4xx >= TRIES_4XX or self.tries_5xx >= TRIES_5XX)

    def note(self, event_id: int, error: SophonError) -> None:
        if self.event_id != event_id:
            self.event_id, self.tries_4xx, self.tries_5xx = event_id, 0, 0
        if isinstance(error, PlatformError) and _is_about_the_event(error):
            if 400 <= error.status < 500:
                self.tries_4xx += 1
            else:
                self.tries_5xx += 1


def _is_about_the_event(error: SophonError) -> bool:
    """No answer, a refused token or "too many" say nothing about the event."""
    return isinstance(error, PlatformError) and error.status not in (401, 403, 408, 429)


class HistoryUpload:
    """A thread that brings one receiver every event after its cursor.

    Only a 2xx moves the cursor. An event that is refused again and again is set aside once the receiver takes the one
    after it: then the event is at fault, not the receiver.
    """

    def __init__(
        self,
        store: Store,
        receiver: HistoryReceiver,
        post: Post,
        form: Callable[[], EventForm],
        *,
        batch: Batch = "single",
        pauses: Pauses | None = None,
    ) -> None:
        self._store, self._receiver, self._post, self._form = store, receiver, post, form
        # A list can't be form-data.
        self._sends_lists = batch == "list" and receiver.content_type == "json"
        self._pauses = pauses or Pauses(FIRST_PAUSE_S, LONGEST_PAUSE_S)
        self._trouble = _Trouble()
        self._problem = ""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="history", daemon=True)

    @property
    def problem(self) -> str:
        """Why the receiver does not take events now; "" while it does."""
        return self._problem

    def start(self) -> None:
        """Begin to upload."""
        self._thread.start()

    def close(self) -> None:
        """Stop; the cursor stays where it is. A call under way is left to itself."""
        self._stopping.set()
        self._thread.join(1.0)

    def __enter__(self) -> HistoryUpload:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                more = self._upload()
            except SophonError as error:  # noqa: PERF203 - a try is a network exchange
                self._report(str(error))
                asked = getattr(error, "retry_after", None) or 0.0
                self._stopping.wait(max(self._pauses.next(), asked))
            except Exception:  # noqa: BLE001 - a thread's edge
                _log.exception("uploading events failed inside", receiver=self._receiver.address)
                self._stopping.wait(LONGEST_PAUSE_S)
            else:
                self._pauses.reset()
                self._report("")
                self._stopping.wait(BACKLOG_PAUSE_S if more else self._receiver.period_s)

    def _upload(self) -> bool:
        """Send what is due, at most a hundred events; whether more waits."""
        with self._store.read() as snapshot:
            cursor = snapshot.event_receivers.delivered_to(self._receiver.address)
            events = snapshot.events.after(cursor, EVENTS_PER_UPLOAD)
        if not events:
            return False
        if self._trouble.is_suspect(events[0].id) and len(events) > 1:
            self._probe(events[0], events[1])
        elif self._sends_lists and self._trouble.event_id != events[0].id:
            self._send_list(events)
        else:
            self._send_each(events)
        return len(events) == EVENTS_PER_UPLOAD or self._trouble.event_id == events[0].id

    def _send_list(self, events: Sequence[EventRow]) -> None:
        try:
            self._deliver(events)
        except SophonError as error:
            # One of them may be at fault: from here they go one by one.
            self._trouble.note(events[0].id, error)
            raise
        self._advance(events[-1].id, len(events))

    def _send_each(self, events: Sequence[EventRow]) -> None:
        sent: list[int] = []
        try:
            for event in events:
                if self._stopping.is_set():
                    return
                self._deliver_noting_trouble(event)
                sent.append(event.id)
                if len(sent) == CURSOR_EVERY:
                    self._advance(sent[-1], len(sent))
                    sent.clear()
        finally:
            if sent:
                self._advance(sent[-1], len(sent))

    def _deliver_noting_trouble(self, event: EventRow) -> None:
        try:
            self._deliver([event])
        except SophonError as error:
            self._trouble.note(event.id, error)
            raise

    def _probe(self, suspect: EventRow, following: EventRow) -> None:
        """If the receiver refuses the suspect, takes the one after it, and refuses the suspect again, set it aside.

        Without the last step a receiver that recovers between two calls would put the blame on an event.
        """
        if self._refusal(suspect) is not None:
            self._deliver([following])
            reason = self._refusal(suspect)
            if reason is not None:
                self._set_aside(suspect, following, reason)
                return
        self._advance(suspect.id, 1)

    def _refusal(self, event: EventRow) -> str | None:
        """Why the receiver refuses an event, None if it takes it. Raises SophonError where that is not the event's fault."""
        try:
            self._deliver([event])
        except SophonError as error:
            if not _is_about_the_event(error):
                raise
            return str(error)
        return None

    def _set_aside(self, suspect: EventRow, following: EventRow, reason: str) -> None:
        _log.error(
            "an event is set aside: its receiver refuses it and takes the next; see: sophon events list --refused",
            receiver=self._receiver.address,
            event_id=suspect.id,
            reason=reason,
        )
        with self._store.write() as transaction:
            if transaction.events.get(suspect.id) is not None:
                transaction.event_receivers.refuse(RefusedEvent(self._receiver.address, suspect.id, reason))
            transaction.event_receivers.advance(self._receiver.address, following.id)
            transaction.counters.add(REFUSED)
            transaction.counters.add(UPLOADED)

    def _deliver(self, events: Sequence[EventRow]) -> None:
        messages = [self._message(event) for event in events]
        body = many(messages) if self._sends_lists else one(messages[0], self._receiver.content_type)
        answer = self._post(self._receiver.address, body)
        with contextlib.suppress(ValueError, AttributeError):
            status = orjson.loads(answer).get("status", 0)
            if status != 0:
                _log.warning(
                    "an event was taken, with a complaint",
                    receiver=self._receiver.address,
                    event_id=events[0].id,
                    status=status,
                )

    def _message(self, event: EventRow) -> Event:
        receiver = self._receiver
        form = replace(
            self._form(),
            with_enrolment_photo=receiver.with_enrolment_photo,
            with_scene=receiver.with_scene,
            with_face=receiver.with_face,
        )
        with self._store.read() as snapshot:
            pictures, photo = EventPictures(), None
            # One picture that was changed on the disk must not keep all later events.
            try:
                pictures = snapshot.events.pictures(event.id)
                if receiver.with_enrolment_photo:
                    photo = snapshot.people.photo(event.identity_id)
            except UnreadablePhotoError as error:
                _log.error("an event goes without a picture", event_id=event.id, reason=str(error))
        return event_message(event, pictures, photo, form)

    def _advance(self, event_id: int, number: int) -> None:
        try:
            with self._store.write() as transaction:
                transaction.event_receivers.advance(self._receiver.address, event_id)
                transaction.counters.add(UPLOADED, number)
        except StoreUnavailableError as error:
            _log.warning("delivered events can't be noted now; they will be sent again", reason=str(error))

    def _report(self, problem: str) -> None:
        """Log the reason each time it changes, not each time it comes."""
        if problem != self._problem:
            if problem:
                _log.warning("events are not taken", receiver=self._receiver.address, reason=problem)
            else:
                _log.info("events are taken again", receiver=self._receiver.address)
        self._problem = problem
