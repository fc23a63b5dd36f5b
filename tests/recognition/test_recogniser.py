"""Pictures become decisions and events."""

from __future__ import annotations

import time
from pathlib import Path

import cv2
import pytest

from sophon.box import Box, Enrolment
from sophon.engine import FaceEngine, load_photo
from sophon.engine.photo import Image
from sophon.recognition import (
    Capture,
    EventLog,
    PersonType,
    Recogniser,
    RecogniserOptions,
    Sighting,
)
from sophon.recognition import recogniser as recogniser_module
from sophon.recognition.in_view import Cooldown
from sophon.reports.event_message import EventForm, event_message
from sophon.store import DeviceRow, EventPictures, EventRow, EventsLimit, Store
from tests.recognition.conftest import Enrol

GATE = DeviceRow("10.0.0.7", "0", "north gate")
CAMERA = DeviceRow("10.0.0.8", "1", "hall")
ENROLLED = "barack_obama/obama.jpg"


class Watcher:
    """A recogniser, and what it told of."""

    def __init__(self, store: Store, box: Box, **options: float | str) -> None:
        self.sightings: list[Sighting] = []
        self._store = store
        self.recogniser = Recogniser(
            store,
            box,
            EventLog(store, EventsLimit()),
            self.sightings.append,
            RecogniserOptions(**options),  # type: ignore[arg-type]
        )

    def events(self) -> list[EventRow]:
        with self._store.read() as snapshot:
            return snapshot.events.after(0)


@pytest.fixture
def watcher(store: Store, box: Box) -> Watcher:
    return Watcher(store, box)


def test_someone_known_makes_an_event_with_pictures(
    watcher: Watcher, store: Store, enrol: Enrol, obama: Image
) -> None:
    enrol("E1", ENROLLED)
    capture = Capture.now(obama, CAMERA, {"confidence": 90})
    (decision,) = watcher.recogniser.recognise(capture)
    assert (decision.identity_id, decision.person_type) == ("E1", PersonType.EMPLOYEE)
    assert decision.may_pass
    assert 0.5 <= decision.score <= 1
    (event,) = watcher.events()
    assert (event.identity_name, event.at, event.device_ip) == ("name of E1", capture.at, "10.0.0.8")
    assert event.details["grab_fiqa_info"] == {"confidence": 90}
    assert event.details["box_fiqa_info"]["info"]["face_size"] > 60
    with store.read() as snapshot:
        pictures = snapshot.events.pictures(event.id)
    assert pictures.spot is not None
    assert pictures.face is not None
    assert max(load_photo(pictures.spot).shape) <= 1280
    assert len(watcher.recogniser._box.engine.analyze(pictures.face)) == 1


@pytest.mark.parametrize("unsynchronised", [True, False])
def test_an_event_whose_time_may_be_wrong_is_marked(
    watcher: Watcher, enrol: Enrol, obama: Image, monkeypatch: pytest.MonkeyPatch, unsynchronised: bool
) -> None:
    # The machine's own clock can't be made right or wrong by a test; tests/faults asks a kernel that is played.
    monkeypatch.setattr(recogniser_module, "is_known_unsynchronised", lambda: unsynchronised)
    enrol("E1", ENROLLED)
    watcher.recogniser.recognise(Capture.now(obama, GATE))
    (event,) = watcher.events()
    assert event.details.get("clock_unsynced", False) is unsynchronised
    message = event_message(event, EventPictures(), None, EventForm("BOX"))
    assert ("clock_unsynced" in message.ext_data.model_dump()) is unsynchronised


def test_the_margin_is_how_far_the_next_best_person_is_below(
    watcher: Watcher, enrol: Enrol, obama: Image
) -> None:
    enrol("E1", ENROLLED)
    (alone,) = watcher.recogniser.recognise(Capture.now(obama, GATE))
    enrol("E2", "joe_biden/biden.jpg")
    (beside,) = watcher.recogniser.recognise(Capture.now(obama, CAMERA))
    assert alone.margin == alone.score
    assert 0 < beside.margin <= beside.score
    assert watcher.events()[1].details["score_margin"] == round(beside.margin, 4)


def test_strangers_have_a_budget_at_each_device_that_known_people_do_not_share(
    store: Store, box: Box, enrol: Enrol, obama: Image, biden: Image
) -> None:
    """Given a stranger who looks like somebody new each time, and a budget of two events; when seen five times; then two
    events are made and three counted, and another device, someone known and the blacklist have theirs."""
    watcher = Watcher(store, box, cooldown_s=0, stranger_s=0, stranger_events_per_min=2)
    for _ in range(5):
        assert watcher.recogniser.recognise(Capture.now(obama, GATE))
    assert len(watcher.events()) == 2
    assert watcher.recogniser.counts["strangers_over_budget"] == 3
    watcher.recogniser.recognise(Capture.now(obama, CAMERA))
    enrol("E1", ENROLLED)
    enrol("B1", "joe_biden/biden.jpg", person_type=3)
    for image in (obama, biden):
        watcher.recogniser.recognise(Capture.now(image, GATE))
    assert [(event.device_ip, event.person_type) for event in watcher.events()[2:]] == [
        (CAMERA.ip, 4),
        (GATE.ip, 1),
        (GATE.ip, 3),
    ]


def test_a_stranger_keeps_one_id_while_in_view(watcher: Watcher, obama: Image, biden: Image) -> None:
    for image, device in ((obama, GATE), (obama, CAMERA), (biden, GATE)):
        (decision,) = watcher.recogniser.recognise(Capture.now(image, device))
        assert decision.person_type is PersonType.STRANGER
        assert not decision.may_pass
    first, second, other = (event.identity_id for event in watcher.events())
    assert first == second != other
    assert first.startswith("stranger-")


