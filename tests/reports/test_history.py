"""The history: every event, in order, at least once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any

import pytest

from sophon.platform import Pauses
from sophon.reports.body import Body
from sophon.reports.event_message import EventForm
from sophon.reports.history import HistoryUpload
from sophon.reports.receivers import HistoryReceiver
from sophon.store import Store
from tests.reports.conftest import PICTURES, add_events, event
from tests.reports.receiver import CUT, Receiver

Post = Callable[[str, Body], bytes]


@contextmanager
def uploading(store: Store, receiver: Receiver, post: Post, **how: Any) -> Iterator[HistoryUpload]:
    content_type = how.pop("content_type", "json")
    with store.write() as transaction:
        transaction.event_receivers.set_active([receiver.url])
    upload = HistoryUpload(
        store,
        HistoryReceiver(receiver.url, 0.05, content_type),
        post,
        lambda: EventForm("BOXA0001"),
        pauses=Pauses(0.01, 0.02),
        **how,
    )
    with upload:
        yield upload


def numbers(events: list[Any]) -> list[int]:
    return [int(one["identity_id"][1:]) for one in events]


def flat(lists: list[Any]) -> list[Any]:
    return list(chain.from_iterable(lists))


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def cursor(store: Store, receiver: Receiver) -> int:
    with store.read() as snapshot:
        return snapshot.event_receivers.delivered_to(receiver.url)


def test_events_arrive_in_order_and_new_ones_follow(store: Store, post: Post) -> None:
    add_events(store, 130)
    with Receiver() as receiver, uploading(store, receiver, post):
        receiver.wait_for(130)
        add_events(store, 3, start=130)
        assert numbers(receiver.wait_for(133)) == list(range(133))
        wait_until(lambda: cursor(store, receiver) == 133)


def test_a_clock_that_jumps_back_changes_neither_order_nor_cursor(store: Store, post: Post) -> None:
    with Receiver() as receiver, uploading(store, receiver, post):
        for number, at in enumerate((9_000, 5_000, 1, 7_000)):
            with store.write() as transaction:
                transaction.events.add(event(number, at=at), PICTURES)
            receiver.wait_for(number + 1)
        assert [body["timestamp"] for _, body in receiver.stored] == [9_000, 5_000, 1, 7_000]
        wait_until(lambda: cursor(store, receiver) == 4)


def test_a_list_holds_at_most_a_hundred(store: Store, post: Post) -> None:
    add_events(store, 130)
    with Receiver() as receiver, uploading(store, receiver, post, batch="list"):
        lists = receiver.wait_for(2)
        assert [len(one) for one in lists] == [100, 30]
        assert numbers(flat(lists)) == list(range(130))


def test_a_restart_goes_on_where_the_receiver_was(store: Store, post: Post) -> None:
    add_events(store, 5)
    with Receiver() as receiver:
        with uploading(store, receiver, post):
            receiver.wait_for(5)
            wait_until(lambda: cursor(store, receiver) == 5)
        add_events(store, 2, start=5)
        with uploading(store, receiver, post):
            assert numbers(receiver.wait_for(7)) == list(range(7))


@pytest.mark.parametrize("fault", [500, 503, 404, 429, 401, CUT])
def test_a_receiver_that_fails_for_a_while_misses_nothing(store: Store, post: Post, fault: int) -> None:
    add_events(store, 30)
    with (
        Receiver(lambda _body, call: fault if 10 <= call < 40 else 200) as receiver,
        uploading(store, receiver, post),
    ):
        wait_until(lambda: cursor(store, receiver) == 30)
        got = numbers([body for _, body in receiver.stored])
    # One that was only a probe comes again in its place.
    assert list(dict.fromkeys(reversed(got)))[::-1] == list(range(30))
    with store.read() as snapshot:
        assert snapshot.event_receivers.refused() == []


def test_answering_500_after_storing_repeats_and_loses_nothing(store: Store, post: Post) -> None:
    add_events(store, 20)
    with (
        Receiver(lambda _body, call: 500 if call % 3 else 200, stores_failures=True) as receiver,
        uploading(store, receiver, post),
    ):
        wait_until(lambda: cursor(store, receiver) == 20)
        got = numbers([body for _, body in receiver.stored])
    assert list(dict.fromkeys(got)) == list(range(20))
    assert len(got) > 20


@pytest.mark.parametrize("batch", ["single", "list"])
@pytest.mark.parametrize("status", [400, 500])
def test_one_event_that_is_refused_is_set_aside_and_the_rest_arrive(
    store: Store, post: Post, batch: str, status: int
) -> None:
    add_events(store, 12)

    def refuse_seven(body: Any, _call: int) -> int:
        events = body if isinstance(body, list) else [body]
        return status if 7 in numbers(events) else 200

    with Receiver(refuse_seven) as receiver, uploading(store, receiver, post, batch=batch):
        wait_until(lambda: cursor(store, receiver) == 12)
        bodies = [body for _, body in receiver.stored]
    events = flat(bodies) if batch == "list" else bodies
    assert numbers(events) == [0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11]
    with store.read() as snapshot:
        (refused,) = snapshot.event_receivers.refused()
        assert snapshot.counters.get("events_refused") == 1
    assert refused.event_id == 8
    assert f"HTTP {status}" in refused.reason


def test_a_complaint_in_a_2xx_is_not_retried(store: Store, post: Post) -> None:
    add_events(store, 2)
    with Receiver() as receiver:

        def complain(address: str, body: Body) -> bytes:
            post(address, body)
            return b'{"status": 9, "message": "?"}'

        with uploading(store, receiver, complain):
            wait_until(lambda: cursor(store, receiver) == 2)
        assert receiver.calls == 2


def test_form_data_arrives(store: Store, post: Post) -> None:
    add_events(store, 1)
    with Receiver() as receiver, uploading(store, receiver, post, content_type="form-data"):
        (body,) = receiver.wait_for(1)
    assert b'name="identity_id"\r\n\r\nE0\r\n' in body
