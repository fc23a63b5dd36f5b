"""People pass a pad and two cameras, and what the platform is told of them is held against the truth."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sophon.contract import AddUsersPlus, Event, ExtendParams, decode_photo
from sophon.demo.box_under_demo import BoxUnderDemo
from sophon.demo.finding import Finding, Step
from sophon.demo.sub_devices import IpCamera, Pad, SnapshotCamera
from sophon.recognition import PersonType
from sophon.sim import ReferencePlatform
from sophon.sim.reference_platform import EVENT_PATH, PEOPLE_PATH, RECORD_PATHS
from sophon.sim.relay import SimulatedRelay
from sophon.store import DeviceRow

COMMAND_SECONDS = 180.0
HISTORY_SECONDS = 30.0
LOOK_SECONDS = 0.2
#: How long a door's relay is waited for; that it stays shut is believed after the second.
ORDER_SECONDS, NO_ORDER_SECONDS = 1.5, 0.3
#: Who was decided of too late for the door steps up again: over all tries, longer than the cooldown lasts.
TRIES, STEP_UP_SECONDS = 5, 1.5

_OF_THE_DOOR = {"opendoor": "door opens", "alarm": "alarm", None: "door stays shut"}
_ORDERS = {PersonType.EMPLOYEE: "opendoor", PersonType.BLACKLIST: "alarm", PersonType.STRANGER: None}


@dataclass(frozen=True)
class Passer:
    """Someone who passes everywhere: ``identity_id`` None is a stranger."""

    name: str
    photo: Path
    identity_id: str | None
    person_type: PersonType

    @property
    def said(self) -> str:
        """What an event must say of them."""
        return f"{self.name}, {self.person_type.name.lower()}"

    def is_meant_by(self, event: Event) -> bool:
        """Whether an event is of this person."""
        if self.identity_id is None:
            return event.ext_data.person_type == PersonType.STRANGER
        return (event.identity_id, event.ext_data.person_type) == (self.identity_id, self.person_type)


@dataclass(frozen=True)
class Passage:
    """The truth: someone passed a sub-device. ``order``: what the door's relay was told, ``has_door`` where there is one."""

    device: DeviceRow
    passer: Passer
    has_door: bool = False
    order: str | None = None


