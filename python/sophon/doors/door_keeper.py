"""Opens doors for who may pass, and sounds the alarm for who must not."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

import structlog

from sophon.doors.relay import Order, send_order
from sophon.errors import SophonError
from sophon.recognition import Decision, PersonType, Sighting
from sophon.store import Store

AT_ONCE = 8
# The setting as the HTTP API keeps it.
CONTROLLER_MODE = "gate_controller_mode"
OPEN = "opendoor"
ALARM = "alarm"
AVOID = "avoid"

_log = structlog.get_logger(__name__)


class DoorKeeper:
    """Gives the order that a fresh sighting asks for to the sub-device's door.

    A door that still works on an order gets no second one; an order is never kept for later.
    """

    def __init__(self, store: Store, send: Callable[[str, Order], None] = send_order) -> None:
        self._store, self._send = store, send
        self._busy: set[str] = set()
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="door")

    @property
    def counts(self) -> dict[str, int]:
        """What happened since the start, by name."""
        with self._lock:
            return dict(self._counts)

    def offer(self, sighting: Sighting) -> None:
        """Act on a sighting; returns at once."""
        url = sighting.capture.device.door_url
        if not url:
            return
        with self._lock:
            if url in self._busy:
                self._counts["door_busy"] += 1
                return
            self._busy.add(url)
        self._pool.submit(self._act, url, sighting)

    def close(self) -> None:
        """End after the orders under way."""
        self._pool.shutdown(cancel_futures=True)

    def __enter__(self) -> DoorKeeper:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _act(self, url: str, sighting: Sighting) -> None:
        try:
            order = order_for(sighting.decision, self._mode())
            if order is None:
                return
            # Looked at last of all: whatever came before may have taken its time.
            if not sighting.is_fresh:
                self._count("door_late")
                return
            self._send(url, order)
            self._count(f"door_{order.action_mode}")
        except SophonError as error:
            self._count("door_failed")
            _log.error("a door did not obey", device_ip=sighting.capture.device.ip, reason=str(error))
        except Exception:  # noqa: BLE001 - a thread's edge
            self._count("door_failed")
            _log.exception("a door failed inside")
        finally:
            with self._lock:
                self._busy.discard(url)

    def _mode(self) -> str:
        with self._store.read() as snapshot:
            value = snapshot.settings.get(CONTROLLER_MODE) or {}
        return str(value.get("controller_mode", OPEN))

    def _count(self, what: str) -> None:
        with self._lock:
            self._counts[what] += 1


def order_for(decision: Decision, mode: str) -> Order | None:
    """What a door does by itself in a controller mode: opendoor, alarm (for everyone recognised) or avoid (nothing)."""
    if mode == AVOID or not decision.is_match:
        return None
    if mode == ALARM or decision.person_type is PersonType.BLACKLIST:
        return Order("alarm")
    return Order("opendoor") if decision.may_pass else None
