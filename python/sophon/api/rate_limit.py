"""Slows down whoever asks too often: so many requests a second on average, twice as many for a moment."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass

MAX_CALLERS = 10_000
BURST_SECONDS = 2.0


@dataclass
class _Bucket:
    left: float
    filled_at: float


class RateLimit:
    """One bucket per caller, filled at ``per_second``; 0 sets no limit. Used by one thread, the server's."""

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, caller: str) -> float:
        """Count a request; return how many seconds too early it comes, 0 if it may be answered."""
        if not self._per_second:
            return 0.0
        now = time.monotonic()
        most = max(self._per_second * BURST_SECONDS, 1.0)
        bucket = self._buckets.setdefault(caller, _Bucket(most, now))
        self._buckets.move_to_end(caller)
        if len(self._buckets) > MAX_CALLERS:
            self._buckets.popitem(last=False)
        bucket.left = min(most, bucket.left + (now - bucket.filled_at) * self._per_second)
        bucket.filled_at = now
        if bucket.left < 1.0:
            return (1.0 - bucket.left) / self._per_second
        bucket.left -= 1.0
        return 0.0
