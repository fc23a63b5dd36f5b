"""Messages come in: on disk first, acknowledged then."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, wait
from typing import Any

import structlog

from sophon.mq.link import BrokerError, Delivery, Session
from sophon.store import StoreUnavailableError

CHECK_SECONDS = 30.0
WAIT_S = 0.5
PAUSE_S = 1.0

_log = structlog.get_logger(__name__)


class Consumer:
    """Serves a `Link`: takes the messages of one queue in, in order, as long as there is room for them.

    ``read`` makes of a message's bytes, and whether it was redelivered, what ``take_in`` puts on disk, several at once, and
    gives a number each; ``has_room`` says whether more may come. While there is no room, the consumer is cancelled and the
    broker keeps the messages.

    A message is acknowledged when it is on disk. From a queue that others consume too (``delivered`` given) it is
    acknowledged when the platform has its answer: no consumer then takes more than it can answer, and if one dies for
    good, another gets what it had.
    """

    def __init__(
        self,
        queue: str,
        *,
        prepare: Callable[[Session], None],
        read: Callable[[bytes, bool], Any],
        take_in: Callable[[Sequence[Any], bool], Sequence[int]],
        has_room: Callable[[], bool],
        prefetch: int,
        delivered: Callable[[Sequence[int]], set[int]] | None = None,
    ) -> None:
        self._queue = queue
        self._prepare = prepare
        self._read = read
        self._take_in = take_in
        self._has_room = has_room
        self._prefetch = prefetch
        # While one half is put on disk, the broker sends the other.
        self._batch = max(1, prefetch // 2)
        self._delivered = delivered
        self._held: dict[int, list[Delivery]] = {}
        self._consuming = False

    @property
    def is_consuming(self) -> bool:
        """Whether messages would come in now."""
        return self._consuming

    def serve(self, session: Session) -> None:
        """Take messages in until the link closes."""
        self._prepare(session)
        try:
            with ThreadPoolExecutor(1, thread_name_prefix="file") as filing:
                self._consume(session, filing)
        finally:
            self._consuming = False

    def _consume(self, session: Session, filing: Executor) -> None:
        self._start(session)
        first_of_link = True
        checked_at = time.monotonic()
        while not session.stopping:
            if not self._has_room():
                self._rest(session, "there is no room for more commands", self._has_room)
            batch = session.deliveries(WAIT_S, self._batch)
            if batch:
                try:
                    numbers = self._file(session, filing, batch, first_of_link)
                except StoreUnavailableError as error:
                    self._rest(session, str(error), lambda: True)
                    continue
                first_of_link = False
                if self._delivered is None:
                    session.acknowledge_through(batch[-1])
                else:
                    for number, delivery in zip(numbers, batch, strict=True):
                        self._held.setdefault(number, []).append(delivery)
            self._acknowledge_delivered(session)
            if time.monotonic() - checked_at > CHECK_SECONDS:
                self._check(session)
                checked_at = time.monotonic()

    def _file(
        self, session: Session, filing: Executor, batch: list[Delivery], first_of_link: bool
    ) -> Sequence[int]:
        """Put a batch on disk; the connection lives on meanwhile, and the next batch comes in."""
        future = filing.submit(self._take_in, [one.message for one in batch], first_of_link)
        future.add_done_callback(lambda _: session.wake())
        while not future.done():
            if session.has_batch:
                wait([future], WAIT_S)
            else:
                session.idle(WAIT_S)
        return future.result()

    def _start(self, session: Session) -> None:
        # What an earlier consumer held goes to whoever is next in the queue; its tags mean nothing any more.
        self._held.clear()
        session.consume(self._queue, self._prefetch, self._read)
        self._consuming = True

    def _acknowledge_delivered(self, session: Session) -> None:
        if self._held and self._delivered is not None:
            for number in self._delivered(list(self._held)):
                for delivery in self._held.pop(number):
                    session.acknowledge(delivery)

    def _rest(self, session: Session, reason: str, may_go_on: Callable[[], bool]) -> None:
        """Give back what is not acknowledged and let the broker keep the rest for a while."""
        _log.warning("consumer pauses", queue=self._queue, reason=reason)
        session.stop_consuming()
        self._consuming = False
        session.wait(PAUSE_S)
        while not session.stopping and not may_go_on():
            session.wait(PAUSE_S)
        self._start(session)

    def _check(self, session: Session) -> None:
        """A consumer that silently stopped is worse than a crash: ask the broker whether it still knows it."""
        state = session.queue(self._queue)
        if state is None or state.consumers == 0:
            raise BrokerError(f"the broker knows no consumer of queue {self._queue!r} any more")
        if state.consumers > 1 and self._delivered is None:
            _log.warning("another box consumes the same queue", queue=self._queue, consumers=state.consumers)