class Watch:
    """A pad and two cameras around a box, from `attach` on; the relay of the pad's door is simulated, too."""

    def __init__(
        self, box: BoxUnderDemo, platform: ReferencePlatform, relay: SimulatedRelay, folder: Path
    ) -> None:
        self._box, self._platform, self._relay = box, platform, relay
        self._folder = folder

    def attach(self) -> None:
        """Let the box know the sub-devices, and who hears of matches at once."""
        self._pad = Pad(self._box, "10.0.0.1", self._relay.url)
        self._snapshot = SnapshotCamera(self._box, "10.0.0.2", secrets.token_urlsafe(12))
        self._ip_camera = IpCamera(self._box, "10.0.0.3", self._folder)
        receivers = {"content-type": "json", "event_server_url": [self._platform.root + EVENT_PATH]}
        self._box.http.post("/SophonFogSys/api/EventServerUrl", json=receivers).raise_for_status()

    def blacklist(self, passer: Passer) -> tuple[Passer, Finding]:
        """Let the platform put someone who is enrolled on the blacklist."""
        assert passer.identity_id is not None
        person = self._platform.people[passer.identity_id]
        listed = person.info.model_copy(update={"type": int(PersonType.BLACKLIST)})
        self._platform.people[passer.identity_id] = person.model_copy(update={"info": listed})
        command = AddUsersPlus(userid_list=[passer.identity_id], extend_params=ExtendParams(path=PEOPLE_PATH))
        result = self._box.call(command, COMMAND_SECONDS)
        got = "on the blacklist" if result.code == 0 else f"{result.code}: {result.detail}"
        finding = Finding(Step.WATCH, passer.name, "on the blacklist", got, result.code == 0)
        return replace(passer, person_type=PersonType.BLACKLIST), finding

    def passages(self, passers: Sequence[Passer]) -> list[Passage]:
        """Let everybody pass everywhere; the truth."""
        photos = [passer.photo for passer in passers]
        at_the_door = [self._pass_the_door(passer) for passer in passers]
        self._snapshot.show(photos)
        self._ip_camera.show(photos)
        cameras = (self._snapshot, self._ip_camera)
        return at_the_door + [Passage(camera.device, passer) for camera in cameras for passer in passers]

    def compare(self, truth: Sequence[Passage]) -> list[Finding]:
        """What the platform received, beside the truth."""
        events = self._received(truth)
        self._ip_camera.leave()
        return compare(
            truth,
            events,
            [(call.at, Event.model_validate(call.body)) for call in self._platform.received(EVENT_PATH)],
        )

    def _pass_the_door(self, passer: Passer) -> Passage:
        wanted = _ORDERS[passer.person_type]
        before = len(self._relay.orders)
        for attempt in range(TRIES):
            if attempt:
                time.sleep(STEP_UP_SECONDS)
            self._pad.show([passer.photo])
            orders = self._relay.wait_for(before + 1, ORDER_SECONDS if wanted else NO_ORDER_SECONDS)[before:]
            if orders or wanted is None:
                break
        return Passage(self._pad.device, passer, True, orders[0]["action_mode"] if orders else None)

    def _received(self, truth: Sequence[Passage]) -> list[Event]:
        """The history's events, once there is one for each passage or time is up."""
        deadline = time.monotonic() + HISTORY_SECONDS
        while True:
            events = [Event.model_validate(call.body) for call in self._platform.received(RECORD_PATHS[0])]
            if all(_event_of(passage, events) for passage in truth) or time.monotonic() > deadline:
                return events
            time.sleep(LOOK_SECONDS)


def compare(
    truth: Sequence[Passage], history: Sequence[Event], live: Sequence[tuple[float, Event]]
) -> list[Finding]:
    """A finding for each passage, and for each event that is not true.

    ``live``: matches that were told in real time, with the time of their arrival in s since the epoch.
    """
    live_ms = {(one.ext_data.device_ip, one.timestamp): round(at * 1000 - one.timestamp) for at, one in live}
    untrue = [event for event in history if not any(_is_of(event, passage) for passage in truth)]
    return [_finding(passage, _event_of(passage, history), live_ms) for passage in truth] + [
        Finding(Step.WATCH, event.ext_data.device_ip, "nobody else", _said(event), ok=False)
        for event in untrue
    ]


def _is_of(event: Event, passage: Passage) -> bool:
    return event.ext_data.device_ip == passage.device.ip and passage.passer.is_meant_by(event)


def _event_of(passage: Passage, events: Sequence[Event]) -> Event | None:
    return next((event for event in events if _is_of(event, passage)), None)


def _finding(passage: Passage, event: Event | None, live_ms: dict[tuple[str, int], int]) -> Finding:
    passer = passage.passer
    wanted = _ORDERS[passer.person_type]
    expected, got = [passer.said], ["nothing" if event is None else passer.said]
    if passage.has_door:
        expected.append(_OF_THE_DOOR[wanted])
        got.append(_OF_THE_DOOR[passage.order])
    if event is not None and (at := (event.ext_data.device_ip, event.timestamp)) in live_ms:
        got.append(f"live after {live_ms[at]} ms")
    face = event.ext_data.recognize_face if event is not None else None
    return Finding(
        Step.WATCH,
        f"{passage.device.name}: {passer.name}",
        "; ".join(expected),
        "; ".join(got),
        ok=event is not None and (not passage.has_door or passage.order == wanted),
        photo=passer.photo,
        received=decode_photo(face) if face else None,
        score=event.score if event is not None else None,
    )


def _said(event: Event) -> str:
    return f"{event.identity_name or 'a face'}, {PersonType(event.ext_data.person_type).name.lower()}"
