"""Which sub-devices were heard of lately."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

# A sub-device that was silent for so long is reported offline.
SILENT_S = 60.0


@dataclass(frozen=True)
class Presence:
    """When a sub-device was heard of last, in seconds since the epoch; 0 is never."""

    is_online: bool
    last_seen: int


class DevicePresence:
    """Remembers when each sub-device delivered something. Thread-safe."""

    def __init__(self, silent_s: float = SILENT_S) -> None:
        self._silent_s = silent_s
        self._seen: dict[str, tuple[float, int]] = {}
        self._lock = threading.Lock()

    def saw(self, ip: str) -> None:
        """The sub-device at this address delivered something."""
        with self._lock:
            self._seen[ip] = (time.monotonic(), int(time.time()))

    def of(self, ip: str) -> Presence:
        """How the sub-device at this address is."""
        with self._lock:
            seen = self._seen.get(ip)
        if seen is None:
            return Presence(False, 0)
        return Presence(time.monotonic() - seen[0] < self._silent_s, seen[1])
