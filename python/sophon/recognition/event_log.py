"""Events on their way into the store, within its limits."""

from __future__ import annotations

import dataclasses
import shutil
import threading

import structlog

from sophon.store import EventPictures, EventRow, EventsLimit, Store, StoreUnavailableError, Transaction

# The store is trimmed once per so many events, not with each.
TRIM_EVERY = 100
# The disk's last bytes are for commands and results.
KEEP_FREE_BYTES = 1 << 30
LOST = "events_lost"

_log = structlog.get_logger(__name__)


class EventLog:
    """Writes events down and drops the oldest ones over the limit. Thread-safe."""

    def __init__(self, store: Store, limit: EventsLimit) -> None:
        self._store, self._limit = store, limit
        self._lock = threading.Lock()
        self._untrimmed = 0

    def add(self, event: EventRow, pictures: EventPictures) -> int | None:
        """Store an event; its id, or None where the store can't be written now, which is logged."""
        try:
            with self._store.write() as transaction:
                event_id = transaction.events.add(event, pictures)
                if self._is_due():
                    self._trim(transaction)
                return event_id
        except StoreUnavailableError as error:
            _log.error("an event can't be kept", device_ip=event.device_ip, reason=str(error))
            return None

    def _is_due(self) -> bool:
        with self._lock:
            self._untrimmed = (self._untrimmed + 1) % TRIM_EVERY
            return self._untrimmed == 0

    def _trim(self, transaction: Transaction) -> None:
        spare = shutil.disk_usage(self._store.data_dir).free - KEEP_FREE_BYTES
        room = max(transaction.events.total_bytes() + spare, 0)
        limit = dataclasses.replace(self._limit, max_bytes=min(self._limit.max_bytes, room))
        lost = transaction.events.trim(limit, transaction.event_receivers.delivered_to_all())
        if lost:
            transaction.counters.add(LOST, lost)
            _log.error("events are lost that a receiver has not got", events=lost)
