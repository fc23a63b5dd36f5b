"""Doors open for who may pass, at once or not at all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from sophon.doors import DoorKeeper, Order, check_relay_url, order_for, send_order
from sophon.errors import SophonError
from sophon.recognition import PersonType, Sighting
from sophon.sim.relay import SimulatedRelay
from sophon.store import Store
from tests.reports.test_real_time import sighting


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "data") as store:
        yield store


def seen(url: str, person_type: PersonType = PersonType.EMPLOYEE, age: float = 0.0) -> Sighting:
    one = sighting(1, age=age)
    device = replace(one.capture.device, door_url=url)
    return replace(
        one,
        capture=replace(one.capture, device=device),
        decision=replace(one.decision, person_type=person_type),
    )


def wait_until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize("scheme", ["http", "tcp"])
def test_a_door_opens_for_who_may_pass(store: Store, scheme: Literal["http", "tcp"]) -> None:
    with SimulatedRelay(scheme) as relay, DoorKeeper(store) as keeper:
        keeper.offer(seen(relay.url))
        assert relay.wait_for() == [{"action_mode": "opendoor", "action_duration": 5, "logic_port": 0}]


def test_the_blacklist_raises_the_alarm(store: Store) -> None:
    with SimulatedRelay() as relay, DoorKeeper(store) as keeper:
        keeper.offer(seen(relay.url, PersonType.BLACKLIST))
        assert relay.wait_for() == [{"action_mode": "alarm", "logic_port": 0}]


def test_a_late_decision_opens_nothing(store: Store) -> None:
    with SimulatedRelay() as relay, DoorKeeper(store) as keeper:
        keeper.offer(seen(relay.url, age=0.6))
        wait_until(lambda: keeper.counts == {"door_late": 1})
        assert relay.orders == []


@pytest.mark.parametrize(
    ("mode", "person_type", "expected"),
    [
        ("opendoor", PersonType.VIP, "opendoor"),
        ("opendoor", PersonType.VISITOR, "opendoor"),
        ("opendoor", PersonType.BLACKLIST, "alarm"),
        ("opendoor", PersonType.STRANGER, None),
        ("alarm", PersonType.EMPLOYEE, "alarm"),
        ("avoid", PersonType.EMPLOYEE, None),
        ("avoid", PersonType.BLACKLIST, None),
    ],
)
def test_the_controller_mode_decides(mode: str, person_type: PersonType, expected: str | None) -> None:
    order = order_for(seen("http://x", person_type).decision, mode)
    assert (None if order is None else order.action_mode) == expected


def test_nobody_known_moves_nothing() -> None:
    stranger = replace(seen("http://x", PersonType.STRANGER).decision, identity_id="")
    assert order_for(stranger, "alarm") is None


def test_the_mode_that_the_api_set_counts(store: Store) -> None:
    with store.write() as transaction:
        transaction.settings.set("gate_controller_mode", {"controller_mode": "alarm"})
    with SimulatedRelay() as relay, DoorKeeper(store) as keeper:
        keeper.offer(seen(relay.url))
        (order,) = relay.wait_for()
        assert order["action_mode"] == "alarm"


def test_a_door_that_does_not_obey_is_counted_and_the_others_open(store: Store) -> None:
    with SimulatedRelay(status=500) as broken, SimulatedRelay() as well, DoorKeeper(store) as keeper:
        for url in ("http://127.0.0.1:9", broken.url, well.url):
            keeper.offer(seen(url))
        assert len(well.wait_for()) == 1
        wait_until(lambda: keeper.counts == {"door_failed": 2, "door_opendoor": 1})


def test_a_busy_door_gets_no_second_order(store: Store) -> None:
    goes_on = threading.Event()

    def hold(_url: str, _order: Order) -> None:
        goes_on.wait(10)

    with DoorKeeper(store, hold) as keeper:
        keeper.offer(seen("http://x"))
        keeper.offer(seen("http://x"))
        assert keeper.counts == {"door_busy": 1}
        goes_on.set()


@pytest.mark.parametrize(
    "url", ["", "ftp://x", "http://", "tcp://10.0.0.1", "http://me:pw@10.0.0.1/", "http://[x"]
)
def test_what_is_no_relay_is_refused(url: str) -> None:
    with pytest.raises(SophonError, match="http://HOST:PORT/PATH"):
        check_relay_url(url)


def test_a_relay_that_is_not_there_is_named_without_secrets() -> None:
    with pytest.raises(SophonError, match=r"127\.0\.0\.1:9 can't be reached"):
        send_order("tcp://127.0.0.1:9", Order("opendoor"))
