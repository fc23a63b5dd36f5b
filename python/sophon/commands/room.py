"""Whether more commands may come in: the broker's queue is the better place for what would only pile up here."""

from __future__ import annotations

import shutil
import threading
import time

from sophon.store import Store

MAX_COMMANDS = 10_000
MAX_BYTES = 256 << 20
MAX_RESULTS = 100_000
MAX_RESULT_BYTES = 256 << 20
MIN_FREE_BYTES = 500 << 20
MIN_FREE_SHARE = 0.05
# Once closed, it opens again only when there is clearly room, so that a consumer does not come and go.
LOW_WATER = 0.5
ASK_SECONDS = 1.0


class Room:
    """Measures inbox, outbox and disk, at most once a second. Thread-safe."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._asked_at = float("-inf")
        self._reason = ""

    @property
    def reason(self) -> str:
        """Why nothing may come in; "" while there is room."""
        with self._lock:
            now = time.monotonic()
            if now - self._asked_at >= ASK_SECONDS:
                self._reason = self._measure(LOW_WATER if self._reason else 1.0)
                self._asked_at = now
            return self._reason

    def has_room(self) -> bool:
        """Whether more commands may come in."""
        return not self.reason

    def _measure(self, share: float) -> str:
        disk = shutil.disk_usage(self._store.data_dir)
        if disk.free * share < min(MIN_FREE_BYTES, disk.total * MIN_FREE_SHARE):
            return f"the disk of {self._store.data_dir} is nearly full: {disk.free >> 20} MiB left"
        with self._store.read() as snapshot:
            backlog = snapshot.inbox.backlog()
            results, result_bytes = snapshot.outbox.size()
        if backlog.commands > MAX_COMMANDS * share or backlog.bytes > MAX_BYTES * share:
            return f"{backlog.commands} commands, {backlog.bytes >> 20} MiB, wait to be carried out"
        if results > MAX_RESULTS * share or result_bytes > MAX_RESULT_BYTES * share:
            return f"{results} results, {result_bytes >> 20} MiB, wait to be delivered"
        return ""
