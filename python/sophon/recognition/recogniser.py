"""From a picture of a sub-device to decisions and events."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson
import structlog
from numpy.typing import NDArray

from sophon.box import REGISTERED_AS_STRANGER, Box, Enrolment
from sophon.engine import Face, FaceQuality
from sophon.engine.photo import Image
from sophon.errors import SophonError
from sophon.rate_limit import RateLimit
from sophon.recognition.decision import Decision, PersonType, decide
from sophon.recognition.event_log import EventLog
from sophon.recognition.in_view import Cooldown, StrangersInView
from sophon.recognition.pictures import picture_event
from sophon.store import DeviceRow, EventPictures, EventRow, Store
from sophon.wall_clock import is_known_unsynchronised

# A decision this long after the capture is too late for a door.
DEADLINE_S = 0.5
MAX_GRAB_INFO_BYTES = 16 << 10
SNAPSHOT_CAMERA = "1"
# Strangers may fill this share of the gallery.
STRANGER_SHARE = 0.1
STRANGER_BUDGET_S = 60.0
SAME_FACE_IOU = 0.3

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Capture:
    """A picture that a sub-device delivered.

    ``image`` is BGR uint8 (H, W, 3), ``at`` ms since the epoch, ``clock`` the same moment by `time.monotonic`;
    ``grab_fiqa_info`` what the camera itself says of the face.
    """

    image: Image = field(repr=False)
    device: DeviceRow
    at: int
    clock: float
    grab_fiqa_info: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def now(
        cls,
        image: Image,
        device: DeviceRow,
        grab_fiqa_info: dict[str, Any] | None = None,
        *,
        clock: float | None = None,
    ) -> Capture:
        """A picture captured this moment, or at an earlier one of `time.monotonic`."""
        age = 0.0 if clock is None else time.monotonic() - clock
        at = time.time_ns() // 1_000_000 - round(age * 1000)
        return cls(image, device, at, time.monotonic() - age, _bounded(grab_fiqa_info))

    @property
    def age(self) -> float:
        """Seconds since the capture."""
        return time.monotonic() - self.clock

    @property
    def is_fresh(self) -> bool:
        """Whether what is decided of it now may still open a door."""
        return self.age <= DEADLINE_S


@dataclass(frozen=True)
class Sighting:
    """A face in a capture, who it was taken for, and the event it makes."""

    capture: Capture = field(repr=False)
    decision: Decision
    event: EventRow
    pictures: EventPictures

    @property
    def is_fresh(self) -> bool:
        """Whether it may still open a door."""
        return self.capture.is_fresh


@dataclass(frozen=True)
class RecogniserOptions:
    """``filter_level``: the quality that a face must have. Seconds: how long nobody makes a second event at a device, and
    how long a stranger is remembered after the last sight."""

    filter_level: str = "low"
    cooldown_s: float = 5.0
    stranger_s: float = 30.0
    stranger_events_per_min: float = 30.0


class Recogniser:
    """Recognises who is in captures. Thread-safe; the caller's thread does the work.

    ``on_sighting`` hears of each new event at once, before it is stored: nothing may delay a door. It must not block.
    """

    def __init__(
        self,
        store: Store,
        box: Box,
        events: EventLog,
        on_sighting: Callable[[Sighting], None],
        options: RecogniserOptions | None = None,
    ) -> None:
        self._store, self._box, self._events = store, box, events
        self._on_sighting = on_sighting
        self._options = options or RecogniserOptions()
        self._filter = box.engine.levels.limits(self._options.filter_level)
        self._cooldown = Cooldown(self._options.cooldown_s, time.monotonic)
        self._strangers = StrangersInView(self._options.stranger_s, time.monotonic)
        self._stranger_budget = RateLimit(
            self._options.stranger_events_per_min / STRANGER_BUDGET_S, STRANGER_BUDGET_S
        )
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    @property
    def counts(self) -> dict[str, int]:
        """What happened since the start, by name."""
        with self._lock:
            return dict(self._counts)

    def count(self, what: str, number: int = 1) -> None:
        """Count something that happened to a capture."""
        with self._lock:
            self._counts[what] += number

    def recognise(
        self,
        capture: Capture,
        *,
        largest_only: bool = False,
        min_face_size: float = 0,
        at: NDArray[np.float32] | None = None,
    ) -> list[Decision]:
        """Decide who is in a capture, largest face first, and make events of who is new there.

        Faces under the filter level or ``min_face_size`` (pixels, shorter side) are left out; with ``at``, a box (4,) x1,
        y1, x2, y2, so are those elsewhere. Raises SophonError where the image can't be used.
        """
        self.count("pictures")
        candidates = self._box.engine.enroll_candidates(capture.image, "custom")
        if at is not None:
            candidates = [one for one in candidates if iou(one.face.bbox, at) >= SAME_FACE_IOU]
        good = [
            (face, quality)
            for face, quality in candidates
            if quality.info.face_size >= min_face_size and self._passes(quality)
        ]
        self.count("faces", len(candidates))
        self.count("faces_below_filter", len(candidates) - len(good))
        return [self._meet(capture, face, quality) for face, quality in good[: 1 if largest_only else None]]

    def forget_strangers(self) -> None:
        """Forget the faces of strangers in view."""
        self._strangers.clear()

    def _passes(self, quality: FaceQuality) -> bool:
        return all(verdict.passed is not False for verdict in self._filter.judge(quality.info))

    def _meet(self, capture: Capture, face: Face, quality: FaceQuality) -> Decision:
        device = capture.device
        permissions = [device.permission_id] if device.permission_id else None
        decision = decide(self._box, face, device.group_name, permissions)
        identity_id = decision.identity_id
        if not decision.is_match:
            identity_id = self._strangers.id_of(face.embedding, self._box.least_cosine)
        self.count(decision.person_type.name.lower())
        if not self._cooldown.lets_through(device.ip, identity_id, fresh=capture.is_fresh):
            self.count("suppressed")
            return decision
        if decision.person_type is PersonType.STRANGER and self._stranger_budget.take(device.ip):
            self.count("strangers_over_budget")
            return decision
        sighting = Sighting(
            capture,
            decision,
            _event(capture, decision, identity_id, quality),
            picture_event(capture.image, face),
        )
        if not sighting.is_fresh:
            self.count("late")
        self._on_sighting(sighting)
        self.count("events" if self._events.add(sighting.event, sighting.pictures) else "events_not_kept")
        if not decision.is_match and quality.fiqa_result:
            self._enrol_stranger(identity_id, face, sighting)
        return decision

    def _enrol_stranger(self, identity_id: str, face: Face, sighting: Sighting) -> None:
        with self._store.read() as snapshot:
            wanted = snapshot.settings.get("support_stranger_group") is True
            strangers = snapshot.people.count_registered_as(REGISTERED_AS_STRANGER) if wanted else 0
        if not wanted:
            return
        if strangers >= self._box.capacity * STRANGER_SHARE:
            self.count("strangers_not_enrolled")
            return
        info = {"name": "stranger", "type": int(PersonType.STRANGER), "permission_ids": []}
        try:
            row = self._box.face_row(face, sighting.pictures.face or b"", "custom")
            enrolment = Enrolment(
                identity_id, info, REGISTERED_AS_STRANGER, (), row, (sighting.event.group_name,)
            )
            with self._store.write() as transaction:
                (outcome,) = self._box.enrol(transaction, transaction.counters.add("seq"), [enrolment])
            problem = outcome.error
        except SophonError as error:
            problem = error
        if problem is not None:
            _log.warning("a stranger can't be enrolled", reason=str(problem))
        self.count("strangers_enrolled" if problem is None else "strangers_not_enrolled")


def iou(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Intersection over union of two boxes (4,) x1, y1, x2, y2."""
    width, height = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    if width <= 0 or height <= 0:
        return 0.0
    common = float(width * height)
    areas = [float((box[2] - box[0]) * (box[3] - box[1])) for box in (one, other)]
    return common / (sum(areas) - common)


def _event(capture: Capture, decision: Decision, identity_id: str, quality: FaceQuality) -> EventRow:
    device = capture.device
    details: dict[str, Any] = {
        "grab_fiqa_info": capture.grab_fiqa_info,
        "box_fiqa_info": quality.to_dict() if device.device_type == SNAPSHOT_CAMERA else {},
        "score_margin": round(decision.margin, 4),
        "decision_ms": round(capture.age * 1000),
    }
    if is_known_unsynchronised():
        details["clock_unsynced"] = True
    return EventRow(
        at=capture.at,
        identity_id=identity_id,
        identity_name=decision.name,
        person_type=int(decision.person_type),
        group_name=device.group_name,
        device_ip=device.ip,
        device_type=device.device_type,
        score=round(decision.score, 4),
        details=details,
    )


def _bounded(grab_fiqa_info: dict[str, Any] | None) -> dict[str, Any]:
    """What a camera says is passed on as it is, but not at any length."""
    if not grab_fiqa_info or len(orjson.dumps(grab_fiqa_info)) > MAX_GRAB_INFO_BYTES:
        return {}
    return grab_fiqa_info
