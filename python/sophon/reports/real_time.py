"""Recognitions as they happen: one attempt, half a second, never late and never again."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

import structlog

from sophon.errors import SophonError
from sophon.recognition import Sighting
from sophon.reports.body import Body, one
from sophon.reports.event_message import EventForm, event_message
from sophon.reports.receivers import RealTimeReceivers
from sophon.store import Store

TIMEOUT_S = 0.5
# What waits longer than the deadline is dropped anyway, so few need to wait.
QUEUE = 32

_log = structlog.get_logger(__name__)

#: Delivers one body: (address, body, seconds). Raises SophonError unless it was a 2xx.
PostWithin = Callable[[str, Body, float], bytes]


@dataclass(frozen=True)
class _Message:
    sighting: Sighting
    body: Body


class _Line:
    """One receiver, in a thread of its own: one that hangs delays no other."""

    def __init__(self, address: str, post: PostWithin, count: Callable[[str], None]) -> None:
        self._address, self._post, self._count = address, post, count
        self._ended = False
        self._queue: queue.Queue[_Message | None] = queue.Queue(QUEUE)
        self._thread = threading.Thread(target=self._run, name="real-time", daemon=True)
        self._thread.start()

    def offer(self, message: _Message) -> None:
        try:
            self._queue.put_nowait(message)
        except queue.Full:
            self._count("real_time_dropped")

    def end(self) -> None:
        """Let the thread end after the call under way."""
        self._ended = True
        # A full queue needs no mark: the thread looks after each call.
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(None)

    def _run(self) -> None:
        while not self._ended and (message := self._queue.get()) is not None:
            if not message.sighting.is_fresh:
                self._count("real_time_late")
                continue
            try:
                self._post(self._address, message.body, TIMEOUT_S)
                self._count("real_time_sent")
            except SophonError as error:
                self._count("real_time_failed")
                _log.warning("a real-time event was not taken", receiver=self._address, reason=str(error))
            except Exception:  # noqa: BLE001 - a thread's edge
                self._count("real_time_failed")
                _log.exception("sending a real-time event failed inside")


class RealTimePush:
    """Tells the receivers of matches. `offer` returns at once; what is late, or does not fit, is dropped and counted."""

    def __init__(self, store: Store, post: PostWithin, form: Callable[[], EventForm]) -> None:
        self._store, self._post, self._form = store, post, form
        self._receivers = RealTimeReceivers()
        self._lines: dict[str, _Line] = {}
        self._queue: queue.Queue[Sighting | None] = queue.Queue(QUEUE)
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="real-time composer", daemon=True)

    @property
    def counts(self) -> dict[str, int]:
        """What happened since the start, by name."""
        with self._lock:
            return dict(self._counts)

    def set_receivers(self, receivers: RealTimeReceivers) -> None:
        """Name the receivers, in the order in which they hear."""
        with self._lock:
            if receivers == self._receivers:
                return
            gone = [line for address, line in self._lines.items() if address not in receivers.addresses]
            self._lines = {
                address: self._lines.get(address) or _Line(address, self._post, self._count)
                for address in receivers.addresses
            }
            self._receivers = receivers
        for line in gone:
            line.end()

    def offer(self, sighting: Sighting) -> None:
        """Send a sighting if it is a match and in time."""
        if not sighting.decision.is_match or not self._receivers.addresses:
            return
        if not sighting.is_fresh:
            self._count("real_time_late")
            return
        try:
            self._queue.put_nowait(sighting)
        except queue.Full:
            self._count("real_time_dropped")

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def close(self) -> None:
        """Stop; what was not sent is not sent any more."""
        self.set_receivers(RealTimeReceivers())
        self._queue.put(None)
        self._thread.join()

    def __enter__(self) -> RealTimePush:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        while (sighting := self._queue.get()) is not None:
            try:
                message = _Message(sighting, self._compose(sighting))
            except Exception:  # noqa: BLE001 - a thread's edge
                self._count("real_time_failed")
                _log.exception("composing a real-time event failed inside")
                continue
            with self._lock:
                lines = list(self._lines.values())
            for line in lines:
                line.offer(message)

    def _compose(self, sighting: Sighting) -> Body:
        receivers = self._receivers
        photo = None
        if receivers.with_enrolment_photo:
            with self._store.read() as snapshot:
                photo = snapshot.people.photo(sighting.event.identity_id)
        form = self._form()
        form = EventForm(form.dev_sno, form.version, receivers.with_enrolment_photo)
        return one(event_message(sighting.event, sighting.pictures, photo, form), receivers.content_type)

    def _count(self, what: str) -> None:
        with self._lock:
            self._counts[what] += 1
