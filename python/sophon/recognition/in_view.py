"""Who is in view of each device now: nobody makes an event twice, and a stranger keeps one id."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class _Pass:
    at: float
    fresh: bool


class Cooldown:
    """Lets a person through once per device within so many seconds since the last time it was let through.

    Who was let through too late for a door is let through again when it is in time: the door must not stay shut for them.
    """

    def __init__(self, seconds: float, now: Callable[[], float]) -> None:
        self._seconds, self._now = seconds, now
        self._passed: dict[tuple[str, str], _Pass] = {}
        self._lock = threading.Lock()

    def lets_through(self, device_ip: str, identity_id: str, *, fresh: bool = True) -> bool:
        """Whether this sighting makes an event; ``fresh``: whether it is in time for a door."""
        now = self._now()
        with self._lock:
            last = self._passed.get((device_ip, identity_id))
            if last is not None and now - last.at < self._seconds and (last.fresh or not fresh):
                return False
            if len(self._passed) >= 10_000:
                self._passed = {key: one for key, one in self._passed.items() if now - one.at < self._seconds}
            self._passed[device_ip, identity_id] = _Pass(now, fresh)
            return True


@dataclass
class _Stranger:
    identity_id: str
    embedding: NDArray[np.float32]
    seen_at: float


class StrangersInView:
    """Gives a stranger the same id as long as the box saw the face within so many seconds, at whichever device."""

    def __init__(self, seconds: float, now: Callable[[], float], *, most: int = 500) -> None:
        self._seconds, self._now, self._most = seconds, now, most
        self._strangers: list[_Stranger] = []
        self._lock = threading.Lock()

    def id_of(self, embedding: NDArray[np.float32], least_cosine: float) -> str:
        """The id of the stranger with this embedding (dim,); faces at ``least_cosine`` or more are the same one."""
        now = self._now()
        with self._lock:
            self._strangers = [one for one in self._strangers if now - one.seen_at < self._seconds]
            best = max(self._strangers, key=lambda one: float(one.embedding @ embedding), default=None)
            if best is None or float(best.embedding @ embedding) < least_cosine:
                best = _Stranger(f"stranger-{uuid.uuid4().hex[:12]}", embedding, now)
                # The oldest go first if a crowd walks by.
                self._strangers = [*self._strangers[-self._most + 1 :], best]
            best.embedding, best.seen_at = embedding, now
            return best.identity_id

    def clear(self) -> None:
        """Forget all of them."""
        with self._lock:
            self._strangers.clear()
