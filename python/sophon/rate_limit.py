"""Slows down whoever comes too often: so many a second on average, and some seconds' worth at once."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

MAX_CALLERS = 10_000


@dataclass
class _Bucket:
    left: float
    filled_at: float


class RateLimit:
    """One bucket per caller, filled at ``per_second`` up to ``burst_seconds`` of it; 0 sets no limit. Thread-safe."""

    def __init__(
        self, per_second: float, burst_seconds: float = 2.0, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_second, self._now = per_second, now
        self._most = max(per_second * burst_seconds, 1.0)
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, caller: str) -> float:
        """Count one; return how many seconds too early it comes, 0 if it may pass."""
        if not self._per_second:
            return 0.0
        with self._lock:
            now = self._now()
            bucket = self._buckets.setdefault(caller, _Bucket(self._most, now))
            self._buckets.move_to_end(caller)
            if len(self._buckets) > MAX_CALLERS:
                self._buckets.popitem(last=False)
            bucket.left = min(self._most, bucket.left + (now - bucket.filled_at) * self._per_second)
            bucket.filled_at = now
            if bucket.left < 1.0:
                return (1.0 - bucket.left) / self._per_second
            bucket.left -= 1.0
            return 0.0
