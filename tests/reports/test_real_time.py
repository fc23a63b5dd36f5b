"""Real-time events: at once or never."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from sophon.platform import PlatformClient
from sophon.recognition import Capture, Decision, PersonType, Sighting
from sophon.reports.event_message import EventForm
from sophon.reports.real_time import RealTimePush
from sophon.reports.receivers import ContentType, RealTimeReceivers
from sophon.store import DeviceRow, Store
from tests.reports.conftest import PICTURES, event
from tests.reports.receiver import Receiver

PAD = DeviceRow("192.168.1.243", "0", "gate")


def sighting(number: int = 0, *, age: float = 0.0, identity_id: str | None = None) -> Sighting:
    capture = Capture(np.zeros((16, 16, 3), np.uint8), PAD, 1000 + number, time.monotonic() - age)
    identity = f"E{number}" if identity_id is None else identity_id
    decision = Decision(
        PersonType.EMPLOYEE if identity else PersonType.STRANGER, identity, "小明", {}, 0.6231, 0.1
    )
    return Sighting(capture, decision, event(number), PICTURES)


@contextmanager
def pushing(
    store: Store, client: PlatformClient, *urls: str, content_type: ContentType = "json", photo: bool = True
) -> Iterator[RealTimePush]:
    push = RealTimePush(
        store,
        lambda address, body, seconds: client.post_report(
            address, body.content, seconds, content_type=body.content_type, login_again=False
        ),
        lambda: EventForm("BOXA0001"),
    )
    push.set_receivers(RealTimeReceivers(urls, content_type, photo))
    with push:
        yield push


def wait_until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_match_goes_to_every_receiver(store: Store, client: PlatformClient) -> None:
    with Receiver() as first, Receiver() as second, pushing(store, client, first.url, second.url) as push:
        push.offer(sighting())
        for receiver in (first, second):
            (message,) = receiver.wait_for(1)
            assert message["identity_id"] == "E0"
            assert message["ext_data"]["ep_id"] == "BOXA0001__192.168.1.243"


@pytest.mark.parametrize(
    ("given", "counted"),
    [(sighting(identity_id=""), None), (sighting(age=0.6), "real_time_late")],
    ids=["stranger", "late"],
)
def test_what_is_no_match_or_late_is_not_sent(
    store: Store, client: PlatformClient, given: Sighting, counted: str | None
) -> None:
    with Receiver() as receiver, pushing(store, client, receiver.url) as push:
        push.offer(given)
        push.offer(sighting(7))
        (message,) = receiver.wait_for(1)
        assert message["identity_id"] == "E7"
        assert push.counts.get("real_time_late", 0) == (1 if counted else 0)


def test_a_receiver_that_hangs_delays_no_other_and_gets_nothing_old(
    store: Store, client: PlatformClient
) -> None:
    with (
        Receiver(delay=2.0) as hanging,
        Receiver() as healthy,
        pushing(store, client, hanging.url, healthy.url) as push,
    ):
        for number in range(8):
            push.offer(sighting(number))
            time.sleep(0.1)
        got = healthy.wait_for(8)
        wait_until(lambda: push.counts.get("real_time_failed", 0) >= 1)
        wait_until(lambda: sum(push.counts.values()) >= 16)
    assert [message["identity_id"] for message in got] == [f"E{number}" for number in range(8)]
    # Each call took its half second; what waited longer behind it was dropped.
    assert push.counts["real_time_late"] >= 1
    assert hanging.calls < 8


def test_a_receiver_that_fails_is_not_asked_again(store: Store, client: PlatformClient) -> None:
    with Receiver(lambda _body, _call: 500) as receiver, pushing(store, client, receiver.url) as push:
        push.offer(sighting())
        wait_until(lambda: push.counts.get("real_time_failed") == 1)
        time.sleep(0.2)
        assert receiver.calls == 1


@pytest.mark.parametrize("photo", [True, False])
def test_the_enrolment_photo_is_sent_unless_switched_off(
    store: Store, client: PlatformClient, photo: bool
) -> None:
    with Receiver() as receiver, pushing(store, client, receiver.url, photo=photo) as push:
        push.offer(sighting())
        (message,) = receiver.wait_for(1)
    assert ("reg_pic" in message) is photo
    assert {"spot_pic", "recognize_face"} <= set(message["ext_data"])


def test_form_data_is_sent_where_it_is_wanted(store: Store, client: PlatformClient) -> None:
    with (
        Receiver() as receiver,
        pushing(store, client, receiver.url, content_type="form-data") as push,
    ):
        push.offer(sighting())
        (body,) = receiver.wait_for(1)
    assert b'name="identity_id"\r\n\r\nE0\r\n' in body