def test_a_person_makes_one_event_per_device_and_cooldown(
    watcher: Watcher, enrol: Enrol, obama: Image
) -> None:
    enrol("E1", ENROLLED)
    for device in (GATE, GATE, CAMERA):
        watcher.recogniser.recognise(Capture.now(obama, device))
    assert [event.device_ip for event in watcher.events()] == ["10.0.0.7", "10.0.0.8"]
    assert watcher.recogniser.counts["suppressed"] == 1


def test_the_cooldown_ends() -> None:
    clock = [0.0]
    cooldown = Cooldown(5.0, lambda: clock[0])
    passed = []
    for clock[0] in (0.0, 4.9, 5.1, 6.0):
        passed.append(cooldown.lets_through("10.0.0.7", "E1"))
    assert passed == [True, False, True, False]


def test_who_was_seen_too_late_is_told_of_again_in_time_and_then_no_more(
    watcher: Watcher, enrol: Enrol, obama: Image
) -> None:
    enrol("E1", ENROLLED)
    in_time = -60.0  # however busy the machine is
    for age in (0.9, 0.8, in_time, in_time):
        watcher.recogniser.recognise(Capture(obama, GATE, at=1000, clock=time.monotonic() - age))
    assert [event.identity_id for event in watcher.events()] == ["E1", "E1"]
    assert watcher.recogniser.counts["suppressed"] == 2


def test_a_late_sighting_is_followed_by_one_in_time_only() -> None:
    cooldown = Cooldown(5.0, lambda: 0.0)
    passed = [cooldown.lets_through("10.0.0.7", "E1", fresh=fresh) for fresh in (False, False, True, True)]
    assert passed == [True, False, True, False]


def test_a_permission_group_shuts_others_out_but_not_the_blacklist(
    watcher: Watcher, enrol: Enrol, obama: Image, biden: Image
) -> None:
    gate = DeviceRow("10.0.0.9", "0", "vault", permission_id="7")
    enrol("E1", ENROLLED, permissions=("0",))
    enrol("B1", "joe_biden/biden.jpg", person_type=3, permissions=("0",))
    (employee,) = watcher.recogniser.recognise(Capture.now(obama, gate))
    (blacklisted,) = watcher.recogniser.recognise(Capture.now(biden, gate))
    assert employee.person_type is PersonType.STRANGER
    assert (blacklisted.person_type, blacklisted.identity_id) == (PersonType.BLACKLIST, "B1")
    assert not blacklisted.may_pass


def test_a_face_under_the_filter_level_decides_nothing(
    store: Store, box: Box, enrol: Enrol, obama: Image
) -> None:
    enrol("E1", ENROLLED)
    small = load_photo(obama[::8, ::8])
    watcher = Watcher(store, box, filter_level="low")
    assert watcher.recogniser.recognise(Capture.now(small, CAMERA)) == []
    assert watcher.events() == []


def test_a_late_decision_is_not_fresh_and_counted(watcher: Watcher, enrol: Enrol, obama: Image) -> None:
    enrol("E1", ENROLLED)
    capture = Capture(obama, GATE, at=1000, clock=time.monotonic() - 0.6)
    watcher.recogniser.recognise(capture)
    (sighting,) = watcher.sightings
    assert not sighting.is_fresh
    assert watcher.recogniser.counts["late"] == 1
    assert len(watcher.events()) == 1


def test_strangers_are_enrolled_when_the_platform_wants_it(store: Store, box: Box, obama: Image) -> None:
    with store.write() as transaction:
        box.configure(transaction, support_stranger_group=True)
    watcher = Watcher(store, box, cooldown_s=0, stranger_s=0)
    first, second = (watcher.recogniser.recognise(Capture.now(obama, GATE))[0] for _ in range(2))
    assert not first.is_match
    assert second.is_match
    assert second.person_type is PersonType.STRANGER
    assert not second.may_pass
    assert len({event.identity_id for event in watcher.events()}) == 1
    assert len(box) == 1


def test_a_poor_stranger_is_not_enrolled(store: Store, box: Box, obama: Image) -> None:
    """Given a face that level custom refuses (blurred); when it is seen; then it makes an event and nobody is enrolled."""
    with store.write() as transaction:
        box.configure(transaction, support_stranger_group=True)
    watcher = Watcher(store, box)
    blurred = cv2.GaussianBlur(obama, (0, 0), max(obama.shape) / 100)
    (quality, *_) = box.engine.assess(blurred, "custom")
    assert not quality.fiqa_result
    watcher.recogniser.recognise(Capture.now(blurred, GATE))
    assert len(watcher.events()) == 1
    assert len(box) == 0


@pytest.mark.parametrize(
    ("policy", "events", "pictures"), [("nothing", 1, True), ("pictures", 1, False), ("all", 0, False)]
)
def test_a_persons_events_follow_the_policy_when_it_is_deleted(
    store: Store, engine: FaceEngine, portraits: Path, obama: Image, policy: str, events: int, pictures: bool
) -> None:
    box = Box(store, engine, deleted_person_events=policy)  # type: ignore[arg-type]
    face = box.portrait((portraits / "people" / ENROLLED).read_bytes(), "no")
    with store.write() as transaction:
        box.enrol(transaction, transaction.counters.add("seq"), [Enrolment("E1", {"name": "x"}, 1, (), face)])
    watcher = Watcher(store, box)
    watcher.recogniser.recognise(Capture.now(obama, GATE))
    with store.write() as transaction:
        box.delete(transaction, transaction.counters.add("seq"), ["E1"])
    assert len(watcher.events()) == events
    with store.read() as snapshot:
        assert (snapshot.events.pictures(1).face is not None) is pictures
