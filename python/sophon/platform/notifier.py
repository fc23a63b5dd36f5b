"""Results by HTTP: offered to the command's ``notify_path`` until it takes them, or they are too old."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import structlog

from sophon.store import Kind, OutboxRow, Store, StoreUnavailableError

GROUP = 20
AT_ONCE = 4
FIRST_PAUSE_S = 2.0
LONGEST_PAUSE_S = 300.0
WAIT_S = 1.0

_log = structlog.get_logger(__name__)


class Notifier:
    """A thread that delivers results which no queue takes.

    ``post`` sends one: (notify_path, body, message_id), raising SophonError unless it was taken. A receiver that hangs
    delays no other; each has at most one call under way. What is older than ``max_age_s`` is given up once its receiver
    has refused everything for so long.
    """

    def __init__(
        self,
        store: Store,
        kinds: Sequence[Kind],
        post: Callable[[str, bytes, str], None],
        *,
        max_age_s: float,
    ) -> None:
        self._store = store
        self._kinds = tuple(kinds)
        self._post = post
        self._max_age_s = max_age_s
        self._refusing_since: dict[str, float] = {}
        self._resting_until: dict[str, float] = {}
        self._busy: set[str] = set()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="notify")
        self._thread = threading.Thread(target=self._run, name="notifier", daemon=True)

    @property
    def is_alive(self) -> bool:
        """Whether its thread runs."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def wake(self) -> None:
        """There is something new to deliver."""
        self._wake.set()

    def close(self) -> None:
        """Stop; what was not taken stays in the outbox."""
        self._stopping.set()
        self._wake.set()
        self._thread.join()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._offer_all()
            except StoreUnavailableError as error:
                _log.warning("results can't be delivered now", reason=str(error))
            self._wake.wait(WAIT_S)
            self._wake.clear()

    def _offer_all(self) -> None:
        with self._store.read() as snapshot:
            receivers = snapshot.outbox.receivers(self._kinds)
        for receiver in receivers:
            if receiver is None:
                self._drop_unaddressed()
                continue
            with self._lock:
                rests = self._resting_until.get(receiver, 0.0) > time.monotonic()
                if rests or receiver in self._busy:
                    continue
                self._busy.add(receiver)
            self._pool.submit(self._offer, receiver)

    def _offer(self, receiver: str) -> None:
        try:
            with self._store.read() as snapshot:
                rows = snapshot.outbox.oldest_for(receiver, self._kinds, GROUP)
            for row in rows:
                if self._stopping.is_set() or not self._deliver(receiver, row):
                    return
            self._wake.set()
        except StoreUnavailableError as error:
            _log.warning(
                "a result that was taken can't be noted now; it will be sent again", reason=str(error)
            )
        except Exception:  # noqa: BLE001 - a thread's edge
            _log.exception("delivering a result failed inside")
            self._rest(receiver, LONGEST_PAUSE_S)
        finally:
            with self._lock:
                self._busy.discard(receiver)

    def _deliver(self, receiver: str, row: OutboxRow) -> bool:
        try:
            self._post(receiver, row.body, row.message_id)
        except Exception as error:  # noqa: BLE001 - an address from outside may break more than the contract
            if self._is_hopeless(receiver, row):
                self._remove(row, "results_given_up")
                _log.error(
                    "a result is given up", notify_path=receiver, tries=row.attempts + 1, reason=str(error)
                )
                return True
            with self._store.write() as transaction:
                transaction.outbox.failed(row.id)
            _log.warning(
                "a result was not taken", notify_path=receiver, tries=row.attempts + 1, reason=str(error)
            )
            self._rest(receiver, min(FIRST_PAUSE_S * 2.0 ** min(row.attempts, 16), LONGEST_PAUSE_S))
            return False
        self._remove(row, "results_posted")
        with self._lock:
            self._refusing_since.pop(receiver, None)
        return True

    def _is_hopeless(self, receiver: str, row: OutboxRow) -> bool:
        now = time.monotonic()
        with self._lock:
            refusing_since = self._refusing_since.setdefault(receiver, now)
        # The wall clock alone would give everything up when it is set ahead, as from 1970 after a start.
        old = time.time() - row.created_at / 1000 >= self._max_age_s
        return old and now - refusing_since >= self._max_age_s

    def _drop_unaddressed(self) -> None:
        """A command that named no way back is one-way: log its result, count it, let it go."""
        with self._store.write() as transaction:
            for row in transaction.outbox.oldest_for(None, self._kinds, GROUP):
                transaction.outbox.delivered([row.id])
                transaction.counters.add("results_one_way")
                _log.info("a result has no way back", message_id=row.message_id, bytes=len(row.body))

    def _remove(self, row: OutboxRow, counted_as: str) -> None:
        with self._store.write() as transaction:
            transaction.outbox.delivered([row.id])
            transaction.counters.add(counted_as)

    def _rest(self, receiver: str, seconds: float) -> None:
        with self._lock:
            self._resting_until[receiver] = time.monotonic() + seconds
